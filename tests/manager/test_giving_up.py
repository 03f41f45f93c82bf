"""A release on its way is not ended by a verb of the queues, and the reason says what can be done."""

from pratique.manager.giving_up import GONE, why_kept
from pratique.store.moves import Acknowledged, TransfersAnswered
from tests.manager.desk import Desk


async def test_a_release_that_was_offered_may_be_at_its_gateway() -> None:
    desk = Desk()
    await desk.enrol()
    copy = await desk.released()
    why = why_kept(desk.store.view, copy.mid)
    assert "was offered to gw01.example.net, which may have it" in why
    assert f"`pratique release DIR {copy.mid} --to SERIAL`" in why


async def test_one_that_its_gateway_refused_for_good_goes_to_another() -> None:
    desk = Desk()
    await desk.enrol()
    copy = await desk.released()
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 1),), "manager"))
    assert "gw01.example.net will never take its release" in why_kept(desk.store.view, copy.mid)


async def test_what_is_held_or_unknown_does_not_wait_here() -> None:
    desk = Desk()
    await desk.enrol()
    copy = await desk.held("Policy")
    assert why_kept(desk.store.view, copy.mid) == why_kept(desk.store.view, 4711) == GONE
