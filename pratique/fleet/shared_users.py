"""Users that a cluster shares: what of a user travels, and what a member makes of what it hears. Pure.

Name, role, the argon2id hash of the pass phrase and whether the user is disabled travel, as one register for each user.
Public keys, second factors, sessions and counts of failed sign-ins are of one machine and never do.

A member compares three things of each shared user: its own row, the register, and what it took up last. Role, pass
phrase and whether the user is disabled are taken from the side that changed them; where both did, its own change stands
and the others hear of it. No change is taken up that would leave a machine without an administrator who may sign in.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pratique.fleet.replica import Version, winner
from pratique.store.records import User

ADMINISTRATOR = "administrator"
HASH = "$argon2id$"
HASH_CHARS_MAX = 512
FIELDS = ("role", "password", "disabled")  # what is merged, one by one


@dataclass(slots=True)
class Settled:
    """`put`: rows that change here, in the order in which they are to be written. `told`: user -> text of the register,
    where we have changed something. `taken`: user -> what both sides have now. `refused`: user -> why the register is
    not taken up here."""

    put: list[User] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def text_of(user: User) -> str:
    """One text for one user."""
    shared = {name: getattr(user, name) for name in (*FIELDS, "created_at")}
    return json.dumps(shared, sort_keys=True, separators=(",", ":"))


def user_of(name: str, text: str) -> User | None:
    """The text may come from another machine: None when it is no user."""
    try:
        found: Any = json.loads(text)
        user = User(name, found["role"], found["password"], (), found["created_at"], found["disabled"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    typed = isinstance(user.role, str) and type(user.disabled) is bool and type(user.created_at) is int
    hashed = isinstance(user.password, str) and user.password.startswith(HASH) and user.password.isprintable()
    return user if typed and hashed and len(user.password) <= HASH_CHARS_MAX else None


def without_secret(text: str) -> str:
    """For people: a conflict between two versions is shown, a hash never is."""
    user = user_of("", text)
    if user is None:
        return "not a user"
    return f"role {user.role}, {'disabled' if user.disabled else 'may sign in'}; the pass phrase is not shown"


def in_force(versions: frozenset[Version]) -> str | None:
    """Of versions that were made apart the latest; but one that disables the user is obeyed whichever is the latest."""
    text = winner(versions).value
    users = [user_of("", one.value) for one in versions if one.value is not None]
    latest = user_of("", text) if text is not None else None
    if latest is not None and any(user is not None and user.disabled for user in users):
        return text_of(replace(latest, disabled=True))
    return text


def may_administer(user: User) -> bool:
    return user.role == ADMINISTRATOR and not user.disabled


def settle(
    local: Mapping[str, User],
    shared: Mapping[str, str],
    taken: Mapping[str, str],
    problem_of: Callable[[User], str] = lambda user: "",
) -> Settled:
    """`local`: the rows of this machine; `shared`: the registers; `taken`: what was taken up last. `problem_of`: why a
    user cannot be one of this machine, "" = it can."""
    found = Settled()
    for name, text in sorted(shared.items()):
        user = user_of(name, text)
        why = "it cannot be read here" if user is None else problem_of(user)
        if user is None or why:
            found.refused[name] = why
            if name in taken:
                found.taken[name] = taken[name]
            continue
        _settle_one(found, local.get(name), user, user_of(name, taken.get(name, "")))
    _keep_an_administrator(found, local, taken)
    found.put.sort(key=lambda user: not may_administer(user))  # one row after the other: a crash leaves one, too
    return found


def _settle_one(found: Settled, mine: User | None, theirs: User, last: User | None) -> None:
    """`last` None: never taken up here; then the cluster's counts, whole."""
    merged = theirs
    if mine is not None:
        merged = replace(theirs, quarantines=mine.quarantines, created_at=mine.created_at)
        if last is not None:
            own = {name: getattr(mine, name) for name in FIELDS if getattr(mine, name) != getattr(last, name)}
            merged = replace(merged, **own)
    if merged != mine:
        found.put.append(merged)
    said = replace(merged, created_at=theirs.created_at)
    if text_of(said) != text_of(theirs):
        found.told[theirs.name] = text_of(said)
    found.taken[theirs.name] = text_of(said)


def _keep_an_administrator(found: Settled, local: Mapping[str, User], taken: Mapping[str, str]) -> None:
    """Changes that would leave nobody to administer this machine are not taken up, and named."""
    after = {**local, **{user.name: user for user in found.put}}
    if any(map(may_administer, after.values())) or not any(map(may_administer, local.values())):
        return
    for user in list(found.put):
        mine = local.get(user.name)
        if mine is not None and may_administer(mine):
            found.put.remove(user)
            found.told.pop(user.name, None)
            found.taken.pop(user.name, None)
            if user.name in taken:
                found.taken[user.name] = taken[user.name]
            found.refused[user.name] = "no administrator would be left who may sign in here"
