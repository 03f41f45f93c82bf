"""The mail-log lines of a delivery attempt."""

from collections.abc import Iterator
from datetime import UTC, datetime

from pratique.delivery.bounce import EXPIRED, Result, classify, log_code
from pratique.mail.reply import Reply
from pratique.runner.jobs import Answered, Job
from pratique.store.moves import Outcome
from pratique.telemetry import events as log


def attempt_lines(
    job: Job, outcomes: tuple[Outcome, ...], answers: tuple[Answered, ...], dcid: int
) -> Iterator[log.Event]:
    """Message done and Response for those that were taken, one Bounced or Delayed line for each of the others."""
    by_rid = {a.target.rid: a.reply for a in answers}
    done: dict[Reply, list[int]] = {}
    for outcome in outcomes:
        if outcome.state == "DELIVERED":
            done.setdefault(by_rid[outcome.rid], []).append(outcome.rid)
    for reply, rids in done.items():
        yield log.MessageDone(dcid=dcid, mid=job.mid, rids=tuple(rids), cid=job.cid)
        text = f"{reply.enhanced} {reply.text}".strip()
        yield log.Response(mid=job.mid, rids=tuple(rids), reply=text, cid=job.cid)
    for outcome in outcomes:
        if outcome.state in ("FAILED", "DUE"):
            yield _trouble(job, outcome, by_rid[outcome.rid], dcid)


def _trouble(job: Job, outcome: Outcome, reply: Reply, dcid: int) -> log.Undelivered:
    """A failure whose last answer was temporary is the end of the stay, not what that answer was about."""
    enhanced, phrase, code = log_code(reply)
    failed = outcome.state == "FAILED"
    if failed and classify(reply) is Result.DEFERRED:
        enhanced, phrase, _ = log_code(EXPIRED)
    return log.Undelivered(
        what="Bounced" if failed else "Delayed",
        dcid=dcid,
        mid=job.mid,
        rid=outcome.rid,
        enhanced=("5" if failed else "4") + enhanced[1:],
        phrase=phrase,
        code=code,
        reply=reply.text,
        cid=job.cid,
    )


def bounced_line(reply: Reply, *, mid: int, rid: int, cid: str) -> log.Undelivered:
    """The line of a recipient for whom no connection was made: he is given up for the reason in `reply`."""
    enhanced, phrase, code = log_code(reply)
    return log.Undelivered(
        what="Bounced",
        dcid=0,
        mid=mid,
        rid=rid,
        enhanced=enhanced,
        phrase=phrase,
        code=code,
        reply=reply.text,
        cid=cid,
    )


def pending_until(job: Job, rids: tuple[int, ...], at_ms: int) -> log.Pending:
    until = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S %Y")
    return log.Pending(mid=job.mid, rids=rids, until=until, cid=job.cid)
