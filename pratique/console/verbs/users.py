"""userconfig: the users of an appliance, as an administrator; one's own second factor, as anybody."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from pratique.console.access.roles import ROLES, Permission
from pratique.console.commands import cluster, credentials, users
from pratique.console.commands.users import Account
from pratique.console.verbs.verb import Call, Usage, verb

_LIST = re.compile(r"\s*,\s*")


@verb(
    "userconfig",
    Permission.OWN,
    usage="userconfig [list | new NAME ROLE PASSPHRASE [QUARANTINE,...] | edit NAME role ROLE | "
    "edit NAME quarantines QUARANTINE,... | disable NAME | enable NAME PASSPHRASE | password NAME PASSPHRASE | "
    "share NAME | unshare NAME | "
    "twofactor [status | on [SECRET CODE] | off [CODE]] [user NAME]]",
)
async def userconfig(call: Call) -> None:
    """Show and change the users of this appliance, and your own second factor.

    Roles: administrator, email-administrator, operator, guest, helpdesk, technician, read-only-operator. A user whom
    you disable does nothing from then on, and is enabled with a new pass phrase. What is missing is asked for, pass
    phrases without being shown.
    The second factor is a code of an authenticator program, asked for behind the pass phrase: `twofactor on` shows a
    secret for the program and wants a code made with it. An administrator takes off that of another, who has lost the
    program, with `twofactor off user NAME`.
    On a gateway in a cluster `share` gives a user to every machine that takes shared users; `unshare` makes it one of
    each machine's own again.
    """
    act = call.words[0].lower() if call.words else "list"
    run = _ACTS.get(act)
    if run is None:
        raise Usage(f"{act!a} is not known; there are: {', '.join(_ACTS)}")
    await run(call)


async def _list(call: Call) -> None:
    known = await users.list_users(call.desk, call.person)
    call.give([asdict(account) for account in known], lambda: "\n".join(map(_shown, known)))


def _shown(account: Account) -> str:
    seen = "all quarantines" if account.quarantines is None else ", ".join(account.quarantines) or "no quarantine"
    marks = [f"{account.keys} keys"] * bool(account.keys) + ["second factor"] * account.second_factor
    marks += ["disabled"] * account.disabled + ["shared by the cluster"] * account.shared
    return f"{account.name:20} {account.role:20} {seen}" + (f" ({', '.join(marks)})" if marks else "")


async def _new(call: Call) -> None:
    name = await call.word(1, "Enter the new user's name.")
    role = await call.word(2, f"Enter the role: {', '.join(ROLES)}.", "operator")
    password = await _passphrase(call, 3)
    quarantines = _names(await call.word(4, "Enter quarantines, with commas.")) if call.desk.role == "manager" else ()
    hashed = await users.hashed_of(password)
    await users.add_user(call.desk, call.person, name, role=role, hashed=hashed, quarantines=quarantines)
    call.talk.say(f"User {name} ({role}) made.")


async def _edit(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    what = await call.word(2, "What shall be changed: role or quarantines?", "role")
    if what == "role":
        role = await call.word(3, f"Enter the role: {', '.join(ROLES)}.")
        await users.change_user(call.desk, call.person, name, role=role)
    elif what == "quarantines":
        names = _names(await call.word(3, "Enter quarantines, with commas; none to take all away."))
        await users.change_user(call.desk, call.person, name, quarantines=names)
    else:
        raise Usage(f"{what!a} cannot be changed; role and quarantines can")
    call.talk.say(f"User {name} changed.")


async def _disable(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    await users.disable_user(call.desk, call.person, name)
    call.talk.say(f"User {name} disabled.")


async def _enable(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    hashed = await users.hashed_of(await _passphrase(call, 2))
    await users.enable_user(call.desk, call.person, name, hashed=hashed)
    call.talk.say(f"User {name} enabled.")


async def _password(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    hashed = await users.hashed_of(await _passphrase(call, 2))
    await users.reset_password(call.desk, call.person, name, hashed=hashed)
    call.talk.say(f"Pass phrase of {name} changed. All sessions of {name} end.")


async def _share(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    await cluster.share_user(call.desk, call.person, name)
    call.talk.say(f"User {name} is shared by the cluster: machines that take shared users have it as it is here.")


async def _unshare(call: Call) -> None:
    name = await call.word(1, "Enter the user's name.")
    await cluster.unshare_user(call.desk, call.person, name)
    call.talk.say(f"User {name} is shared no more. Each machine keeps it as its own.")


async def _passphrase(call: Call, number: int) -> str:
    if number < len(call.words):
        return call.words[number]
    new = await call.talk.ask("New pass phrase:", secret=True)
    if await call.talk.ask("New pass phrase again:", secret=True) != new:
        raise Usage("the two are not the same; nothing was changed")
    return new


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in _LIST.split(text.strip()) if name))


async def _twofactor(call: Call) -> None:
    words, name = list(call.words[1:]), ""
    if len(words) > 1 and words[-2].lower() == "user":
        words, name = words[:-2], words[-1]
    act = words.pop(0).lower() if words else "status"
    if act == "status" and not words:
        is_on = await credentials.code_status(call.desk, call.person, name)
        call.give({"twofactor": is_on}, lambda: f"Second factor: {'on' if is_on else 'off'}")
    elif act == "on" and not name and len(words) in (0, 2):
        await _turn_on(call, words)
    elif act == "off" and len(words) <= 1:
        await _turn_off(call, words, name)
    else:
        raise Usage(f"{act!a} does not go with this; there are: status, on, off")


async def _turn_on(call: Call, words: list[str]) -> None:
    if words:
        secret, code = words
    else:
        enrolment = await credentials.begin_code(call.desk, call.person)
        secret = enrolment.secret
        call.talk.say(
            f"Enter this secret into your authenticator program: {secret}\nor this address: {enrolment.address}"
        )
        code = await call.talk.ask("Enter the code that it shows:")
    await credentials.confirm_code(call.desk, call.person, secret, code)
    call.talk.say("Second factor on. From now on you are asked for a code behind the pass phrase.")


async def _turn_off(call: Call, words: list[str], name: str) -> None:
    code = ""
    if not name or name == call.person.name:
        code = words[0] if words else await call.talk.ask("Enter a code:")
    await credentials.drop_code(call.desk, call.person, code, name)
    call.talk.say("Second factor off.")


_ACTS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "list": _list,
    "new": _new,
    "edit": _edit,
    "disable": _disable,
    "enable": _enable,
    "password": _password,
    "share": _share,
    "unshare": _unshare,
    "twofactor": _twofactor,
}
