"""Delivery to next hops: who is due and who gets a connection."""

from typing import Any

import pytest

from pratique.delivery.settings import FairnessSettings, RetrySettings
from pratique.runner.deliverer import HELD_BACK_MS
from pratique.telemetry import events as log
from tests.conformance.samples import MESSAGE
from tests.runner.conftest import Make
from tests.runner.hop import Hop, HopSession
from tests.runner.support import turns, until


class Silent(HopSession):
    """It lets us in and says nothing."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport


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


async def test_a_route_to_nowhere_discards_with_a_record(make: Make) -> None:
    post = make(routes={"example.com": ["/dev/null"]})
    copy = await post.sent()
    await post.settled(copy, "CANCELLED")
    assert [row.actor for row in post.node.store.view.audit(0, 9)][-1] == "policy:smtproutes"
    assert post.mailroom.noticed == [] and post.network.dialled == []


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


async def test_mail_for_a_route_to_nowhere_counts_as_deleted(make: Make) -> None:
    post = make(routes={"ALL": ["/dev/null"]})
    copy = await post.sent()
    await post.settled(copy, "CANCELLED")
    await until(lambda: post.deliverer.destinations["example.com"].health.deleted == 1)
