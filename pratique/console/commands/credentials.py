"""A user's pass phrase, public keys and second factor: what changes them, and what a sign-in asks of them.

Everybody changes their own; those of another need the right to administer. Keys and the second factor are settings of
the store, one for each user. Each change has its audit row, which holds no secret.
"""

import asyncio
import json
from dataclasses import dataclass, replace

from pratique.console.access import codes, keys
from pratique.console.access.codes import CodeSecret
from pratique.console.access.keys import BadKey, UserKey
from pratique.console.access.passwords import check_password, hash_password
from pratique.console.access.roles import LOCAL, Permission, Person, may
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.store.moves import PutSetting, PutUser
from pratique.store.records import AuditEntry, User

KEYS, CODE = "ssh_keys.", "totp."  # settings, before the user's name
PASSPHRASE_CHARS_MIN = 8  # what is chosen by hand; the throttle does the rest


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`address` is what an authenticator program reads."""

    secret: str
    address: str


# --- what a sign-in asks
def is_key(desk: Desk, name: str, line: str) -> bool:
    """Whether the public key of `line` is one of the user's, and the user may sign in."""
    user = desk.store.view.user(name)
    words = line.split(None, 2)
    if user is None or user.disabled or len(words) < 2:
        return False
    return any((key.type, key.blob) == (words[0], words[1]) for key in _keys(desk, name))


def has_code(desk: Desk, name: str) -> bool:
    return _code(desk, name) is not None


def keys_of(desk: Desk, name: str) -> int:
    return len(_keys(desk, name))


