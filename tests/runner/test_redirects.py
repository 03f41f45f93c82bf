"""What a person redirects is what waited then; a restart keeps it, and he can take it back."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pratique.delivery.routes import CANARY_HOST
from pratique.delivery.settings import RetrySettings
from pratique.runner.giving_up import picking
from pratique.runner.redirects import KEPT_MAX, SETTING, Redirect, put, redirects, way
from pratique.store.moves import PutSetting
from tests.conformance.samples import entry
from tests.runner.hop import Hop, Post
from tests.runner.support import Node, until

RELAY = "192.0.2.99:2525"
Make = Callable[..., Post]


@pytest.fixture
async def post(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Post]:
    made = Post(monkeypatch, retry=RetrySettings(jitter_percent=0))
    yield made
    await made.close()


def relay_of(post: Post) -> Hop:
    relay = Hop()
    post.listen("192.0.2.99", relay, 2525)
    return relay


async def deferred(post: Post, **how: Any) -> Any:
    post.hop.script["RCPT"].append("450 4.2.0 later")
    copy = await post.sent(**how)
    await post.tried(copy)
    return copy


async def redirect(post: Post, rule: Redirect) -> int:
    store = post.node.store
    await store.submit(put((*redirects(store.view), rule), (entry("redirect-recipients"),)))
    return post.deliverer.redirect(picking(rule.host, None), rule.to)


def test_the_newest_rule_that_means_a_message_decides() -> None:
    rules = (Redirect("a:25", 10), Redirect("b:25", 10, "x.example"), Redirect("", 9, "y.example"))
    assert way(rules, 10, "z.example", "s@s.example") == "a:25"
    assert way(rules, 10, "x.example", "") == "b:25"
    assert way(rules, 9, "y.example", "") == ""
    assert way(rules, 10, "y.example", "") == "a:25"
    assert way(rules, 11, "x.example", "") == ""
    assert way(rules, 1, CANARY_HOST, "") == ""
    assert way((Redirect("a:25", 10, sender="s@s.example"),), 1, "x", "S@s.example") == "a:25"
    assert way((Redirect("a:25", 10, sender=""),), 1, "x", "S@s.example") == ""


@pytest.mark.parametrize("text", ["", "{}", '[{"no": 1}]', "[7]"])
async def test_a_value_that_cannot_be_read_redirects_nothing(text: str) -> None:
    node = Node()
    await node.store.submit(PutSetting(SETTING, text))
    assert redirects(node.store.view) == ()


async def test_old_rules_are_forgotten() -> None:
    node = Node()
    await node.store.submit(put([Redirect("a:25", n) for n in range(KEPT_MAX + 5)], ()))
    assert redirects(node.store.view)[0].upto == 5


async def test_what_waits_goes_to_the_other_host_and_what_comes_later_does_not(post: Post) -> None:
    relay, copy = relay_of(post), await deferred(post)
    assert await redirect(post, Redirect(RELAY, copy.mid, "example.com")) == 1
    await post.settled(copy, "DELIVERED")
    later = await post.sent()
    await post.settled(later, "DELIVERED")
    assert (len(relay.messages), len(post.hop.messages)) == (1, 1)
    assert post.deliverer.destinations[f"example.com via {RELAY}"].health.delivered == 1


async def test_a_restart_keeps_the_way_and_it_can_be_taken_back(post: Post) -> None:
    copy = await deferred(post)  # nobody listens at the relay yet
    await redirect(post, Redirect(RELAY, copy.mid, "example.com"))
    await until(lambda: post.node.store.view.deliveries(copy.mid)[0].attempts == 2)
    relay = relay_of(post)
    post.deliverer.stop()
    post.deliverer = post.new_deliverer()
    post.node.clock.now += 3_600_000
    assert post.deliverer.load() == 1
    await until(lambda: relay.messages)

    other = await deferred(post)
    del post.network.listening["192.0.2.99", 2525]
    await redirect(post, Redirect(RELAY, other.mid))
    await until(lambda: post.node.store.view.deliveries(other.mid)[0].attempts == 2)
    await redirect(post, Redirect("", other.mid))
    await post.settled(other, "DELIVERED")


async def test_a_target_without_an_address_defers(post: Post) -> None:
    copy = await deferred(post)
    await redirect(post, Redirect("nowhere.example:25", copy.mid))
    await until(lambda: post.node.store.view.deliveries(copy.mid)[0].attempts == 2)
    assert post.states(copy) == ["DUE"]
