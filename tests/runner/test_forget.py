"""The rows of mail that is over go after their time; everything that another appliance knows of stays."""

import pytest

from pratique.delivery.custody import Event
from pratique.runner import forget
from pratique.runner.forget import Forgetter
from pratique.runner.sweep import Sweeper
from pratique.store.moves import Acknowledged, Outcome, Settle, TransfersAnswered
from pratique.store.records import NewCopy
from tests.conformance.samples import DAY, NOW
from tests.runner.support import Node


async def _delivered(node: Node) -> NewCopy:
    copy = await node.samples.accepted("ACTIVE")
    await node.store.submit(Settle(copy.mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    return copy


async def _later(node: Node, days: float) -> None:
    node.clock.now = NOW + int(days * DAY)
    await Sweeper(node.services, shadow_ms=DAY).sweep()


def _there(node: Node, *copies: NewCopy) -> list[bool]:
    return [node.store.view.copy(copy.mid) is not None for copy in copies]


async def test_delivered_mail_is_forgotten_after_its_time_with_an_audit_row() -> None:
    node = Node()
    one, two = await _delivered(node), await _delivered(node)
    forgetter = Forgetter(node.services, keep_ms=7 * DAY)
    await _later(node, 6.9)
    assert await forgetter.round() == 0
    assert _there(node, one, two) == [True, True]
    await _later(node, 7.1)
    assert await forgetter.round() == 2
    assert _there(node, one, two) == [False, False]
    assert not node.store.view.deliveries(one.mid)
    assert node.store.view.counts().get("copy.SETTLED", 0) == 0
    last = node.store.view.audit(0, 100)[-1]
    assert (last.actor, last.action) == ("policy:keep@1", "forget")
    assert last.detail == f'{{"messages": 2, "first": {one.mid}, "last": {two.mid}}}'
    assert await forgetter.round() == 0


async def test_what_waits_or_another_appliance_knows_of_stays() -> None:
    node = Node()
    waiting, held = await node.samples.accepted("ACTIVE"), await node.samples.accepted("X")
    await node.store.submit(TransfersAnswered((Acknowledged(held.cid, 1, Event.ACC, 1, 5),), "gateway"))
    over = await _delivered(node)
    await _later(node, 30)
    assert await Forgetter(node.services, keep_ms=7 * DAY).round() == 1
    assert _there(node, waiting, held, over) == [True, True, False]


async def test_a_round_goes_on_where_the_last_one_ended_and_begins_anew_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forget, "PAGE", 2)
    monkeypatch.setattr(forget, "PAGES", 1)
    node = Node()
    late = await node.samples.accepted("ACTIVE")
    copies = [await _delivered(node) for _ in range(4)]
    await _later(node, 8)
    forgetter = Forgetter(node.services, keep_ms=7 * DAY)
    assert [await forgetter.round() for _ in range(4)] == [1, 2, 1, 0]
    assert _there(node, *copies) == [False] * 4
    await node.store.submit(Settle(late.mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    await _later(node, 9)
    assert await forgetter.round() == 1
