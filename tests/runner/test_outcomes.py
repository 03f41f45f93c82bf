"""What came of attempts: retries on a clock that stands still, notices, doubt, a disk that does not take it."""

from typing import Any

import pytest

from pratique.delivery.settings import BounceSettings, RetrySettings
from pratique.runner import outcomes as outcomes_module
from pratique.runner.jobs import IN_DOUBT
from pratique.store.moves import Settle, StoreFailed
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE, NOW
from tests.runner.conftest import Make
from tests.runner.support import turns, until


async def test_a_recipient_who_is_refused_for_now_is_tried_again_when_his_time_has_come(make: Make) -> None:
    post = make()
    post.hop.script["RCPT"].append("450 4.2.0 later")
    copy = await post.sent()
    await post.tried(copy)
    (row,) = post.node.store.view.deliveries(copy.mid)
    assert (row.state, row.next_at, row.reply) == ("DUE", NOW + 60_000, "450 4.2.0 later")
    assert post.node.log.lines(f"Message {copy.mid} to RID [0] pending till ")
    post.at(59.9)
    await turns()
    assert post.hop.messages == []
    post.at(60)
    await post.settled(copy, "DELIVERED")
    assert post.mailroom.noticed == []


async def test_the_waits_double_and_have_a_ceiling(make: Make) -> None:
    post = make(retry=RetrySettings(initial_s=60, ceiling_s=200, jitter_percent=0))
    post.hop.script["RCPT"].extend(["451 4.3.0 no"] * 5)
    copy = await post.sent()
    at = 0.0
    for attempt, wait in enumerate((60, 120, 200, 200, 200), start=1):
        await post.tried(copy, attempt)
        (row,) = post.node.store.view.deliveries(copy.mid)
        assert row.next_at == NOW + int((at + wait) * 1000)
        at += wait
        post.at(at)
    await post.settled(copy, "DELIVERED")


async def test_after_too_many_tries_the_sender_is_told(make: Make) -> None:
    post = make(retry=RetrySettings(initial_s=1, tries_max=3, jitter_percent=0))
    post.hop.script["RCPT"].extend(["450 4.2.0 later"] * 9)
    copy = await post.sent()
    for attempt, at in ((1, 1), (2, 3)):
        await post.tried(copy, attempt)
        post.at(at)
    await post.settled(copy, "FAILED")
    assert post.mailroom.noticed == [("failed", (0,))]
    assert post.node.log.lines("Bounced: ", "- 5.4.7 - Delivery expired (message too old) ('450', ['later'])")
    (row,) = [row for row in post.node.store.view.audit(0, 1_000) if row.action == "bounce"]
    assert '"expired": true' in row.detail


async def test_after_too_long_a_stay_the_sender_is_told(make: Make) -> None:
    post = make(retry=RetrySettings(initial_s=60, queue_s_max=90, jitter_percent=0))
    post.hop.script["RCPT"].extend(["450 4.2.0 later"] * 9)
    copy = await post.sent()
    await post.tried(copy)
    post.at(60)
    await post.tried(copy, 2)
    assert post.node.store.view.deliveries(copy.mid)[0].next_at == NOW + 90_000  # the last attempt is at the end
    post.at(90)
    await post.settled(copy, "FAILED")


async def test_a_refusal_is_final_at_once_and_only_for_its_recipient(make: Make) -> None:
    post = make()
    post.hop.script["RCPT"].append("550 5.1.1 no such user")
    copy = await post.sent("gone@example.com", "here@example.com")
    await post.settled(copy, "FAILED", "DELIVERED")
    assert post.hop.messages[0][1] == ["here@example.com"]
    assert post.mailroom.noticed == [("failed", (0,))]
    await until(lambda: post.mailroom.done == [copy.mid])


async def test_a_delay_is_told_once_and_only_if_wanted(make: Make) -> None:
    post = make(bounce=BounceSettings(delay_warning=True))
    post.hop.script["RCPT"].extend(["450 4.2.0 later"] * 3)
    copy = await post.sent()
    await post.tried(copy, 1)
    assert post.mailroom.noticed == []
    post.at(60)
    await post.tried(copy, 2)
    assert post.mailroom.noticed == [("delayed", (0,))]
    post.at(300)
    await post.tried(copy, 3)
    assert post.mailroom.noticed == [("delayed", (0,))]
    assert post.node.store.view.deliveries(copy.mid)[0].delayed


async def test_a_notice_is_committed_with_the_outcome_and_goes_out_itself(make: Make) -> None:
    post = make()
    post.mailroom.spawn = True
    post.names.mx_of["sender.example"] = [(1, "mail.example.com")]
    post.hop.script["RCPT"].append("550 5.1.1 no such user")
    copy = await post.sent()
    await until(lambda: post.hop.messages)
    assert post.hop.messages[0][:2] == ("", ["a@sender.example"])
    assert post.node.log.lines(f"was generated for bounce of MID {copy.mid}")


