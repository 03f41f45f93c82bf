"""A release that goes to another target: free once it was cancelled, else only by an override."""

import pytest

from pratique.store.moves import Acknowledged, Retarget, TransfersAnswered, TransferStuck
from pratique.store.records import NewCopy
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, OTHER_GATEWAY, entry


async def _released(manager: Bench) -> NewCopy:
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    return copy


def _retarget(manager: Bench, copy: NewCopy, *, override: bool, hop: int = 2) -> Retarget:
    transfer = manager.samples.transfer(copy.cid, hop, peer=OTHER_GATEWAY)
    return Retarget(copy.cid, 2, transfer, (entry("retarget", copy.mid),), override)


@pytest.mark.parametrize("hop", [2, 4])
async def test_a_hop_in_doubt_goes_to_another_target_only_by_an_override(manager: Bench, hop: int) -> None:
    copy = await _released(manager)
    assert "may have it" in await manager.refused(_retarget(manager, copy, override=False, hop=hop))
    await manager.do(_retarget(manager, copy, override=True, hop=hop))
    transfer = manager.view.transfer(copy.cid, hop)
    assert (transfer.peer, transfer.state) == (OTHER_GATEWAY, "X")
    assert list(manager.view.open_transfers(GATEWAY, 0, 9)) == []
    assert manager.actions()[-1] == "retarget"
    await manager.restart()


async def test_a_hop_that_a_target_cancelled_goes_back_to_it_only_as_a_new_one(manager: Bench) -> None:
    copy = await _released(manager)
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 5, GATEWAY),), "manager"))
    await manager.do(_retarget(manager, copy, override=False))
    assert manager.view.cancelled_targets(copy.cid, 2) == {GATEWAY}
    assert manager.view.cancelled_targets(copy.cid, 4) == frozenset()
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 6, OTHER_GATEWAY),), "manager"))
    back = manager.samples.transfer(copy.cid, 2, peer=GATEWAY)
    assert "two higher" in await manager.refused(Retarget(copy.cid, 2, back, ()))
    anew = manager.samples.transfer(copy.cid, 4, peer=GATEWAY)
    await manager.do(Retarget(copy.cid, 2, anew, ()))
    assert manager.view.release_of(copy.mid).hop == 4
    assert manager.view.transfer(copy.cid, 2) is None
    await manager.restart()


async def test_a_stuck_hop_too(manager: Bench) -> None:
    copy = await _released(manager)
    await manager.do(TransferStuck(copy.cid, 2, "554 XQCONFLICT", True))
    await manager.refused(_retarget(manager, copy, override=False))
    await manager.do(_retarget(manager, copy, override=True))
    assert manager.view.transfer(copy.cid, 2).state == "X"


async def test_what_was_delivered_to_a_gateway_is_not_overridden(manager: Bench) -> None:
    copy = await _released(manager)
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    await manager.refused(_retarget(manager, copy, override=True))
    await manager.refused(Retarget("ab" * 16, 2, manager.samples.transfer("ab" * 16, 2), (), True))


async def test_the_first_target_s_late_words_do_not_concern_the_second(manager: Bench) -> None:
    copy = await _released(manager)
    await manager.do(_retarget(manager, copy, override=True))
    before = manager.all()
    await manager.do(TransferStuck(copy.cid, 2, "554 XQCONFLICT", True, (entry("stuck"),), GATEWAY))
    for event in ("ACC", "CANC"):
        await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, event, 1, 5, GATEWAY),), "manager"))
    assert manager.all() == before
    await manager.do(TransferStuck(copy.cid, 2, "554 XQCONFLICT", True, (), OTHER_GATEWAY))
    assert manager.view.transfer(copy.cid, 2).state == "STUCK"
