"""Delivery to next hops: who is due, and who gets a connection.

The durable queue is the store's open deliveries; claims live in memory, because one process owns the queue: after a
crash everything is due again, and what was in DOT is tried again as a possible duplicate, by name in the log.
"""

import asyncio
import heapq
import itertools
import json
from collections import deque
from collections.abc import Callable, Sequence

from pratique.delivery.destinations import Destinations
from pratique.delivery.fairness import Fairness
from pratique.delivery.routes import CANARY_HOST, Hop, NoRoute, Route, Routes
from pratique.delivery.settings import DestinationSettings
from pratique.mail.reply import Reply
from pratique.net.listener import dial
from pratique.net.resolver import Resolver
from pratique.runner.delivery_session import DeliverySession
from pratique.runner.jobs import IN_DOUBT, Answered, Destination, Job, Mailroom, Target
from pratique.runner.next_hops import NextHops
from pratique.runner.outcomes import Outcomes
from pratique.runner.redirects import Redirect, redirects, way
from pratique.runner.services import Services, audit
from pratique.runner.settings import DeliverySettings
from pratique.store.moves import Outcome, Settle, Settled
from pratique.store.records import Delivery, NewCopy
from pratique.telemetry import events as log

LOAD_ROWS = 2000
HELD_BACK_MS = 3_600_000
CROWDED_SECONDS = 60.0  # how long no further connection is tried to a host that refused one beside others
DESTINATIONS_KEPT = 10_000  # idle ones are remembered up to this number, for operators
CLEAR_SECONDS = 600.0  # how long a host whose TLS is broken is spoken to in clear text (tls = may)


