"""From a received body to a durable verdict: judge, plan, commit, and only then answer.

Also takes up, at start, what was accepted unjudged before a crash.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from pratique.delivery.loops import loops
from pratique.gateway.apply import NoManager, Plan, Planner, Reception
from pratique.gateway.bounce import Bouncer
from pratique.gateway.pipeline import Judged, Pipeline, Source
from pratique.mail import reply as replies
from pratique.mail.reply import Reply
from pratique.policy.decision import Decision, Disposition
from pratique.policy.facts import Message
from pratique.runner.services import Services
from pratique.store.interface import Stored, Submitted
from pratique.store.moves import Accept, Judge, MoveRefused, StoreFailed
from pratique.store.records import AuditEntry, Copy, NewCopy
from pratique.telemetry import events as log
from pratique.transfer.metadata import Client, Trace

Answer = Callable[[int, Reply], None]


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where committed work goes on."""

    transfer: Callable[[NewCopy, bytes | None], None]  # with the body, when it is in memory
    deliver: Callable[[NewCopy], None]


class Judging:
    def __init__(
        self,
        services: Services,
        *,
        pipeline: Pipeline,
        planner: Planner,
        bouncer: Bouncer,
        outlets: Outlets,
        deadline_seconds: float,
        hops_max: int,
        late: bool = True,
    ) -> None:
        """`late`: go on with a verdict that comes after its message was accepted; else another process judges it."""
        self._services = services
        self._pipeline = pipeline
        self._planner = planner
        self._bouncer = bouncer
        self._outlets = outlets
        self._deadline = deadline_seconds
        self._hops_max = hops_max
        self._late = late
        self.paused = False  # by an operator: what comes is stored unjudged and waits
        self._judging: set[int] = set()  # MIDs whose late verdict is under way

    def take(self, reception: Reception, answer: Answer) -> None:
        """`answer(mid, reply)` is called once, after the commit or with a refusal."""
        if self.paused:
            self._services.tasks.spawn(self._accept_paused(reception, answer), f"MID {reception.mid} waits")
            return
        judged = self._pipeline.judge_now(reception.source, reception.envelope, reception.octets)
        if judged is not None:
            self._accept_or_refuse(reception, judged, answer)
        else:
            self._services.tasks.spawn(self._judge_in_time(reception, answer), f"judge MID {reception.mid}")

    async def _judge_in_time(self, reception: Reception, answer: Answer) -> None:
        judging = self._services.tasks.spawn(self._judge(reception), f"checks of MID {reception.mid}")
        done, _ = await asyncio.wait({judging}, timeout=self._deadline)
        if done and judging.exception() is not None:  # reported by its owner; the sender keeps the message
            self._services.store.spool.drop([reception.stored.extent])
            answer(reception.mid, replies.R451_LOCAL)
            return
        if done:
            self._accept_or_refuse(reception, judging.result(), answer)
            return
        if not await self._accept_unjudged(reception, answer):
            judging.cancel()
            return
        self._services.telemetry.emit(log.NotJudgedInTime(mid=reception.mid, seconds=self._deadline, cid=reception.cid))
        copy = self._services.store.view.copy(reception.mid) if self._late else None
        if copy is not None:
            await self._judge_late(copy, reception, judging)
        else:
            judging.cancel()

    async def _judge(self, reception: Reception) -> Judged:
        body = self._services.store.spool.open(reception.stored.extent, reception.stored.sha256)
        return await self._pipeline.judge(reception.source, reception.envelope, body, reception.octets)

    def _accept_or_refuse(self, reception: Reception, judged: Judged, answer: Answer) -> None:
        """The client hears something, whatever goes wrong; then the defect is reported by the task's owner."""
        try:
            self._accept(reception, judged, answer)
        except Exception as error:  # noqa: BLE001 - reported as a fault; the sender keeps its mail
            self._services.store.spool.drop([reception.stored.extent])
            self._fault(error)
            answer(reception.mid, replies.R451_LOCAL)

    # --- accepting with the verdict
    def _accept(self, reception: Reception, judged: Judged, answer: Answer) -> None:
        if loops(_received_lines(judged.message), hops_max=self._hops_max):
            self._services.store.spool.drop([reception.stored.extent])
            answer(reception.mid, replies.R554_HOPS)
            return
        plan = self._plan(reception, judged)
        if plan is None:
            self._services.store.spool.drop([reception.stored.extent])
            answer(reception.mid, replies.R451_LOCAL)
            return

        def committed(future: Submitted) -> None:
            error = future.exception()
            if error is None:
                answer(reception.mid, accepted_reply(reception.mid))
                self._go_on(plan, reception.octets)
            else:
                self._services.store.spool.drop([reception.stored.extent])
                self._fault(error)
                full = isinstance(error, StoreFailed) and error.full
                answer(reception.mid, replies.R452_STORAGE if full else replies.R451_LOCAL)

        self._services.store.submit(Accept(tuple(plan.copies), tuple(plan.audit))).add_done_callback(committed)

    def _plan(self, reception: Reception, judged: Judged) -> Plan | None:
        try:
            plan = self._planner.plan(reception, judged)
        except NoManager:
            self._services.telemetry.emit(
                log.Alarm(
                    message=f"MID {reception.mid} must be held and no manager is enrolled; refused for now: "
                    "run `pratique enroll` with the manager's file",
                    condition=log.Condition.NO_MANAGER,
                )
            )
            return None
        self._bouncer.add_bounces(plan)
        return plan

    def _go_on(self, plan: Plan, octets: bytes | None) -> None:
        emit = self._services.telemetry.emit
        for event in plan.lines:
            emit(event)
        for copy in plan.copies:
            if copy.transfer is not None:
                self._outlets.transfer(copy, octets)
            elif copy.custody == "ACTIVE":
                self._outlets.deliver(copy)

    # --- accepting without it
    async def _accept_unjudged(self, reception: Reception, answer: Answer) -> bool:
        identity = self._services.store.identity
        copy = NewCopy(
            mid=reception.mid,
            cid=reception.cid,
            hop=0,
            custody="RECEIVED",
            icid=reception.icid,
            at=reception.at,
            envelope=reception.envelope,
            extent=reception.stored.extent,
            sha256=reception.stored.sha256,
            origin_serial=identity.serial,
            origin_host=self._services.name,
            origin_ip=reception.client.ip,
            origin_mid=reception.mid,
            context=_pack(reception),
        )
        entry = AuditEntry(reception.actor, "accept", reception.mid, reception.cid, '"not judged yet"')
        try:
            await self._services.store.submit(Accept((copy,), (entry,)))
        except StoreFailed as error:
            self._fault(error)
            answer(reception.mid, replies.R452_STORAGE if error.full else replies.R451_LOCAL)
            return False
        answer(reception.mid, accepted_reply(reception.mid))
        return True

    async def _accept_paused(self, reception: Reception, answer: Answer) -> None:
        if await self._accept_unjudged(reception, answer):
            text = f"MID {reception.mid} waits in the work queue, which is paused"
            self._services.telemetry.emit(log.Note(message=text, cid=reception.cid))

    async def judge_queued(self, copy: Copy) -> None:
        """Judge a copy that was accepted unjudged; what fails is reported, and tried again in the next round."""
        if self.paused or copy.mid in self._judging or copy.extent is None:
            return
        reception = _unpack(copy, Stored(copy.extent, copy.size, copy.sha256))
        judging = self._services.tasks.spawn(self._judge(reception), f"late checks of MID {copy.mid}")
        await self._judge_late(copy, reception, judging)

    async def _judge_late(self, copy: Copy, reception: Reception, judging: asyncio.Task[Judged]) -> None:
        """The verdict takes the place of the unjudged copy. One at a time for each message."""
        self._judging.add(copy.mid)
        try:
            await asyncio.wait({judging})
            if judging.exception() is None:
                await self._commit_judgement(copy, reception, judging.result())
        except (MoveRefused, OSError, StoreFailed) as error:
            self._fault(error, f"MID {copy.mid} stays unjudged and is judged in a later round")
        finally:
            self._judging.discard(copy.mid)

    async def _commit_judgement(self, copy: Copy, reception: Reception, judged: Judged) -> None:
        if loops(_received_lines(judged.message), hops_max=self._hops_max):
            judged = _bounced(judged, reception)
        plan = self._plan(reception, judged)
        if plan is None:
            return  # no manager is enrolled: it waits as RECEIVED, and is judged when one is, or at the next start
        copies = _under_cid(plan, copy)
        future = self._services.store.submit(Judge(copy.mid, copies, tuple(plan.audit)))

        def committed(done: Submitted) -> None:
            # Not after the await, a turn later: transfers are offered in the order in which their numbers commit.
            if done.exception() is None:
                self._go_on(plan, reception.octets)

        future.add_done_callback(committed)
        await future

    def _fault(self, error: BaseException, then: str = "the sender keeps its mail and tries again") -> None:
        self._services.telemetry.emit(log.Fault(condition=log.Condition.STORE, error=f"store: {error}; {then}"))


