"""What the memory store alone offers: manual commits, crashes at any point, failures on demand."""

import asyncio

import pytest

from pratique.store.audit import broken_at
from pratique.store.memory import MemoryStore
from pratique.store.moves import Accept, DotSent, MoveRefused, PutSetting, Record, StoreFailed
from tests.conformance.samples import GATEWAY, SampleClock, Samples, entry


def manual(**fields: object) -> MemoryStore:
    return MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock(), manual=True, **fields)  # type: ignore[arg-type]


def accept(store: MemoryStore) -> Accept:
    copy = Samples(store).copy()
    return Accept((copy,), (entry("accept", copy.mid, copy.cid),))


def test_nothing_is_durable_before_the_commit() -> None:
    store = manual()
    move = accept(store)
    submitted = store.submit(move)
    assert [one.move for one in store.pending] == [move]
    assert not submitted.done()
    with pytest.raises(asyncio.InvalidStateError):
        submitted.result()
    with pytest.raises(asyncio.InvalidStateError):
        submitted.exception()
    assert store.view.copy(move.copies[0].mid) is None
    assert store.commit() == 1
    assert submitted.result() is None
    assert store.view.copy(move.copies[0].mid) is not None
    assert store.commit() == 0


def test_a_part_of_what_waits_is_committed_in_order() -> None:
    store = manual()
    moves = [store.submit(Record((entry(f"act {number}"),))) for number in range(4)]
    assert store.commit(3) == 3
    assert [one.done() for one in moves] == [True, True, True, False]
    assert [row.action for row in store.view.audit(0, 9)] == ["act 0", "act 1", "act 2"]


def test_a_crash_leaves_what_was_committed_and_nothing_else() -> None:
    store = manual()
    kept, lost = accept(store), accept(store)
    store.submit(kept)
    store.commit()
    waiting = store.submit(lost)
    after = store.crash()
    assert not waiting.done()
    assert after.view.copy(kept.copies[0].mid) is not None
    assert after.view.copy(lost.copies[0].mid) is None
    assert after.audit_head() == store.audit_head()
    assert broken_at(after.view.audit(0, 9)) is None
    assert after.identity.nonce != store.identity.nonce
    assert (after.identity.serial, after.identity.role) == (GATEWAY, "gateway")
    assert after.manual
    assert after.spool.read(kept.copies[0].extent, 0, 5) == b"From:"
    with pytest.raises(OSError):
        after.spool.open(lost.copies[0].extent, "")


def test_a_crashed_store_is_out_of_use_and_does_not_touch_its_heir() -> None:
    store = manual()
    after = store.crash()
    with pytest.raises(StoreFailed):
        store.submit(PutSetting("a", "1")).result()
    after.submit(PutSetting("b", "2"))
    after.commit()
    assert store.view.setting("b") == ""
    assert after.view.setting("b") == "2"


def test_a_failed_commit_leaves_nothing_and_the_store_goes_on() -> None:
    store = manual()
    store.fail_next(StoreFailed("the disk is full", full=True))
    first, second = store.submit(accept(store)), store.submit(PutSetting("a", "1"))
    store.commit()
    for one in (first, second):
        with pytest.raises(StoreFailed) as failed:
            one.result()
        assert (failed.value.full, failed.value.fatal) == (True, False)
    assert store.view.setting("a") == ""
    assert list(store.view.audit(0, 9)) == []
    again = store.submit(PutSetting("a", "1"))
    store.commit()
    assert again.result() is None


def test_after_a_fatal_failure_nothing_is_taken() -> None:
    store = manual()
    store.fail_next(StoreFailed("fsync failed", fatal=True))
    moves = [store.submit(PutSetting("a", "1")), store.submit(PutSetting("b", "1"))]
    store.commit(1)
    moves.append(store.submit(PutSetting("c", "1")))
    for one in moves:
        assert isinstance(one.exception(), StoreFailed)
    assert store.commit() == 0


def test_without_a_loop_a_move_is_committed_at_once() -> None:
    store = MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock())
    heard: list[object] = []
    submitted = store.submit(PutSetting("a", "1"))
    submitted.add_done_callback(heard.append)
    assert submitted.done()
    assert heard == [submitted]
    with pytest.raises(MoveRefused):
        store.submit(DotSent(1, (0,))).result()


async def test_in_a_loop_moves_of_one_turn_are_one_batch() -> None:
    store = MemoryStore(role="gateway", serial=GATEWAY, clock=SampleClock())
    moves = [store.submit(PutSetting("a", "1")), store.submit(PutSetting("b", "2"))]
    assert not any(one.done() for one in moves)
    await moves[0]
    assert moves[1].done()


async def test_a_waiter_that_gives_up_does_not_undo_the_move() -> None:
    store = manual()
    submitted = store.submit(PutSetting("a", "1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(submitted, 0)
    store.commit()
    await asyncio.sleep(0)
    assert store.view.setting("a") == "1"


async def test_a_closed_store_takes_nothing() -> None:
    store = manual()
    waiting = store.submit(PutSetting("a", "1"))
    await store.close()
    assert waiting.result() is None
    with pytest.raises(StoreFailed):
        await store.submit(PutSetting("a", "2"))
    await store.close()
