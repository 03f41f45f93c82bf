"""What comes of an attempt: its durable outcome with the notices due, its lines in the log, what is tried again.

One commit holds all of an attempt; what a next hop said is not forgotten because a disk did not take it.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Protocol

from pratique.delivery import bounce
from pratique.delivery.bounce import Attempted, Notices, Result
from pratique.delivery.retry import next_attempt
from pratique.runner.delivery_log import attempt_lines, pending_until
from pratique.runner.jobs import IN_DOUBT, Answered, Destination, Job, Mailroom, Target
from pratique.runner.link_items import Health
from pratique.runner.services import Services, audit
from pratique.runner.settings import DeliverySettings
from pratique.store.interface import Submitted
from pratique.store.moves import Outcome, Settle, Settled, StoreFailed
from pratique.store.records import Copy, NewCopy
from pratique.telemetry import events as log

NOTICE_RETRY_MS = 300_000
SETTLE_RETRY_SECONDS = 5.0


class Queue(Protocol):
    """What outcomes need of the deliverer."""

    services: Services
    settings: DeliverySettings
    mailroom: Mailroom

    def destination(self, host: str, via: str = "") -> Destination: ...
    def offer(self, copy: NewCopy) -> None: ...
    def enqueue_at(self, job: Job, at: int) -> None: ...
    def serve(self) -> None: ...
    def name_doubt(self, job: Job, why: str) -> None: ...


class Outcomes:
    def __init__(self, queue: Queue, *, chance: Callable[[], float]) -> None:
        self._queue = queue
        self._services = queue.services
        self._chance = chance

    def settle(self, job: Job, answers: tuple[Answered, ...], *, dcid: int) -> None:
        """Record what came of an attempt, with the notices that are due, in one commit; then log and go on."""
        copy = self._services.store.view.copy(job.mid)
        if copy is None:
            return
        jitter = self._chance()  # one for all, so that they stay one message with one next attempt
        outcomes = tuple(self._outcome(job, a, copy, jitter) for a in answers)
        attempted = [
            Attempted(a.target.rid, _result_of(o), a.target.notify, job.attempts + 1, a.target.warned, a.relayed_dsn)
            for a, o in zip(answers, outcomes, strict=True)
        ]
        notices = bounce.notices_due(copy.envelope.sender, attempted, self._queue.settings.bounce)
        try:
            spawned = self._queue.mailroom.notice(copy, answers, notices) if notices else ()
        except (StoreFailed, OSError) as error:
            self._log_fault(f"a notice about MID {job.mid} could not be stored: {error}; tried again in 5 minutes")
            outcomes, spawned, notices = self._not_failed_yet(outcomes), (), Notices()
        delayed = frozenset(notices.delayed)
        outcomes = tuple(
            Outcome(o.rid, o.state, o.reply, o.next_at, o.rid in delayed) if o.rid in delayed else o for o in outcomes
        )
        entries = tuple(
            audit("system", "deliver" if o.state == "DELIVERED" else "bounce", job.mid, copy.cid, detail=_detail(a, o))
            for a, o in zip(answers, outcomes, strict=True)
            if o.state != "DUE"
        )
        self.commit(job, Settle(job.mid, outcomes, entries, spawned), answers, spawned, dcid=dcid)

    def _not_failed_yet(self, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        """Nobody could be told of the failures: they are not recorded, and tried again."""
        at = self._services.clock.now_ms() + NOTICE_RETRY_MS
        return tuple(Outcome(o.rid, "DUE", o.reply, at) if o.state == "FAILED" else o for o in outcomes)

    def _outcome(self, job: Job, answer: Answered, copy: Copy, jitter: float) -> Outcome:
        result = bounce.classify(answer.reply)
        text = str(answer.reply)
        if result is Result.DELIVERED:
            return Outcome(answer.target.rid, "DELIVERED", text)
        if _in_doubt(job, answer):
            text = IN_DOUBT + text
        if result is Result.FAILED:
            return Outcome(answer.target.rid, "FAILED", text)
        at = next_attempt(
            job.host,
            attempts=job.attempts + 1,
            accepted_at=copy.at,
            now=self._services.clock.now_ms(),
            jitter=jitter,
            settings=self._queue.settings.retry,
        )
        if at is None:
            return Outcome(answer.target.rid, "FAILED", text)
        return Outcome(answer.target.rid, "DUE", text, at)

    def commit(
        self, job: Job, move: Settle, answers: tuple[Answered, ...], spawned: tuple[NewCopy, ...], *, dcid: int
    ) -> None:
        def again() -> None:
            if spawned:  # a body whose commit failed is given up by the store: the notice is written anew
                self.settle(job, answers, dcid=dcid)
            else:
                self.commit(job, move, answers, spawned, dcid=dcid)

        def committed(future: Submitted) -> None:
            error = future.exception()
            if isinstance(error, StoreFailed) and not error.fatal:
                # What the next hop said must not be forgotten: said again, until the disk takes it.
                self._log_fault(f"store: {error}; the outcome of MID {job.mid} is recorded as soon as it can be")
                asyncio.get_running_loop().call_later(SETTLE_RETRY_SECONDS, again)
                return
            if error is not None:
                self._log_fault(f"store: {error}; MID {job.mid} is taken up again at the next start")
                return
            settled: Settled = future.result()
            self.after(job, move, answers, spawned, settled, dcid)

        self._services.store.submit(move).add_done_callback(committed)

    def after(
        self,
        job: Job,
        move: Settle,
        answers: tuple[Answered, ...],
        spawned: tuple[NewCopy, ...],
        settled: Settled,
        dcid: int,
    ) -> None:
        emit = self._services.telemetry.emit
        for line in attempt_lines(job, move.outcomes, answers, dcid):
            emit(line)
        health = self._queue.destination(job.host, job.via).health
        again: dict[tuple[int, bool], list[Target]] = {}
        targets = {t.rid: t for t in job.targets}
        failed = False
        for outcome in move.outcomes:
            if outcome.state == "DELIVERED":
                health.delivered += 1
            elif outcome.state == "DUE":
                health.soft_bounced += 1
                health.last_error = outcome.reply
                target = targets[outcome.rid]
                target.warned = target.warned or outcome.delayed
                again.setdefault((outcome.next_at, outcome.reply.startswith(IN_DOUBT)), []).append(target)
            elif outcome.state == "CANCELLED":
                health.deleted += 1
            else:
                failed = True
        if failed:
            _count_failed(health, move.outcomes, answers)
        for (at, doubtful), group in again.items():
            emit(pending_until(job, tuple(t.rid for t in group), at))
            if doubtful and not job.doubtful:
                self._queue.name_doubt(job, "the end was sent and no answer came")
            later = Job(
                job.mid, job.host, tuple(group), job.attempts + 1, job.accepted_at, job.cid, doubtful, via=job.via
            )
            self._queue.enqueue_at(later, at)
        if again:  # its time may have come while the outcome waited for the disk
            self._queue.serve()
        for copy in spawned:
            emit(log.BounceGenerated(mid=copy.mid, parent=job.mid, cid=copy.cid))
            self._queue.offer(copy)
        if settled.finished:
            emit(log.Finished(mid=job.mid, cid=job.cid))
            self._queue.mailroom.finished(job.mid, row=settled.row)

    def _log_fault(self, error: str) -> None:
        self._services.telemetry.emit(log.Fault(error=error))


def _count_failed(health: Health, outcomes: tuple[Outcome, ...], answers: tuple[Answered, ...]) -> None:
    for outcome, answer in zip(outcomes, answers, strict=False):  # a route that discards has no answers
        if outcome.state == "FAILED":
            kind = bounce.why_hard(answer.reply)
            health.hard_bounced[kind] = health.hard_bounced.get(kind, 0) + 1
            if kind is bounce.Hard.REFUSED:
                health.last_5xx = str(answer.reply)


def _in_doubt(job: Job, answer: Answered) -> bool:
    """Whoever tries next may double the message (RFC 1047): once in doubt, always in doubt."""
    return job.doubtful or answer.in_doubt


def _result_of(outcome: Outcome) -> Result:
    return {"DELIVERED": Result.DELIVERED, "FAILED": Result.FAILED}.get(outcome.state, Result.DEFERRED)


def _detail(answer: Answered, outcome: Outcome) -> str:
    expired = outcome.state == "FAILED" and bounce.classify(answer.reply) is Result.DEFERRED
    detail = {"rid": answer.target.rid, "reply": str(answer.reply)[:200]}
    return json.dumps({**detail, "expired": True} if expired else detail)
