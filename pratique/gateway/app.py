"""The gateway role, assembled: listeners, judging, delivery, the link to the manager, the port for released mail."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from pratique.checks.interface import Engines
from pratique.delivery.bounce import Notices
from pratique.delivery.custody import Event
from pratique.delivery.routes import CPQ_HOST, RouteError, Routes
from pratique.gateway.apply import Planner, item_of
from pratique.gateway.bounce import Bouncer
from pratique.gateway.canary import Canary
from pratique.gateway.edges import Edges
from pratique.gateway.intake import Intake
from pratique.gateway.judging import Judging, Outlets
from pratique.gateway.outgoing import compose
from pratique.gateway.pipeline import Pipeline
from pratique.gateway.reinject import Reinject
from pratique.gateway.settings import GatewaySettings
from pratique.net.listener import listen
from pratique.net.resolver import Resolver
from pratique.policy.evaluate import Program
from pratique.runner.alerts.alerts import Alerts
from pratique.runner.alerts.conditions import Heard
from pratique.runner.alerts.settings import AlertSettings
from pratique.runner.cpq_parts import Trusts
from pratique.runner.cpq_server import CpqService
from pratique.runner.deliverer import Deliverer
from pratique.runner.forget import Forgetter
from pratique.runner.jobs import Answered, Job, Outgoing
from pratique.runner.link import Link
from pratique.runner.link_items import Item
from pratique.runner.recovery import GatewayRecovery
from pratique.runner.services import Services
from pratique.runner.settings import CpqSettings, DeliverySettings
from pratique.runner.suspension import CPQ_LISTENER, WHY, Suspension, suspended
from pratique.runner.sweep import Sweeper
from pratique.store.interface import View
from pratique.store.moves import Recovered
from pratique.store.records import Copy, NewCopy, Peer
from pratique.telemetry import events as log
from pratique.transfer.messages import Limits

STOP_SECONDS = 10.0  # sessions may finish what they have begun
UNJUDGED_ROWS = 100
NAMED_MAX = 200  # MIDs in one alarm
UNJUDGED_SECONDS = 60.0
MEMORY_BYTES = 262_144  # a body of an edge up to this size is handed to the link from memory


@dataclass(frozen=True, slots=True)
class Parts:
    """What the front hands in: values from the configuration and the machine's own."""

    settings: GatewaySettings
    cpq: CpqSettings
    delivery: DeliverySettings
    program: Program
    engines: Engines
    trust: Trusts
    smtp_tls: Any  # ssl.SSLContext for STARTTLS
    edges: Edges | None = None  # the processes that take mail; None = this one does
    alerts: AlertSettings = AlertSettings()


