"""What the machine's own commands do, by name: arguments as a JSON object in, a JSON value out.

The same table serves the socket of a running appliance and the store of a stopped one. Each act calls commands of
console.commands or the enrolment of this room; none decides anything itself.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands import decide, details, doubt, readiness, search, status, users
from pratique.console.commands.desk import Desk, audit
from pratique.console.commands.parts import CommandRefused, Why
from pratique.console.rest import contents, shapes
from pratique.fleet.enrolment import EnrolmentError, read_enrolment
from pratique.fleet.peers import ACTIONS, EnrolRefused, add_peer, change_peer
from pratique.gateway.canary import Flight
from pratique.quarantine.lifecycle import Mark
from pratique.runner.cpq_server import WATERMARK
from pratique.store.corrupt import cleared, corrupt_copies
from pratique.store.corrupt import found as corrupt_found
from pratique.store.interface import Search, View
from pratique.store.moves import PutSetting, PutUser
from pratique.store.records import User
from pratique.telemetry import events as log

LIST_MAX = search.LIMIT_MAX
STUCK_MAX = 10_000  # transfers that are looked through for corrupt bodies
CORRUPT = "CORRUPT: "  # how a link begins the reason of a transfer that it cannot send (runner/link_session.py)
PEER_FIELDS = (
    *("serial", "role", "name", "host", "port", "certificate", "fingerprint", "endpoint", "locked", "withdrawn"),
    *("inc", "seq", "knows_inc", "knows_seq", "set_back_here", "set_back_there"),
)


class BadArguments(Exception):
    """The command's arguments cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """`peers_changed` is called after an enrolment changed. `canary` sends one; None where none can be sent (a manager,
    an appliance that does not run)."""

    desk: Desk
    peers_changed: Callable[[], None]
    canary: Callable[[], Awaitable[Flight]] | None = None


Act = Callable[[Bench, Person, dict[str, Any]], Awaitable[Any]]


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if not isinstance(value, str):
        raise BadArguments(f"{name} must be a text")
    return value


def _number(arguments: dict[str, Any], name: str, default: int) -> int:
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise BadArguments(f"{name} must be a number, 0 or more")
    return value


def _mids(arguments: dict[str, Any]) -> tuple[int, ...]:
    mids = arguments.get("mids")
    if not isinstance(mids, list) or not mids:
        raise BadArguments("name at least one MID")
    return tuple(_number({"MID": mid}, "MID", 0) for mid in mids)


async def _list(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """On a manager the held messages, on a gateway its queue."""
    desk = bench.desk
    if desk.role == "gateway":
        if arguments.get("quarantine") or arguments.get("offset"):
            raise BadArguments("a gateway has no quarantines: --quarantine and --offset are for its manager")
        queue = await status.queue(desk, person)
        return {"role": desk.role, **asdict(queue)}
    name = _text(arguments, "quarantine")
    if name and name not in desk.quarantines(person):
        known = ", ".join(desk.quarantines(person)) or "none"
        raise BadArguments(f"there is no quarantine {name}; there are: {known}")
    limit = min(_number(arguments, "limit", LIST_MAX), LIST_MAX) or LIST_MAX
    query = Search((name,) if name else (), limit=limit, offset=_number(arguments, "offset", 0))
    return {"role": desk.role, **shapes.messages(await search.search(desk, person, query))}


async def _show(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    mid = _number(arguments, "mid", 0)
    if bench.desk.role == "gateway":
        raise CommandRefused(Why.CONFLICT, "a gateway holds no mail for review; look at its manager, or use `list`")
    return contents.details(await details.details(bench.desk, person, mid))


async def _release(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return await _decide(bench, person, arguments, Mark.RELEASED)


async def _delete(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return await _decide(bench, person, arguments, Mark.DELETED)


async def _decide(bench: Bench, person: Person, arguments: dict[str, Any], mark: Mark) -> Any:
    """How many were acted on, and those that were not."""
    desk, mids, name = bench.desk, _mids(arguments), _text(arguments, "quarantine")
    act = _own_act(mark) if desk.role == "gateway" else None
    untouched = []
    for mid in dict.fromkeys(mids):
        if act is not None:
            done = await act(desk, person, (mid,))
        else:
            done = await _decide_held(desk, person, mid, name, mark)
        if not done:
            untouched.append(mid)
    return {"acted": len(dict.fromkeys(mids)) - len(untouched), "untouched": untouched}


async def _retarget(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """What was done with each MID, or why not: one sentence each."""
    to, override = _text(arguments, "to"), arguments.get("override", False)
    if not to or not isinstance(override, bool):
        raise BadArguments("name the serial of a gateway")
    done, refused = [], []
    for mid in dict.fromkeys(_mids(arguments)):
        try:
            done.append(await decide.retarget(bench.desk, person, mid, to, override=override))
        except CommandRefused as why:
            refused.append(why.text)
    return {"done": done, "refused": refused}


async def _resolve(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """What was done with each MID, or why not: one sentence each. Without MIDs: those that wait."""
    if not arguments.get("mids"):
        return {"waiting": list(await doubt.doubtful(bench.desk, person))}
    to, send = _text(arguments, "to"), arguments.get("send")
    if not isinstance(send, bool):
        raise BadArguments("say whether it is delivered or counts as delivered")
    done, refused = [], []
    for mid in dict.fromkeys(_mids(arguments)):
        try:
            done.append(await doubt.resolve(bench.desk, person, mid, send=send, to=to))
        except CommandRefused as why:
            refused.append(why.text)
    return {"done": done, "refused": refused}


def _own_act(mark: Mark) -> Callable[[Desk, Person, tuple[int, ...]], Awaitable[int]]:
    return status.deliver_own if mark is Mark.RELEASED else status.give_up_own


async def _decide_held(desk: Desk, person: Person, mid: int, name: str, mark: Mark) -> bool:
    """In the named quarantine, or in all that hold the message."""
    holds = desk.store.view.holds(mid)
    names = [name] if name else [h.quarantine for h in holds if h.mark == Mark.HELD]
    act = decide.release if mark is Mark.RELEASED else decide.delete
    done = 0
    for quarantine in names:
        done += await act(desk, person, (mid,), quarantine)
    return done > 0


async def _watermark(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """All up to this number of ours is on a second medium: gateways need not keep it for us any more."""
    seq = _number(arguments, "seq", 0)
    entry = audit(person, "backup", detail=json.dumps({"seq": seq}))
    await bench.desk.store.submit(PutSetting(WATERMARK, str(seq), (entry,)))
    return seq


async def _passwd(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """`hash`: made by the caller, so that the pass phrase itself stays in one process. Makes the user when missing:
    the first administrator may have been lost. All sessions of the user end."""
    name, hashed = _text(arguments, "user"), _text(arguments, "hash")
    if not name or not hashed.startswith("$argon2id$"):
        raise BadArguments("a user and an argon2id hash are needed")
    store = bench.desk.store
    known = store.view.user(name)
    if known is None and name != _text(arguments, "create"):
        names = ", ".join(u.name for u in store.view.users()) or "none"
        raise BadArguments(f"there is no user {name}; there are: {names}")
    user = known or User(name, "administrator", hashed, created_at=bench.desk.clock.now_ms())
    entry = audit(person, "set-password", detail=json.dumps({"user": name}))
    await store.submit(PutUser(replace(user, password=hashed), (entry,)))
    return {"user": name, "role": user.role, "disabled": user.disabled}


async def _users(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return [asdict(account) for account in await users.list_users(bench.desk, person)]


async def _add_user(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    names = arguments.get("quarantines", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadArguments("quarantines must be a list of names")
    name, role, hashed = (_text(arguments, key) for key in ("name", "role", "hash"))
    made = await users.add_user(bench.desk, person, name, role=role, hashed=hashed, quarantines=tuple(names))
    return asdict(users.account_of(bench.desk, made))


async def _disable_user(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return asdict(users.account_of(bench.desk, await users.disable_user(bench.desk, person, _text(arguments, "name"))))


async def _enable_user(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    name, hashed = _text(arguments, "name"), _text(arguments, "hash")
    return asdict(users.account_of(bench.desk, await users.enable_user(bench.desk, person, name, hashed=hashed)))


async def _enrol(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    try:
        paper = read_enrolment(_text(arguments, "text"), own_role=bench.desk.role)
        peer = await add_peer(bench.desk.store, paper)
    except (EnrolmentError, EnrolRefused) as error:
        raise BadArguments(str(error)) from error
    bench.peers_changed()
    return f"enrolled {peer.role} {peer.name} ({peer.serial}) at {peer.host}:{peer.port}"


async def _change_peer(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    action = _text(arguments, "action")
    if action not in ACTIONS:
        raise BadArguments(f"the action is one of {', '.join(ACTIONS)}")
    store, tell = bench.desk.store, bench.desk.telemetry.emit
    try:
        peer = await change_peer(store, _text(arguments, "serial"), action=action, tell=tell)
    except EnrolRefused as error:
        raise BadArguments(str(error)) from error
    bench.peers_changed()
    return f"{action}: {peer.name} ({peer.serial})"


async def _health(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return asdict(await status.health(bench.desk, person))


async def _corrupt(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """What `pratique fsck` found beside this appliance: bodies that are not what was accepted (MID -> why), those of
    the list that are (`proved`). The whole list: MID -> why."""
    store, tell = bench.desk.store, bench.desk.telemetry.emit
    wrong, proved = arguments.get("found", {}), arguments.get("proved", [])
    if not isinstance(wrong, dict) or not all(mid.isdigit() and isinstance(why, str) for mid, why in wrong.items()):
        raise BadArguments("found must say why for each MID")
    known = corrupt_copies(store.view)
    new = {mid: why for mid, why in ((int(m), w) for m, w in wrong.items()) if mid not in known}
    if new:
        await store.submit(corrupt_found(store.view, new))
        for mid, why in new.items():
            tell(
                log.Alarm(
                    message=f"MID {mid} is CORRUPT: {why}; it is kept and never delivered. Look after the disk",
                    condition=log.Condition.CORRUPT,
                )
            )
    if proved:
        await store.submit(cleared(store.view, _mids({"mids": proved}), person.name))
    return {str(mid): why for mid, why in (await store.read(_known_corrupt)).items()}


def _known_corrupt(view: View) -> dict[int, str]:
    """Those of the list, and those whose transfers wait for a person because their bodies could not be sent."""
    stuck = (t for t in view.unsettled_transfers(STUCK_MAX) if t.error.startswith(CORRUPT))
    return {t.mid: t.error.removeprefix(CORRUPT) for t in stuck} | corrupt_copies(view)


async def _canary(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """A message of our own to the manager and back: {"mid", "seconds", "why"}."""
    if bench.canary is None:
        raise BadArguments("only a running gateway sends a canary")
    return asdict(await bench.canary())


async def _peers(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    """What the doctor needs to dial them."""
    return [{name: getattr(peer, name) for name in PEER_FIELDS} for peer in bench.desk.store.view.peers()]


async def _readiness(bench: Bench, person: Person, arguments: dict[str, Any]) -> Any:
    return [asdict(check) for check in await readiness.readiness(bench.desk, person)]


LOCAL_ACTS: dict[str, Act] = {
    "list": _list,
    "show": _show,
    "release": _release,
    "delete": _delete,
    "retarget": _retarget,
    "resolve": _resolve,
    "passwd": _passwd,
    "users": _users,
    "add-user": _add_user,
    "disable-user": _disable_user,
    "enable-user": _enable_user,
    "enrol": _enrol,
    "change-peer": _change_peer,
    "health": _health,
    "peers": _peers,
    "corrupt": _corrupt,
    "canary": _canary,
    "readiness": _readiness,
    "watermark": _watermark,
}
