"""The quarantines themselves: listed, made, changed, dropped (docs/rest.md, docs/operate/quarantine.md).

A quarantine cannot be renamed. A changed retention concerns new mail only. Dropping one that holds mail applies its
default action to each message first; the system's own quarantines stay.
"""

import json
from dataclasses import dataclass, replace

from pratique.console.access.roles import SEE_ALL, Permission, Person
from pratique.console.commands.desk import Desk, actor_of, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.quarantine.kinds import SYSTEM_MADE, DefaultAction, Kind
from pratique.quarantine.lifecycle import Cause
from pratique.quarantine.retention import RETENTION_S_MAX, RETENTION_S_MIN, SUBJECT_ACTIONS, mark_of
from pratique.store.interface import Search
from pratique.store.moves import DropQuarantine, MoveRefused, PutQuarantine, PutUser
from pratique.store.records import Quarantine

NAME_CHARS_MAX = 60
TEXT_CHARS_MAX = 500
QUARANTINES_MAX = 500  # each has a place in every search
DROP_PAGE = 200


@dataclass(frozen=True, slots=True)
class Overflow:
    """What happens when space runs out; the rest only to messages that are then released."""

    free_space: bool = True
    subject_action: str = ""
    subject_text: str = ""
    header_name: str = ""
    header_text: str = ""
    strip: bool = False

    def to_json(self) -> str:
        return json.dumps(
            {
                "free_space": self.free_space,
                "subject": {"action": self.subject_action, "text": self.subject_text},
                "header": {"name": self.header_name, "text": self.header_text},
                "strip": self.strip,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Overflow":
        fields = json.loads(text)
        subject, header = fields.get("subject", {}), fields.get("header", {})
        return cls(
            free_space=bool(fields.get("free_space")),
            subject_action=str(subject.get("action", "")),
            subject_text=str(subject.get("text", "")),
            header_name=str(header.get("name", "")),
            header_text=str(header.get("text", "")),
            strip=bool(fields.get("strip")),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a quarantine shall be; None = as it is."""

    retention_s: int | None = None
    default_action: str | None = None
    overflow: Overflow | None = None
    users: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    quarantine: Quarantine
    overflow: Overflow
    users: tuple[str, ...]  # that were given it; administrators see all
    messages: int
    octets: int


@command("quarantines", Permission.VIEW)
async def quarantines(desk: Desk, person: Person) -> tuple[Shown, ...]:
    """The quarantines that the person may see, with what they hold."""
    counts = await desk.store.read(lambda view: dict(view.quarantine_counts()))
    return tuple(_shown(desk, q, counts.get(q.name, (0, 0))) for q in desk.quarantines(person).values())


@command("quarantine-users", Permission.CONFIGURE)
async def quarantine_users(desk: Desk, person: Person) -> tuple[str, ...]:
    """Users that quarantines can be given to."""
    return tuple(u.name for u in desk.store.view.users() if u.role not in SEE_ALL and not u.disabled)


@command("create-quarantine", Permission.CONFIGURE)
async def create(desk: Desk, person: Person, name: str, wanted: Wanted) -> Shown:
    """Make a policy quarantine. Audited."""
    _check_name(name)
    if desk.role != "manager":
        raise CommandRefused(Why.CONFLICT, "quarantines are made on the manager; a gateway names them in its filters")
    known = desk.store.view.quarantines()
    if any(q.name.casefold() == name.casefold() for q in known):
        raise CommandRefused(Why.CONFLICT, "a quarantine of this name exists")
    if len(known) >= QUARANTINES_MAX:
        raise CommandRefused(Why.CONFLICT, f"there are {QUARANTINES_MAX} quarantines already")
    if wanted.retention_s is None or wanted.default_action is None:
        raise CommandRefused(Why.INVALID, "a new quarantine needs a retention period and a default action")
    made = Quarantine(
        name,
        Kind.POLICY,
        wanted.retention_s,
        wanted.default_action,
        created_by=person.name,
        created_at=desk.clock.now_ms(),
    )
    return await _put(desk, person, made, wanted, action="create-quarantine")


@command("change-quarantine", Permission.CONFIGURE)
async def change(desk: Desk, person: Person, name: str, wanted: Wanted) -> Shown:
    """Change a quarantine's retention, actions or users; mail that it holds keeps its exit. Audited."""
    return await _put(desk, person, _known(desk, person, name), wanted, action="change-quarantine")


@command("drop-quarantine", Permission.CONFIGURE)
async def drop(desk: Desk, person: Person, name: str) -> int:
    """Drop a quarantine; what it holds leaves by its default action first. Returns how many messages. Audited."""
    known = _known(desk, person, name)
    made = SYSTEM_MADE.get(name)
    if made is not None and not made.deletable:
        raise CommandRefused(Why.CONFLICT, f"{name} belongs to the system and cannot be deleted")
    left = await _empty(desk, person, known)
    entry = audit(person, "drop-quarantine", detail=json.dumps({"quarantine": name, "messages": left}))
    try:
        await desk.store.submit(DropQuarantine(name, (entry,)))
    except MoveRefused as refused:
        raise CommandRefused(Why.CONFLICT, f"{name} took new mail meanwhile; delete it again") from refused
    desk.acts.quarantines_changed()
    return left


async def _empty(desk: Desk, person: Person, known: Quarantine) -> int:
    mark, done = mark_of(DefaultAction(known.default_action)), 0
    query = Search((known.name,), limit=DROP_PAGE)
    while (found := await desk.store.read(lambda view: view.search(query))).copies:
        given = 0
        for copy, _ in found.copies:
            decided = await desk.acts.decide(copy.mid, known.name, mark, Cause.MANUAL, actor_of(person))
            given += decided.done
        done += given
        if not given:
            raise CommandRefused(Why.CONFLICT, f"{known.name} could not be emptied; try again")
    return done


async def _put(desk: Desk, person: Person, base: Quarantine, wanted: Wanted, *, action: str) -> Shown:
    _check_wanted(desk, wanted)
    overflow = wanted.overflow or (Overflow() if base.overflow == "{}" else Overflow.from_json(base.overflow))
    made = replace(
        base,
        retention_s=base.retention_s if wanted.retention_s is None else wanted.retention_s,
        default_action=base.default_action if wanted.default_action is None else wanted.default_action,
        overflow=overflow.to_json() if wanted.overflow is not None or action == "create-quarantine" else base.overflow,
    )
    detail = {"quarantine": made.name, "retention_s": made.retention_s, "default_action": made.default_action}
    await desk.store.submit(PutQuarantine(made, (audit(person, action, detail=json.dumps(detail)),)))
    if wanted.users is not None:
        await _give(desk, person, made.name, wanted.users)
    desk.acts.quarantines_changed()
    counts = await desk.store.read(lambda view: dict(view.quarantine_counts()))
    return _shown(desk, made, counts.get(made.name, (0, 0)))


async def _give(desk: Desk, person: Person, name: str, users: tuple[str, ...]) -> None:
    for user in desk.store.view.users():
        has, shall = name in user.quarantines, user.name in users
        if has == shall or user.role in SEE_ALL:
            continue
        names = (*user.quarantines, name) if shall else tuple(q for q in user.quarantines if q != name)
        detail = json.dumps({"user": user.name, "quarantine": name})
        entry = audit(person, "grant-quarantine" if shall else "withdraw-quarantine", detail=detail)
        await desk.store.submit(PutUser(replace(user, quarantines=names), (entry,)))


def _known(desk: Desk, person: Person, name: str) -> Quarantine:
    found = desk.quarantines(person).get(name)
    if found is None:
        raise CommandRefused(Why.NOT_FOUND, "there is no such quarantine")
    return found


def _check_name(name: str) -> None:
    """No comma: lists of names are written with commas."""
    ok = 0 < len(name) <= NAME_CHARS_MAX and name == name.strip() and name.isprintable()
    if not ok or not set('",;/\\<>').isdisjoint(name):
        raise CommandRefused(
            Why.INVALID, f'a name has 1 to {NAME_CHARS_MAX} printable characters and none of " , ; / \\ < >'
        )


def _check_wanted(desk: Desk, wanted: Wanted) -> None:
    if wanted.retention_s is not None and not RETENTION_S_MIN <= wanted.retention_s <= RETENTION_S_MAX:
        raise CommandRefused(Why.INVALID, "the retention period must be a minute at least and ten years at most")
    if wanted.default_action is not None and wanted.default_action not in tuple(DefaultAction):
        raise CommandRefused(Why.INVALID, "the default action must be release or delete")
    if wanted.overflow is not None:
        _check_overflow(wanted.overflow)
    known = {u.name for u in desk.store.view.users()}
    missing = [u for u in wanted.users or () if u not in known]
    if missing:
        raise CommandRefused(Why.INVALID, f"there is no user {missing[0]}")


def _check_overflow(overflow: Overflow) -> None:
    if overflow.subject_action not in SUBJECT_ACTIONS:
        raise CommandRefused(Why.INVALID, "the subject action must be prepend, append, set or nothing")
    name = overflow.header_name
    if name and not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 60):
        raise CommandRefused(Why.INVALID, "a header's name has letters, digits and dashes only")
    texts = (overflow.subject_text, overflow.header_text)
    if any(len(t) > TEXT_CHARS_MAX or not t.isprintable() for t in texts):
        raise CommandRefused(Why.INVALID, f"a text has at most {TEXT_CHARS_MAX} characters on one line")


def _shown(desk: Desk, quarantine: Quarantine, counts: tuple[int, int]) -> Shown:
    users = tuple(u.name for u in desk.store.view.users() if quarantine.name in u.quarantines and u.role not in SEE_ALL)
    return Shown(quarantine, Overflow.from_json(quarantine.overflow), users, *counts)