class Gateway:
    def __init__(self, services: Services, parts: Parts) -> None:
        self.services = services
        self.parts = parts
        self.settings = parts.settings
        self.planner = Planner(services)
        self.bouncer = Bouncer(services, parts.delivery.bounce)
        self.resolver = Resolver(parts.delivery.nameservers)
        self.deliverer = Deliverer(
            services,
            settings=parts.delivery,
            routes=routes_of(parts.delivery.smtproutes),
            resolver=self.resolver,
            mailroom=Mailroom(self),
        )
        self.alerts = Alerts(services, parts.alerts, offer=self.deliverer.offer)
        self.pipeline = Pipeline(parts.program, parts.engines)
        outlets = Outlets(transfer=self._transfer, deliver=self.deliverer.offer)
        self.judging = Judging(
            services,
            pipeline=self.pipeline,
            planner=self.planner,
            bouncer=self.bouncer,
            outlets=outlets,
            deadline_seconds=parts.settings.judge_deadline_seconds,
            hops_max=parts.delivery.hops_max,
        )
        self.reinject = Reinject(
            services,
            self.pipeline,
            self.planner,
            outlets,
            manager_met=self._manager_met,
            let_go=self._let_go,
        )
        self.cpq = CpqService(
            services,
            settings=parts.cpq,
            trust=parts.trust,
            taker=self.reinject,
            limits=Limits(),
            set_back=self._set_back,
            recover=self._peer_recovers,
        )
        self.canary = Canary(services, self.planner, outlets)
        self.forgetter = Forgetter(services, keep_ms=parts.settings.keep_days * 86_400_000)
        self.sweeper = Sweeper(services, shadow_ms=parts.settings.shadow_days * 86_400_000)
        self.link: Link | None = None
        self.intake = Intake(services, parts.settings, judging=self.judging, resolver=self.resolver, tls=parts.smtp_tls)
        self._servers: list[asyncio.Server] = []
        self._inc = services.store.identity.inc
        self._suspended = Suspension()
        self.set_back = False  # our store is older than others know it: it may have delivered what came back already

    # --- life
    async def start(self) -> None:
        """Listen on the quarantine port and all listeners; take up what the last run left. Raises OSError when an
        address cannot be bound."""
        self.suspend(suspended(self.services.store.view))
        self.peers_changed()
        self.cpq.server = await listen(self.cpq.new_session, self.parts.cpq.address, self.parts.cpq.port)
        self._servers.append(self.cpq.server)
        if self.parts.edges is not None:
            await self.parts.edges.start(self.settings.listeners, self.planner, Onward(self))
        else:
            await self.intake.start()
        waiting = self.deliverer.load()
        if waiting:
            self._log(log.Note(message=f"{waiting} recipients wait for delivery from before the start"))
        self.alerts.take_up()
        keep = self.services.supervisor.keep
        keep("alerts", self.alerts.run)
        keep("sweeper", self.sweeper.run)
        keep("old rows", self.forgetter.run)
        keep("judging of unjudged mail", self._judge_left_over)

    def reconfigure(self, settings: GatewaySettings, delivery: DeliverySettings, program: Program) -> None:
        """Filters, policies, access tables, routes and how mail is delivered take effect for the next message. Raises
        RouteError."""
        self.deliverer.use(routes_of(delivery.smtproutes), delivery)
        self.bouncer.use(delivery.bounce)
        self.pipeline.use(program)
        if self.parts.edges is not None:
            self.parts.edges.reload()
        self.intake.reconfigure(settings)

    async def _judge_left_over(self) -> None:
        """What was accepted unjudged is looked for again and again, until it is judged."""
        while True:
            await self._judge_round()
            await asyncio.sleep(UNJUDGED_SECONDS)

    async def _judge_round(self) -> None:
        after = 0
        while copies := self.services.store.view.received_copies(after, UNJUDGED_ROWS):
            after = copies[-1].mid
            for copy in copies:
                await self.judging.judge_queued(copy)

    # --- what an operator suspends
    def listeners(self) -> tuple[str, ...]:
        return (*(listener.name for listener in self.settings.listeners), CPQ_LISTENER)

    def suspend(self, now: Suspension) -> None:
        """Let this be what is suspended, and nothing else. What is under way goes on; see `end_suspended`."""
        was_paused, paused = self.judging.paused, bool(now.work_queue)
        self._suspended = now
        self.judging.paused = paused
        self.intake.suspend(now.listeners)
        if self.parts.edges is not None:
            self.parts.edges.suspend(now.listeners, paused=paused)
        self.reinject.suspended = WHY if now.has(CPQ_LISTENER) else ""
        if now.delivery:
            self.deliverer.suspend()
        else:
            self.deliverer.resume()
        if self.link is not None:
            self.link.suspend() if now.delivery else self.link.resume()
        if was_paused and not paused:
            self.services.tasks.spawn(self._judge_round(), "judging of what waited")

    def receiving_under_way(self) -> bool:
        """Does a session of a suspended listener go on?"""
        edges, cpq = self.parts.edges, self._suspended.has(CPQ_LISTENER) and bool(self.cpq.sessions)
        others = edges.connections(self.settings.listeners, self._suspended.listeners) if edges is not None else 0
        return cpq or others > 0 or self.intake.suspended_busy

    def end_suspended(self) -> None:
        """Sessions of suspended listeners end now."""
        self.intake.end_suspended()
        if self.parts.edges is not None:
            self.parts.edges.suspend(self._suspended.listeners, paused=self.judging.paused, close=True)
        if self._suspended.has(CPQ_LISTENER):
            self.cpq.drop_all()

    def connections_in(self) -> int:
        edges = self.parts.edges
        taken = edges.connections(self.settings.listeners) if edges is not None else sum(self.intake.clients().values())
        return taken + len(self.cpq.sessions)

    def connections_out(self) -> int:
        return len(self.deliverer.sessions) + (self.link is not None and self.link.session is not None)

    def delivering(self) -> bool:
        return bool(self.deliverer.sessions) or (self.link is not None and self.link.session is not None)

    def break_off(self) -> None:
        """Connections to other hosts end now, but where that might double a message."""
        self.deliverer.break_off()
        if self.link is not None:
            self.link.break_off()

    async def stop(self) -> None:
        """Take nothing new, let sessions end, keep everything else for the next start."""
        for server in self._servers:
            server.close()
        self.intake.close()
        if self.parts.edges is not None:
            await self.parts.edges.stop()
        self.deliverer.stop()
        if self.link is not None:
            await self.link.stop()
        self.cpq.close()
        self.intake.shut_down()
        await self._sessions_gone()
        await self.services.tasks.close()

    async def _sessions_gone(self) -> None:
        deadline = self.services.clock.monotonic() + STOP_SECONDS
        while self.intake.busy or self.cpq.sessions or self.deliverer.sessions:
            if self.services.clock.monotonic() > deadline:
                return
            await asyncio.sleep(0.02)

    # --- the manager
    def peers_changed(self) -> None:
        """An enrolment was added, withdrawn or unlocked, or a set-back was accepted. What waits for a manager to be
        enrolled is judged now."""
        self.parts.trust.refresh()
        managers = [p for p in self.services.store.view.peers() if p.role == "manager" and not p.withdrawn]
        serial = managers[0].serial if managers else ""
        renewed = self._inc != self.services.store.identity.inc
        self._inc = self.services.store.identity.inc
        self._look_back()
        if renewed:
            self.cpq.drop_all()
        if self.link is not None and self.link.serial == serial:
            self.link.renew() if renewed else self.link.hello_again()
            return
        if self.link is not None:
            self.services.tasks.spawn(self.link.stop(), "old link")
            self.services.supervisor.gone(f"link to {self.link.serial}")
            self.cpq.drop_peer(self.link.serial)
        self.planner.manager = serial
        if self.parts.edges is not None:
            self.parts.edges.know(serial)
        self.link = self._new_link(serial) if serial else None
        if self.link is not None:
            self.link.suspended = self._suspended.delivery
            self.services.supervisor.keep(f"link to {serial}", self.link.run)

    def _new_link(self, serial: str) -> Link:
        return Link(
            self.services,
            serial=serial,
            destination=CPQ_HOST,
            role="gateway",
            settings=self.parts.cpq,
            trust=self.parts.trust,
            endpoint=lambda peer: (peer.host, peer.port),
            moved=self._moved,
            readiness=self._manager_ready,
            set_back=self._set_back,
            retry=self.parts.delivery.retry,
            recovery=GatewayRecovery(self.services, serial, self._recovered),
        )

    def _peer_recovers(self, peer: Peer) -> None:
        """The manager's hello: one that has recovered has lost what is in doubt again here; one that recovers is told
        what we know over our own link."""
        if self.link is None:
            return
        if not peer.set_back_there:
            self.link.forget_queue()
        self.link.hello_again() if peer.set_back_there else self.link.wake()

    def _recovered(self, recovered: Recovered) -> None:
        """We have adopted: what the manager has or a person decides on is not delivered."""
        for _, mids in recovered.changed:
            self.deliverer.forget(frozenset(mids))
        self.peers_changed()

    def _look_back(self) -> None:
        """Is our own store an older one? When that has been accepted, what was kept back meanwhile is due."""
        before, self.set_back = (
            self.set_back,
            any(p.set_back_here and not p.withdrawn for p in self.services.store.view.peers()),
        )
        if before and not self.set_back:
            self.deliverer.retry_now()

    def _set_back(self, peer: Peer, number: int) -> None:
        self._look_back()
        if self.link is not None:
            self.link.hold()
        if peer.set_back_there and peer.role == "manager":
            self.services.tasks.spawn(self._name_shadows(peer, number), "naming what the manager lost")

    async def _name_shadows(self, peer: Peer, number: int) -> None:
        """What the manager had acknowledged above the number that it states now is kept by our shadows alone."""

        def read(view: View) -> list[int]:
            return sorted(t.mid for t in view.acknowledged_above(peer.serial, number, NAMED_MAX + 1))

        mids = await self.services.store.read(read)
        if not mids:
            return
        named = ", ".join(map(str, mids[:NAMED_MAX])) + (" and more" if len(mids) > NAMED_MAX else "")
        self._log(
            log.Alarm(
                message=f"{peer.name} acknowledged messages that it does not know any more; this gateway keeps their "
                f"bodies for {self.settings.shadow_days} days from their transfer on: MID {named}",
                condition=log.Condition.SET_BACK,
                subject=peer.serial,
            )
        )

    def _manager_ready(self, ready: bool) -> None:
        self.planner.ready = ready

    def _transfer(self, copy: NewCopy, octets: bytes | None) -> None:
        if self.link is not None:
            self.link.offer(item_of(copy, octets))

    def _moved(self, item: Item, event: Event) -> None:
        if event is Event.ACC:
            if item.hop > 1 and self.link is not None:
                self.link.journal_changed()  # it had come back and is held again: the row FIN says so
            return
        self._log(
            log.Alarm(
                message=f"MID {item.mid} was not taken by the manager and is ours again; `pratique list` shows it, "
                "`pratique release` delivers it",
                cid=item.cid,
                condition=log.Condition.OURS_AGAIN,
            )
        )

    def _manager_met(self, peer: Peer) -> None:
        if self.link is not None:
            self.link.met()

    def _let_go(self, mids: tuple[int, ...]) -> None:
        self.sweeper.let_go(mids)

    def _log(self, event: log.Event) -> None:
        self.services.telemetry.emit(event)


