"""The way back after a set-back, on both backends: testimony, reconciliation, adoption, the end of a doubt."""

from dataclasses import replace
from typing import Any

import pytest

from pratique.store.moves import (
    Acknowledged,
    Adopt,
    Declare,
    EndDoubt,
    HelloFrom,
    JournalIn,
    Outcome,
    Reconcile,
    Settle,
    TakeBack,
    TransfersAnswered,
)
from pratique.store.recovery import ShownRow
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, MANAGER, NONCE, NOW, OTHER_GATEWAY, delivery, entry

OPENED = (1, 9)


def hello(serial: str, **fields: Any) -> HelloFrom:
    return replace(HelloFrom(serial, NONCE, 1, 0, "", NOW), **fields)


async def old_manager(bench: Bench) -> None:
    """It finds that it was set back; no gateway has testified."""
    await bench.do(hello(GATEWAY, knows_inc=1, knows_seq=900, set_back_here=True, opened=OPENED))


async def has_testified(bench: Bench, serial: str, *rows: tuple[str, str, int, str]) -> None:
    after = bench.view.peer(serial).journal_in
    told = tuple((after + n, state, cid, hop, "-", NOW, pairs) for n, (state, cid, hop, pairs) in enumerate(rows, 1))
    await bench.do(JournalIn(serial, after, after + len(told), told))
    peer = bench.view.peer(serial)
    await bench.do(hello(serial, inc=peer.inc, seq=peer.seq, told=(*OPENED, after + len(told))))


