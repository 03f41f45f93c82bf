"""Is the way from a gateway to its manager ready? Named checks, each passed or failed with its cure.

The way itself is tried as a transfer would go it: from the same local address to the same port, by the same handshake
and the same certificates, with a hello of this very instance; then the manager says what it finds (XQSTAT, docs/cpq.md,
section 6). What the gateway knows of itself stands beside it. A later step is not tried when an earlier one failed.
"""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pratique.net.listener import dial
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo
from pratique.runner.cpq_parts import Trusts
from pratique.runner.hello import hello_of
from pratique.runner.refusals import cure_of, tls_cure
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.store.interface import View
from pratique.store.records import Peer
from pratique.transfer import events as cpq
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import Hello, HelloReply

ASK_SECONDS = 20.0  # from the dial to the last line
STUCK_MAX = 1_000  # messages that are counted one by one
OPEN = "transfer."  # how View.counts() names what waits for a peer
DECIDE = "decide on each: `showrecipients the.cpq.host`, then `deleterecipients` or `bouncerecipients`"
CURED_THERE = 'see "Checks of XQSTAT" in docs/cpq.md'


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ok` None: nothing can be said. Without a cure it did not fail."""

    name: str
    ok: bool | None
    found: str
    cure: str = ""


class Level(Protocol):
    """The level of a cluster at which the quarantine service is switched on."""

    def members(self) -> Mapping[str, str]:
        """Serial -> name of the appliances of that level, ours among them."""
        ...

    def checks(self) -> tuple[Readiness, ...]:
        """What the level itself must be: the interface on every member, nothing overridden below."""
        ...


class Alone:
    """A gateway in no cluster: it is its own level, and there is nothing below it."""

    def members(self) -> Mapping[str, str]:
        return {}

    def checks(self) -> tuple[Readiness, ...]:
        return ()


async def ask_manager(
    services: Services, peer: Peer, *, trust: Trusts, settings: CpqSettings, members: Mapping[str, str]
) -> list[Readiness]:
    """The steps of the way and the manager's own checks, as far as they could be tried."""
    where, source = f"{peer.host}:{peer.port}", settings.source
    session = _Question(services, peer, trust, settings, members)
    try:
        await dial(session.new_pump, peer.host, peer.port, source=source)
    except OSError as error:
        return [await _not_connected(peer, source, error)]
    if source:
        session.passed("delivery-interface", f"{where} is reached from {source}")
    session.passed("tcp", f"{where} takes connections")
    try:
        async with asyncio.timeout(ASK_SECONDS):
            await session.over.wait()
    except TimeoutError:
        session.give_up()
    return session.found


async def _not_connected(peer: Peer, source: str, error: OSError) -> Readiness:
    """Is it the port, or only the local address from which it was dialled?"""
    where, why = f"{peer.host}:{peer.port}", "no answer" if isinstance(error, TimeoutError) else str(error)
    if source and await _opens(peer.host, peer.port):
        cure = "Set cpq.source to an address from which the manager is reached, or clear it"
        return Readiness("delivery-interface", False, f"{where} is reached, but not from {source}: {why}", cure)
    cure = (
        f"Does the manager run? Does a firewall let {where} through, and is it its quarantine port? "
        f"`telnet {peer.host} {peer.port}` must show 220"
    )
    return Readiness("tcp", False, f"{where}: {why}", cure)


async def _opens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(5.0):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def check_interface(address: str, name: str) -> Readiness:
    """Whether this machine has the address on which released mail is to be taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.bind((address, 0))
    except OSError as error:
        cure = f"Give the interface {name} an address of this machine (cpq.address)"
        return Readiness("interface", False, f"{name} has {address}: {error.strerror}", cure)
    return Readiness("interface", True, f"{name} has {address or 'every address'}")


def check_migration(view: View, manager: str) -> Readiness:
    """A gateway has no quarantines of its own: all that it holds goes to its manager. Whether anything is here that
    does not: for a former manager, or waiting for a person. Long."""
    waiting = sum(n for name, n in view.counts().items() if name.startswith(OPEN) and name != f"{OPEN}{manager}")
    if waiting:
        found = f"{waiting} held messages wait here for another manager than this one"
        return Readiness("migration-here", False, found, f"Pair with that one again until they are gone, or {DECIDE}")
    stuck = len(view.unsettled_transfers(STUCK_MAX))
    if stuck:
        found = f"{stuck}{' or more' * (stuck == STUCK_MAX)} held messages do not go to the manager by themselves"
        return Readiness("migration-here", False, found, f"{DECIDE[0].upper()}{DECIDE[1:]}")
    return Readiness("migration-here", True, "nothing is held here that does not go to the manager by itself")


class _Question:
    """One session that asks XQSTAT and ends; a Handler of its pump."""

    def __init__(
        self, services: Services, peer: Peer, trust: Trusts, settings: CpqSettings, members: Mapping[str, str]
    ) -> None:
        self._services, self._peer, self._trust, self._settings = services, peer, trust, settings
        self._members = members
        self._core = ClientConnection(hostname=services.name)
        self._pump: Pump | None = None
        self._step = "banner"  # what is waited for
        self._why = ""
        self.found: list[Readiness] = []
        self.over = asyncio.Event()

    def new_pump(self) -> Pump:
        self._pump = Pump(self._core, self)
        return self._pump

    def passed(self, name: str, found: str) -> None:
        self.found.append(Readiness(name, True, found))

    def give_up(self) -> None:
        self._failed(f"no answer in {ASK_SECONDS:.0f} s")
        if self._pump is not None:
            self._pump.abort()

    def _failed(self, why: str) -> None:
        """The step that was waited for did not come."""
        if not self._step:
            return
        own = self._services.store.identity.serial
        cure = cure_of(why, peer=self._peer.name, own=own)
        if self._step == "tls":
            cure = cure or tls_cure(why)
        default = "Is it a manager's quarantine port (cpq.port there)? See its log"
        self.found.append(Readiness(self._step, False, why, cure or default))
        self._step = ""

    # --- Handler
    def opened(self, pump: Pump) -> None:
        pump.live_at_most(ASK_SECONDS)

    def event(self, event: cpq.ClientEvent) -> None:
        match event:
            case cpq.TlsWanted():
                self.passed("banner", "220, and the extensions of a quarantine port")
                self._step = "tls"
                assert self._pump is not None
                self._pump.start_tls(self._trust.context(server_side=False), server_side=False)
            case cpq.Secure():
                self.passed("tls", "TLS 1.3 with both certificates")
                self._step = "hello"
                self._core.hello(self._hello())
            case cpq.HelloAnswered(reply):
                self._greeted(reply)
            case cpq.StatAnswered(reply):
                self._told(reply)
            case cpq.ClientEnded():
                self._failed(f"{event.keyword} {event.reason}".strip())
                assert self._pump is not None
                self._pump.close()

    def _hello(self) -> Hello:
        cpq_settings = self._settings
        endpoint = cpq_settings.announce or f"{cpq_settings.address}:{cpq_settings.port}"
        peer = self._services.store.view.peer(self._peer.serial) or self._peer
        now, known = self._services.clock.now_ms(), self._trust.told(peer.serial)
        return hello_of(self._services.store, peer, now, endpoint=endpoint, certificates=known)

    def _greeted(self, reply: HelloReply) -> None:
        if reply.me.serial != self._peer.serial:
            self._step = "identity"
            self._failed(f"it says serial {reply.me.serial}, enrolled is {self._peer.serial}")
            assert self._pump is not None
            self._pump.close()
            return
        self.passed("hello", f"{reply.keyword} {reply.why}".strip())
        self._step = "stat"
        self._core.send_stat(tuple(self._members))

    def _told(self, reply: HelloReply) -> None:
        self._step = ""
        for name, answer, cure in reply.checks:
            ok = {"YES": True, "NO": False}.get(answer)
            found = "the manager says so" if ok else "the manager cannot tell" if ok is None else "the manager says no"
            for serial, member in self._members.items():  # the manager may know it by no name
                cure = cure.replace(serial, f"{member} ({serial})")
            self.found.append(Readiness(name, ok, found, (cure or CURED_THERE) if ok is False else ""))
        self._core.quit()

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        found = self._trust.peer_of(info)
        if found is None or found.serial != self._peer.serial:
            self._step = "identity"
            self._failed("the certificate is not the one enrolled for this manager")
            assert self._pump is not None
            self._pump.close()
            return
        self.passed("identity", f"the certificate of {self._peer.name} as enrolled")
        self._core.tls_started()

    def tls_failed(self, reason: str) -> None:
        self._failed(reason)

    def timed_out(self, what: str) -> None:
        self.give_up()

    def drained(self) -> None:
        return

    def closed(self, error: Exception | None) -> None:
        self._failed(str(error) if error is not None else "the manager closed the connection")
        self.over.set()