class Onward:
    """Where copies go on that an edge process accepted."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def transfer(self, copy: NewCopy) -> None:
        link = self._gateway.link
        if link is not None:
            link.offer(item_of(copy, self._octets(copy) if link.has_room(copy.extent.length) else None))

    def _octets(self, copy: NewCopy) -> bytes | None:
        """The body, proved, as the link sends it; None = the link reads it from the spool itself, and says what is
        wrong with it."""
        if copy.extent.length > MEMORY_BYTES:
            return None
        try:
            octets = self._gateway.services.store.spool.read(copy.extent, 0, copy.extent.length)
        except OSError:
            return None
        return octets if hashlib.sha256(octets).hexdigest() == copy.sha256 else None

    def deliver(self, copy: NewCopy) -> None:
        self._gateway.deliverer.offer(copy)

    def unjudged(self, copy: NewCopy) -> None:
        gateway = self._gateway
        stored = gateway.services.store.view.copy(copy.mid)
        if stored is not None:
            gateway.services.tasks.spawn(gateway.judging.judge_queued(stored), f"late verdict of MID {copy.mid}")

    def troubled(self, said: Heard) -> None:
        self._gateway.alerts.take(said)


class Mailroom:
    """What the deliverer asks of this role."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def compose(self, copy: Copy, job: Job) -> Outgoing:
        if copy.hop and self._gateway.set_back:
            raise OSError(
                "it came back from the manager and this gateway was set back to an older state, so it may be delivered "
                "already; it is asked for at the manager first"
            )
        return compose(copy, job, self._gateway.services.store.spool)

    def notice(self, copy: Copy, answers: tuple[Answered, ...], notices: Notices) -> tuple[NewCopy, ...]:
        return self._gateway.bouncer.notices(copy, answers, notices)

    def finished(self, mid: int, *, row: bool) -> None:
        self._gateway.alerts.finished(mid)
        if self._gateway.canary.flies:  # else no row is read for it
            copy = self._gateway.services.store.view.copy(mid)
            if copy is not None:
                self._gateway.canary.finished(copy)
        if row and self._gateway.link is not None:
            self._gateway.link.journal_changed()


def routes_of(lines: tuple[str, ...]) -> Routes:
    """The table from its lines "domain target[, target]". Raises RouteError."""
    table: dict[str, list[str]] = {}
    for line in lines:
        domain, _, targets = line.strip().partition(" ")
        if domain.lower() in map(str.lower, table):
            raise RouteError(f"there are two routes for {domain!r}; write all targets into one, with commas")
        table[domain] = [t.strip() for t in targets.split(",") if t.strip()]
    return Routes(table)
