"""Custody at the side that offers: intend, answers, stuck transfers, another target, taking back."""

import json
from dataclasses import replace

import pytest

from pratique.store.moves import (
    Accept,
    Acknowledged,
    Intend,
    JournalIn,
    Judge,
    Outcome,
    Retarget,
    TakeBack,
    TransfersAnswered,
    TransferStuck,
)
from pratique.store.records import NewCopy, Waiting
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, MANAGER, OTHER_GATEWAY, SEAL, delivery, entry


def answered(cid: str, hop: int, event: str, role: str = "gateway", seq: int = 5) -> TransfersAnswered:
    return TransfersAnswered((Acknowledged(cid, hop, event, 1, seq),), role)


async def released(manager: Bench) -> NewCopy:
    """A copy in REL: hop 2 to GATEWAY in doubt."""
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    return copy


async def test_what_is_stored_of_a_transfer_is_what_was_given(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("Q")
    given, stored = copy.transfer, gateway.view.transfer(copy.cid, 1)
    for field in ["cid", "hop", "peer", "seq", "state", "seal", "commands", "metadata"]:
        assert getattr(stored, field) == getattr(given, field), field
    assert (stored.mid, stored.size) == (copy.mid, copy.extent.length)
    assert (stored.attempts, stored.error, stored.ack_inc, stored.ack_seq) == (0, "", 0, 0)
    assert gateway.store.committed_seq() == given.seq


async def test_intending_puts_copy_and_transfer_in_doubt(gateway: Bench) -> None:
    one, two = await gateway.samples.accepted("Q"), await gateway.samples.accepted("Q")
    assert await gateway.do(Intend(((one.cid, 1), (two.cid, 1)))) is None
    for copy in (one, two):
        assert gateway.view.copy(copy.mid).custody == "X"
        assert gateway.view.transfer(copy.cid, 1).state == "X"
    await gateway.restart()


async def test_intending_leaves_alone_what_is_not_queued(gateway: Bench) -> None:
    queued, doubtful = await gateway.samples.accepted("Q"), await gateway.samples.accepted("X")
    before = gateway.view.copy(doubtful.mid)
    await gateway.do(Intend(((doubtful.cid, 1), ("ab" * 16, 1), (queued.cid, 1))))
    assert gateway.view.copy(doubtful.mid) == before
    assert gateway.view.copy(queued.mid).custody == "X"


async def test_open_transfers_are_paged_by_number_for_one_peer(gateway: Bench) -> None:
    copies = [await gateway.samples.accepted(custody) for custody in ("Q", "X", "Q")]
    await gateway.do(answered((await gateway.samples.accepted("X")).cid, 1, "ACC"))
    hops = [copy.cid for copy in copies]
    page = gateway.view.open_transfers(MANAGER, 0, 2)
    assert [transfer.cid for transfer in page] == hops[:2]
    assert [transfer.cid for transfer in gateway.view.open_transfers(MANAGER, page[1].seq, 5)] == hops[2:]
    assert list(gateway.view.open_transfers(GATEWAY, 0, 5)) == []


async def test_an_acknowledged_copy_becomes_a_shadow(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    audited = len(gateway.actions())
    assert await gateway.do(answered(copy.cid, 1, "ACC", seq=4411)) is None
    stored = gateway.view.transfer(copy.cid, 1)
    assert (stored.state, stored.ack_inc, stored.ack_seq) == ("DONE", 1, 4411)
    assert gateway.view.copy(copy.mid).custody == "DONE"
    assert gateway.view.copy(copy.mid).extent == copy.extent
    (row,) = gateway.view.audit(audited, 10)
    assert (row.mid, row.cid) == (copy.mid, copy.cid)
    await gateway.restart()


async def test_a_cancelled_copy_is_our_own_again(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(answered(copy.cid, 1, "CANC", seq=4413))
    stored = gateway.view.transfer(copy.cid, 1)
    assert (stored.state, stored.ack_seq) == ("CANC", 4413)
    assert gateway.view.copy(copy.mid).custody == "LOC"


@pytest.mark.parametrize("event", ["ACC", "CANC"])
async def test_a_repeated_answer_changes_nothing(gateway: Bench, event: str) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(answered(copy.cid, 1, event))
    before = gateway.all()
    await gateway.do(answered(copy.cid, 1, event))
    assert gateway.all() == before


async def test_several_answers_are_one_commit(gateway: Bench) -> None:
    one, two = await gateway.samples.accepted("X"), await gateway.samples.accepted("X")
    audited = len(gateway.actions())
    both = (Acknowledged(one.cid, 1, "ACC", 1, 5), Acknowledged(two.cid, 1, "CANC", 1, 6))
    await gateway.do(TransfersAnswered(both, "gateway"))
    assert [gateway.view.copy(copy.mid).custody for copy in (one, two)] == ["DONE", "LOC"]
    assert [row.mid for row in gateway.view.audit(audited, 10)] == [one.mid, two.mid]


@pytest.mark.parametrize(("first", "second"), [("ACC", "CANC"), ("CANC", "ACC")])
async def test_contradictory_answers_are_refused(gateway: Bench, first: str, second: str) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(answered(copy.cid, 1, first))
    await gateway.refused(answered(copy.cid, 1, second))


async def test_an_answer_is_judged_by_the_table_of_its_side(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.refused(answered(copy.cid, 1, "ACC", "manager"))
    await gateway.refused(TransfersAnswered((Acknowledged(copy.cid, 1, "FIN row", 1, 5),), "gateway"))


async def test_no_answer_moves_a_copy_that_was_never_offered(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("Q")
    await gateway.refused(answered(copy.cid, 1, "ACC"))
    await gateway.refused(answered(copy.cid, 1, "CANC"))


async def test_a_transfer_that_needs_a_person_is_no_longer_tried(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    assert await gateway.do(TransferStuck(copy.cid, 1, "554 XQCONFLICT", True, (entry("stuck"),))) is None
    stored = gateway.view.transfer(copy.cid, 1)
    assert (stored.state, stored.error) == ("STUCK", "554 XQCONFLICT")
    assert gateway.view.copy(copy.mid).custody == "X"  # the doubt remains
    assert list(gateway.view.open_transfers(MANAGER, 0, 10)) == []
    assert gateway.actions()[-1] == "stuck"
    await gateway.refused(TransferStuck(copy.cid, 1, "again", True))


@pytest.mark.parametrize(("event", "custody"), [("ACC", "DONE"), ("CANC", "LOC")])
async def test_a_stuck_transfer_still_takes_the_answer_that_ends_the_doubt(
    gateway: Bench, event: str, custody: str
) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(TransferStuck(copy.cid, 1, "554 XQDIGEST", True))
    await gateway.do(answered(copy.cid, 1, event))
    assert gateway.view.copy(copy.mid).custody == custody


async def test_an_attempt_that_said_nothing_is_counted(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    for count in (1, 2):
        await gateway.do(TransferStuck(copy.cid, 1, "451 XQSTORE", False))
        stored = gateway.view.transfer(copy.cid, 1)
        assert (stored.state, stored.error, stored.attempts) == ("X", "451 XQSTORE", count)
    assert [transfer.cid for transfer in gateway.view.open_transfers(MANAGER, 0, 10)] == [copy.cid]


@pytest.mark.parametrize("custody", ["Q", "LOC", "DONE"])
async def test_only_a_transfer_in_doubt_gets_stuck(gateway: Bench, custody: str) -> None:
    copy = await gateway.samples.accepted("Q" if custody == "Q" else "X")
    if custody != "Q":
        await gateway.do(answered(copy.cid, 1, "CANC" if custody == "LOC" else "ACC"))
    await gateway.refused(TransferStuck(copy.cid, 1, "?", True))
    await gateway.refused(TransferStuck("ab" * 16, 1, "?", False))


async def test_a_released_copy_that_a_gateway_took_is_released(manager: Bench) -> None:
    copy = await released(manager)
    await manager.do(answered(copy.cid, 2, "ACC", "manager"))
    assert manager.view.copy(copy.mid).custody == "RELD"
    assert manager.view.transfer(copy.cid, 2).state == "DONE"
    assert list(manager.view.disposable(1 << 60, 10)) == []  # the body is kept until FIN


@pytest.mark.parametrize(("hop", "peer"), [(2, OTHER_GATEWAY), (4, GATEWAY), (4, OTHER_GATEWAY)])
async def test_after_a_cancel_the_next_target_is_offered_the_copy(manager: Bench, hop: int, peer: str) -> None:
    copy = await released(manager)
    await manager.do(answered(copy.cid, 2, "CANC", "manager"))
    assert manager.view.copy(copy.mid).custody == "REL"
    assert list(manager.view.open_transfers(GATEWAY, 0, 10)) == []
    another = manager.samples.transfer(copy.cid, hop, peer=peer)
    assert await manager.do(Retarget(copy.cid, 2, another, (entry("retarget"),))) is None
    stored = manager.view.transfer(copy.cid, hop)
    assert (stored.peer, stored.state, stored.mid, stored.seal) == (peer, "X", copy.mid, another.seal)
    assert [one.hop for one in manager.view.open_transfers(peer, 0, 10)] == [hop]
    assert manager.view.copy(copy.mid).custody == "REL"
    await manager.restart()
    await manager.do(answered(copy.cid, hop, "ACC", "manager"))
    assert manager.view.copy(copy.mid).custody == "RELD"


async def test_a_late_answer_of_the_old_target_does_not_speak_for_the_new_one(manager: Bench) -> None:
    copy = await released(manager)
    cancelled = Acknowledged(copy.cid, 2, "CANC", 1, 5, GATEWAY)
    await manager.do(TransfersAnswered((cancelled,), "manager"))
    another = manager.samples.transfer(copy.cid, 2, peer=OTHER_GATEWAY)
    await manager.do(Retarget(copy.cid, 2, another, ()))
    before = manager.all()
    for event in ("CANC", "ACC"):
        late = Acknowledged(copy.cid, 2, event, 1, 5, GATEWAY)
        assert await manager.do(TransfersAnswered((late,), "manager")) is None
    assert manager.all() == before
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 7, OTHER_GATEWAY),), "manager"))
    assert manager.view.copy(copy.mid).custody == "RELD"


async def test_a_released_copy_that_is_held_again_is_told_as_ended(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    back = gateway.samples.copy("RECEIVED", hop=2)
    await gateway.do(gateway.samples.receive(back))
    again = gateway.samples.transfer(back.cid, 3)
    await gateway.do(Judge(back.mid, (replace(back, custody="X", transfer=again),), ()))
    assert list(gateway.view.journal(MANAGER, 0, 10)) == []
    audited = len(gateway.actions())
    await gateway.do(answered(back.cid, 3, "ACC"))
    assert gateway.view.copy(back.mid).custody == "DONE"
    (row,) = gateway.view.journal(MANAGER, 0, 10)
    assert (row.cid, row.hop, row.state, row.seal) == (back.cid, 2, "FIN", SEAL)
    assert json.loads(row.pairs) == {"R": "heldagain", "NEXT": f"{back.cid}.3"}
    assert gateway.store.committed_seq() == row.seq
    assert len(gateway.actions()) == audited + 1
    await gateway.restart()


async def test_a_first_hold_ends_no_release(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(answered(copy.cid, 1, "ACC"))
    assert list(gateway.view.journal(MANAGER, 0, 10)) == []


async def test_another_target_needs_the_cancel_of_the_first(manager: Bench) -> None:
    copy = await released(manager)
    another = manager.samples.transfer(copy.cid, 2, peer=OTHER_GATEWAY)
    await manager.refused(Retarget(copy.cid, 2, another, (entry("retarget"),)))
    await manager.do(answered(copy.cid, 2, "ACC", "manager"))
    await manager.refused(Retarget(copy.cid, 2, another, (entry("retarget"),)))


async def test_another_target_is_a_person_s_or_a_policy_s_choice_within_the_rules(manager: Bench) -> None:
    copy = await released(manager)
    await manager.do(answered(copy.cid, 2, "CANC", "manager"))
    for hop, peer in ((2, GATEWAY), (3, OTHER_GATEWAY), (6, OTHER_GATEWAY)):
        await manager.refused(Retarget(copy.cid, 2, manager.samples.transfer(copy.cid, hop, peer=peer), ()))
    stranger = manager.samples.transfer("ab" * 16, 2, peer=OTHER_GATEWAY)
    await manager.refused(Retarget(copy.cid, 2, stranger, ()))


async def test_a_cancelled_copy_is_taken_back_for_the_next_hop(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(answered(copy.cid, 1, "CANC"))
    before = gateway.view.copy(copy.mid)
    back = TakeBack(copy.mid, (delivery(),), (entry("take back", copy.mid, copy.cid, "dora"),))
    assert await gateway.do(back) is None
    after = gateway.view.copy(copy.mid)
    assert after.custody == "ACTIVE"
    assert after.version > before.version
    assert [due.mid for due in gateway.view.due_deliveries((0, -1), 10)] == [copy.mid]
    await gateway.refused(back)
    await gateway.restart()


async def test_a_queued_copy_is_taken_back_and_never_offered(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("Q")
    await gateway.do(TakeBack(copy.mid, (delivery(),), (entry("take back"),)))
    assert gateway.view.transfer(copy.cid, 1).state == "CANC"
    assert gateway.view.copy(copy.mid).custody == "ACTIVE"
    await gateway.do(Intend(((copy.cid, 1),)))
    assert gateway.view.copy(copy.mid).custody == "ACTIVE"
    assert list(gateway.view.open_transfers(MANAGER, 0, 10)) == []


@pytest.mark.parametrize("custody", ["X", "DONE", "ACTIVE", "RECEIVED"])
async def test_a_copy_that_may_be_elsewhere_is_not_taken_back(gateway: Bench, custody: str) -> None:
    copy = await gateway.samples.accepted("X" if custody == "DONE" else custody)
    if custody == "DONE":
        await gateway.do(answered(copy.cid, 1, "ACC"))
    await gateway.refused(TakeBack(copy.mid, (delivery(9),), (entry("take back"),)))


async def test_a_stuck_copy_is_not_taken_back_either(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    await gateway.do(TransferStuck(copy.cid, 1, "554 XQCONFLICT", True))
    await gateway.refused(TakeBack(copy.mid, (delivery(),), ()))


@pytest.mark.parametrize("custody", ["X", "DONE"])
async def test_a_deletion_by_the_manager_counts_as_its_acknowledgement(gateway: Bench, custody: str) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    if custody == "DONE":
        await gateway.do(answered(copy.cid, 1, "ACC"))
    row = (20, "DEL", copy.cid, 1, "-", 1, '{"ACTOR": "carol"}')
    taken = await gateway.do(JournalIn(MANAGER, 0, 20, (row,)))
    assert (taken.applied, taken.gap, tuple(taken.dropped)) == (20, False, (copy.mid,))
    assert gateway.view.copy(copy.mid).custody == "DONE"
    assert gateway.view.transfer(copy.cid, 1).state == "DONE"
    await gateway.restart()


async def test_a_deletion_does_not_reach_a_copy_that_was_offered_to_somebody_else(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    await gateway.samples.enrolled(OTHER_GATEWAY, "manager")
    copy = await gateway.samples.accepted("X")
    row = (20, "DEL", copy.cid, 1, "-", 1, "{}")
    taken = await gateway.do(JournalIn(OTHER_GATEWAY, 0, 20, (row,)))
    assert tuple(taken.dropped) == ()
    assert gateway.view.copy(copy.mid).custody == "X"


async def test_a_transfer_is_offered_once(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("Q")
    other = gateway.samples.copy("Q")
    assert other.transfer is not None
    await gateway.refused(Accept((replace(other, transfer=replace(other.transfer, cid=copy.cid)),), ()))


async def test_what_waits_for_a_peer_is_counted(gateway: Bench) -> None:
    assert gateway.view.waiting_for_peer(MANAGER) == Waiting()
    first = await gateway.samples.accepted("Q")
    second = await gateway.samples.accepted("X")
    await gateway.do(TransferStuck(second.cid, 1, "452 XQFULL", stuck=False))
    third = await gateway.samples.accepted("X")
    await gateway.do(answered(third.cid, 1, "ACC"))
    assert gateway.view.waiting_for_peer(MANAGER) == Waiting(2, 1, first.mid)
    assert gateway.view.waiting_for_peer(GATEWAY) == Waiting()


@pytest.mark.parametrize("custody", ["Q", "LOC"])
async def test_a_copy_that_is_given_up_is_never_due_in_between(gateway: Bench, custody: str) -> None:
    copy = await gateway.samples.accepted("Q" if custody == "Q" else "X")
    if custody == "LOC":
        await gateway.do(answered(copy.cid, 1, "CANC"))
    notice = gateway.samples.copy()
    both = (delivery(0), delivery(1, "eve@example.com"))
    outcomes = (Outcome(0, "CANCELLED", "by dora"), Outcome(1, "FAILED", "by dora"))
    audit = (entry("delete-recipients", copy.mid, copy.cid, "dora"),)
    await gateway.do(TakeBack(copy.mid, both, audit, outcomes, (notice,)))

    after = gateway.view.copy(copy.mid)
    assert after is not None and after.custody == "SETTLED"
    assert [due.mid for due in gateway.view.due_deliveries((0, -1), 10)] == [notice.mid]
    assert [d.state for d in gateway.view.deliveries(copy.mid)] == ["CANCELLED", "FAILED"]
    transfer = gateway.view.transfer(copy.cid, 1)
    assert transfer is not None and transfer.state == "CANC"
    assert list(gateway.view.disposable(0, 10)) == [copy.mid]
    assert (gateway.view.audit(0, 100)[-1].actor, gateway.view.audit(0, 100)[-1].mid) == ("dora", copy.mid)
    await gateway.restart()


async def test_a_copy_is_given_up_whole_or_not_at_all(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("Q")
    before = gateway.view.copy(copy.mid)
    await gateway.refused(TakeBack(copy.mid, (delivery(),), (entry("take back"),), (Outcome(7, "CANCELLED", ""),)))
    assert gateway.view.copy(copy.mid) == before
    assert list(gateway.view.due_deliveries((0, -1), 10)) == []


async def test_giving_up_what_came_back_and_was_refused_a_second_hold_is_told_to_its_manager(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, role="manager")
    copy = gateway.samples.copy("X", hop=2, cid="ab" * 16, transfer=gateway.samples.transfer("ab" * 16, 3))
    await gateway.do(gateway.samples.receive(copy))
    await gateway.do(answered(copy.cid, 3, "CANC"))
    await gateway.do(TakeBack(copy.mid, (delivery(),), (entry("take back"),), (Outcome(0, "CANCELLED", "by dora"),)))
    (row,) = gateway.view.journal(MANAGER, 0, 10)
    assert (row.hop, row.state, json.loads(row.pairs)) == (2, "FIN", {"R": "dropped"})
    await gateway.restart()
