"""Tasks that somebody owns: a failure is reported, and shutdown waits for them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Tasks:
    """`on_failure(name, error)` hears of every task that ended by an exception."""

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_failure = on_failure

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(task.get_name(), error)

    def watch_loop(self) -> None:
        """From now on what a callback of the running loop raised is a failure like a task's, and prints nothing."""
        asyncio.get_running_loop().set_exception_handler(self._unexpected)

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message = str(context.get("message", "in the event loop"))
        error = context.get("exception")
        self._on_failure(message.partition("\n")[0], error if error is not None else RuntimeError(message))

    async def close(self, grace_seconds: float = 0.0) -> None:
        """Let tasks end by themselves for that long, then cancel them and wait."""
        if grace_seconds and self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
