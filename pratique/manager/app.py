"""The manager role, assembled: the quarantine port, the links that carry releases back, scheduled exits."""

import asyncio
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.delivery.custody import Event
from pratique.delivery.routes import RELEASE_HOST, RouteError, parse_hop
from pratique.manager.expire import Expirer
from pratique.manager.receive import Reception
from pratique.manager.release import Actor, Decided, Releaser
from pratique.manager.settings import ManagerSettings
from pratique.net.listener import listen
from pratique.quarantine.lifecycle import Cause, Exit, Mark
from pratique.runner.cpq_parts import Trusts
from pratique.runner.cpq_server import CpqService
from pratique.runner.link import Link
from pratique.runner.link_items import Item
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings
from pratique.runner.sweep import Sweeper
from pratique.store.records import Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Limits, Row

STOP_SECONDS = 10.0
SHADOW_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Parts:
    settings: ManagerSettings
    cpq: CpqSettings
    trust: Trusts
    signing_key: Ed25519PrivateKey


class Manager:
    def __init__(self, services: Services, parts: Parts) -> None:
        self.services = services
        self.parts = parts
        self.releaser = Releaser(services, key=parts.signing_key, rescan=parts.settings.rescan)
        self.reception = Reception(services, gateway_met=self._gateway_met, journal_heard=self._journal_heard)
        self.cpq = CpqService(services, settings=parts.cpq, trust=parts.trust, taker=self.reception, limits=Limits())
        self.expirer = Expirer(
            services,
            self.decide,
            every_seconds=parts.settings.expiry_seconds,
            pool_bytes=parts.settings.pool_bytes,
            wrong_clocks=lambda: self.reception.wrong_clocks,
        )
        self.sweeper = Sweeper(services, shadow_ms=SHADOW_MS)
        self.links: dict[str, Link] = {}
        self._servers: list[asyncio.Server] = []

    # --- life
    async def start(self) -> None:
        """Listen on the quarantine port, take up releases that wait. Raises OSError when it cannot be bound."""
        self.reception.refresh()
        self.peers_changed()
        self._servers.append(await listen(self.cpq.new_session, self.parts.cpq.address, self.parts.cpq.port))
        self.services.tasks.spawn(self.expirer.run(), "scheduled exits")
        self.services.tasks.spawn(self.sweeper.run(), "sweeper")

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for link in self.links.values():
            await link.stop()
        self.cpq.close()
        deadline = self.services.clock.monotonic() + STOP_SECONDS
        while self.cpq.sessions and self.services.clock.monotonic() < deadline:  # noqa: ASYNC110 - at shutdown only
            await asyncio.sleep(0.02)
        await self.services.tasks.close()

    # --- gateways
    def peers_changed(self) -> None:
        """An enrolment was added, withdrawn or unlocked."""
        self.parts.trust.refresh()
        active = {p.serial for p in self.services.store.view.peers() if p.role == "gateway" and not p.withdrawn}
        for serial in active - self.links.keys():
            link = self.links[serial] = self._new_link(serial)
            self.services.tasks.spawn(link.run(), f"link to {serial}")
        for serial in self.links.keys() - active:
            self.services.tasks.spawn(self.links.pop(serial).stop(), "old link")
            self.cpq.drop_peer(serial)
        for link in self.links.values():
            link.retry_now()

    def _new_link(self, serial: str) -> Link:
        return Link(
            self.services,
            serial=serial,
            destination=RELEASE_HOST,
            role="manager",
            settings=self.parts.cpq,
            trust=self.parts.trust,
            endpoint=release_endpoint,
            moved=self._moved,
        )

    def _gateway_met(self, peer: Peer) -> None:
        link = self.links.get(peer.serial)
        if link is not None:
            link.retry_now()

    def _moved(self, item: Item, event: Event) -> None:
        """A gateway has the released mail, or it cancelled the hop for good."""
        if event is Event.CANC:
            self.services.tasks.spawn(self._to_alternate(item), f"alternate for MID {item.mid}")

    async def _to_alternate(self, item: Item) -> None:
        alternate = self.parts.settings.alternate_release_gateway
        copy = self.services.store.view.copy(item.mid)
        if copy is None:
            return
        if not alternate or alternate == item_target(self, item) or alternate not in self.links:
            self.services.telemetry.emit(
                log.Alarm(
                    message=f"MID {item.mid}: its gateway will not take the release and there is no alternate; "
                    "set manager.alternate_release_gateway",
                    cid=item.cid,
                )
            )
            return
        actor = Actor("policy:alternate@1", "timer", "timer")
        await self.releaser.retarget(copy, item.hop, alternate, actor, may_duplicate=False)
        self.links[alternate].wake_from_store()

    def _journal_heard(self, peer: Peer, rows: tuple[Row, ...]) -> None:
        for row in rows:
            self.services.telemetry.emit(
                log.DebugNote(message=f"{peer.name}: {row.state} {row.xid} {dict(row.pairs)}", cid=row.xid[:32])
            )

    # --- decisions
    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        """A reviewer's or a timer's decision; the transfer that follows from it is woken."""
        decided = await self.releaser.decide(mid, quarantine, mark, cause, actor)
        if decided.exit == Exit.RELEASE:
            self._wake_link(mid)
        elif decided.exit == Exit.DELETE:
            self._tell_origin(mid)
        return decided

    def _wake_link(self, mid: int) -> None:
        copy = self.services.store.view.copy(mid)
        if copy is None:
            return
        transfer = self.services.store.view.transfer(copy.cid, copy.hop + 1)
        link = self.links.get(transfer.peer) if transfer is not None else None
        if transfer is None or link is None:
            self.services.telemetry.emit(
                log.Alarm(
                    message=f"MID {mid} is released but its gateway is not enrolled any more; it waits", cid=copy.cid
                )
            )
            return
        item = link.item_of(transfer)
        if item is not None:
            link.offer(item)

    def _tell_origin(self, mid: int) -> None:
        copy = self.services.store.view.copy(mid)
        link = self.links.get(copy.origin_serial) if copy is not None else None
        if link is not None:
            link.journal_changed()

    def suspend(self, why: str) -> None:
        self.reception.suspended = why

    def resume(self) -> None:
        self.reception.suspended = ""

    def suspend_quarantine(self, name: str, *, suspended: bool) -> None:
        known = self.reception.quarantines[name]
        self.reception.quarantines[name] = replace(known, suspended=suspended)


def release_endpoint(peer: Peer) -> tuple[str, int]:
    """Where a gateway takes releases: what it announced at its last hello, else what its enrolment says."""
    try:
        hop = parse_hop(peer.endpoint)
    except RouteError:
        return peer.host, peer.port
    if hop.host in ("0.0.0.0", "::"):
        return peer.host, hop.port
    return hop.host, hop.port


def item_target(manager: Manager, item: Item) -> str:
    transfer = manager.services.store.view.transfer(item.cid, item.hop)
    return transfer.peer if transfer is not None else ""
