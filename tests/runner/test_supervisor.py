"""What dies is said, and lives again; what must not, does not."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pratique.runner import supervisor as module
from pratique.runner.supervisor import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, Life, Supervisor
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition
from tests.runner.support import Node, turns, until


class Ward:
    """A supervisor whose waits are written down instead of waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node = Node()
        self.waits: list[float] = []
        self.timers: list[Callable[[], None]] = []
        self.supervisor = Supervisor(self.node.tasks, self.node.clock, self.node.log)
        self._sleep = asyncio.sleep
        monkeypatch.setattr(module.asyncio, "sleep", self._waited)

    async def _waited(self, seconds: float) -> None:
        if seconds:
            self.waits.append(seconds)
            self.node.clock.now += int(seconds * 1000)
        await self._sleep(0)

    def of(self, name: str) -> Any:
        return next(one for one in self.supervisor.components() if one.name == name)


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Ward:
    return Ward(monkeypatch)


async def test_a_component_that_dies_is_said_and_started_again(ward: Ward) -> None:
    lives = 0

    async def work() -> None:
        nonlocal lives
        lives += 1
        if lives == 1:
            raise KeyError("spool")
        await asyncio.Event().wait()

    task = ward.supervisor.keep("sweeper", work)
    await until(lambda: lives == 2)
    (fault,) = ward.node.log.of(log.Fault)
    assert fault.text() == (
        "An application fault occurred: sweeper ended (KeyError: 'spool') and is started again in 1 s"
    )
    assert (fault.condition, fault.subject) == (Condition.COMPONENT, "sweeper")
    found = ward.of("sweeper")
    assert (found.life, found.restarts, found.last_error) == (Life.RUNNING, 1, "KeyError: 'spool'")
    task.cancel()


async def test_waits_double_up_to_the_longest(ward: Ward) -> None:
    async def work() -> None:
        if len(ward.waits) < 9:
            raise RuntimeError("no")

    ward.supervisor.keep("x", work)
    await until(lambda: ward.of("x").life is Life.ENDED)
    assert ward.waits[:3] == [FIRST_WAIT_SECONDS, 2.0, 4.0]
    assert ward.waits[-2:] == [LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS]


async def test_one_that_ran_for_long_waits_as_after_the_first_error(ward: Ward) -> None:
    async def work() -> None:
        if len(ward.waits) == 2:
            ward.node.clock.now += 61_000
        if len(ward.waits) < 3:
            raise RuntimeError("no")

    ward.supervisor.keep("x", work)
    await until(lambda: ward.of("x").life is Life.ENDED)
    assert ward.waits == [1.0, 2.0, 1.0]


async def test_a_store_that_failed_for_good_ends_it(ward: Ward) -> None:
    async def work() -> None:
        raise StoreFailed("I/O error", fatal=True)

    ward.supervisor.keep("x", work)
    await until(lambda: ward.of("x").life is Life.ENDED)
    assert ward.waits == []
    await until(lambda: ward.node.failures)
    assert ward.node.failures == [("x", "StoreFailed: I/O error")]


async def test_a_store_that_is_full_does_not(ward: Ward) -> None:
    async def work() -> None:
        if not ward.waits:
            raise StoreFailed("no space", full=True)

    ward.supervisor.keep("x", work)
    await until(lambda: ward.of("x").life is Life.ENDED)
    assert ward.waits == [1.0]


async def test_the_alert_is_over_when_it_has_run_for_some_time(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS", 0.0)
    ward.supervisor.died("edge process 0", "status -9", 0.1, what="clients send again what was not answered")
    assert ward.of("edge process 0").life is Life.WAITING
    assert ward.node.log.lines("is started again in 0.1 s; clients send again")
    ward.supervisor.lives("edge process 0")
    await until(lambda: ward.node.log.of(log.Over))
    (over,) = ward.node.log.of(log.Over)
    assert (over.condition, over.subject) == (Condition.COMPONENT, "edge process 0")


async def test_one_that_dies_again_at_once_is_not_said_to_have_recovered(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS", 0.001)
    ward.supervisor.died("x", "no", 1)
    ward.supervisor.lives("x")
    ward.supervisor.died("x", "no", 1)
    loop = asyncio.get_running_loop()
    later = loop.create_future()
    loop.call_later(0.02, later.set_result, None)
    await later
    assert ward.node.log.of(log.Over) == []
    assert ward.of("x").restarts == 1


async def test_a_stop_is_no_death(ward: Ward) -> None:
    task = ward.supervisor.keep("x", asyncio.Event().wait)  # type: ignore[arg-type]
    await turns()
    task.cancel()
    await turns()
    assert ward.node.log.events == []
    ward.supervisor.gone("x")
    assert ward.supervisor.components() == ()
