"""Delivery to next hops: outcomes, retries on a clock that stands still, routes, and what is said of it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pratique.delivery.settings import BounceSettings, FairnessSettings, RetrySettings
from pratique.runner import deliverer as deliverer_module
from pratique.runner.deliverer import HELD_BACK_MS, IN_DOUBT
from pratique.store.moves import Settle, StoreFailed
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE, NOW
from tests.runner.hop import Hop, HopSession, Post
from tests.runner.support import turns, until

STEADY = RetrySettings(jitter_percent=0)
Make = Callable[..., Post]


class Silent(HopSession):
    """It lets us in and says nothing."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Post] = []

    def one(**how: Any) -> Post:
        made.append(Post(monkeypatch, **{"retry": STEADY, **how}))
        return made[-1]

    yield one
    for post in made:
        await post.close()


async def test_a_message_is_delivered_and_everyone_is_told(make: Make) -> None:
    post = make()
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages == [("a@sender.example", ["bob@example.com"], MESSAGE)]
    await until(lambda: post.mailroom.done == [copy.mid])
    texts = [e.text() for e in post.node.log.events if f"MID {copy.mid}" in e.text()]
    assert texts == [
        f"Delivery start DCID 1 MID {copy.mid} to RID [0]",
        f"Message done DCID 1 MID {copy.mid} to RID [0]",
        f"MID {copy.mid} RID [0] Response '2.0.0 taken'",
        f"Message finished MID {copy.mid} done",
    ]
    assert post.node.log.lines("New SMTP DCID 1 interface 192.0.2.99 address 192.0.2.25 port 25")
    stored = post.node.store.view.copy(copy.mid)
    assert stored is not None and stored.custody == "SETTLED"
    assert [row.action for row in post.node.store.view.audit(0, 9)] == ["accept", "deliver"]


async def test_recipients_of_one_domain_share_a_message_and_others_have_their_own(make: Make) -> None:
    post = make()
    other = Hop()
    post.names.mx_of["example.net"] = [(5, "mx.example.net")]
    post.names.addresses_of["mx.example.net"] = ["192.0.2.26"]
    post.listen("192.0.2.26", other)
    copy = await post.sent("a@example.com", "b@example.net", "c@example.com")
    await post.settled(copy, "DELIVERED", "DELIVERED", "DELIVERED")
    assert [m[1] for m in post.hop.messages] == [["a@example.com", "c@example.com"]]
    assert [m[1] for m in other.messages] == [["b@example.net"]]


async def test_messages_of_one_moment_share_a_connection(make: Make) -> None:
    post = make(shares=FairnessSettings(per_destination_max=1), idle_seconds=5.0)
    copies = [await post.sent() for _ in range(5)]
    for copy in copies:
        await post.settled(copy, "DELIVERED")
    assert len(post.network.connections) == 1
    assert len(post.hop.messages) == 5


async def test_connections_to_one_destination_are_bounded(make: Make) -> None:
    post = make(shares=FairnessSettings(per_destination_max=3), idle_seconds=5.0)
    post.network.listening["192.0.2.25", 25] = lambda: Silent(post.hop)
    for _ in range(20):
        await post.sent()
    await turns(200)
    assert len(post.network.connections) == 3


# --- later
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


async def test_what_is_due_is_tried_although_the_host_let_no_further_connection_in_a_moment_ago(make: Make) -> None:
    """Found by the simulation: with its last connection closed, nobody took up what came due within that minute."""
    post = make(retry=RetrySettings(initial_s=10))
    post.hop.script["GREETING"].extend(["220 hop ESMTP", "421 4.3.2 no further connection"])
    post.hop.script["RCPT"].append("451 4.2.1 not now")
    first, second = await post.sent(), await post.sent()
    await post.settled(second, "DELIVERED")
    await post.tried(first)
    post.at(15)
    await post.settled(first, "DELIVERED")


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


# --- where to
async def test_exchangers_are_tried_in_the_order_of_their_preference(make: Make) -> None:
    post = make()
    post.names.mx_of["example.com"] = [(20, "mail.example.com"), (10, "dead.example.com")]
    post.names.addresses_of["dead.example.com"] = ["192.0.2.66"]
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert post.network.dialled == [("192.0.2.66", 25), ("192.0.2.25", 25)]
    assert post.node.log.lines("Connection Error: DCID 1 domain: example.com IP: 192.0.2.66 port: 25")


async def test_nobody_reachable_is_one_attempt_for_all_that_wait(make: Make) -> None:
    post = make(shares=FairnessSettings(per_destination_max=1))
    post.network.listening.clear()
    copies = [await post.sent() for _ in range(3)]
    for copy in copies:
        await post.tried(copy)
        (row,) = post.node.store.view.deliveries(copy.mid)
        assert (row.state, row.attempts) == ("DUE", 1)
        assert "Connection refused" in row.reply
    assert not post.node.log.lines("Delayed: DCID 0 ")
    assert post.node.log.lines("Delayed: DCID ", "- 4.4.1 - ")
    health = post.deliverer.destinations["example.com"].health
    assert health.up is False and "Connection refused" in health.last_error
    post.listen("192.0.2.25", post.hop)
    assert post.deliverer.retry_now("example.com") == 3  # an operator's "try now"
    for copy in copies:
        await post.settled(copy, "DELIVERED")
    assert health.up is True


