"""A set-back store: found by a hello or by its witness, held for every peer, accepted by an administrator."""

import json
from dataclasses import replace

import pytest

from pratique.store.moves import (
    AcceptSetback,
    Acknowledged,
    Confirm,
    FoundOld,
    HelloFrom,
    JournalAcked,
    JournalIn,
    PutPeer,
    SetbackAccepted,
    TransfersAnswered,
)
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, MANAGER, NONCE, NOW, OTHER_GATEWAY, entry

NEW_NONCE = "a0" * 16


def hello(inc: int = 1, seq: int = 5, **found: object) -> HelloFrom:
    return replace(HelloFrom(GATEWAY, NONCE, inc, seq, "", NOW), **found)


async def found_here(bench: Bench, *, knows_inc: int = 1, knows_seq: int = 900) -> None:
    """The gateway remembers more of us than we know."""
    await bench.do(hello(knows_inc=knows_inc, knows_seq=knows_seq, set_back_here=True))


async def test_a_store_that_was_set_back_holds_every_peer_and_a_restart_does_not_forget(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    rows = len(manager.actions())
    await found_here(manager)
    await found_here(manager)
    assert [peer.set_back_here for peer in manager.view.peers()] == [True, True]
    assert (manager.view.peer(GATEWAY).knows_inc, manager.view.peer(GATEWAY).knows_seq) == (1, 900)
    assert manager.actions(rows) == ["set-back"]
    await manager.restart()
    assert manager.view.peer(OTHER_GATEWAY).set_back


async def test_nothing_is_taken_and_nothing_is_cancelled_before_a_set_back_is_accepted(manager: Bench) -> None:
    await manager.samples.enrolled()
    await found_here(manager)
    copy = manager.samples.copy("HELD")
    assert (await manager.do(manager.samples.receive(copy))).answer == "HELD"
    assert (await manager.do(manager.samples.cancel(copy.cid, 1))).answer == "HELD"
    assert manager.view.copy(copy.mid) is None
    await manager.do(AcceptSetback(GATEWAY, ()))
    await manager.do(hello())
    assert (await manager.do(manager.samples.receive(copy))).answer == "commit ACC"


async def test_an_old_instance_is_fenced_also_while_a_set_back_waits(manager: Bench) -> None:
    await manager.samples.enrolled()
    await found_here(manager)
    late = manager.samples.receive(manager.samples.copy("HELD"), nonce=NEW_NONCE)
    assert (await manager.do(late)).answer == "FENCED"


async def test_what_was_accepted_begins_a_new_incarnation_above_all_that_was_seen(manager: Bench) -> None:
    await manager.samples.enrolled()
    await found_here(manager, knows_inc=2, knows_seq=900)
    rows, before = len(manager.actions()), manager.store.committed_seq()
    assert before < 900
    accepted = await manager.do(AcceptSetback(GATEWAY, (entry("accept-setback"),)))
    assert accepted == SetbackAccepted(3, 900)
    assert manager.store.identity.inc == 3
    assert manager.store.committed_seq() == 900
    assert manager.store.next_seq() > 900
    peer = manager.view.peer(GATEWAY)
    assert (peer.inc, peer.seq, peer.set_back) == (0, 0, False)
    assert manager.actions(rows) == ["accept-setback"]
    await manager.restart()
    assert manager.store.identity.inc == 3
    copy = manager.samples.copy("HELD")
    await manager.do(hello())
    taken = await manager.do(manager.samples.receive(copy))
    assert (taken.inc, taken.seq > 900) == (3, True)


async def test_our_numbers_never_fall_when_the_peer_knows_less(manager: Bench) -> None:
    await manager.samples.enrolled()
    for _ in range(20):
        manager.store.next_seq()
    await manager.samples.accepted("HELD")
    before = manager.store.committed_seq()
    await manager.do(hello(knows_inc=1, knows_seq=3, set_back_there=True))
    assert (await manager.do(AcceptSetback(GATEWAY, ()))).seq >= before
    assert manager.store.committed_seq() >= before


async def test_the_others_wait_for_their_own_acceptance(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    await found_here(manager)
    await manager.do(AcceptSetback(GATEWAY, ()))
    assert [peer.set_back for peer in manager.view.peers()] == [False, True]
    await manager.do(AcceptSetback(OTHER_GATEWAY, ()))
    assert manager.store.identity.inc == 3
    assert not any(peer.set_back for peer in manager.view.peers())


async def test_there_is_nothing_to_accept_where_nothing_was_found(manager: Bench) -> None:
    await manager.samples.enrolled()
    before = manager.store.committed_seq(), manager.store.identity.inc
    assert "no set-back" in await manager.refused(AcceptSetback(GATEWAY, (entry("accept-setback"),)))
    await manager.refused(AcceptSetback(OTHER_GATEWAY, ()))
    assert (manager.store.committed_seq(), manager.store.identity.inc) == before


async def test_a_peer_that_was_set_back_is_held_until_it_comes_with_a_new_incarnation(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(hello(seq=500))
    rows = len(manager.actions())
    await manager.do(hello(seq=300, set_back_there=True))
    await manager.do(hello(seq=700))  # its numbers have grown past what we know: that heals nothing
    peer = manager.view.peer(GATEWAY)
    assert (peer.set_back_there, peer.set_back_here, peer.seq) == (True, False, 700)
    assert manager.actions(rows) == ["set-back"]
    assert json.loads(manager.view.audit(rows, 1)[0].detail) == {"serial": GATEWAY, "here": False, "there": True}
    await manager.restart()
    await manager.do(hello(inc=2, seq=701))
    assert not manager.view.peer(GATEWAY).set_back


@pytest.mark.parametrize("compared", [(1, 1), (2, 2), (1, 0)])
async def test_a_comparison_of_another_incarnation_says_nothing(manager: Bench, compared: tuple[int, int]) -> None:
    """Its hello was under way when the set-back was accepted, or when the peer came with a new incarnation."""
    await manager.samples.enrolled()
    await found_here(manager)
    await manager.do(AcceptSetback(GATEWAY, ()))
    await manager.do(hello())
    late = hello(knows_inc=1, knows_seq=900, set_back_here=True, set_back_there=True, compared=compared)
    rows = len(manager.actions())
    await manager.do(late)
    assert not manager.view.peer(GATEWAY).set_back
    assert len(manager.actions()) == rows
    await manager.do(replace(late, compared=(2, 1)))
    peer = manager.view.peer(GATEWAY)
    assert (peer.set_back_here, peer.set_back_there) == (True, True)


async def test_a_new_incarnation_sends_its_journal_again(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(JournalIn(GATEWAY, 0, 40, ()))
    await manager.do(Confirm(GATEWAY, 30))
    await manager.do(hello(seq=50))
    assert (manager.view.peer(GATEWAY).journal_in, manager.view.peer(GATEWAY).confirmed) == (40, 30)
    await manager.do(hello(inc=2, seq=3))
    peer = manager.view.peer(GATEWAY)
    assert (peer.inc, peer.seq, peer.journal_in, peer.confirmed) == (2, 3, 0, 0)


async def test_the_witness_holds_every_peer_and_sets_how_far_we_were_seen(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    rows = len(gateway.actions())
    for _ in range(2):
        await gateway.do(FoundOld(2, 700, (entry("set-back"),)))
    peer = gateway.view.peer(MANAGER)
    assert (peer.set_back_here, peer.knows_inc, peer.knows_seq) == (True, 2, 700)
    assert gateway.actions(rows) == ["set-back"]
    assert await gateway.do(AcceptSetback(MANAGER, ())) == SetbackAccepted(3, 700)


async def test_a_number_in_an_answer_is_remembered_of_the_peer(gateway: Bench) -> None:
    """A copy of the peer's store from before that answer is found at the next hello."""
    await gateway.samples.enrolled(MANAGER, "manager")
    one, two = await gateway.samples.accepted("X"), await gateway.samples.accepted("X")
    answers = (Acknowledged(one.cid, 1, "ACC", 1, 77, MANAGER), Acknowledged(two.cid, 1, "CANC", 0, 0, MANAGER))
    await gateway.do(TransfersAnswered(answers, "gateway"))
    assert gateway.view.peer(MANAGER).seq == 77
    three = await gateway.samples.accepted("X")
    await gateway.do(TransfersAnswered((Acknowledged(three.cid, 1, "ACC", 4, 99, MANAGER),), "gateway"))
    assert gateway.view.peer(MANAGER).seq == 77  # of an incarnation that never said hello


async def test_a_number_of_a_row_is_remembered_of_the_peer(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(JournalIn(GATEWAY, 0, 41, ()))
    assert manager.view.peer(GATEWAY).seq == 41


async def test_rows_that_the_peer_lost_are_due_again(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED"))
    (row,) = manager.view.journal(GATEWAY, 0, 10)
    assert await manager.do(JournalAcked(GATEWAY, row.seq)) == (copy.mid,)
    await manager.do(JournalAcked(GATEWAY, row.seq - 1, gap=True))
    peer = manager.view.peer(GATEWAY)
    assert list(manager.view.journal(GATEWAY, peer.journal_out, 10)) == [row]
    assert list(manager.view.disposable(0, 10)) == [copy.mid]  # the deletion was told once; that is enough


async def test_an_administrator_who_writes_the_peer_does_not_accept_a_set_back(manager: Bench) -> None:
    before = await manager.samples.enrolled()
    await found_here(manager)
    await manager.do(PutPeer(replace(before, name="renamed"), ()))
    peer = manager.view.peer(GATEWAY)
    assert (peer.name, peer.set_back_here, peer.knows_seq) == ("renamed", True, 900)


@pytest.mark.parametrize(("inc", "seq", "wanted"), [(1, 900, 1), (2, 10, 1), (1, 3, 0)])
async def test_messages_that_only_shadows_keep_are_named(gateway: Bench, inc: int, seq: int, wanted: int) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    await gateway.do(TransfersAnswered((Acknowledged(copy.cid, 1, "ACC", inc, seq, MANAGER),), "gateway"))
    found = gateway.view.acknowledged_above(MANAGER, 5, 10)
    assert [transfer.mid for transfer in found] == [copy.mid] * wanted


async def test_what_only_an_act_moves_on_is_listed(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    assert list(manager.view.unsettled_transfers(10)) == []
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 5),), "manager"))
    (waiting,) = manager.view.unsettled_transfers(10)
    assert (waiting.mid, waiting.state) == (copy.mid, "CANC")


async def test_the_newest_bodies_come_first(gateway: Bench) -> None:
    copies = [await gateway.samples.accepted() for _ in range(4)]
    mids = [copy.mid for copy in copies]
    assert [mid for mid, _, _ in gateway.view.newest_bodies(mids[0], 2)] == [mids[3], mids[2]]
    assert [mid for mid, _, _ in gateway.view.newest_bodies(mids[1], 9)] == [mids[3], mids[2]]
