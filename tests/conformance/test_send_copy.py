"""A copy of a held message that is sent elsewhere: it shares the body and nothing else, and changes nothing."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pratique.store.moves import Acknowledged, JournalAcked, JournalIn, LetGo, SendCopy, TransfersAnswered
from pratique.store.records import NewCopy
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, NOW, entry, hold


def child_of(manager: Bench, held: NewCopy, **fields: Any) -> NewCopy:
    child = manager.samples.copy("REL", parent=held.cid, hop=held.hop)
    child = replace(child, extent=held.extent, sha256=held.sha256, holds=())
    child = replace(child, transfer=manager.samples.transfer(child.cid, child.hop + 1))
    return replace(child, **fields)


def order(held: NewCopy, child: NewCopy, quarantine: str = "Policy") -> SendCopy:
    return SendCopy(held.mid, quarantine, child, (entry("copy", held.mid, held.cid),))


async def sent(manager: Bench) -> tuple[NewCopy, NewCopy]:
    held = await manager.samples.accepted("HELD")
    child = child_of(manager, held)
    assert await manager.do(order(held, child)) is None
    return held, child


async def test_a_sent_copy_is_on_its_way_and_the_held_one_is_as_it_was(manager: Bench) -> None:
    held = await manager.samples.accepted("HELD")
    before = manager.view.copy(held.mid), manager.view.holds(held.mid), manager.view.quarantine_counts()
    child = child_of(manager, held)
    await manager.do(order(held, child))
    assert (manager.view.copy(held.mid), manager.view.holds(held.mid), manager.view.quarantine_counts()) == before
    copy = manager.view.copy(child.mid)
    assert (copy.custody, copy.parent, copy.extent, copy.hop) == ("REL", held.cid, held.extent, 1)
    (transfer,) = manager.view.open_transfers(GATEWAY, 0, 9)
    assert (transfer.mid, transfer.hop, transfer.state) == (child.mid, 2, "X")
    assert not manager.view.holds(child.mid)
    assert manager.actions()[-1] == "copy"
    assert manager.view.counts()["copy.REL"] == 1
    await manager.restart()


async def test_it_ends_like_a_release(manager: Bench) -> None:
    _, child = await sent(manager)
    await manager.do(TransfersAnswered((Acknowledged(child.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    assert manager.view.copy(child.mid).custody == "RELD"
    row = (7, "FIN", child.cid, 2, "-", NOW, json.dumps({"R": "delivered"}))
    await manager.samples.enrolled()
    await manager.do(JournalIn(GATEWAY, 0, 7, (row,)))
    assert manager.view.copy(child.mid).custody == "CLOSED"
    await manager.restart()


@pytest.mark.parametrize("first", ["child", "held"])
async def test_the_body_goes_with_the_last_of_the_two(manager: Bench, first: str) -> None:
    held, child = await sent(manager)
    await manager.samples.enrolled()
    row = (7, "FIN", child.cid, 2, "-", NOW, json.dumps({"R": "delivered"}))
    await manager.do(TransfersAnswered((Acknowledged(child.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    await manager.do(JournalIn(GATEWAY, 0, 7, (row,)))
    await manager.refused(LetGo((held.mid,)))
    await manager.do(manager.samples.exit_hold(held.mid, "DELETED"))
    await manager.do(JournalAcked(GATEWAY, manager.store.committed_seq(), gap=False))
    one, other = (child, held) if first == "child" else (held, child)
    assert tuple(await manager.do(LetGo((one.mid,)))) == ()
    assert manager.view.copy(other.mid).extent == held.extent
    await manager.restart()
    assert tuple(await manager.do(LetGo((other.mid,)))) == (held.extent,)


async def test_two_copies_of_one_message(manager: Bench) -> None:
    held, _ = await sent(manager)
    second = child_of(manager, held)
    await manager.do(order(held, second))
    assert manager.view.counts()["copy.REL"] == 2
    await manager.restart()


async def test_only_what_is_held_in_that_quarantine_is_copied(manager: Bench) -> None:
    held = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus", kind="virus")))
    assert "is not held in" in await manager.refused(order(held, child_of(manager, held), "Outbreak"))
    await manager.do(manager.samples.exit_hold(held.mid, "RELEASED"))
    assert "is not held in" in await manager.refused(order(held, child_of(manager, held)))
    await manager.do(order(held, child_of(manager, held), "Virus"))
    await manager.do(manager.samples.exit_hold(held.mid, "DELETED", quarantine="Virus"))
    assert "is DEL, not held" in await manager.refused(order(held, child_of(manager, held), "Virus"))
    await manager.refused(SendCopy(4711, "Policy", child_of(manager, held), ()))


async def test_what_is_no_true_copy_is_refused(manager: Bench) -> None:
    held, other = await manager.samples.accepted("HELD"), await manager.samples.accepted("HELD")
    child = child_of(manager, held)
    assert child.transfer is not None
    wrong = [
        replace(child, extent=other.extent),
        replace(child, sha256=other.sha256),
        replace(child, hop=3),
        replace(child, parent=other.cid),
        replace(child, cid=held.cid, transfer=replace(child.transfer, cid=held.cid)),
        replace(child, transfer=None),
        replace(child, transfer=replace(child.transfer, state="Q")),
        replace(child, transfer=replace(child.transfer, hop=4)),
        replace(child, custody="HELD", holds=(hold(),)),
        replace(child, mid=other.mid),
    ]
    for one in wrong:
        await manager.refused(order(held, one))
    await manager.do(order(held, child))
    await manager.refused(order(held, child))