async def take_code(desk: Desk, name: str, text: str) -> bool:
    """Whether the code is good. A good one is used up, durable on return, so that nobody who saw it gets in with it."""
    known = _code(desk, name)
    left = known.taken(text, desk.clock.now_ms() // 1_000) if known is not None else None
    if left is None:
        return False
    entry = AuditEntry(name, "use-code", detail=json.dumps({"user": name}))
    await desk.store.submit(PutSetting(CODE + name, left.to_json(), (entry,)))
    return _code(desk, name) == left


# --- commands
@command("change-password", Permission.OWN)
async def change_password(desk: Desk, person: Person, old: str, new: str) -> None:
    """Set one's own pass phrase. All sessions end that were opened with the old one. Durable on return."""
    user = _subject(desk, person, "")
    if not await check_password(user.password, old):
        raise CommandRefused(Why.FORBIDDEN, "the old pass phrase is not right; nothing was changed")
    if len(new) < PASSPHRASE_CHARS_MIN:
        raise CommandRefused(Why.INVALID, f"a new pass phrase has at least {PASSPHRASE_CHARS_MIN} characters")
    try:
        hashed = await asyncio.to_thread(hash_password, new)
    except ValueError as error:
        raise CommandRefused(Why.INVALID, str(error)) from error
    entry = audit(person, "set-password", detail=json.dumps({"user": user.name}))
    async with desk.changing_users:
        now = desk.store.view.user(user.name)  # somebody may have disabled the user while the hashes were made
        if now is None or now.disabled or now.password != user.password:
            raise CommandRefused(Why.CONFLICT, "your account was changed this very moment; nothing was changed by this")
        await desk.store.submit(PutUser(replace(now, password=hashed), (entry,)))


@command("keys", Permission.OWN)
async def list_keys(desk: Desk, person: Person, name: str = "") -> tuple[UserKey, ...]:
    """The public keys of a user, one's own without a name."""
    return _keys(desk, _subject(desk, person, name).name)


@command("add-key", Permission.OWN)
async def add_key(desk: Desk, person: Person, line: str, name: str = "") -> UserKey:
    """Let a public key sign a user in. Durable on return."""
    user = _subject(desk, person, name)
    try:
        key = keys.read_key(line, desk.clock.now_ms())
    except BadKey as error:
        raise CommandRefused(Why.INVALID, str(error)) from error
    known = _keys(desk, user.name)
    if any(key.blob == other.blob for other in known):
        raise CommandRefused(Why.CONFLICT, f"{user.name} has this key already")
    if len(known) >= keys.KEYS_MAX:
        raise CommandRefused(Why.CONFLICT, f"{user.name} has {keys.KEYS_MAX} keys; delete one first")
    await _put_keys(desk, person, user, (*known, key), action="add-key", key=key)
    return key


@command("drop-key", Permission.OWN)
async def drop_key(desk: Desk, person: Person, fingerprint: str, name: str = "") -> UserKey:
    """Take a public key away. Durable on return. Connections that it opened stay until they end."""
    user = _subject(desk, person, name)
    known = _keys(desk, user.name)
    key = next((key for key in known if key.fingerprint == fingerprint), None)
    if key is None:
        raise CommandRefused(Why.NOT_FOUND, f"{user.name} has no key with that fingerprint")
    left = tuple(other for other in known if other != key)
    await _put_keys(desk, person, user, left, action="drop-key", key=key)
    return key


@command("code-status", Permission.OWN)
async def code_status(desk: Desk, person: Person, name: str = "") -> bool:
    """Whether a user signs in with a second factor."""
    return has_code(desk, _subject(desk, person, name).name)


@command("begin-code", Permission.OWN)
async def begin_code(desk: Desk, person: Person) -> Enrolment:
    """A secret for an authenticator program. Nothing is kept until `confirm-code` has seen a code made with it."""
    user = _subject(desk, person, "")
    if has_code(desk, user.name):
        raise CommandRefused(Why.CONFLICT, "you have a second factor; take it off first")
    _check_own(desk, user.name)
    made = codes.new_secret(desk.clock.random(codes.SECRET_BYTES))
    return Enrolment(made.secret, made.address(user.name, desk.name))


@command("confirm-code", Permission.OWN)
async def confirm_code(desk: Desk, person: Person, secret: str, code: str) -> None:
    """From now on the user signs in with pass phrase and code. Durable on return."""
    user = _subject(desk, person, "")
    _check_own(desk, user.name)
    left = CodeSecret(secret).taken(code, desk.clock.now_ms() // 1_000)
    if left is None:
        raise CommandRefused(Why.INVALID, "this code is not right; look at the clocks of both sides. Nothing was kept")
    if has_code(desk, user.name):
        raise CommandRefused(Why.CONFLICT, "you have a second factor already")
    entry = audit(person, "set-code", detail=json.dumps({"user": user.name}))
    await desk.store.submit(PutSetting(CODE + user.name, left.to_json(), (entry,)))


def _check_own(desk: Desk, name: str) -> None:
    """A second factor is of one machine: the others of the cluster would let the user in without it."""
    if desk.clusters is not None and desk.clusters.shares_user(name):
        cure = "an administrator makes you a user of each machine with `userconfig unshare`"
        raise CommandRefused(Why.CONFLICT, f"the cluster shares you, and a second factor is of one machine; {cure}")


@command("drop-code", Permission.OWN)
async def drop_code(desk: Desk, person: Person, code: str, name: str = "") -> None:
    """Take a second factor off: one's own with a code of it, another's as an administrator. Durable on return."""
    user = _subject(desk, person, name)
    if not has_code(desk, user.name):
        raise CommandRefused(Why.NOT_FOUND, f"{user.name} has no second factor")
    if user.name == person.name and not await take_code(desk, user.name, code):
        raise CommandRefused(Why.FORBIDDEN, "this code is not right; nothing was changed")
    entry = audit(person, "drop-code", detail=json.dumps({"user": user.name}))
    await desk.store.submit(PutSetting(CODE + user.name, "", (entry,)))


def _subject(desk: Desk, person: Person, name: str) -> User:
    """Whose it is: one's own, or with the right to administer anybody's."""
    own = person.name if person.authn != LOCAL else ""
    if name and name != own and not may(person, Permission.ADMINISTER):
        raise CommandRefused(Why.FORBIDDEN, f"the role {person.role} may not do this for others")
    if not name and not own:
        raise CommandRefused(Why.INVALID, "you are no user of this appliance but its machine's; name a user")
    user = desk.store.view.user(name or own)
    if user is None:
        raise CommandRefused(Why.NOT_FOUND, f"there is no user {name or own!a}")
    return user


def _keys(desk: Desk, name: str) -> tuple[UserKey, ...]:
    return keys.read_keys(desk.store.view.setting(KEYS + name))


def _code(desk: Desk, name: str) -> CodeSecret | None:
    return codes.read_secret(desk.store.view.setting(CODE + name))


async def _put_keys(
    desk: Desk, person: Person, user: User, left: tuple[UserKey, ...], *, action: str, key: UserKey
) -> None:
    entry = audit(person, action, detail=json.dumps({"user": user.name, "fingerprint": key.fingerprint}))
    await desk.store.submit(PutSetting(KEYS + user.name, keys.to_json(left), (entry,)))