class Deliverer:
    def __init__(
        self,
        services: Services,
        *,
        settings: DeliverySettings,
        routes: Routes,
        resolver: Resolver,
        mailroom: Mailroom,
    ) -> None:
        self.services = services
        self.settings = settings
        self.mailroom = mailroom
        self._routes = routes
        self._next_hops = NextHops(resolver, name=services.name, chance=self._chance)
        self._outcomes = Outcomes(self, chance=self._chance)
        self.destinations: dict[str, Destination] = {}
        self._special = Destinations(settings.destinations)
        self._fair = Fairness(settings.shares, lambda name: self._special.find(_without_via(name)).connections_max)
        self._later: list[tuple[int, int, Job]] = []  # heap by due time
        self._order = itertools.count()
        self._touched: dict[str, Destination] = {}  # those whose queue has grown since they were served
        self._timer: asyncio.TimerHandle | None = None
        self._redirects: tuple[Redirect, ...] = ()
        self._suspended = False
        self._stopping = False
        self.sessions: set[DeliverySession] = set()

    # --- work comes in
    def offer(self, copy: NewCopy) -> None:
        """A copy that was just committed with its deliveries."""
        by_host: dict[str, list[Target]] = {}
        for d in copy.deliveries:
            by_host.setdefault(d.host, []).append(Target(d.rid, d.address, d.notify, d.orcpt))
        for host, targets in by_host.items():
            self._enqueue(Job(copy.mid, host, tuple(targets), accepted_at=copy.at, cid=copy.cid))
        self.serve()

    def load(self) -> int:
        """At start: take up every open delivery. Returns how many recipients."""
        after, total = (0, -1), 0
        self._redirects = redirects(self.services.store.view)
        while rows := self.services.store.view.due_deliveries(after, LOAD_ROWS):
            total += len(rows)
            after = (rows[-1].mid, rows[-1].rid)
            self._load_rows(rows)
        self.serve()
        return total

    def take_up(self, mid: int) -> None:
        """Deliveries of a copy that were committed by an act of a person."""
        self._load_rows([row for row in self.services.store.view.deliveries(mid) if row.state in ("DUE", "DOT")])
        self.serve()

    def _load_rows(self, rows: Sequence[Delivery]) -> None:
        groups: dict[tuple[int, str, int, int, bool, bool], list[Delivery]] = {}
        for row in rows:
            in_dot = row.state == "DOT"
            doubtful = in_dot or row.reply.startswith(IN_DOUBT)
            key = (row.mid, row.host, row.attempts, row.next_at, doubtful, in_dot)
            groups.setdefault(key, []).append(row)
        for (mid, host, attempts, next_at, doubtful, in_dot), group in groups.items():
            copy = self.services.store.view.copy(mid)
            targets = tuple(Target(d.rid, d.address, d.notify, d.orcpt, d.delayed) for d in group)
            at, cid = (copy.at, copy.cid) if copy is not None else (0, "")
            job = Job(mid, host, targets, attempts, at, cid, doubtful, in_dot)
            if self._redirects and copy is not None:
                job.via = way(self._redirects, mid, host, copy.envelope.sender)
            if in_dot:
                self.name_doubt(job, "the end was sent before a crash")
            self.enqueue_at(job, next_at)

    def name_doubt(self, job: Job, why: str) -> None:
        self.services.telemetry.emit(
            log.Trouble(message=f"MID {job.mid} to {job.host}: {why}; possible duplicate", cid=job.cid)
        )

    def enqueue_at(self, job: Job, at: int) -> None:
        if at <= self.services.clock.now_ms():
            self._enqueue(job)
            return
        self.destination(job.host, job.via).waiting += len(job.targets)
        heapq.heappush(self._later, (at, next(self._order), job))
        self._arm()

    def destination(self, host: str, via: str = "") -> Destination:
        name = f"{host} via {via}" if via else host
        found = self.destinations.get(name)
        if found is None:
            found = self.destinations[name] = Destination(name, via)
        return found

    def _enqueue(self, job: Job) -> None:
        destination = self.destination(job.host, job.via)
        destination.queue.append(job)
        self._touched[destination.host] = destination

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._later and not self._stopping:
            seconds = max(0.0, (self._later[0][0] - self.services.clock.now_ms()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(min(seconds, 3600.0), self._due)

    def _due(self) -> None:
        now = self.services.clock.now_ms()
        while self._later and self._later[0][0] <= now:
            job = heapq.heappop(self._later)[2]
            self.destination(job.host, job.via).waiting -= len(job.targets)
            self._enqueue(job)
        self._arm()
        self.serve()

    def retry_now(self, host: str = "") -> int:
        """Make everything that waits (for `host`) due. Returns how many jobs."""
        kept: list[tuple[int, int, Job]] = []
        due: list[tuple[int, int, Job]] = []
        for entry in self._later:
            (due if not host or entry[2].host == host else kept).append(entry)
        heapq.heapify(kept)
        self._later = kept
        for _, _, job in due:
            self.destination(job.host, job.via).waiting -= len(job.targets)
            self._enqueue(job)
        self.serve()
        return len(due)

    def forget(self, mids: frozenset[int]) -> None:
        """These copies are not ours to deliver any more."""
        self.take_out(lambda job: job.mid in mids)

    def take_out(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """Those that wait are out of the queue until `put_back`; whoever asks ends them, or gives them back."""
        taken: list[Job] = []
        kept: list[tuple[int, int, Job]] = []
        for entry in self._later:
            if wanted(entry[2]):
                taken.append(entry[2])
                self.destination(entry[2].host, entry[2].via).waiting -= len(entry[2].targets)
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._later = kept
        for destination in self.destinations.values():
            jobs = [job for job in destination.queue if wanted(job)]
            if jobs:
                taken += jobs
                destination.queue = deque(job for job in destination.queue if not wanted(job))
                self._fair.due(destination.host, self._wanted(destination))
        return taken

    def put_back(self, job: Job) -> None:
        """One that was taken out and not ended is due."""
        self._enqueue(job)
        self.serve()

    def under_way(self) -> list[Job]:
        return [session.job for session in self.sessions if session.job is not None]

    def ended(self, job: Job, move: Settle, answers: tuple[Answered, ...], settled: Settled) -> None:
        """A person ended one that was taken out; durable already."""
        self._outcomes.after(job, move, answers, move.spawned, settled, 0)

    def redirect(self, wanted: Callable[[Job], bool], via: str) -> int:
        """Those that wait go to `via` ("" = the usual way) and are due. How many messages; it is kept in the store
        already."""
        self._redirects = redirects(self.services.store.view)
        jobs = self.take_out(lambda job: job.host != CANARY_HOST and wanted(job))
        for job in jobs:
            job.via = via
            self._enqueue(job)
        self.serve()
        return len({job.mid for job in jobs})

    def use(self, routes: Routes, settings: DeliverySettings | None = None) -> None:
        """Route and, with `settings`, deliver so from the next connection on; shares and name servers stay as they
        were."""
        self._routes = routes
        if settings is not None:
            self.settings = settings
            self._special = Destinations(settings.destinations)

    # --- connections
    def serve(self) -> None:
        if self._suspended or self._stopping:
            return
        touched, self._touched = self._touched, {}
        for destination in touched.values():
            while destination.queue and destination.idle:
                destination.idle.pop().work()
            self._fair.due(destination.host, self._wanted(destination))
        while (host := self._fair.take()) is not None:
            self.services.tasks.spawn(self._connect(self.destinations[host]), f"delivery to {host}")

    def next_job(self, destination: Destination) -> Job | None:
        job = destination.queue.popleft() if destination.queue and not self._suspended else None
        self._fair.due(destination.host, self._wanted(destination))
        return job

    def _wanted(self, destination: Destination) -> int:
        """Connections that its queue could use; no more than it has while it lets no further one in. One always: with
        none open nobody would come back to what waits."""
        if destination.crowded_until > self.services.clock.monotonic():
            return min(len(destination.queue), max(1, destination.health.connections))
        return len(destination.queue)

    async def _connect(self, destination: Destination) -> None:
        """One connection's life: route, dial, deliver until nothing is left."""
        try:
            destination.health.connections += 1
            destination.health.active_ms = self.services.clock.now_ms()
            try:
                hops = await self._next_hops.of(destination, self._routes)
            except NoRoute as error:
                self._fail_all(destination, error.reply)
                return
            if hops is None:
                self._discard_all(destination)
                return
            await self._dial_any(destination, hops)
        finally:
            destination.health.connections -= 1
            self._fair.closed(destination.host)
            if destination.queue:
                self._touched[destination.host] = destination
            elif len(self.destinations) > DESTINATIONS_KEPT and destination.is_idle:
                self.destinations.pop(destination.host, None)  # forged domains must not fill the memory
            self.serve()

    def route_of(self, host: str) -> Route:
        return self._routes.find(host)

    async def hops_of(self, host: str) -> tuple[Hop, ...] | None:
        """Where mail to `host` would go now: NextHops.of()."""
        return await self._next_hops.of(Destination(host), self._routes)

    async def _dial_any(self, destination: Destination, hops: tuple[Hop, ...]) -> None:
        error: OSError | None = None
        dcid = 0
        for hop in hops:
            destination.health.attempt(hop.host, hop.port)
            session = DeliverySession(self, destination, hop)
            dcid = session.dcid
            self.sessions.add(session)
            try:
                await dial(session.new_pump, hop.host, hop.port, source=self.settings.interface_ip)
            except OSError as failed:
                error = failed
                session.not_connected(failed)
                continue
            else:
                if await session.ended:
                    destination.health.up = True
                    return
                error = OSError(session.why)
            finally:
                self.sessions.discard(session)
        if destination.health.connections > 1:  # others deliver there: it only lets no more of us in
            destination.crowded_until = self.services.clock.monotonic() + CROWDED_SECONDS
            return
        destination.health.up = False
        destination.health.last_error = str(error)
        self._fail_all(destination, Reply(0, "4.4.1", str(error)), dcid=dcid)

    def starttls_for(self, destination: Destination) -> str:
        tls = self.special(destination).tls
        wanted = self.settings.tls if tls == "default" else tls
        if wanted == "may" and destination.clear_until > self.services.clock.monotonic():
            return "no"
        return wanted

    def speak_clear(self, destination: Destination) -> None:
        """Its TLS does not work; the policy `may` prefers delivery."""
        if self.starttls_for(destination) == "may":
            destination.clear_until = self.services.clock.monotonic() + CLEAR_SECONDS

    def special(self, destination: Destination) -> DestinationSettings:
        """What is set for this destination alone."""
        return self._special.find(_without_via(destination.host))

    # --- outcomes
    def _fail_all(self, destination: Destination, reply: Reply, *, dcid: int = 0) -> None:
        """Nobody could be reached: one attempt is counted for every job that waits. `dcid`: of the last connection
        that was tried, 0 = none was."""
        jobs, destination.queue = list(destination.queue), deque()
        self._fair.due(destination.host, 0)
        for job in jobs:
            self.settle(job, tuple(Answered(t, reply) for t in job.targets), dcid=dcid)

    def _discard_all(self, destination: Destination) -> None:
        while (job := self.next_job(destination)) is not None:
            outcomes = tuple(Outcome(t.rid, "CANCELLED", "discarded by smtproutes") for t in job.targets)
            entry = audit("policy:smtproutes", "discard", job.mid, detail=json.dumps(destination.host))
            self._outcomes.commit(job, Settle(job.mid, outcomes, (entry,)), (), (), dcid=0)

    def hold_back(self, job: Job, why: str) -> None:
        """The body cannot be read or is not what was accepted: never delivered, never bounced, looked at again after
        HELD_BACK_MS (a disk may come back, I7)."""
        self.services.telemetry.emit(
            log.Alarm(
                message=f"MID {job.mid} is held back from {job.host}: {why}; run `pratique doctor`, restore the spool "
                "or delete the message",
                cid=job.cid,
                condition=log.Condition.CORRUPT,
            )
        )
        self.enqueue_at(job, self.services.clock.now_ms() + HELD_BACK_MS)

    def settle(self, job: Job, answers: tuple[Answered, ...], *, dcid: int) -> None:
        """Record what came of an attempt, with the notices that are due, in one commit; then log and go on."""
        self._outcomes.settle(job, answers, dcid=dcid)

    def _chance(self) -> float:
        return int.from_bytes(self.services.clock.random(4), "big") / 4294967296

    # --- steering
    def suspend(self) -> None:
        self._suspended = True

    def resume(self) -> None:
        self._suspended = False
        self.serve()

    def break_off(self) -> None:
        """Connections end now, but for messages whose end was sent."""
        for session in list(self.sessions):
            session.break_off()

    def stop(self) -> None:
        """Begin nothing new; sessions end after the message under way."""
        self._stopping = True
        self._suspended = True
        if self._timer is not None:
            self._timer.cancel()
        for session in list(self.sessions):
            session.finish()


def _without_via(name: str) -> str:
    """The destination, also of mail that a person sent another way: Destination.host."""
    return name.partition(" ")[0]