def _bounced(judged: Judged, reception: Reception) -> Judged:
    """A loop that was noticed after 250: the sender is told."""
    everyone = tuple(range(len(reception.envelope.recipients)))
    decision = Decision((Disposition(everyone, "DEFAULT", "bounce", by="mail loop"),))
    return Judged(decision, judged.message, judged.virus)


def _received_lines(message: Message) -> int:
    return sum(name.lower() == "received" for name, _ in message.headers)


def accepted_reply(mid: int) -> Reply:
    return Reply(250, "2.0.0", f"ok: Message {mid} accepted")


def _under_cid(plan: Plan, copy: Copy) -> tuple[NewCopy, ...]:
    """The store replaces the unjudged copy by the first one; its children name it as parent."""
    first, *rest = plan.copies
    return (first, *(replace(c, parent=copy.cid) for c in rest))


class Unjudged(msgspec.Struct, frozen=True, kw_only=True):
    """The context of a RECEIVED copy: all that judging needs besides envelope and body."""

    client: Client
    trace: Trace
    source: Source
    actor: str


_PACK = msgspec.json.Encoder()
_UNPACK = msgspec.json.Decoder(Unjudged)


def _pack(reception: Reception) -> bytes:
    return _PACK.encode(
        Unjudged(client=reception.client, trace=reception.trace, source=reception.source, actor=reception.actor)
    )


def _unpack(copy: Copy, stored: Stored) -> Reception:
    context = _UNPACK.decode(copy.context)
    return Reception(
        mid=copy.mid,
        cid=copy.cid,
        icid=copy.icid,
        at=copy.at,
        source=context.source,
        client=context.client,
        trace=context.trace,
        envelope=copy.envelope,
        stored=stored,
        octets=None,
        actor=context.actor,
    )
