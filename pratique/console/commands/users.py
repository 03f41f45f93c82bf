"""Users: listed, made, changed, shut out and let in again. None is ever removed, so that the audit's names stay theirs.

Invariant: somebody who may sign in stays administrator.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pratique.console.access.passwords import hash_password
from pratique.console.access.roles import ROLES, SEE_ALL, Permission, Person
from pratique.console.commands import credentials
from pratique.console.commands.desk import CommandRefused, Desk, Why, audit, command
from pratique.store.moves import PutUser
from pratique.store.records import User

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
USERS_MAX = 1_000  # reviewers and operators of one organisation


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


@command("users", Permission.ADMINISTER)
async def list_users(desk: Desk, person: Person) -> tuple[Account, ...]:
    """All users, by name."""
    return tuple(_account(desk, user) for user in sorted(desk.store.view.users(), key=lambda user: user.name))


@command("make-user", Permission.ADMINISTER)
async def make_user(
    desk: Desk, person: Person, name: str, *, role: str, password: str, quarantines: tuple[str, ...] = ()
) -> None:
    """Make a user. Durable on return."""
    if NAME.fullmatch(name) is None:
        raise CommandRefused(Why.INVALID, "a user's name has 1 to 64 letters, digits, dots, hyphens, underscores or @")
    _check_role(role)
    _check_quarantines(desk, quarantines)
    hashed = await _hashed(password)
    if desk.store.view.user(name) is not None:
        raise CommandRefused(Why.CONFLICT, f"there is a user {name} already")
    if len(desk.store.view.users()) >= USERS_MAX:
        raise CommandRefused(Why.CONFLICT, f"there are {USERS_MAX} users already")
    user = User(name, role, hashed, quarantines, created_at=desk.clock.now_ms())
    await _put(desk, person, user, "make-user", {"role": role, "quarantines": quarantines})


@command("change-user", Permission.ADMINISTER)
async def change_user(
    desk: Desk,
    person: Person,
    name: str,
    *,
    role: str | None = None,
    quarantines: tuple[str, ...] | None = None,
    disabled: bool | None = None,
) -> None:
    """Change what is given; it holds from the user's next act on. Durable on return."""
    user = _known(desk, name)
    changes: dict[str, object] = {}
    if role is not None:
        _check_role(role)
        changes["role"] = role
    if quarantines is not None:
        _check_quarantines(desk, quarantines)
        changes["quarantines"] = quarantines
    if disabled is not None:
        changes["disabled"] = disabled
    changed = replace(user, **changes)  # type: ignore[arg-type]
    if _is_administrator(user) and not _is_administrator(changed) and not _others(desk, name):
        raise CommandRefused(Why.CONFLICT, f"{name} is the only administrator; make another one first")
    await _put(desk, person, changed, "change-user", changes)


@command("reset-password", Permission.ADMINISTER)
async def reset_password(desk: Desk, person: Person, name: str, password: str) -> None:
    """Set another's pass phrase; all sessions of that user end. Durable on return."""
    hashed = await _hashed(password)
    await _put(desk, person, replace(_known(desk, name), password=hashed), "set-password", {})


async def _hashed(password: str) -> str:
    if len(password) < credentials.PASSPHRASE_CHARS_MIN:
        raise CommandRefused(Why.INVALID, f"a pass phrase has at least {credentials.PASSPHRASE_CHARS_MIN} characters")
    try:
        return await asyncio.to_thread(hash_password, password)
    except ValueError as error:
        raise CommandRefused(Why.INVALID, str(error)) from error


async def _put(desk: Desk, person: Person, user: User, action: str, changes: Mapping[str, object]) -> None:
    entry = audit(person, action, detail=json.dumps({"user": user.name, **changes}))
    await desk.store.submit(PutUser(user, (entry,)))


def _known(desk: Desk, name: str) -> User:
    user = desk.store.view.user(name)
    if user is None:
        raise CommandRefused(Why.NOT_FOUND, f"there is no user {name!a}")
    return user


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise CommandRefused(Why.INVALID, f"there is no role {role!a}; there are: {', '.join(ROLES)}")


def _check_quarantines(desk: Desk, names: tuple[str, ...]) -> None:
    known = {quarantine.name for quarantine in desk.store.view.quarantines()}
    for name in names:
        if name not in known:
            raise CommandRefused(
                Why.NOT_FOUND, f"there is no quarantine {name!a}; there are: {', '.join(sorted(known))}"
            )


def _is_administrator(user: User) -> bool:
    return user.role == "administrator" and not user.disabled


def _others(desk: Desk, name: str) -> bool:
    return any(_is_administrator(user) for user in desk.store.view.users() if user.name != name)


def _account(desk: Desk, user: User) -> Account:
    return Account(
        user.name,
        user.role,
        user.disabled,
        None if user.role in SEE_ALL else user.quarantines,
        credentials.keys_of(desk, user.name),
        credentials.has_code(desk, user.name),
        user.created_at,
    )
