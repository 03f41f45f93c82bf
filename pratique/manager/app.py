"""The manager role, assembled: the quarantine port, the links that carry releases back, scheduled exits."""

import asyncio
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.delivery.custody import Event
from pratique.delivery.routes import RELEASE_HOST
from pratique.manager.expire import Expirer
from pratique.manager.overflow import Pool
from pratique.manager.places import Ask, Places
from pratique.manager.receive import Reception
from pratique.manager.release import Actor, Decided, Releaser
from pratique.manager.settings import ManagerSettings, alternate_of
from pratique.net.listener import listen
from pratique.net.resolver import Resolver
from pratique.quarantine.lifecycle import Cause, Exit, Mark
from pratique.runner.alerts.alerts import Alerts
from pratique.runner.alerts.post import AlertPost
from pratique.runner.alerts.settings import ManagerAlertSettings
from pratique.runner.cpq_parts import Trusts
from pratique.runner.cpq_server import CpqService
from pratique.runner.link import Link
from pratique.runner.link_items import Item
from pratique.runner.recovery import doubt_alarm, recovered_text
from pratique.runner.services import Services, audit
from pratique.runner.settings import CpqSettings
from pratique.runner.suspension import CPQ_LISTENER, WHY, Suspension, suspended
from pratique.runner.sweep import Sweeper
from pratique.store.moves import MoveRefused, Reconcile, Recovered, StoreFailed
from pratique.store.records import NewCopy, Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Limits, Row

STOP_SECONDS = 10.0
CANCELLED_MAX = 10_000  # cancelled releases taken up at start
ALTERNATE = Actor("policy:alternate@1", "timer", "timer")
CANARY = Actor("policy:canary@1", "timer", "timer")
SHADOW_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Parts:
    settings: ManagerSettings
    cpq: CpqSettings
    trust: Trusts
    signing_key: Ed25519PrivateKey
    alerts: ManagerAlertSettings = ManagerAlertSettings()
    ask: Ask | None = None  # how a gateway is asked where it takes released mail


