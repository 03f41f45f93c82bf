"""Who gets in over SSH: connections counted, pass phrases, keys and second factors proved, everything else refused.

One Door is one connection; the Hall is what all of them share. A pass phrase is proved by console.access.signin, so
guesses over SSH and over REST are slowed down together. A user with a second factor gives it behind the pass phrase,
by the keyboard-interactive method; a key needs none, it is something that one has. RFC 4252.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncssh

from pratique.console.access.roles import Person
from pratique.console.access.signin import SignIn, SignInDelayed, SignInRefused
from pratique.console.commands import credentials
from pratique.console.commands.cluster import ACCOUNT
from pratique.console.commands.desk import Desk
from pratique.console.commands.peer_signin import MACHINE_USER, machine_of, machine_person
from pratique.console.ssh.exchange import Exchange
from pratique.console.ssh.limits import (
    CONNECTIONS_MAX,
    KEYS_OFFERED_MAX,
    KNOWN_MAX,
    SESSIONS_MAX,
    TRIES_MAX,
    WAITING_MAX,
)
from pratique.console.ssh.pace import Pace
from pratique.console.ssh.session import Guest, Session, Spawn

CLIENTS_FAULTS = (asyncssh.Error, OSError, ValueError)  # the last: octets that are no packet
PASSPHRASE, CODE = "Password: ", "Code: "
Challenge = tuple[str, str, str, list[tuple[str, bool]]]


@dataclass(slots=True, kw_only=True)
class Hall:
    """`note` hears (what, user, address) of each sign-in, `fault` of defects."""

    desk: Desk
    signin: SignIn
    spawn: Spawn
    note: Callable[[str, str, str], None]
    fault: Callable[[str], None]
    pace: Pace
    waiting: dict["Door", None] = field(default_factory=dict)  # not signed in yet, the oldest first
    inside: set["Door"] = field(default_factory=set)
    known: dict[str, None] = field(default_factory=dict)  # addresses of successful sign-ins, the last ones last

    def admit(self, door: "Door") -> None:
        """Drops one that comes too fast. When too many wait, the address that has most of them loses its oldest: one
        that floods us keeps no other out, and no flood keeps out whoever signed in from there before."""
        if not self.pace.allows(door.address):
            door.drop()
            return
        self.waiting[door] = None
        if len(self.waiting) > WAITING_MAX:
            strangers = [waiting for waiting in self.waiting if waiting.address not in self.known] or list(self.waiting)
            most = Counter(waiting.address for waiting in strangers).most_common(1)[0][0]
            next(waiting for waiting in strangers if waiting.address == most).drop()

    def signed_in(self, door: "Door") -> bool:
        self.waiting.pop(door, None)
        if len(self.inside) >= CONNECTIONS_MAX:
            return False
        self.inside.add(door)
        self.known.pop(door.address, None)
        self.known[door.address] = None
        if len(self.known) > KNOWN_MAX:
            del self.known[next(iter(self.known))]
        return True

    def close(self, why: str) -> None:
        for door in (*self.waiting, *self.inside):
            door.send_away(asyncssh.DISC_BY_APPLICATION, why)

    def leave(self, door: "Door") -> None:
        self.waiting.pop(door, None)
        self.inside.discard(door)


class Door(asyncssh.SSHServer):
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._proved: dict[str, str] = {}  # user -> how, set when everything that is asked of him was right
        self._half: str = ""  # the user whose pass phrase was right and whose code is missing
        self._failures = 0
        self._keys_offered = 0
        self._sessions = 0
        self._member = ""  # public key of a member of our cluster, shown last
        self._machine = ""  # serial of the appliance whose key was shown last
        self._guest: Guest | None = None  # set when somebody is in
        self.address = ""

    # --- the connection
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self.address = str(conn.get_extra_info("peername")[0])
        self._hall.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hall.leave(self)
        if exc is not None and not isinstance(exc, CLIENTS_FAULTS):
            self._hall.fault(f"ssh: {type(exc).__name__}: {exc}")

    def drop(self) -> None:
        self._hall.leave(self)
        self._conn.abort()

    def send_away(self, code: int, why: str) -> None:
        self._conn.disconnect(code, why)

    # --- signing in
    def begin_auth(self, username: str) -> bool:
        return True  # nobody gets in without a proof

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_password(self, username: str, password: str) -> bool:
        if not await self._is_passphrase(username, password):
            return False
        if credentials.has_code(self._hall.desk, username):
            return self._failed()  # there is no place for the code in this method
        self._proved[username] = "password"
        return True

    def change_password(self, username: str, old_password: str, new_password: str) -> bool:
        return self._failed()

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        self._half = ""
        return _asked(PASSPHRASE)

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool | Challenge:
        if len(responses) != 1:
            return self._failed()
        if self._half == username:
            self._half = ""
            return await self._is_code(username, responses[0])
        if not await self._is_passphrase(username, responses[0]):
            return False
        if credentials.has_code(self._hall.desk, username):
            self._half = username
            return _asked(CODE)
        self._proved[username] = "password"
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether it is one of the user's; asyncssh checks the signature."""
        self._keys_offered += 1
        if self._keys_offered > KEYS_OFFERED_MAX:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys were offered")
            return False
        line = key.export_public_key("openssh").decode("ascii", "replace")
        if username == ACCOUNT:
            self._member = " ".join(line.split()[:2])
            clusters = self._hall.desk.clusters
            return clusters is not None and clusters.knows(self._member)
        if username == MACHINE_USER:
            self._machine = machine_of(self._hall.desk, line)
            return bool(self._machine)
        return credentials.is_key(self._hall.desk, username, line)

    def auth_completed(self) -> None:
        name = str(self._conn.get_extra_info("username"))
        if name == ACCOUNT:  # every half a minute from every member: no row of the audit
            self._hall.waiting.pop(self, None)
            self._hall.inside.add(self)
            return
        try:
            who = self._find(name)
            person = who()
        except SignInRefused:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Permission denied")
            return
        if not self._hall.signed_in(self):
            self._conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many operators are signed in")
            return
        self._guest = Guest(self._hall.desk, who, self._hall.spawn, machine=name == MACHINE_USER)
        self._hall.note("sign-in", person.name, self.address)

    def _find(self, name: str) -> Callable[[], Person]:
        """Who signed in, to be asked anew before each command. Raises SignInRefused."""
        desk, signin, machine = self._hall.desk, self._hall.signin, self._machine
        if name == MACHINE_USER:
            return lambda: machine_person(desk, machine)
        standing = signin.standing(name, self._proved.get(name, "key"), "")
        return lambda: signin.still(standing)

    async def _is_passphrase(self, username: str, text: str) -> bool:
        if username in (MACHINE_USER, ACCOUNT):  # appliances have keys only, also where somebody once was called so
            return self._failed()
        try:
            await self._hall.signin.by_password(username, text, self.address)
        except SignInRefused:
            return self._failed()
        except SignInDelayed as delayed:
            return self._delayed(delayed)
        return True

    async def _is_code(self, username: str, text: str) -> bool:
        desk = self._hall.desk
        try:
            await self._hall.signin.by_code(username, self.address, lambda: credentials.take_code(desk, username, text))
        except SignInRefused:
            return self._failed()
        except SignInDelayed as delayed:
            return self._delayed(delayed)
        self._proved[username] = "password+code"
        return True

    def _delayed(self, delayed: SignInDelayed) -> bool:
        self._conn.send_auth_banner(f"Too many failed sign-ins; try again in {delayed.seconds:.0f} s.\n")
        return self._failed()

    def _failed(self) -> bool:
        self._failures += 1
        if self._failures >= TRIES_MAX:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many failed sign-ins")
        return False

    # --- what a client may open: sessions, and nothing else (the base class refuses every forwarding)
    def session_requested(self) -> Session | Exchange | bool:
        clusters = self._hall.desk.clusters
        if clusters is not None and self._conn.get_extra_info("username") == ACCOUNT:
            self._sessions += 1
            key = self._member
            return Exchange(
                lambda command, sent: clusters.answer(key, command, sent), self._hall.spawn, gone=self._closed
            )
        if self._guest is None or self._sessions >= SESSIONS_MAX:
            return False
        self._sessions += 1
        return Session(self._guest, gone=self._closed)

    def _closed(self) -> None:
        self._sessions -= 1


def _asked(prompt: str) -> Challenge:
    return "", "", "", [(prompt, False)]
