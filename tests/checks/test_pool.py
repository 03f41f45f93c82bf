"""Real worker processes: answers in their place, neighbours unharmed, nothing that waits for ever."""

import asyncio
import importlib
import os
from concurrent.futures import Future

import pytest

from pratique.checks import pool as module
from pratique.checks.pool import Failed, WorkerPool

TASK_SECONDS = 1.0
TASKS = """
import os, signal

def begin(memory):
    if memory < 0:
        os._exit(1)

def run(items):
    answers = []
    for item in items:
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "loop":
            while True:
                pass
        if item == "raise":
            raise ValueError("broken")
        answers.append((item, os.getpid(), len(items)))
    return answers
"""


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """A module that the workers can import: they get this process's search path."""
    (tmp_path / "pool_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("pool_tasks")


@pytest.fixture
def make_pool(tasks):
    made = []

    def make(*, memory=0, workers=1):
        pool = WorkerPool(
            tasks.run, begin=tasks.begin, begin_args=(memory,), workers=workers, task_seconds=TASK_SECONDS
        )
        made.append(pool)
        return pool

    yield make
    for pool in made:
        pool.close()


async def ask_all(pool, *items, size=1):
    return await asyncio.gather(*(pool.ask(item, size) for item in items), return_exceptions=True)


def answered(found):
    return [one if isinstance(one, BaseException) else one[0] for one in found]


async def test_everyone_gets_his_own_answer_from_another_process(make_pool):
    found = await ask_all(make_pool(), *map(str, range(100)))
    assert answered(found) == list(map(str, range(100)))
    assert os.getpid() not in {process for _, process, _ in found}
    # what came while the worker was busy travelled together
    assert max(together for _, _, together in found) == module.BATCH_ITEMS_MAX


async def test_large_items_travel_alone(make_pool):
    found = await ask_all(make_pool(), *"abcdef", size=module.BATCH_BYTES_MAX)
    assert {together for _, _, together in found} == {1}


async def test_an_item_that_kills_its_worker_fails_and_its_neighbours_do_not(make_pool):
    found = answered(await ask_all(make_pool(), "a", "b", "die", "c", "d"))
    assert [one for one in found if not isinstance(one, Failed)] == ["a", "b", "c", "d"]
    assert "worker ended" in str(found[2])


async def test_an_item_that_raises_fails_and_its_neighbours_do_not(make_pool):
    found = answered(await ask_all(make_pool(), "a", "b", "c", "raise", "d"))
    assert [one for one in found if not isinstance(one, Failed)] == ["a", "b", "c", "d"]
    assert "broken" in str(found[3])


async def test_an_item_that_does_not_end_is_killed(make_pool):
    (failed,) = await ask_all(make_pool(), "loop")
    assert isinstance(failed, Failed)
    assert "more than 1 s" in str(failed)


async def test_large_items_have_more_time(make_pool, monkeypatch):
    monkeypatch.setattr(module, "BYTES_A_SECOND", 1_000)
    (failed,) = await ask_all(make_pool(), "loop", size=1_500)
    assert "more than 2 s" in str(failed)


async def test_who_gives_up_is_not_served(make_pool):
    pool = make_pool()
    await pool.ask("warm", 1)
    asking = [asyncio.ensure_future(pool.ask(str(n), module.BATCH_BYTES_MAX)) for n in range(4)]
    await asyncio.sleep(0)
    asking[3].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert answered(found[:3]) == ["0", "1", "2"]
    assert isinstance(found[3], asyncio.CancelledError)
    assert answered(await ask_all(pool, "on")) == ["on"]


async def test_workers_that_cannot_start_fail_and_are_not_tried_in_a_circle(make_pool):
    pool = make_pool(memory=-1)
    (first,) = await ask_all(pool, "a")
    (second,) = await ask_all(pool, "b")
    assert isinstance(first, Failed)
    assert isinstance(second, Failed)


async def test_a_pool_that_broke_is_made_anew(make_pool, monkeypatch):
    monkeypatch.setattr(module, "REBUILD_PAUSE_SECONDS", 0.0)
    pool = make_pool()
    await pool.ask("a", 1)
    pool._pool.stop()
    pool._pool.join()
    assert answered(await ask_all(pool, "b")) == ["b"]


async def test_what_a_broken_pool_had_in_its_hands_is_tried_again(make_pool, monkeypatch):
    monkeypatch.setattr(module, "REBUILD_PAUSE_SECONDS", 0.0)
    pool = make_pool()
    await pool.ask("warm", 1)
    waiting = asyncio.gather(*(pool.ask("loop" if n == 0 else str(n), 1) for n in range(3)), return_exceptions=True)
    await asyncio.sleep(0)
    pool._pool.stop()
    pool._pool.join()
    assert answered(await ask_all(pool, "b")) == ["b"]
    assert answered(await waiting)[1:] == ["1", "2"]


async def test_a_task_that_is_cancelled_behind_our_back_is_tried_again(make_pool):
    pool = make_pool()
    await pool.ask("warm", 1)
    waiting = [asyncio.ensure_future(pool.ask(str(n), 1)) for n in range(2)]
    await asyncio.sleep(0)
    cancelled = Future()
    cancelled.cancel()
    pool._done(asyncio.get_running_loop(), max(pool._in_flight), cancelled)
    assert answered(await asyncio.gather(*waiting)) == ["0", "1"]


async def test_close_answers_whoever_waits(make_pool):
    pool = make_pool()
    await pool.ask("warm", 1)
    waiting = asyncio.gather(*(pool.ask("loop", module.BATCH_BYTES_MAX) for _ in range(4)), return_exceptions=True)
    await asyncio.sleep(0)
    pool.close()
    found = await waiting
    assert [type(one) for one in found] == [Failed] * 4
    assert isinstance((await ask_all(pool, "late"))[0], Failed)


async def test_an_answer_after_the_loop_has_closed_hurts_nobody(make_pool):
    pool = make_pool()
    ended = asyncio.new_event_loop()
    ended.close()
    pool._tell(ended, 1, Future())
    assert answered(await ask_all(pool, "a")) == ["a"]
