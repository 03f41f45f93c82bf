"""What the operators' commands ask of a role: of a running gateway or manager, or of the store of a stopped one.

Only adapters: each gives a role the shape of console.commands.parts.Acts, no rule is made here.
"""

from dataclasses import dataclass, replace

from pratique.console.commands.parts import HostCounts, LinkState
from pratique.delivery.bounce import Hard
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager
from pratique.manager.release import Actor, Decided, Releaser
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.link import Link
from pratique.runner.link_items import Health
from pratique.runner.services import Services
from pratique.telemetry.counters import Counters

CLOCK_GAUGE = "clock_ahead_ms."  # before the serial
NOT_HERE = "a gateway holds no mail for review; its manager does"


@dataclass(frozen=True, slots=True)
class ManagerActs:
    manager: Manager
    counters_: Counters

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        return await self.manager.decide(mid, quarantine, mark, cause, actor)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        return await self.manager.retarget(mid, to, actor, override=override)

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        return await self.manager.send_copy(mid, quarantine, addresses, actor)

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str) -> Decided:
        return await self.manager.resolve(mid, actor, send=send, to=to)

    def row_written(self) -> None:
        return  # what a person does to held mail the links are told of by the manager

    def quarantines_changed(self) -> None:
        self.manager.reception.refresh()

    def deliver(self, mid: int) -> None:
        return  # a manager delivers nothing itself

    def links(self) -> tuple[LinkState, ...]:
        places = self.manager.places
        return tuple(
            replace(_link_state(link), asked=places.asked(serial)) for serial, link in self.manager.links.items()
        )

    def counters(self) -> dict[str, float]:
        return {**self.counters_.values(), **_clocks(self.manager.services), **self.manager.alerts.counts()}


@dataclass(frozen=True, slots=True)
class GatewayActs:
    gateway: Gateway
    counters_: Counters

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        return Decided(False, why=NOT_HERE)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        return Decided(False, why=NOT_HERE)

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        return Decided(False, why=NOT_HERE)

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str) -> Decided:
        return Decided(False, why=NOT_HERE)

    def row_written(self) -> None:
        if self.gateway.link is not None:
            self.gateway.link.journal_changed()

    def quarantines_changed(self) -> None:
        return

    def deliver(self, mid: int) -> None:
        self.gateway.deliverer.take_up(mid)

    def links(self) -> tuple[LinkState, ...]:
        own = (_link_state(self.gateway.link),) if self.gateway.link is not None else ()
        hosts = (
            LinkState(
                destination=host,
                peer="",
                serial="",
                up=found.health.up,
                last_error=found.health.last_error,
                next_attempt_ms=found.health.next_attempt_ms,
                waiting=len(found.queue) + found.waiting,
                connections=found.health.connections,
                active_ms=found.health.active_ms,
                address=found.health.address,
                last_5xx=found.health.last_5xx,
                counts=_counts(found.health),
            )
            for host, found in self.gateway.deliverer.destinations.items()
        )
        return (*own, *hosts)

    def counters(self) -> dict[str, float]:
        gateway = self.gateway
        own = {**_clocks(gateway.services), **_canary(gateway), **gateway.alerts.counts()}
        return {**self.counters_.values(), **own}


@dataclass(frozen=True, slots=True)
class StoppedActs:
    """Decisions go into the store; what follows from them happens when the appliance starts."""

    releaser: Releaser | None  # None on a gateway

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        if self.releaser is None:
            return Decided(False, why=NOT_HERE)
        return await self.releaser.decide(mid, quarantine, mark, cause, actor)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        if self.releaser is None:
            return Decided(False, why=NOT_HERE)
        return await self.releaser.retarget(mid, to, actor, override=override)

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        if self.releaser is None:
            return Decided(False, why=NOT_HERE)
        return await self.releaser.send_copy(mid, quarantine, addresses, actor)

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str) -> Decided:
        if self.releaser is None:
            return Decided(False, why=NOT_HERE)
        return await self.releaser.resolve(mid, actor, send=send, to=to)

    def row_written(self) -> None:
        return  # the next hello tells

    def quarantines_changed(self) -> None:
        return

    def deliver(self, mid: int) -> None:
        return

    def links(self) -> tuple[LinkState, ...]:
        return ()

    def counters(self) -> dict[str, float]:
        return {}


def _clocks(services: Services) -> dict[str, float]:
    """How far each peer's clock was ahead of ours, in ms, at its last hello."""
    return {f"{CLOCK_GAUGE}{serial}": float(ahead) for serial, ahead in services.peer_clocks.items()}


def _canary(gateway: Gateway) -> dict[str, float]:
    """How the last canary of this process fared."""
    last = gateway.canary.last
    return {"last_canary_seconds": last.seconds, "last_canary_ok": float(not last.why)} if last is not None else {}


def _link_state(link: Link) -> LinkState:
    peer = link.peer()
    return LinkState(
        destination=link.destination,
        peer=peer.name if peer is not None else link.serial,
        serial=link.serial,
        up=link.health.up,
        last_error=link.health.last_error,
        next_attempt_ms=link.health.next_attempt_ms,
        waiting=0,
        connections=link.health.connections,
        active_ms=link.health.active_ms,
        address=link.health.address,
        counts=_counts(link.health),
    )


def _counts(health: Health) -> HostCounts:
    hard = health.hard_bounced
    return HostCounts(
        delivered=health.delivered,
        soft_bounced=health.soft_bounced,
        dns=hard.get(Hard.DNS, 0),
        refused=hard.get(Hard.REFUSED, 0),
        expired=hard.get(Hard.EXPIRED, 0),
        other=hard.get(Hard.OTHER, 0),
        deleted=health.deleted,
    )
