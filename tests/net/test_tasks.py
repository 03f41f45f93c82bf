"""Tasks that somebody owns."""

import asyncio

import pytest

from pratique.net.tasks import Tasks


class Ledger:
    def __init__(self) -> None:
        self.failures: list[tuple[str, str]] = []
        self.tasks = Tasks(lambda name, error: self.failures.append((name, str(error))))


async def _fails() -> None:
    raise ValueError("broken")


async def test_a_failure_is_reported_by_name() -> None:
    ledger = Ledger()
    task = ledger.tasks.spawn(_fails(), "the sweeper")
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert ledger.failures == [("the sweeper", "broken")]


async def test_closing_cancels_what_runs_and_waits_for_it() -> None:
    ledger, ended = Ledger(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("tidied up")

    ledger.tasks.spawn(work(), "long")
    await asyncio.sleep(0)
    await ledger.tasks.close()
    assert ended == ["tidied up"]
    assert ledger.failures == []  # a cancelled task is no failure


async def test_a_grace_lets_tasks_end_by_themselves() -> None:
    ledger, done = Ledger(), []
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.append("whole")

    ledger.tasks.spawn(work(), "short")
    asyncio.get_running_loop().call_soon(go.set)
    await ledger.tasks.close(grace_seconds=5)
    assert done == ["whole"]


async def test_closing_with_nothing_to_do_is_fine() -> None:
    ledger = Ledger()
    await ledger.tasks.close(grace_seconds=1)
    assert ledger.failures == []


async def test_what_a_callback_of_the_loop_raised_is_a_failure_too(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger()
    ledger.tasks.watch_loop()

    def reload() -> None:
        raise ValueError("broken")

    asyncio.get_running_loop().call_soon(reload)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ((name, error),) = ledger.failures
    assert name.startswith("Exception in callback") and error == "broken"
    assert "Traceback" not in capsys.readouterr().err
