"""The lines of a delivery attempt."""

from pratique.mail.reply import Reply
from pratique.runner.delivery_log import attempt_lines, pending_until
from pratique.runner.jobs import Answered, Job, Target
from pratique.store.moves import Outcome

TARGETS = tuple(Target(rid, f"r{rid}@example.com", "", "") for rid in range(4))
JOB = Job(7, "example.com", TARGETS, cid="ab" * 16)


def _lines(*given: tuple[str, Reply]) -> list[str]:
    answers = tuple(Answered(TARGETS[rid], reply) for rid, (_, reply) in enumerate(given))
    outcomes = tuple(Outcome(rid, state, str(reply), 1) for rid, (state, reply) in enumerate(given))
    events = list(attempt_lines(JOB, outcomes, answers, 12))
    assert {event.cid for event in events} == {JOB.cid}
    return [event.text() for event in events]


def test_recipients_with_one_answer_share_its_lines() -> None:
    ok, other = Reply(250, "2.0.0", "queued as 4711"), Reply(250, "2.1.5", "fine")
    assert _lines(("DELIVERED", ok), ("DELIVERED", other), ("DELIVERED", ok)) == [
        "Message done DCID 12 MID 7 to RID [0, 2]",
        "MID 7 RID [0, 2] Response '2.0.0 queued as 4711'",
        "Message done DCID 12 MID 7 to RID [1]",
        "MID 7 RID [1] Response '2.1.5 fine'",
    ]


def test_each_other_recipient_has_a_line_of_its_own() -> None:
    assert _lines(
        ("DELIVERED", Reply(250, "2.0.0", "ok")),
        ("FAILED", Reply(550, "5.1.1", "it's gone")),
        ("DUE", Reply(450, "", "later")),
        ("DUE", Reply(0, "4.4.1", "timed out")),
    )[2:] == [
        "Bounced: DCID 12 MID 7 to RID 1 - 5.1.1 - Bad destination mailbox address ('550', ['it\\'s gone']) []",
        "Delayed: DCID 12 MID 7 to RID 2 - 4.1.0 - Unknown address error ('450', ['later']) []",
        "Delayed: DCID 12 MID 7 to RID 3 - 4.4.1 - No answer from host ('000', ['timed out']) []",
    ]


def test_a_delay_that_lasted_too_long_is_an_expiry_with_the_last_answer() -> None:
    (line,) = _lines(("FAILED", Reply(451, "4.3.0", "busy")))
    assert line == "Bounced: DCID 12 MID 7 to RID 0 - 5.4.7 - Delivery expired (message too old) ('451', ['busy']) []"


def test_a_cancelled_recipient_has_no_line() -> None:
    assert list(attempt_lines(JOB, (Outcome(0, "CANCELLED", "discarded"),), (), 0)) == []


def test_the_next_attempt_is_named_in_utc() -> None:
    line = pending_until(JOB, (0, 3), 1_049_144_483_000).text()
    assert line == "Message 7 to RID [0, 3] pending till Mon Mar 31 21:01:23 2003"
