"""Custody at the side that receives: groups, cancels, hellos, journals, confirmations."""

import json
from dataclasses import replace

import pytest

from pratique.store.moves import (
    Acknowledged,
    Confirm,
    HelloFrom,
    JournalAcked,
    JournalIn,
    LetGo,
    PutPeer,
    Received,
    TransfersAnswered,
)
from tests.conformance.conftest import Bench
from tests.conformance.samples import (
    GATEWAY,
    MANAGER,
    NONCE,
    NOW,
    OTHER_GATEWAY,
    OTHER_SEAL,
    cid_of,
    entry,
    hold,
    peer,
)

NEW_NONCE = "a0" * 16


async def test_a_group_is_taken_once_with_all_that_belongs_to_it(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD", holds=(hold("Policy"), hold("Virus", kind="virus", reasons=("a", "b"))))
    audited = len(manager.actions())
    before = manager.store.committed_seq()
    taken = await manager.do(manager.samples.receive(copy, seq=811))
    assert taken.answer == "commit ACC"
    assert taken.inc == manager.store.identity.inc
    assert taken.seq > before
    assert manager.store.committed_seq() == taken.seq
    assert manager.view.copy_of_hop(copy.cid, 1).mid == copy.mid
    assert {held.quarantine: held.reasons for held in manager.view.holds(copy.mid)}["Virus"] == ("a", "b")
    assert manager.view.peer(GATEWAY).seq == 811
    assert manager.actions(audited) == ["receive"]
    await manager.restart()


async def test_the_same_group_again_is_acknowledged_and_stored_once(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    first = await manager.do(manager.samples.receive(copy))
    before = manager.all()
    again = replace(copy, mid=manager.store.next_mid(), extent=manager.samples.body().extent)
    second = await manager.do(manager.samples.receive(again))
    assert (second.answer, second.inc, second.seq) == ("ACC again", first.inc, first.seq)
    assert manager.all() == before
    await manager.restart()
    third = await manager.do(manager.samples.receive(replace(again, mid=manager.store.next_mid())))
    assert third == second


async def test_the_same_id_with_other_content_is_a_conflict(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    before = manager.all()
    other = manager.samples.receive(replace(copy, mid=manager.store.next_mid()), seal=OTHER_SEAL)
    assert (await manager.do(other)).answer == "conflict"
    assert manager.all() == before


async def test_an_id_held_for_one_peer_is_a_conflict_for_another(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    again = replace(copy, mid=manager.store.next_mid())
    assert (await manager.do(manager.samples.receive(again, peer=OTHER_GATEWAY))).answer == "conflict"
    assert (await manager.do(manager.samples.cancel(copy.cid, 1, peer=OTHER_GATEWAY))).answer == "conflict"
    assert manager.view.copy(again.mid) is None


async def test_a_cancelled_id_is_never_taken(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    cancelled = await manager.do(manager.samples.cancel(copy.cid, 1))
    assert (cancelled.answer, cancelled.inc) == ("commit CANC", manager.store.identity.inc)
    assert manager.store.committed_seq() == cancelled.seq
    await manager.restart()
    again = await manager.do(manager.samples.cancel(copy.cid, 1))
    assert (again.answer, again.seq) == ("CANC again", cancelled.seq)
    for seal in (manager.samples.receive(copy).seal, OTHER_SEAL):
        assert (await manager.do(manager.samples.receive(copy, seal=seal))).answer == "cancelled"
    assert manager.view.copy(copy.mid) is None
    other = await manager.do(manager.samples.cancel(copy.cid, 1, seal=OTHER_SEAL))
    assert other.answer == "CANC again"


async def test_a_cancel_that_comes_too_late_hears_who_has_the_copy(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    taken = await manager.do(manager.samples.receive(copy))
    late = await manager.do(manager.samples.cancel(copy.cid, 1))
    assert (late.answer, late.inc, late.seq) == ("ACC again", taken.inc, taken.seq)
    assert (await manager.do(manager.samples.cancel(copy.cid, 1, seal=OTHER_SEAL))).answer == "conflict"
    assert manager.view.copy(copy.mid).custody == "HELD"


@pytest.mark.parametrize("wrong", [{"nonce": NEW_NONCE}, {"inc": 2}, {"peer": OTHER_GATEWAY}])
async def test_only_the_present_instance_of_an_enrolled_peer_changes_custody(
    manager: Bench, wrong: dict[str, object]
) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    before = manager.all()
    assert await manager.do(manager.samples.receive(copy, **wrong)) == Received("FENCED")
    assert await manager.do(manager.samples.cancel(copy.cid, 1, **wrong)) == Received("FENCED")
    assert manager.all() == before


@pytest.mark.parametrize("state", [{"withdrawn": True}, {"locked": "two instances use one identity"}])
async def test_a_withdrawn_or_locked_peer_is_fenced(manager: Bench, state: dict[str, object]) -> None:
    enrolled = await manager.samples.enrolled()
    await manager.do(PutPeer(replace(enrolled, **state), ()))
    assert (await manager.do(manager.samples.receive(manager.samples.copy("HELD")))).answer == "FENCED"


async def test_a_new_instance_fences_the_old_one(manager: Bench) -> None:
    await manager.samples.enrolled()
    hello = await manager.do(HelloFrom(GATEWAY, NEW_NONCE, 1, 812, "192.0.2.9:7025", NOW))
    assert (hello.fenced, hello.before.nonce, hello.before.seq) == (False, NONCE, 0)
    known = manager.view.peer(GATEWAY)
    assert (known.nonce, known.inc, known.seq, known.endpoint) == (NEW_NONCE, 1, 812, "192.0.2.9:7025")
    copy = manager.samples.copy("HELD")
    assert (await manager.do(manager.samples.receive(copy))).answer == "FENCED"
    assert (await manager.do(manager.samples.receive(copy, nonce=NEW_NONCE))).answer == "commit ACC"
    await manager.restart()


async def test_an_instance_that_was_replaced_does_not_come_back(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(HelloFrom(GATEWAY, NEW_NONCE, 1, 812, "new:7025", NOW))
    await manager.restart()
    before = manager.all()
    hello = await manager.do(HelloFrom(GATEWAY, NONCE, 9, 999, "old:7025", NOW))
    assert hello.fenced
    assert hello.before.nonce == NEW_NONCE
    assert manager.all() == before


async def test_what_was_seen_of_a_peer_only_rises(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(HelloFrom(GATEWAY, NONCE, 3, 900, "a:1", NOW))
    hello = await manager.do(HelloFrom(GATEWAY, NONCE, 2, 100, "b:2", NOW))
    assert (hello.fenced, hello.before.inc, hello.before.seq) == (False, 3, 900)
    known = manager.view.peer(GATEWAY)
    assert (known.inc, known.seq, known.endpoint) == (3, 900, "b:2")
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy, inc=3, seq=5))
    assert manager.view.peer(GATEWAY).seq == 900


async def test_a_stranger_s_hello_is_refused(manager: Bench) -> None:
    await manager.refused(HelloFrom("564D00000000000000XX", NONCE, 1, 0, "", NOW))


async def test_a_release_is_taken_once_and_an_older_one_never_after_it(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    cid = cid_of(77)
    fourth = gateway.samples.copy("RECEIVED", cid=cid, hop=4)
    assert (await gateway.do(gateway.samples.receive(fourth))).answer == "commit ACC"
    second = gateway.samples.copy("RECEIVED", cid=cid, hop=2)
    before = gateway.view.copy(second.mid)
    answer = (await gateway.do(gateway.samples.receive(second))).answer
    assert answer == "conflict"
    assert gateway.view.copy(second.mid) is before is None
    assert gateway.view.copy_of_hop(cid, 2) is None


async def test_a_copy_comes_back_beside_its_shadow(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    shadow = await gateway.samples.accepted("X")
    await gateway.do(TransfersAnswered((Acknowledged(shadow.cid, 1, "ACC", 1, 5),), "gateway"))
    back = gateway.samples.copy("RECEIVED", cid=shadow.cid, hop=2)
    assert (await gateway.do(gateway.samples.receive(back))).answer == "commit ACC"
    assert gateway.view.copy_of_hop(shadow.cid, 0).mid == shadow.mid
    assert gateway.view.copy_of_hop(shadow.cid, 2).mid == back.mid
    assert gateway.view.copy_of_hop(shadow.cid, 4) is None


async def test_a_group_that_does_not_fit_its_hop_is_refused(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.refused(manager.samples.receive(manager.samples.copy("HELD"), hop=3))


async def test_the_end_told_by_the_gateway_closes_the_copy(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5),), "manager"))
    row = (835, "FIN", copy.cid, 2, "-", NOW, '{"R": "delivered"}')
    taken = await manager.do(JournalIn(GATEWAY, 0, 835, (row,)))
    assert (taken.applied, taken.gap, tuple(taken.dropped)) == (835, False, (copy.mid,))
    assert manager.view.copy(copy.mid).custody == "CLOSED"
    assert manager.view.peer(GATEWAY).journal_in == 835
    assert list(manager.view.disposable(0, 10)) == [copy.mid]
    assert tuple(await manager.do(LetGo((copy.mid,)))) == (copy.extent,)
    await manager.restart()


async def test_the_end_implies_that_the_copy_arrived(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    await manager.do(JournalIn(GATEWAY, 0, 9, ((9, "FIN", copy.cid, 2, "-", NOW, "{}"),)))
    assert manager.view.copy(copy.mid).custody == "CLOSED"
    assert manager.view.transfer(copy.cid, 2).state == "DONE"
    assert list(manager.view.open_transfers(GATEWAY, 0, 10)) == []
    # The reply that was lost arrives after the row.
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5),), "manager"))
    assert manager.view.copy(copy.mid).custody == "CLOSED"


async def test_a_peer_speaks_only_of_its_own_transfers(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    taken = await manager.do(JournalIn(OTHER_GATEWAY, 0, 9, ((9, "FIN", copy.cid, 2, "-", NOW, "{}"),)))
    assert (taken.applied, tuple(taken.dropped)) == (9, ())
    assert manager.view.copy(copy.mid).custody == "REL"


async def test_a_journal_with_a_gap_is_not_applied(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    row = (30, "FIN", copy.cid, 2, "-", NOW, "{}")
    before = manager.all()
    taken = await manager.do(JournalIn(GATEWAY, 20, 30, (row,)))
    assert (taken.applied, taken.gap, tuple(taken.dropped)) == (0, True, ())
    assert manager.all() == before
    await manager.do(JournalIn(GATEWAY, 0, 20, ()))
    assert (await manager.do(JournalIn(GATEWAY, 20, 30, (row,)))).gap is False
    again = await manager.do(JournalIn(GATEWAY, 20, 30, (row,)))
    assert (again.applied, again.gap) == (30, True)


async def test_rows_that_mean_nothing_here_are_passed_over(manager: Bench) -> None:
    await manager.samples.enrolled()
    held = await manager.samples.accepted("HELD")
    rows = (
        (3, "LOC", held.cid, 1, "-", NOW, "{}"),
        (4, "FIN", cid_of(500), 2, "-", NOW, "{}"),
        (5, "DEL", held.cid, 1, "-", NOW, "{}"),
        (6, "FIN", held.cid, 1, "-", NOW, '{"R": "local"}'),
    )
    taken = await manager.do(JournalIn(GATEWAY, 0, 6, rows))
    assert (taken.applied, taken.gap, tuple(taken.dropped)) == (6, False, ())
    assert manager.view.copy(held.mid).custody == "HELD"


async def test_a_deleted_body_waits_for_the_origin_to_know(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED"))
    (row,) = manager.view.journal(GATEWAY, 0, 10)
    assert (row.cid, row.hop, row.state, row.peer) == (copy.cid, 1, "DEL", GATEWAY)
    assert json.loads(row.pairs)["ACTOR"] == "carol"
    assert manager.store.committed_seq() == row.seq
    await manager.refused(LetGo((copy.mid,)))
    assert list(manager.view.disposable(1 << 60, 10)) == []
    assert tuple(await manager.do(JournalAcked(GATEWAY, row.seq - 1))) == ()
    assert list(manager.view.disposable(1 << 60, 10)) == []
    assert tuple(await manager.do(JournalAcked(GATEWAY, row.seq))) == (copy.mid,)
    assert manager.view.peer(GATEWAY).journal_out == row.seq
    assert list(manager.view.disposable(0, 10)) == [copy.mid]
    await manager.restart()
    assert tuple(await manager.do(LetGo((copy.mid,)))) == (copy.extent,)
    assert tuple(await manager.do(JournalAcked(GATEWAY, row.seq))) == ()


async def test_what_a_peer_applied_and_confirmed_only_rises(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(JournalAcked(GATEWAY, 50))
    await manager.do(JournalAcked(GATEWAY, 40))
    assert await manager.do(Confirm(GATEWAY, 70)) is None
    await manager.do(Confirm(GATEWAY, 60))
    known = manager.view.peer(GATEWAY)
    assert (known.journal_out, known.confirmed) == (50, 70)


async def test_a_stranger_has_no_journal(manager: Bench) -> None:
    await manager.refused(JournalIn(GATEWAY, 0, 1, ()))
    await manager.refused(JournalAcked(GATEWAY, 1))
    await manager.refused(Confirm(GATEWAY, 1))


async def test_an_administrator_s_change_does_not_undo_what_was_learnt(manager: Bench) -> None:
    before = await manager.samples.enrolled()
    await manager.do(HelloFrom(GATEWAY, NEW_NONCE, 2, 812, "new:7025", NOW))
    await manager.do(JournalIn(GATEWAY, 0, 7, ()))
    await manager.do(JournalAcked(GATEWAY, 8))
    await manager.do(Confirm(GATEWAY, 9))
    learnt = manager.view.peer(GATEWAY)
    await manager.do(PutPeer(replace(before, name="renamed", locked="clone", watermark=5), ()))
    assert manager.view.peer(GATEWAY) == replace(learnt, name="renamed", locked="clone", watermark=5)
    await manager.do(PutPeer(replace(before, withdrawn=True), ()))
    assert manager.view.peer(GATEWAY) == replace(learnt, withdrawn=True, watermark=5)


async def test_peers_read_back_in_every_field(manager: Bench) -> None:
    whole = peer(
        OTHER_GATEWAY,
        sign_key="c2lnbg==",
        nonce=NONCE,
        inc=3,
        seq=4410,
        endpoint="192.0.2.2:7025",
        journal_in=790,
        journal_out=4402,
        watermark=4380,
        confirmed=811,
        locked="clone",
        withdrawn=True,
    )
    assert await manager.do(PutPeer(whole, (entry("enroll"),))) is None
    assert manager.view.peer(OTHER_GATEWAY) == whole
    await manager.do(PutPeer(peer(GATEWAY), ()))
    assert [known.serial for known in manager.view.peers()] == [GATEWAY, OTHER_GATEWAY]
    assert manager.view.peer(MANAGER) is None
    await manager.restart()