async def test_when_all_connections_of_a_moment_fail_their_mail_is_tried_again(make: Make) -> None:
    """The first ones to fail take it for a host that lets no more in; the last one shows that it was none."""
    post = make(shares=FairnessSettings(per_destination_max=3), retry=RetrySettings(initial_s=1, jitter_percent=0))
    post.network.listening["192.0.2.25", 25] = lambda: Silent(post.hop)
    copies = [await post.sent() for _ in range(3)]
    await until(lambda: len(post.network.connections) == 3)
    for ours, _ in post.network.connections:
        ours.lose()
    for copy in copies:
        await post.tried(copy)
    post.listen("192.0.2.25", post.hop)
    post.at(1)
    for copy in copies:
        await post.settled(copy, "DELIVERED")


async def test_a_domain_without_mx_is_its_own_host(make: Make) -> None:
    post = make()
    del post.names.mx_of["example.com"]
    post.names.addresses_of["example.com"] = ["192.0.2.25"]
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")


@pytest.mark.parametrize(
    ("mx", "state"),
    [("missing", "FAILED"), (None, "DUE"), ([(0, "")], "FAILED"), ([(0, "gateway.example.net")], "FAILED")],
)
async def test_domains_that_cannot_be_reached(make: Make, mx: Any, state: str) -> None:
    """Missing: final. No answer: later. Null MX (RFC 7505) and ourselves as the best exchanger: final."""
    post = make()
    if mx == "missing":
        del post.names.mx_of["example.com"]
    else:
        post.names.mx_of["example.com"] = mx
    copy = await post.sent()
    await post.tried(copy)
    assert post.states(copy) == [state]
    assert post.network.dialled == []


async def test_static_routes_name_host_and_port(make: Make) -> None:
    post = make(routes={"example.com": ["192.0.2.30:2525"]})
    post.listen("192.0.2.30", post.hop, 2525)
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert post.network.dialled == [("192.0.2.30", 2525)]


async def test_a_route_to_nowhere_discards_with_a_record(make: Make) -> None:
    post = make(routes={"example.com": ["/dev/null"]})
    copy = await post.sent()
    await post.settled(copy, "CANCELLED")
    assert [row.actor for row in post.node.store.view.audit(0, 9)][-1] == "policy:smtproutes"
    assert post.mailroom.noticed == [] and post.network.dialled == []


# --- trouble of our own
async def test_a_body_that_cannot_be_read_is_held_back_and_alarmed_and_looked_at_again(make: Make) -> None:
    post = make()
    post.mailroom.unreadable.add(1)
    copy, other = await post.sent(), await post.sent()
    await post.settled(other, "DELIVERED")
    assert post.states(copy) == ["DUE"]  # neither delivered nor bounced
    (alarm,) = [e for e in post.node.log.of(log.Alarm) if f"MID {copy.mid} " in e.text()]
    assert "CORRUPT" in alarm.text() and "pratique doctor" in alarm.text()
    post.mailroom.unreadable.clear()
    post.at(HELD_BACK_MS / 1000)
    await post.settled(copy, "DELIVERED")


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
    monkeypatch.setattr(deliverer_module, "SETTLE_RETRY_SECONDS", 0.01)
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
    monkeypatch.setattr(deliverer_module, "SETTLE_RETRY_SECONDS", 0.0)
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


# --- in doubt
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


async def test_a_crash_behind_the_dot_is_named_and_tried_again_at_once(make: Make) -> None:
    post = make()
    post.hop.script["END"].append("")  # the connection breaks, and then the process
    copy = await post.sent()
    await until(lambda: post.states(copy) == ["DOT"])
    post.node.store.manual = True
    await turns()
    post.node.store.pending.clear()  # the outcome never reached the disk
    post.node.store.manual = False
    post.deliverer.stop()
    post.deliverer = post.new_deliverer()
    assert post.deliverer.load() == 1
    assert post.node.log.lines(f"MID {copy.mid} to example.com: the end was sent before a crash; possible duplicate")
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages[-1][2].startswith(b"X-Possible-Duplicate: yes\r\n")


async def test_a_doubt_survives_a_restart(make: Make) -> None:
    post = make()
    post.hop.take_then_vanish = 1
    copy = await post.sent()
    await post.tried(copy)
    post.deliverer.stop()
    post.deliverer = post.new_deliverer()
    assert post.deliverer.load() == 1
    post.at(60)
    await post.settled(copy, "DELIVERED")
    assert post.hop.messages[-1][2].startswith(b"X-Possible-Duplicate: yes\r\n")


# --- steering
async def test_what_the_last_run_left_is_taken_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from pratique.runner import deliverer as module

    monkeypatch.setattr(module, "LOAD_ROWS", 2)
    post = make()
    post.deliverer.suspend()
    copies = [await post.sent("a@example.com", "b@example.com") for _ in range(3)]
    post.deliverer.stop()
    post.deliverer = post.new_deliverer()
    assert post.deliverer.load() == 6
    for copy in copies:
        await post.settled(copy, "DELIVERED", "DELIVERED")


async def test_suspended_delivery_waits_and_resumes(make: Make) -> None:
    post = make()
    post.deliverer.suspend()
    copy = await post.sent()
    await turns()
    assert post.network.dialled == []
    post.deliverer.resume()
    await post.settled(copy, "DELIVERED")


async def test_a_stopped_deliverer_begins_nothing(make: Make) -> None:
    post = make()
    post.deliverer.stop()
    copy = await post.sent()
    post.deliverer.resume()
    await turns()
    assert post.states(copy) == ["DUE"] and post.network.dialled == []
