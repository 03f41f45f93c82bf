"""Where each gateway takes released mail: what it answers over SSH, beside what it announced when it last said hello.

Asking runs beside the deliveries and never in front of one. The newest word wins: an answer holds until it is old,
until the gateway announces another place, or until nobody could be reached there; then, and for a gateway that cannot
be asked, what it announced holds, else what its enrolment says. A channel that is broken is named once in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from pratique.delivery.routes import RouteError, parse_hop
from pratique.fleet.place import Place
from pratique.fleet.ssh_faults import CURES, Kind, SshFault
from pratique.runner.services import Services
from pratique.store.records import Peer
from pratique.telemetry import events as log

ASK_MS = 900_000  # an answer is renewed when it is so old: every asking is a sign-in in the gateway's audit
ASK_AGAIN_MS = 60_000  # after one that failed
ASK_LEAST_MS = 5_000  # also while no delivery reaches it, which asks anew at the pace of the link
KEEP_MS = 4 * ASK_MS  # an answer that could not be renewed is used no longer than this
ASKING_MAX = 8  # at once: a hundred gateways that are asked at the start must not hold up their deliveries
LOOK_SECONDS = 5.0  # how often is looked whether somebody is to be asked
WILDCARDS = ("0.0.0.0", "::")

Ask = Callable[[Peer], Awaitable[Place]]  # raises SshFault


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of one gateway. `place`: its last answer, given at `at_ms`. `kind` "": the last asking went well;
    else how it failed, why, and the cure. `used`: deliveries go by the answer."""

    place: Place | None = None
    at_ms: int = 0
    tried_ms: int = 0
    kind: str = ""
    why: str = ""
    cure: str = ""
    announced: str = ""  # what its hello had announced when it answered
    used: bool = False


class Places:
    """`ask` None: this manager has no command client."""

    def __init__(self, services: Services, ask: Ask | None) -> None:
        self._services = services
        self._ask = ask
        self._known: dict[str, Asked] = {}
        self._busy: dict[str, asyncio.Task[Asked]] = {}
        self._wake = asyncio.Event()

    # --- deliveries
    def endpoint(self, peer: Peer) -> tuple[str, int]:
        """Where to dial this gateway now; waits for nobody."""
        known = self._known.get(peer.serial, Asked())
        if known.place is None or not self._holds(known, peer):
            return announced_endpoint(peer)
        host = known.place.host
        return (peer.ssh_host if host in WILDCARDS else host), known.place.port

    def reached(self, serial: str, ready: bool) -> None:
        """How the last session with it went. Where nobody answers is not dialled again before it was asked anew."""
        known = self._known.get(serial)
        if ready or known is None:
            return
        if known.used or self._services.clock.now_ms() - known.tried_ms >= ASK_LEAST_MS:
            self._known[serial] = replace(known, used=False, tried_ms=0)
            self._wake.set()

    def asked(self, serial: str) -> Asked | None:
        peer = self._services.store.view.peer(serial)
        if peer is None or not can_be_asked(peer) or self._ask is None:
            return None
        known = self._known.get(serial, Asked())
        return replace(known, used=known.place is not None and self._holds(known, peer))

    def peers_changed(self) -> None:
        """Enrolments are others now: everybody is asked anew, and what was known of who is gone is forgotten."""
        there = {peer.serial for peer in self._services.store.view.peers() if can_be_asked(peer)}
        self._known = {serial: replace(known, tried_ms=0) for serial, known in self._known.items() if serial in there}
        self._wake.set()

    # --- asking
    async def run(self) -> None:
        """Ask whoever is due, for ever."""
        while self._ask is not None:
            for peer in self._services.store.view.peers():
                if len(self._busy) < ASKING_MAX and self._due(peer):
                    self._begin(peer)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def ask(self, serial: str) -> Asked | None:
        """Ask now, for somebody who waits; None when it cannot be asked."""
        peer = self._services.store.view.peer(serial)
        if peer is None or not can_be_asked(peer) or self._ask is None:
            return None
        await asyncio.shield(self._begin(peer))
        return self.asked(serial)

    def _due(self, peer: Peer) -> bool:
        if not can_be_asked(peer) or peer.serial in self._busy:
            return False
        known, now = self._known.get(peer.serial, Asked()), self._services.clock.now_ms()
        if not known.tried_ms or now < known.tried_ms:  # never asked, wanted anew, or the clock went back
            return True
        if known.kind:
            return now - known.tried_ms >= ASK_AGAIN_MS
        return now - known.at_ms >= ASK_MS or peer.endpoint != known.announced

    def _begin(self, peer: Peer) -> "asyncio.Task[Asked]":
        task = self._busy.get(peer.serial)
        if task is None:
            task = self._services.tasks.spawn(self._one(peer), f"command client of {peer.name}")
            self._busy[peer.serial] = task
            task.add_done_callback(lambda done: self._busy.pop(peer.serial, None))
        return task

    async def _one(self, peer: Peer) -> Asked:
        assert self._ask is not None
        before, now = self._known.get(peer.serial, Asked()), self._services.clock.now_ms()
        try:
            place = await self._ask(peer)
        except SshFault as fault:
            found = replace(before, tried_ms=now, kind=str(fault.kind), why=fault.why, cure=fault.cure)
        except ValueError as error:
            found = replace(before, tried_ms=now, kind=str(Kind.COMMAND), why=str(error), cure=CURES[Kind.COMMAND])
        else:
            found = Asked(place, now, now, announced=peer.endpoint, used=True)
        self._known[peer.serial] = found
        self._wake.set()  # there is room for another
        self._tell(peer, before, found)
        return found

    def _tell(self, peer: Peer, before: Asked, found: Asked) -> None:
        """Once for each way to fail, not for each message or each asking; and once when it is well again."""
        emit = self._services.telemetry.emit
        if found.kind and found.kind != before.kind:
            emit(
                log.Trouble(
                    message=f"command client: {peer.name} ({peer.serial}) does not say where it takes released mail: "
                    f"{found.kind}: {found.why}. {found.cure}. Releases go where it announced last"
                )
            )
        elif before.kind and not found.kind:
            emit(log.Note(message=f"command client: {peer.name} ({peer.serial}) answers again"))

    def _holds(self, known: Asked, peer: Peer) -> bool:
        age = self._services.clock.now_ms() - known.at_ms
        return known.used and known.announced == peer.endpoint and age < KEEP_MS


def can_be_asked(peer: Peer) -> bool:
    return peer.role == "gateway" and bool(peer.ssh_host_key) and not peer.withdrawn and not peer.locked


def announced_endpoint(peer: Peer) -> tuple[str, int]:
    """What a gateway announced at its last hello, else what its enrolment says."""
    try:
        hop = parse_hop(peer.endpoint)
    except RouteError:
        return peer.host, peer.port
    return (peer.host if hop.host in WILDCARDS else hop.host), hop.port
