"""Who gets in over SSH: connections counted, pass phrases, keys and second factors proved, everything else refused.

One Door is one connection; the Hall is what all of them share. Every proof goes to the reception, which decides and
gives a ticket for it, so guesses over SSH and over REST are slowed down together. A user with a second factor gives it
behind the pass phrase, by the keyboard-interactive method; a key needs none, it is something that one has. RFC 4252.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import asyncssh

from pratique.console.access.key_proof import KeyProof
from pratique.console.access.signin import SignInDelayed, SignInRefused
from pratique.console.commands.cluster import ACCOUNT, ClusterRefused
from pratique.console.commands.peer_signin import MACHINE_USER
from pratique.console.remote.interface import Reception, Step
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
    """`fault` hears of defects."""

    reception: Reception
    spawn: Spawn
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
        self._proved: dict[str, str] = {}  # user -> ticket, when everything that is asked of him was right
        self._half: tuple[str, str] = ("", "")  # the user whose pass phrase was right, and the ticket for his code
        self._signed: tuple[str, KeyProof] | None = None  # the public key that was used last, and its signature
        self._failures = 0
        self._keys_offered = 0
        self._sessions = 0
        self._entering: asyncio.Task[str] | None = None  # the ticket of whoever is in; "" = he was refused after all
        self._lost = False
        self.address = ""

    # --- the connection
    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self.address = str(conn.get_extra_info("peername")[0])
        self._hall.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hall.leave(self)
        self._lost = True
        if self._entering is not None and self._entering.done() and not self._entering.cancelled():
            self._hall.reception.leave(self._entering.result())
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
        step = await self._passphrase(username, password)
        if step is None or step.code:  # there is no place for the code in this method
            return self._failed()
        self._proved[username] = step.ticket
        return True

    def change_password(self, username: str, old_password: str, new_password: str) -> bool:
        return self._failed()

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        self._half = "", ""
        return _asked(PASSPHRASE)

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool | Challenge:
        if len(responses) != 1:
            return self._failed()
        half, self._half = self._half, ("", "")
        if half[0] == username and half[1]:
            step = await self._step(self._hall.reception.code(half[1], responses[0]))
        else:
            step = await self._passphrase(username, responses[0])
        if step is None:
            return self._failed()
        if step.code:
            self._half = username, step.ticket
            return _asked(CODE)
        self._proved[username] = step.ticket
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether it is one of the user's; asyncssh checks the signature, and the reception does so again."""
        self._keys_offered += 1
        if self._keys_offered > KEYS_OFFERED_MAX:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys were offered")
            return False
        line = key.export_public_key("openssh").decode("ascii", "replace")
        if not await self._hall.reception.knows_key(username, line):
            return False
        self._keep_signature(key, line)
        return True

    def _keep_signature(self, key: asyncssh.SSHKey, line: str) -> None:
        """The library has no other place where what the client signs can be had."""
        check = key.verify

        def verify(signed: bytes, signature: bytes) -> bool:
            right = check(signed, signature)
            if right:
                self._signed = line, KeyProof(signed, signature)
            return right

        key.verify = verify  # type: ignore[method-assign, assignment]

    def auth_completed(self) -> None:
        """Sessions may be asked for from here on; they wait until the reception has let the user in."""
        name = str(self._conn.get_extra_info("username"))
        if name == ACCOUNT:  # every half a minute from every member
            self._hall.waiting.pop(self, None)
            self._hall.inside.add(self)
        elif not self._hall.signed_in(self):
            self._conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many operators are signed in")
            return
        self._entering = self._hall.spawn(self._enter(name), "ssh sign-in")

    async def _enter(self, name: str) -> str:
        reception = self._hall.reception
        ticket = self._proved.get(name, "")
        try:
            if not ticket and self._signed is not None:
                ticket = (await reception.key(name, *self._signed, self.address)).ticket
            await reception.enter(ticket)
        except SignInRefused:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Permission denied")
            return ""
        if self._lost:
            reception.leave(ticket)
        return ticket

    async def _passphrase(self, username: str, text: str) -> Step | None:
        return await self._step(self._hall.reception.passphrase(username, text, self.address))

    async def _step(self, proving: Awaitable[Step]) -> Step | None:
        """None: refused, or to be tried again later, which the client is told."""
        try:
            return await proving
        except SignInRefused:
            return None
        except SignInDelayed as delayed:
            self._conn.send_auth_banner(f"Too many failed sign-ins; try again in {delayed.seconds:.0f} s.\n")
            return None

    def _failed(self) -> bool:
        self._failures += 1
        if self._failures >= TRIES_MAX:
            self._conn.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many failed sign-ins")
        return False

    # --- what a client may open: sessions, and nothing else (the base class refuses every forwarding)
    def session_requested(self) -> Session | Exchange | bool:
        entering, name = self._entering, str(self._conn.get_extra_info("username"))
        if entering is None:
            return False
        if name == ACCOUNT:
            self._sessions += 1
            return Exchange(self._exchange, self._hall.spawn, gone=self._closed)
        if self._sessions >= SESSIONS_MAX:
            return False
        self._sessions += 1
        guest = Guest(self._hall.reception, entering, self._hall.spawn, machine=name == MACHINE_USER)
        return Session(guest, gone=self._closed)

    async def _exchange(self, command: str, sent: str) -> str:
        """Raises ClusterRefused, OSError."""
        assert self._entering is not None
        try:
            return await self._hall.reception.exchange(await self._entering, command, sent)
        except SignInRefused as error:
            raise ClusterRefused("the sign-in is no longer valid") from error

    def _closed(self) -> None:
        self._sessions -= 1


def _asked(prompt: str) -> Challenge:
    return "", "", "", [(prompt, False)]
