"""Each row of each custody table, and each pair that the tables lack, exercised through the store."""

from collections.abc import Awaitable, Callable

import pytest

from pratique.delivery.custody import (
    CANCEL,
    GROUP,
    Answer,
    Content,
    Event,
    GatewayCopy,
    ManagerCopy,
    Tombstone,
)
from pratique.delivery.custody import (
    GATEWAY as GATEWAY_TABLE,
)
from pratique.delivery.custody import (
    MANAGER as MANAGER_TABLE,
)
from pratique.store.moves import Acknowledged, Intend, JournalIn, MoveRefused, TransfersAnswered
from pratique.store.records import NewCopy
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, MANAGER, NOW, OTHER_SEAL, SEAL, cid_of


async def bury(bench: Bench, kind: Tombstone) -> str:
    """The manager remembers `kind` of hop 1 of the copy whose id is returned."""
    await bench.samples.enrolled()
    copy = bench.samples.copy("HELD")
    if kind is Tombstone.ACC:
        await bench.do(bench.samples.receive(copy))
    elif kind is Tombstone.CANC:
        await bench.do(bench.samples.cancel(copy.cid, 1))
    return copy.cid


SEALS = {Content.SAME: SEAL, Content.OTHER: OTHER_SEAL}
WRITES = (Answer.COMMIT_ACC, Answer.COMMIT_CANC)


@pytest.mark.parametrize(("row", "answer"), GROUP.items())
async def test_groups(manager: Bench, row: tuple[Tombstone, Content], answer: Answer) -> None:
    kind, content = row
    cid = await bury(manager, kind)
    again = manager.samples.copy("HELD", cid=cid)
    before = manager.all()
    taken = await manager.do(manager.samples.receive(again, seq=0, seal=SEALS[content]))
    assert taken.answer == answer
    assert (manager.view.copy(again.mid) is not None) is (answer is Answer.COMMIT_ACC)
    assert (manager.all() == before) is (answer not in WRITES)
    assert (taken.seq > 0) is (answer is not Answer.CONFLICT)


@pytest.mark.parametrize(("row", "answer"), CANCEL.items())
async def test_cancels(manager: Bench, row: tuple[Tombstone, Content], answer: Answer) -> None:
    kind, content = row
    cid = await bury(manager, kind)
    before = manager.all()
    taken = await manager.do(manager.samples.cancel(cid, 1, seal=SEALS[content]))
    assert taken.answer == answer
    assert (manager.all() == before) is (answer not in WRITES)
    assert (taken.seq > 0) is (answer is not Answer.CONFLICT)


async def put_gateway(bench: Bench, state: GatewayCopy) -> NewCopy:
    await bench.samples.enrolled(MANAGER, "manager")
    copy = await bench.samples.accepted("Q" if state is GatewayCopy.QUEUED else "X")
    if state is GatewayCopy.DONE:
        await bench.do(TransfersAnswered((Acknowledged(copy.cid, 1, "ACC", 1, 1),), "gateway"))
    elif state is GatewayCopy.LOCAL:
        await bench.do(TransfersAnswered((Acknowledged(copy.cid, 1, "CANC", 1, 1),), "gateway"))
    assert bench.view.copy(copy.mid).custody == state
    return copy


async def put_manager(bench: Bench, state: ManagerCopy) -> NewCopy:
    await bench.samples.enrolled()
    copy = await bench.samples.accepted("HELD")
    if state is ManagerCopy.DELETED:
        await bench.do(bench.samples.exit_hold(copy.mid, "DELETED"))
    elif state is not ManagerCopy.HELD:
        await bench.do(bench.samples.exit_hold(copy.mid, "RELEASED"))
    if state in (ManagerCopy.RELEASED, ManagerCopy.CLOSED):
        await bench.do(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 1),), "manager"))
    if state is ManagerCopy.CLOSED:
        await bench.do(JournalIn(GATEWAY, 0, 1, ((1, "FIN", copy.cid, 2, "-", NOW, "{}"),)))
    assert bench.view.copy(copy.mid).custody == state
    return copy


Happens = Callable[[Bench, NewCopy], Awaitable[object]]


def answer(event: str, hop: int, role: str) -> Happens:
    return lambda bench, copy: bench.do(TransfersAnswered((Acknowledged(copy.cid, hop, event, 1, 1),), role))


def row(state: str, serial: str, hop: int) -> Happens:
    async def tell(bench: Bench, copy: NewCopy) -> object:
        after = bench.view.peer(serial).journal_in
        rows = ((after + 1, state, copy.cid, hop, "-", NOW, "{}"),)
        return await bench.do(JournalIn(serial, after, after + 1, rows))

    return tell


def decide(mark: str) -> Happens:
    return lambda bench, copy: bench.do(bench.samples.exit_hold(copy.mid, mark))


AT_GATEWAY: dict[Event, Happens] = {
    Event.INTEND: lambda bench, copy: bench.do(Intend(((copy.cid, 1),))),
    Event.ACC: answer("ACC", 1, "gateway"),
    Event.CANC: answer("CANC", 1, "gateway"),
    Event.DELETED_ROW: row("DEL", MANAGER, 1),
}
AT_MANAGER: dict[Event, Happens] = {
    Event.RELEASE: decide("RELEASED"),
    Event.DELETE: decide("DELETED"),
    Event.ACC: answer("ACC", 2, "manager"),
    Event.CANC: answer("CANC", 2, "manager"),
    Event.FIN: row("FIN", GATEWAY, 2),
}


async def happens(bench: Bench, act: Happens, copy: NewCopy) -> str:
    """The custody after the event; a move that the store refuses changes nothing."""
    try:
        await act(bench, copy)
    except MoveRefused:
        pass
    custody: str = bench.view.copy(copy.mid).custody
    return custody


@pytest.mark.parametrize("event", AT_GATEWAY)
@pytest.mark.parametrize("state", [GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT, GatewayCopy.DONE, GatewayCopy.LOCAL])
async def test_the_gateway_s_table(gateway: Bench, state: GatewayCopy, event: Event) -> None:
    copy = await put_gateway(gateway, state)
    assert await happens(gateway, AT_GATEWAY[event], copy) == GATEWAY_TABLE.get((state, event), state)


@pytest.mark.parametrize("event", AT_MANAGER)
@pytest.mark.parametrize("state", [state for state in ManagerCopy if state is not ManagerCopy.DOUBT])
async def test_the_manager_s_table(manager: Bench, state: ManagerCopy, event: Event) -> None:
    copy = await put_manager(manager, state)
    assert await happens(manager, AT_MANAGER[event], copy) == MANAGER_TABLE.get((state, event), state)


async def test_a_cancelled_id_is_unknown_to_the_other_hops(manager: Bench) -> None:
    await manager.samples.enrolled()
    cid = cid_of(4711)
    await manager.do(manager.samples.cancel(cid, 1))
    third = manager.samples.copy("HELD", cid=cid, hop=3)
    assert (await manager.do(manager.samples.receive(third))).answer == "commit ACC"