async def test_nothing_is_decided_before_every_gateway_has_testified(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    await old_manager(manager)
    await has_testified(manager, GATEWAY)
    assert OTHER_GATEWAY[-4:].lower() in await manager.refused(Reconcile(()))
    await has_testified(manager, OTHER_GATEWAY)
    recovered = await manager.do(Reconcile((entry("reconcile"),)))
    assert (recovered.inc, recovered.seq >= 900) == (2, True)
    assert not any(peer.set_back for peer in manager.view.peers())
    await manager.restart()


async def test_testimony_to_another_state_does_not_count(manager: Bench) -> None:
    await manager.samples.enrolled()
    await old_manager(manager)
    await manager.do(hello(GATEWAY, told=(1, 8, 0)))
    assert not manager.view.peer(GATEWAY).testified
    await manager.do(hello(GATEWAY, told=(*OPENED, 5)))
    assert not manager.view.peer(GATEWAY).testified, "its rows have not been applied"


@pytest.mark.parametrize(
    ("state", "hop", "pairs", "custody", "mark"),
    [
        ("ACC", 2, "{}", "RELD", "RELEASED"),
        ("FIN", 2, '{"R": "delivered"}', "CLOSED", "RELEASED"),
        ("DEL", 1, "{}", "DEL", "DELETED"),
        ("LOC", 1, "{}", "CLOSED", "RELEASED"),
        ("CANC", 2, "{}", "HELD", "HELD"),
    ],
)
async def test_what_a_gateway_tells_decides_about_a_held_copy(
    manager: Bench, state: str, hop: int, pairs: str, custody: str, mark: str
) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    await old_manager(manager)
    await has_testified(manager, GATEWAY, (state, copy.cid, hop, pairs))
    assert manager.view.copy(copy.mid).custody == "HELD"
    await manager.do(Reconcile(()))
    assert manager.view.copy(copy.mid).custody == custody
    assert [hold.mark for hold in manager.view.holds(copy.mid)] == [mark]
    if state == "ACC":  # the end that it reports later is believed
        after = manager.view.peer(GATEWAY).journal_in
        await manager.do(JournalIn(GATEWAY, after, after + 1, ((after + 1, "FIN", copy.cid, 2, "-", NOW, "{}"),)))
        assert manager.view.copy(copy.mid).custody == "CLOSED"
    await manager.restart()


@pytest.mark.parametrize(("state", "hop"), [("ACC", 2), ("DEL", 1), ("LOC", 1), ("CANC", 2)])
@pytest.mark.parametrize("custody", ["ACTIVE", "SETTLED"])
async def test_what_a_gateway_tells_changes_nothing_of_a_manager_s_own_alert(
    manager: Bench, custody: str, state: str, hop: int
) -> None:
    await manager.samples.enrolled()
    alert = await manager.samples.accepted(custody)
    await old_manager(manager)
    await has_testified(manager, GATEWAY, (state, alert.cid, hop, "{}"))
    await manager.do(Reconcile(()))
    assert manager.view.copy(alert.mid).custody == custody


async def test_a_copy_that_was_lost_altogether_is_not_taken_a_second_time(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.samples.enrolled(OTHER_GATEWAY)
    await old_manager(manager)
    copy = manager.samples.copy("HELD")
    await has_testified(manager, OTHER_GATEWAY, ("FIN", copy.cid, 2, '{"R": "delivered"}'))
    await has_testified(manager, GATEWAY)
    await manager.do(Reconcile(()))
    assert (await manager.do(manager.samples.receive(copy))).answer == "ACC again"
    assert manager.view.copy(copy.mid) is None
    assert manager.view.shown(GATEWAY, copy.cid, 1).state == "DOUBT"


async def test_what_a_gateway_that_cannot_testify_may_have_taken_is_in_doubt(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = manager.samples.copy("HELD")
    await manager.do(manager.samples.receive(copy))
    await old_manager(manager)
    await manager.do(hello(GATEWAY, inc=2, old=(1, 3)))
    await has_testified(manager, GATEWAY)
    await manager.do(Reconcile(()))
    assert manager.view.copy(copy.mid).custody == "DOUBT"
    assert manager.view.doubtful(9) == [copy.mid]
    assert manager.view.peer(GATEWAY).set_back_there, "it has to adopt"
    assert list(manager.view.expired_holds(1 << 60, 9)) == [], "no timer decides it"
    transfer = manager.samples.transfer(copy.cid, 4)
    await manager.do(EndDoubt(copy.mid, True, "carol", transfer, (), "", (entry("resolve"),)))
    assert manager.view.copy(copy.mid).custody == "REL"
    assert manager.view.holds(copy.mid)[0].actor == "carol"
    assert "nobody doubts it" in await manager.refused(EndDoubt(copy.mid, False, "carol", None, (), "", ()))


async def test_a_release_to_a_gateway_that_was_set_back_is_in_doubt_with_its_hello(manager: Bench) -> None:
    await manager.samples.enrolled()
    copy = await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    await manager.do(hello(GATEWAY, set_back_there=True))
    assert manager.view.copy(copy.mid).custody == "DOUBT"
    assert list(manager.view.open_transfers(GATEWAY, 0, 9)) == []
    await manager.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    assert manager.view.copy(copy.mid).custody == "DOUBT", "an answer of the old instance ends nothing"
    await manager.do(JournalIn(GATEWAY, 0, 1, ((1, "FIN", copy.cid, 2, "-", NOW, "{}"),)))
    assert manager.view.copy(copy.mid).custody == "CLOSED"


# --- the gateway -----------------------------------------------------------------------------------------------------
async def test_a_gateway_testifies_to_what_its_manager_lost_and_offers_it_again(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    known, lost, cancelled, deleted = [await gateway.samples.accepted("X") for _ in range(4)]
    answers = [(known, "ACC", 5), (lost, "ACC", 20), (cancelled, "CANC", 21), (deleted, "ACC", 22)]
    moves = tuple(Acknowledged(copy.cid, 1, event, 1, seq) for copy, event, seq in answers)
    await gateway.do(TransfersAnswered(moves, "gateway"))
    await gateway.do(JournalIn(MANAGER, 0, 30, ((30, "DEL", deleted.cid, 1, "-", NOW, "{}"),)))
    await gateway.do(hello(MANAGER, seq=10, old=(1, 10)))
    rows = tuple(gateway.view.testimony(MANAGER, (1, 10), 0))
    assert {(row.state, row.cid) for row in rows} == {("LOC", cancelled.cid), ("DEL", deleted.cid)}
    upto = await gateway.do(Declare(MANAGER, rows))
    assert [row.seq for row in gateway.view.journal(MANAGER, 0, 9)] == [upto - 1, upto]
    await gateway.do(hello(MANAGER, inc=2, seq=40))
    states = [gateway.view.copy(copy.mid).custody for copy in (known, lost, cancelled, deleted)]
    assert states == ["DONE", "X", "LOC", "DONE"]
    assert [one.cid for one in gateway.view.open_transfers(MANAGER, 0, 9)] == [lost.cid]
    await gateway.restart()


@pytest.mark.parametrize(
    ("state", "over", "custody"),
    [
        ("ACC", False, "DONE"),
        ("DEL", False, "DONE"),
        ("CANC", True, "SETTLED"),
        ("CANC", False, "DOUBT"),
        ("", False, "X"),
    ],
)
async def test_a_gateway_adopts_what_its_manager_shows(gateway: Bench, state: str, over: bool, custody: str) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    await gateway.do(hello(MANAGER, knows_inc=1, knows_seq=70, set_back_here=True))
    assert gateway.view.to_ask(MANAGER, newer=False) == [(copy.cid, 1)]
    recovered = await gateway.do(Adopt(MANAGER, (ShownRow(copy.cid, 1, state, 7, over),), (entry("adopt"),)))
    assert (recovered.inc, gateway.view.copy(copy.mid).custody) == (2, custody)
    assert not gateway.view.peer(MANAGER).set_back
    await gateway.restart()


async def test_silence_of_a_manager_that_was_restored_since_is_no_answer(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    await gateway.do(hello(MANAGER, inc=2, set_back_here=True))
    assert gateway.view.peer(MANAGER).newer
    await gateway.do(Adopt(MANAGER, (ShownRow(copy.cid, 1, "", 0, False),), ()))
    assert gateway.view.copy(copy.mid).custody == "DOUBT"
    await gateway.do(EndDoubt(copy.mid, True, "carol", None, (delivery(),), "in doubt: set back", (entry("resolve"),)))
    assert gateway.view.copy(copy.mid).custody == "ACTIVE"
    assert [one.reply for one in gateway.view.deliveries(copy.mid)] == ["in doubt: set back"]


@pytest.mark.parametrize(("state", "custody"), [("CLOSED", "SETTLED"), ("DOUBT", "SETTLED"), ("", "DOUBT")])
async def test_a_release_that_came_back_is_not_delivered_by_itself(gateway: Bench, state: str, custody: str) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = gateway.samples.copy("ACTIVE", hop=2)
    await gateway.do(gateway.samples.receive(copy))
    await gateway.do(hello(MANAGER, knows_inc=1, knows_seq=70, set_back_here=True))
    await gateway.do(Adopt(MANAGER, (ShownRow(copy.cid, 2, state, 7, False),), ()))
    assert gateway.view.copy(copy.mid).custody == custody
    assert list(gateway.view.due_deliveries((0, -1), 9)) == []
    again = await gateway.do(gateway.samples.receive(replace(copy, mid=gateway.store.next_mid()), inc=1))
    assert again.answer == ("cancelled" if state == "DOUBT" else "ACC again")


async def test_the_end_of_a_copy_that_was_taken_back_is_told(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    await gateway.do(TransfersAnswered((Acknowledged(copy.cid, 1, "CANC", 1, 5),), "gateway"))
    await gateway.do(TakeBack(copy.mid, (delivery(),), ()))
    await gateway.do(Settle(copy.mid, (Outcome(0, "DELIVERED", "250"),), ()))
    (row,) = gateway.view.journal(MANAGER, 0, 9)
    assert (row.cid, row.hop, row.state, row.pairs) == (copy.cid, 1, "FIN", '{"R": "local"}')