class Manager:
    def __init__(self, services: Services, parts: Parts) -> None:
        self.services = services
        self.parts = parts
        self.releaser = Releaser(services, key=parts.signing_key, rescan=parts.settings.rescan)
        self.pool = Pool(services, parts.settings.pool_bytes, overfull=self._overfull)
        self.reception = Reception(
            services,
            gateway_met=self._gateway_met,
            journal_heard=self._journal_heard,
            pool=self.pool,
            canary_held=self._canary_held,
        )
        self.cpq = CpqService(
            services,
            settings=parts.cpq,
            trust=parts.trust,
            taker=self.reception,
            limits=Limits(),
            set_back=self._set_back,
            recover=lambda peer: self._recover(),
        )
        self.expirer = Expirer(
            services,
            self.decide,
            every_seconds=parts.settings.expiry_seconds,
            pool=self.pool,
            wrong_clocks=lambda: self.reception.wrong_clocks,
        )
        self.sweeper = Sweeper(services, shadow_ms=SHADOW_MS)
        self.post = AlertPost(services, parts.alerts)
        self.places = Places(services, parts.ask)
        self.links: dict[str, Link] = {}
        self._servers: list[asyncio.Server] = []
        self._inc = services.store.identity.inc
        self._reconciling = False
        self._suspended = Suspension()
        self._pool_looked_at_soon = False

    # --- life
    async def start(self) -> None:
        """Listen on the quarantine port, take up releases that wait. Raises OSError when it cannot be bound."""
        self.reception.refresh()
        self.suspend(suspended(self.services.store.view))
        self.peers_changed()
        self.cpq.server = await listen(self.cpq.new_session, self.parts.cpq.address, self.parts.cpq.port)
        self._servers.append(self.cpq.server)
        self.services.tasks.spawn(self._cancelled_before(), "cancelled releases")
        self.post.start()
        keep = self.services.supervisor.keep
        keep("alerts", self.alerts.run)
        keep("scheduled exits", self.expirer.run)
        keep("sweeper", self.sweeper.run)
        keep("command client", self.places.run)

    @property
    def alerts(self) -> Alerts:
        return self.post.alerts

    @property
    def resolver(self) -> Resolver:
        return self.post.resolver

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        self.post.deliverer.stop()
        for link in self.links.values():
            await link.stop()
        self.cpq.close()
        deadline = self.services.clock.monotonic() + STOP_SECONDS
        while (self.cpq.sessions or self.post.deliverer.sessions) and self.services.clock.monotonic() < deadline:  # noqa: ASYNC110 - at shutdown only
            await asyncio.sleep(0.02)
        await self.services.tasks.close()

    def reconfigure(self, settings: ManagerSettings) -> None:
        """The pool, the alternate gateway and the rescan are these from now on."""
        self.parts = replace(self.parts, settings=settings)
        self.pool.limit = settings.pool_bytes
        self.releaser.use(settings.rescan)

    # --- gateways
    def peers_changed(self) -> None:
        """An enrolment was added, withdrawn or unlocked, or a set-back was accepted."""
        self.parts.trust.refresh()
        active = {p.serial for p in self.services.store.view.peers() if p.role == "gateway" and not p.withdrawn}
        for serial in active - self.links.keys():
            link = self.links[serial] = self._new_link(serial)
            link.suspended = self._suspended.delivery
            self.services.supervisor.keep(f"link to {serial}", link.run)
        for serial in self.links.keys() - active:
            self.services.tasks.spawn(self.links.pop(serial).stop(), "old link")
            self.services.supervisor.gone(f"link to {serial}")
            self.cpq.drop_peer(serial)
        renewed = self._inc != self.services.store.identity.inc
        self._inc = self.services.store.identity.inc
        if renewed:
            self.cpq.drop_all()
        for link in self.links.values():
            link.renew() if renewed else link.hello_again()
        self.places.peers_changed()
        self._recover()

    def _recover(self) -> None:
        """When every gateway that counts has testified, we reconcile."""
        waited = [p for p in self.services.store.view.peers() if p.role == "gateway" and p.set_back_here]
        told = [peer for peer in waited if peer.testified or peer.withdrawn]
        if waited and len(told) == len(waited) and not self._reconciling:
            self._reconciling = True
            self.services.tasks.spawn(self._reconcile(), "reconciliation")

    async def _reconcile(self) -> None:
        try:
            recovered: Recovered = await self.services.store.submit(Reconcile((audit("system", "reconcile"),)))
        except (MoveRefused, StoreFailed) as error:
            self.services.telemetry.emit(log.Fault(error=f"reconciliation: {error}; tried again at the next hello"))
            return
        finally:
            self._reconciling = False
        text = f"every gateway has told what it knows, and this manager has recovered: {recovered_text(recovered)}"
        self.services.telemetry.emit(log.Note(message=text))
        alarm = doubt_alarm(recovered)
        if alarm is not None:
            self.services.telemetry.emit(alarm)
        self.pool.refresh(self.services.store.view)
        self.peers_changed()
        await self._cancelled_before()

    def _set_back(self, peer: Peer, number: int) -> None:
        """One of the two is older than the other knows it. An older store of ours concerns every gateway."""
        for serial, link in self.links.items():
            if peer.set_back_here or serial == peer.serial:
                link.hold()

    def _new_link(self, serial: str) -> Link:
        return Link(
            self.services,
            serial=serial,
            destination=RELEASE_HOST,
            role="manager",
            settings=self.parts.cpq,
            trust=self.parts.trust,
            endpoint=self.places.endpoint,
            moved=self._moved,
            readiness=lambda ready: self.places.reached(serial, ready),
            set_back=self._set_back,
        )

    def _gateway_met(self, peer: Peer) -> None:
        link = self.links.get(peer.serial)
        if link is not None:
            link.met()

    def _moved(self, item: Item, event: Event) -> None:
        """A gateway has the released mail, or it cancelled the hop for good."""
        if event is Event.CANC:
            self.services.tasks.spawn(self._to_alternate(item.mid, item.cid), f"alternate for MID {item.mid}")

    async def _to_alternate(self, mid: int, cid: str) -> None:
        """A gateway that was asked already is not asked again by itself: whatever it refused, it would refuse anew."""
        view = self.services.store.view
        alternate = alternate_of(view, self.parts.settings.alternate_release_gateway)
        why = "there is none; `applianceconfig alternate SERIAL` names one"
        transfer = view.release_of(mid)
        asked = transfer is not None and alternate in (transfer.peer, *view.cancelled_targets(cid, transfer.hop))
        if alternate and asked:
            why = "it has cancelled, too"
        elif alternate:
            done = await self.retarget(mid, alternate, ALTERNATE)
            if done.done:
                return
            why = done.why
        self.services.telemetry.emit(
            log.Alarm(
                message=f"MID {mid}: its gateway has cancelled the release and it does not go to an alternate: {why}; "
                "`pratique release DIR MID --to SERIAL` sends it to another one, or anew to one that has cancelled",
                cid=cid,
                condition=log.Condition.STUCK_RELEASE,
            )
        )

    async def _cancelled_before(self) -> None:
        """Releases that were cancelled when the last run ended, before they went to an alternate."""
        for transfer in await self.services.store.read(lambda view: view.unsettled_transfers(CANCELLED_MAX)):
            if transfer.state == "CANC":
                await self._to_alternate(transfer.mid, transfer.cid)

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool = False) -> Decided:
        """A release that is on its way goes to another gateway: see Releaser.retarget."""
        view = self.services.store.view
        old = view.release_of(mid)
        done = await self.releaser.retarget(mid, to, actor, override=override)
        if done.done and old is not None:
            if old.peer in self.links:
                self.links[old.peer].withdraw(old.seq)
            self._wake_link(mid)
        return done

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str = "") -> Decided:
        """A person ends a doubt: see Releaser.resolve."""
        done = await self.releaser.resolve(mid, actor, send=send, to=to)
        if done.done:
            self.pool.refresh(self.services.store.view)
            self._wake_link(mid) if send else self._tell_origin(mid)
        return done

    def _journal_heard(self, peer: Peer, rows: tuple[Row, ...]) -> None:
        for row in rows:
            said = " ".join(f"{name}={value}" for name, value in row.pairs)
            self.services.telemetry.emit(
                log.DebugNote(message=f"{peer.name}: {row.state} {row.xid} {said}", cid=row.xid[:32])
            )

    # --- canaries
    def _canary_held(self, copy: NewCopy) -> None:
        self.services.tasks.spawn(self._free_canary(copy), f"canary MID {copy.mid}")

    async def _free_canary(self, copy: NewCopy) -> None:
        """What proves the round trip goes back at once; its gateway discards it (gateway/canary.py)."""
        for hold in copy.holds:
            decided = await self.decide(copy.mid, hold.quarantine, Mark.RELEASED, Cause.EXPIRED, CANARY)
            if not decided.done:
                self.services.telemetry.emit(
                    log.Trouble(message=f"the canary MID {copy.mid} stays held: {decided.why}", cid=copy.cid)
                )

    # --- decisions
    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        """A reviewer's or a timer's decision; the transfer that follows from it is woken."""
        decided = await self.releaser.decide(mid, quarantine, mark, cause, actor)
        if decided.done:
            self._look_at_pool_soon()
        if decided.exit == Exit.RELEASE:
            link = self.links.get(decided.peer)
            if decided.item is not None and link is not None:
                link.offer(decided.item)
            else:
                self._wake_link(mid)
        elif decided.exit == Exit.DELETE:
            self._tell_origin(mid)
        return decided

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        """A copy of a held message goes to other addresses: see Releaser.send_copy."""
        done = await self.releaser.send_copy(mid, quarantine, addresses, actor)
        if done.done:
            self._wake_link(done.mid)
        return done

    def _look_at_pool_soon(self) -> None:
        """Once for all decisions of a turn of the loop."""
        if not self._pool_looked_at_soon:
            self._pool_looked_at_soon = True
            asyncio.get_running_loop().call_soon(self._look_at_pool)

    def _look_at_pool(self) -> None:
        self._pool_looked_at_soon = False
        self.pool.refresh(self.services.store.view)

    def _wake_link(self, mid: int) -> None:
        copy = self.services.store.view.copy(mid)
        if copy is None:
            return
        transfer = self.services.store.view.release_of(mid)
        link = self.links.get(transfer.peer) if transfer is not None else None
        if transfer is None or link is None:
            self.services.telemetry.emit(
                log.Alarm(
                    message=f"MID {mid} is released but its gateway is not enrolled any more; it waits",
                    cid=copy.cid,
                    condition=log.Condition.STUCK_RELEASE,
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

    def _overfull(self) -> None:
        self.expirer.make_room_soon()

    # --- what an operator suspends
    def listeners(self) -> tuple[str, ...]:
        return (CPQ_LISTENER,)

    def suspend(self, now: Suspension) -> None:
        """Let this be what is suspended, and nothing else. What is under way goes on; see `end_suspended`."""
        self._suspended = now
        self.reception.suspended = WHY if now.has(CPQ_LISTENER) or now.transfers else ""
        for link in self.links.values():
            link.suspend() if now.delivery else link.resume()

    def receiving_under_way(self) -> bool:
        return bool(self.reception.suspended and self.cpq.sessions)

    def end_suspended(self) -> None:
        if self.reception.suspended:
            self.cpq.drop_all()

    def connections_in(self) -> int:
        return len(self.cpq.sessions)

    def connections_out(self) -> int:
        return sum(link.session is not None for link in self.links.values())

    def delivering(self) -> bool:
        return any(link.session is not None for link in self.links.values())

    def break_off(self) -> None:
        for link in self.links.values():
            link.break_off()

    def suspend_quarantine(self, name: str, *, suspended: bool) -> None:
        known = self.reception.quarantines[name]
        self.reception.quarantines[name] = replace(known, suspended=suspended)