async def test_an_outcome_that_cannot_be_stored_is_said(make: Make) -> None:
    post = make()
    post.hop.script["END"].append("250 2.0.0 taken")
    copy = await post.sent()
    await until(lambda: post.states(copy) == ["DOT"])
    post.node.store.fail_next(StoreFailed("no space", full=True))
    await until(lambda: post.node.log.of(log.Fault))
    assert post.node.log.lines("store: no space", f"MID {copy.mid}")


async def test_a_retry_whose_time_came_while_its_outcome_waited_for_the_disk_is_not_forgotten(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes_module, "SETTLE_RETRY_SECONDS", 0.01)
    post = make(retry=RetrySettings(initial_s=0, jitter_percent=0))
    post.hop.take_then_vanish = 1
    copy = await post.sent()
    await until(lambda: post.states(copy) == ["DOT"])
    post.node.store.fail_next(StoreFailed("no space", full=True))
    await until(lambda: post.node.log.of(log.Fault))
    await until(lambda: not post.deliverer.sessions)  # with the connection went all that would serve the queue
    await post.settled(copy, "DELIVERED")


async def test_a_notice_whose_commit_found_the_disk_full_is_written_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store gives up the body of a move that failed; a second commit of the same move would name octets that are
    gone, and the sender would never hear of it."""
    monkeypatch.setattr(outcomes_module, "SETTLE_RETRY_SECONDS", 0.0)
    post = make()
    post.mailroom.spawn = True
    post.hop.script["RCPT"].append("550 5.1.1 nobody of that name")
    store, submit = post.node.store, post.node.store.submit

    def given_up(move: Any) -> Any:
        if isinstance(move, Settle) and not post.node.log.of(log.Fault):
            store.fail_next(StoreFailed("no space", full=True))
            store.spool.drop([copy.extent for copy in move.spawned])
        return submit(move)

    monkeypatch.setattr(store, "submit", given_up)
    copy = await post.sent()
    await post.settled(copy, "FAILED")
    assert post.node.log.lines("store: no space", f"MID {copy.mid}")
    (notice,) = [n for mid in post.node.samples.mids if (n := store.view.copy(mid)) and n.envelope.sender == ""]
    assert notice.extent is not None
    assert store.spool.read(notice.extent, 0, 5) == b"From:"


async def test_an_answer_lost_behind_the_dot_makes_the_next_attempt_a_named_possible_duplicate(make: Make) -> None:
    post = make()
    post.hop.take_then_vanish = 1
    copy = await post.sent()
    await post.tried(copy)
    (row,) = post.node.store.view.deliveries(copy.mid)
    assert row.state == "DUE" and row.reply.startswith(IN_DOUBT)
    assert post.node.log.lines(
        f"MID {copy.mid} to example.com: the end was sent and no answer came; possible duplicate"
    )
    post.hop.script["RCPT"].append("450 4.2.0 later")  # the doubt outlives an attempt that was refused
    post.at(60)
    await post.tried(copy, 2)
    post.at(300)
    await post.settled(copy, "DELIVERED")
    assert [m[2].startswith(b"X-Possible-Duplicate: yes\r\n") for m in post.hop.messages] == [False, True]


async def test_a_refusal_behind_the_dot_is_no_doubt(make: Make) -> None:
    post = make()
    post.hop.script["END"].append("451 4.3.0 disk full")
    copy = await post.sent()
    await post.tried(copy)
    assert post.node.store.view.deliveries(copy.mid)[0].reply == "451 4.3.0 disk full"
    post.at(60)
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages[0][2] == MESSAGE


async def test_a_destination_counts_what_became_of_its_recipients(make: Make) -> None:
    post = make(retry=RetrySettings(initial_s=60, queue_s_max=90, jitter_percent=0))
    post.hop.script["RCPT"].extend(["450 4.2.0 later", "550 5.1.1 no such user", "250 ok", "450 4.2.0 still"])
    copy = await post.sent("a@example.com", "b@example.com", "c@example.com")
    await post.tried(copy)
    health = post.deliverer.destinations["example.com"].health
    assert (health.delivered, health.soft_bounced, health.hard_bounced) == (1, 1, {"5xx": 1})
    assert (health.last_error, health.last_5xx) == ("450 4.2.0 later", "550 5.1.1 no such user")
    assert (health.active_ms, health.address) == (NOW, "192.0.2.25:25")
    post.at(100)
    await post.settled(copy, "FAILED", "FAILED", "DELIVERED")
    await until(lambda: health.hard_bounced == {"5xx": 1, "expired": 1})
    health.forget_counts()
    assert (health.delivered, health.soft_bounced, health.hard_bounced) == (0, 0, {})
