"""Bodies that no state needs any more give their space back."""

from pratique.runner.sweep import Sweeper
from pratique.store.moves import Outcome, Settle
from pratique.store.records import NewCopy
from tests.conformance.samples import DAY, NOW
from tests.runner.support import Node, turns


async def _settled(node: Node) -> NewCopy:
    copy = await node.samples.accepted("ACTIVE")
    await node.store.submit(Settle(copy.mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    return copy


def _has_body(node: Node, mid: int) -> bool:
    copy = node.store.view.copy(mid)
    assert copy is not None
    return copy.extent is not None


async def test_delivered_mail_loses_its_body_and_waiting_mail_keeps_it() -> None:
    node = Node()
    done, waiting = await _settled(node), await node.samples.accepted("ACTIVE")
    free = node.store.spool.free_bytes()
    assert await Sweeper(node.services, shadow_ms=7 * DAY).sweep() == 1
    assert not _has_body(node, done.mid)
    assert _has_body(node, waiting.mid)
    assert node.store.spool.free_bytes() == free + done.extent.length
    assert await Sweeper(node.services, shadow_ms=7 * DAY).sweep() == 0


async def test_more_than_a_batch_is_swept_in_one_round(monkeypatch: object) -> None:
    node = Node()
    for _ in range(7):
        await _settled(node)
    import pratique.runner.sweep as sweep

    monkeypatch.setattr(sweep, "BATCH", 3)  # type: ignore[attr-defined]
    assert await Sweeper(node.services, shadow_ms=0).sweep() == 7


async def test_a_shadow_stays_its_time(monkeypatch: object) -> None:
    from pratique.delivery.custody import Event
    from pratique.store.moves import Acknowledged, TransfersAnswered

    node = Node()
    copy = await node.samples.accepted("X")
    answer = Acknowledged(copy.cid, 1, Event.ACC, 1, 5)
    await node.store.submit(TransfersAnswered((answer,), "gateway"))
    sweeper = Sweeper(node.services, shadow_ms=7 * DAY)
    assert await sweeper.sweep() == 0
    node.clock.now = NOW + 7 * DAY + 1
    assert await sweeper.sweep() == 1
    assert not _has_body(node, copy.mid)


async def test_bodies_whose_deletion_was_acknowledged_go_at_once() -> None:
    node = Node()
    done = await _settled(node)
    sweeper = Sweeper(node.services, shadow_ms=7 * DAY)
    sweeper.let_go((done.mid,))
    sweeper.let_go(())
    await turns()
    assert not _has_body(node, done.mid)
    waiting = await node.samples.accepted("ACTIVE")
    sweeper.let_go((waiting.mid,))  # refused by the store: it may still be needed
    await turns()
    assert _has_body(node, waiting.mid)
