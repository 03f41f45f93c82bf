"""Users of an appliance: list, add, change, disable, enable. Not here: proving who somebody is (`console.access`), and
what a role may do (`console.access.roles`).

A user is never removed: the audit names users, and a name that came back would be somebody else's. Invariant: there is
always an administrator who may sign in, once there was one.
"""

import asyncio
import json
import re
from dataclasses import dataclass, replace

from pratique.console.access.passwords import hash_password
from pratique.console.access.roles import ROLES, SEE_ALL, Permission, Person
from pratique.console.commands import credentials
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.fleet.cluster_link import ACCOUNT as CLUSTER_ACCOUNT
from pratique.fleet.place import MACHINE_USER
from pratique.store.moves import PutUser
from pratique.store.records import User

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
USERS_MAX = 1_000  # all are read for a listing; people who review mail are few
RESERVED = frozenset(
    {"local", "system", MACHINE_USER, CLUSTER_ACCOUNT}
)  # actors of the audit, and appliances: they are no users
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Account:
    """A user as an administrator sees it. `quarantines` None: sees all."""

    name: str
    role: str
    disabled: bool
    quarantines: tuple[str, ...] | None
    keys: int
    second_factor: bool
    created_at: int
    shared: bool = False  # by the cluster of this gateway


@command("users", Permission.ADMINISTER)
async def list_users(desk: Desk, person: Person) -> tuple[Account, ...]:
    """All users, by name."""
    found = sorted(await desk.store.read(lambda view: view.users()), key=lambda user: user.name)
    return tuple(account_of(desk, user) for user in found)


def account_of(desk: Desk, user: User) -> Account:
    return Account(
        user.name,
        user.role,
        user.disabled,
        None if user.role in SEE_ALL else user.quarantines,
        credentials.keys_of(desk, user.name),
        credentials.has_code(desk, user.name),
        user.created_at,
        desk.clusters is not None and desk.clusters.shares_user(user.name),
    )


async def hashed_of(password: str) -> str:
    """The argon2id hash of a pass phrase. Raises CommandRefused for one that cannot be used."""
    if len(password) < credentials.PASSPHRASE_CHARS_MIN:
        raise CommandRefused(Why.INVALID, f"a pass phrase has at least {credentials.PASSPHRASE_CHARS_MIN} characters")
    try:
        return await asyncio.to_thread(hash_password, password)
    except ValueError as error:
        raise CommandRefused(Why.INVALID, str(error)) from error


@command("add-user", Permission.ADMINISTER)
async def add_user(
    desk: Desk, person: Person, name: str, *, role: str, hashed: str, quarantines: tuple[str, ...] = ()
) -> User:
    """A new user. `hashed`: the argon2id hash of the pass phrase. Durable on return."""
    _check_name(name)
    _check_role(role)
    _check_quarantines(desk, role, quarantines)
    made = User(name, role, _hash(hashed), tuple(dict.fromkeys(quarantines)), desk.clock.now_ms())
    async with desk.changing_users:
        if desk.store.view.user(name) is not None:
            raise CommandRefused(Why.CONFLICT, f"there is a user {name} already")
        if len(desk.store.view.users()) >= USERS_MAX:
            raise CommandRefused(Why.CONFLICT, f"there are {USERS_MAX} users already, and no more can be made")
        return await _put(desk, person, made, "add-user", role=role, quarantines=made.quarantines)


@command("disable-user", Permission.ADMINISTER)
async def disable_user(desk: Desk, person: Person, name: str) -> User:
    """The user can sign in no more, and every session ends: each call looks the user up. Durable on return."""
    async with desk.changing_users:
        user = _known(desk, name)
        _check_one_stays(desk, user, replace(user, disabled=True))
        return await _put(desk, person, replace(user, disabled=True), "disable-user")


@command("change-user", Permission.ADMINISTER)
async def change_user(
    desk: Desk, person: Person, name: str, *, role: str | None = None, quarantines: tuple[str, ...] | None = None
) -> User:
    """Change what is given; it holds from the user's next act on. Durable on return."""
    async with desk.changing_users:
        user, changes = _known(desk, name), dict[str, object]()
        changed = user
        if role is not None:
            _check_role(role)
            changes["role"], changed = role, replace(changed, role=role)
        if quarantines is not None:
            _check_quarantines(desk, changed.role, quarantines)
            changes["quarantines"], changed = quarantines, replace(changed, quarantines=quarantines)
        _check_one_stays(desk, user, changed)
        return await _put(desk, person, changed, "change-user", **changes)


@command("reset-password", Permission.ADMINISTER)
async def reset_password(desk: Desk, person: Person, name: str, *, hashed: str) -> User:
    """Set another's pass phrase; all sessions of that user end. Durable on return."""
    async with desk.changing_users:
        return await _put(desk, person, replace(_known(desk, name), password=_hash(hashed)), "set-password")


@command("enable-user", Permission.ADMINISTER)
async def enable_user(desk: Desk, person: Person, name: str, *, hashed: str) -> User:
    """The user may sign in again, with a new pass phrase: tokens from before are bound to the old one and stay dead."""
    async with desk.changing_users:
        user = _known(desk, name)
        if not user.disabled:
            raise CommandRefused(Why.CONFLICT, f"{name} is not disabled; `pratique passwd` sets a new pass phrase")
        return await _put(desk, person, replace(user, disabled=False, password=_hash(hashed)), "enable-user")


async def _put(desk: Desk, person: Person, user: User, action: str, **changes: object) -> User:
    entry = audit(person, action, detail=json.dumps({"user": user.name, **changes}))
    await desk.store.submit(PutUser(user, (entry,)))
    return user


def _known(desk: Desk, name: str) -> User:
    user = desk.store.view.user(name)
    if user is None:
        names = ", ".join(u.name for u in desk.store.view.users()) or "none"
        raise CommandRefused(Why.NOT_FOUND, f"there is no user {name!a}; there are: {names}")
    return user


def _check_one_stays(desk: Desk, before: User, after: User) -> None:
    """Of the administrators who may sign in."""
    if not _may_administer(before) or _may_administer(after):
        return
    if not any(_may_administer(user) for user in desk.store.view.users() if user.name != before.name):
        raise CommandRefused(
            Why.CONFLICT, f"{before.name} is the only administrator who may sign in; make or enable another one first"
        )


def _may_administer(user: User) -> bool:
    return user.role == ADMINISTRATOR and not user.disabled


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise CommandRefused(Why.INVALID, f"there is no role {role!a}; the roles are {', '.join(ROLES)}")


def _check_name(name: str) -> None:
    """No colon: Basic credentials end the name with it (RFC 7617 section 2), and the audit marks other actors with
    it."""
    if NAME.fullmatch(name) is None or name in RESERVED:
        raise CommandRefused(
            Why.INVALID,
            "a user's name has 1 to 64 letters, digits, dots, hyphens, underscores or @, begins with a letter or digit,"
            " and is not local or system",
        )


def _check_quarantines(desk: Desk, role: str, names: tuple[str, ...]) -> None:
    if names and role in SEE_ALL:
        raise CommandRefused(Why.INVALID, f"the role {role} sees all quarantines; leave them out")
    known = [q.name for q in desk.store.view.quarantines()]
    missing = [name for name in names if name not in known]
    if missing:
        raise CommandRefused(
            Why.INVALID, f"there is no quarantine {missing[0]!a}; there are: {', '.join(known) or 'none'}"
        )


def _hash(text: str) -> str:
    if not text.startswith("$argon2id$"):
        raise CommandRefused(Why.INVALID, "a pass phrase is handed over as its argon2id hash")
    return text
