"""Users of an appliance: list, add, disable, enable. Not here: proving who somebody is (`console.access`), and what a
role may do (`console.access.roles`).

A user is never removed: the audit names users, and a name that came back would be somebody else's. Invariant: there is
always an administrator who may sign in, once there was one.
"""

import json
from dataclasses import replace

from pratique.console.access.roles import ROLES, SEE_ALL, Permission, Person
from pratique.console.commands.desk import CommandRefused, Desk, Why, audit, command
from pratique.store.moves import PutUser
from pratique.store.records import User

NAME_CHARS_MAX = 64
USERS_MAX = 1_000  # all are read for a listing; people who review mail are few
RESERVED = frozenset({"local", "system"})  # actors of the audit that are no users
ADMINISTRATOR = "administrator"


@command("users", Permission.ADMINISTER)
async def users(desk: Desk, person: Person) -> tuple[User, ...]:
    """All users, by name."""
    return tuple(sorted(await desk.store.read(lambda view: view.users()), key=lambda user: user.name))


@command("add-user", Permission.ADMINISTER)
async def add_user(
    desk: Desk, person: Person, name: str, *, role: str, hashed: str, quarantines: tuple[str, ...] = ()
) -> User:
    """A new user. `hashed`: the argon2id hash of the pass phrase. Durable on return."""
    _check_name(name)
    if role not in ROLES:
        raise CommandRefused(Why.INVALID, f"there is no role {role}; the roles are {', '.join(ROLES)}")
    if desk.store.view.user(name) is not None:
        raise CommandRefused(Why.CONFLICT, f"there is a user {name} already")
    if len(desk.store.view.users()) >= USERS_MAX:
        raise CommandRefused(Why.CONFLICT, f"there are {USERS_MAX} users already, and no more can be made")
    _check_quarantines(desk, role, quarantines)
    made = User(name, role, _hash(hashed), tuple(dict.fromkeys(quarantines)), desk.clock.now_ms())
    detail = {"user": name, "role": role, "quarantines": made.quarantines}
    await desk.store.submit(PutUser(made, (audit(person, "add-user", detail=json.dumps(detail)),)))
    return made


@command("disable-user", Permission.ADMINISTER)
async def disable_user(desk: Desk, person: Person, name: str) -> User:
    """The user can sign in no more, and every session ends: each call looks the user up. Durable on return."""
    user = _known(desk, name)
    if not user.disabled and user.role == ADMINISTRATOR and _administrators(desk) == {name}:
        raise CommandRefused(
            Why.CONFLICT, f"{name} is the only administrator who may sign in; make or enable another one first"
        )
    return await _put(desk, person, replace(user, disabled=True), "disable-user")


@command("enable-user", Permission.ADMINISTER)
async def enable_user(desk: Desk, person: Person, name: str, *, hashed: str) -> User:
    """The user may sign in again, with a new pass phrase: tokens from before are bound to the old one and stay dead."""
    user = _known(desk, name)
    if not user.disabled:
        raise CommandRefused(Why.CONFLICT, f"{name} is not disabled; `pratique passwd` sets a new pass phrase")
    return await _put(desk, person, replace(user, disabled=False, password=_hash(hashed)), "enable-user")


async def _put(desk: Desk, person: Person, user: User, action: str) -> User:
    entry = audit(person, action, detail=json.dumps({"user": user.name}))
    await desk.store.submit(PutUser(user, (entry,)))
    return user


def _known(desk: Desk, name: str) -> User:
    user = desk.store.view.user(name)
    if user is None:
        names = ", ".join(u.name for u in desk.store.view.users()) or "none"
        raise CommandRefused(Why.NOT_FOUND, f"there is no user {name}; there are: {names}")
    return user


def _administrators(desk: Desk) -> set[str]:
    """Those who may sign in."""
    return {u.name for u in desk.store.view.users() if u.role == ADMINISTRATOR and not u.disabled}


def _check_name(name: str) -> None:
    """No colon: Basic credentials end the name with it (RFC 7617 section 2), and the audit marks other actors with
    it."""
    ok = 0 < len(name) <= NAME_CHARS_MAX and name == name.strip() and name.isprintable()
    if not ok or ":" in name or name in RESERVED:
        raise CommandRefused(
            Why.INVALID,
            f"a user's name has 1 to {NAME_CHARS_MAX} printable characters, no colon, no space at either end, and is "
            "not local or system",
        )


def _check_quarantines(desk: Desk, role: str, names: tuple[str, ...]) -> None:
    if names and role in SEE_ALL:
        raise CommandRefused(Why.INVALID, f"the role {role} sees all quarantines; leave them out")
    known = [q.name for q in desk.store.view.quarantines()]
    missing = [name for name in names if name not in known]
    if missing:
        raise CommandRefused(
            Why.INVALID, f"there is no quarantine {missing[0]}; there are: {', '.join(known) or 'none'}"
        )


def _hash(text: str) -> str:
    if not text.startswith("$argon2id$"):
        raise CommandRefused(Why.INVALID, "a pass phrase is handed over as its argon2id hash")
    return text
