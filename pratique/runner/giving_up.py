"""A person ends what waits for ordinary hosts: deleted, or bounced with a notice to the sender. The durable step is one
Settle for each message, with its audit row; what is being sent at this moment is left alone.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pratique.delivery import bounce
from pratique.delivery.bounce import Attempted, Result
from pratique.mail.reply import Reply
from pratique.runner.deliverer import Deliverer
from pratique.runner.jobs import Answered, Job
from pratique.runner.services import audit
from pratique.store.moves import MoveRefused, Outcome, Settle, StoreFailed
from pratique.store.records import Copy, NewCopy
from pratique.telemetry import events as log

AT_ONCE = 64  # messages that share commits; more would only lengthen the loop's turn
BUSY = "it is being sent at this moment; look again when that has ended"
GIVEN_UP = Reply(0, "5.0.0", "given up by the administrator")  # what a sender reads in the notice


@dataclass(frozen=True, slots=True)
class Order:
    """What is ended, and by whom. `means(job)` picks it; `kept(copy)` says why one may not be ended, "" = it may."""

    means: Callable[[Job], bool]
    actor: str
    bounced: bool  # with a notice; else deleted
    kept: Callable[[Copy], str] = lambda copy: ""

    @property
    def word(self) -> str:
        return "bounced" if self.bounced else "deleted"

    @property
    def action(self) -> str:
        return "bounce-recipients" if self.bounced else "delete-recipients"


@dataclass(slots=True)
class Ended:
    """Messages that were ended, and why others were not, by MID."""

    mids: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)


async def end_waiting(deliverer: Deliverer, order: Order) -> Ended:
    """End what the order means. Durable on return, but for those that are refused. Whoever leaves meanwhile leaves the
    work going on: what was taken out of the queue must not get lost with him."""
    work = deliverer.services.tasks.spawn(_end_all(deliverer, order), f"{order.action} by {order.actor}")
    return await asyncio.shield(work)


async def _end_all(deliverer: Deliverer, order: Order) -> Ended:
    ended = Ended()
    jobs = deliverer.take_out(order.means)
    for job in deliverer.under_way():
        if order.means(job):
            ended.refused[job.mid] = BUSY
    for start in range(0, len(jobs), AT_ONCE):
        await asyncio.gather(*(_end(deliverer, order, job, ended) for job in jobs[start : start + AT_ONCE]))
    return ended


async def _end(deliverer: Deliverer, order: Order, job: Job, ended: Ended) -> None:
    copy = deliverer.services.store.view.copy(job.mid)
    try:
        if copy is None:
            raise OSError("the message is not in the store")
        if why := order.kept(copy):
            raise OSError(why)
        move, answers = order_move(deliverer, order, job, copy)
        settled = await deliverer.services.store.submit(move)
    except MoveRefused as refused:
        ended.refused[job.mid] = refused.why
        return
    except (StoreFailed, OSError) as error:
        ended.refused[job.mid] = str(error)
        deliverer.put_back(job)
        return
    ended.mids.add(job.mid)
    if not order.bounced:  # the lines of a bounce follow from its answers
        rids = tuple(t.rid for t in job.targets)
        gone = log.RecipientsDeleted(mid=job.mid, rids=rids, domain=job.host, actor=order.actor, cid=job.cid)
        deliverer.services.telemetry.emit(gone)
    deliverer.ended(job, move, answers, settled)


def order_move(deliverer: Deliverer, order: Order, job: Job, copy: Copy) -> tuple[Settle, tuple[Answered, ...]]:
    """The move, and what the notice says of each recipient. Raises StoreFailed, OSError: the notice cannot be kept."""
    answers = tuple(Answered(t, GIVEN_UP) for t in job.targets) if order.bounced else ()
    state = "FAILED" if order.bounced else "CANCELLED"
    outcomes = tuple(Outcome(t.rid, state, f"{order.word} by {order.actor}") for t in job.targets)
    spawned: tuple[NewCopy, ...] = ()
    if order.bounced:
        attempted = [Attempted(t.rid, Result.FAILED, t.notify, job.attempts + 1, t.warned) for t in job.targets]
        due = bounce.notices_due(copy.envelope.sender, attempted, deliverer.settings.bounce)
        spawned = deliverer.mailroom.notice(copy, answers, due) if due else ()
    detail = json.dumps(
        {"host": job.host, "recipients": [t.address for t in job.targets], "in_doubt": job.doubtful or job.in_dot}
    )
    entry = audit(order.actor, order.action, job.mid, copy.cid, detail=detail)
    return Settle(job.mid, outcomes, (entry,), spawned), answers


def of_host(host: str, job: Job) -> bool:
    return not host or job.host == host


def of_messages(mids: frozenset[int], job: Job) -> bool:
    return job.mid in mids


def picking(host: str, mids: frozenset[int] | None) -> Callable[[Job], bool]:
    """Those to `host` ("" = any), or those of these messages."""
    return partial(of_host, host) if mids is None else partial(of_messages, mids)
