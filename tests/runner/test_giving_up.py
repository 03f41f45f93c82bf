"""A person ends what waits for ordinary hosts: durably, by name, and never what is being sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pratique.delivery.settings import RetrySettings
from pratique.runner.giving_up import BUSY, Order, end_waiting, picking
from pratique.store.moves import StoreFailed
from tests.runner.hop import Hop, HopSession, Post
from tests.runner.support import turns, until

Make = Callable[..., Post]


class Slow(HopSession):
    """It lets us in and says nothing."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._say("220 hop ESMTP")

    def data_received(self, data: bytes) -> None:
        if b"EHLO" in data:
            self._say("250 hop")


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Post] = []

    def one(**how: Any) -> Post:
        made.append(Post(monkeypatch, **{"retry": RetrySettings(jitter_percent=0), **how}))
        return made[-1]

    yield one
    for post in made:
        await post.close()


async def deferred(post: Post, *recipients: str, **how: Any) -> Any:
    """A copy that waits for its second attempt."""
    post.hop.script["RCPT"].extend(["450 4.2.0 later"] * len(recipients or ("one",)))
    copy = await post.sent(*recipients, **how)
    await post.tried(copy)
    return copy


async def test_what_is_deleted_is_never_delivered_and_says_who_did_it(make: Make) -> None:
    post = make()
    copy = await deferred(post, "a@example.com", "b@example.com")
    ended = await end_waiting(post.deliverer, Order(picking("example.com", None), "olga", bounced=False))
    assert (ended.mids, ended.refused) == ({copy.mid}, {})
    assert post.states(copy) == ["CANCELLED", "CANCELLED"]
    row = post.node.store.view.audit(0, 100)[-1]
    assert (row.actor, row.action, row.mid) == ("olga", "delete-recipients", copy.mid)
    wanted = {"host": "example.com", "recipients": ["a@example.com", "b@example.com"], "in_doubt": False}
    assert json.loads(row.detail) == wanted
    assert post.node.log.lines(f"MID {copy.mid} to RID [0, 1] at example.com: deleted by olga")
    assert post.mailroom.done == [copy.mid]
    assert post.mailroom.noticed == []
    post.at(3600)
    await turns(200)
    assert post.hop.messages == []
    destination = post.deliverer.destinations["example.com"]
    assert (destination.health.deleted, destination.waiting, destination.is_idle) == (2, 0, True)


async def test_what_is_bounced_is_told_to_its_sender_in_the_same_commit(make: Make) -> None:
    post = make()
    post.mailroom.spawn = True
    post.names.mx_of["sender.example"] = [(5, "mail.example.com")]
    copy = await deferred(post)
    commits = len(post.node.store.view.audit(0, 100))
    ended = await end_waiting(post.deliverer, Order(picking("", None), "olga", bounced=True))
    assert ended.mids == {copy.mid}
    assert post.states(copy) == ["FAILED"]
    assert post.mailroom.noticed == [("failed", (0,))]
    assert post.node.store.view.audit(0, 100)[commits].action == "bounce-recipients"
    assert post.node.log.lines(f"Bounced: DCID 0 MID {copy.mid} to RID 0 - 5.0.0 - ", "given up by the administrator")
    await until(lambda: post.hop.messages)
    assert post.hop.messages[0][:2] == ("", ["a@sender.example"])
    assert post.deliverer.destinations["example.com"].health.hard_bounced == {"other": 1}


async def test_nobody_is_told_of_a_bounce_of_a_notice(make: Make) -> None:
    post = make()
    copy = await deferred(post, sender="")
    await end_waiting(post.deliverer, Order(picking("", None), "olga", bounced=True))
    assert post.states(copy) == ["FAILED"]
    assert post.mailroom.noticed == []


async def test_only_what_is_meant_is_ended(make: Make) -> None:
    post = make()
    post.names.mx_of["example.net"] = [(5, "mx.example.net")]
    post.names.addresses_of["mx.example.net"] = ["192.0.2.26"]
    other = Hop()
    other.script["RCPT"].append("450 4.2.0 later")
    post.listen("192.0.2.26", other)
    both = await deferred(post, "a@example.com", "b@example.net")
    one = await deferred(post)
    await until(lambda: post.node.store.view.deliveries(both.mid)[1].attempts == 1)
    await turns()
    post.hop.script["RCPT"].clear()
    await end_waiting(post.deliverer, Order(picking("example.net", None), "olga", bounced=False))
    assert post.states(both) == ["DUE", "CANCELLED"]
    await end_waiting(post.deliverer, Order(picking("", frozenset({one.mid})), "olga", bounced=False))
    assert (post.states(both), post.states(one)) == (["DUE", "CANCELLED"], ["CANCELLED"])
    post.at(60)
    await post.settled(both, "DELIVERED", "CANCELLED")
    assert [m[1] for m in post.hop.messages] == [["a@example.com"]]


async def test_what_is_being_sent_is_left_alone_and_named(make: Make) -> None:
    post = make()
    post.network.listening["192.0.2.25", 25] = lambda: Slow(post.hop)
    copy = await post.sent()
    await until(post.deliverer.under_way)
    ended = await end_waiting(post.deliverer, Order(picking("", None), "olga", bounced=False))
    assert (ended.mids, ended.refused) == (set(), {copy.mid: BUSY})
    assert post.states(copy) == ["DUE"]


async def test_what_cannot_be_recorded_stays_and_is_tried_again(make: Make) -> None:
    post = make()
    copy = await deferred(post)
    post.node.store.fail_next(StoreFailed("disk full", full=True))
    ended = await end_waiting(post.deliverer, Order(picking("", None), "olga", bounced=False))
    assert ended.refused == {copy.mid: "disk full"}
    await post.settled(copy, "DELIVERED")


async def test_what_may_not_be_ended_stays_with_the_reason(make: Make) -> None:
    post = make()
    copy = await deferred(post)
    order = Order(picking("", None), "olga", bounced=False, kept=lambda copy: "the manager may have it")
    assert (await end_waiting(post.deliverer, order)).refused == {copy.mid: "the manager may have it"}
    await post.settled(copy, "DELIVERED")


async def test_whoever_leaves_meanwhile_loses_nothing(make: Make) -> None:
    post = make()
    copies = [await deferred(post) for _ in range(3)]
    post.node.store.manual = True
    order = Order(picking("", None), "olga", bounced=False)
    asked = asyncio.get_running_loop().create_task(end_waiting(post.deliverer, order))
    await until(lambda: post.node.store.pending)
    asked.cancel()
    await turns()
    assert asked.cancelled()
    post.node.store.manual = False
    post.node.store.commit()
    for copy in copies:
        await post.settled(copy, "CANCELLED")
    await until(lambda: post.mailroom.done == [copy.mid for copy in copies])
