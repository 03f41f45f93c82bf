"""The promise of a result after the commit. Works with or without a running loop, so that a simulator can hold it."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from pratique.store.moves import Move


class Submission:
    """A submitted move and, after the commit, its result or exception."""

    __slots__ = ("_calls", "_exception", "_result", "is_done", "move", "numbers", "seq")

    def __init__(self, move: Move, numbers: list[int], seq: int) -> None:
        self.move = move
        self.numbers = numbers  # drawn for the rows that the move itself writes
        self.seq = seq  # the highest number given out so far
        self.is_done = False
        self._result: Any = None
        self._exception: Exception | None = None
        self._calls: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        return self.is_done

    def cancelled(self) -> bool:
        return False  # a move that was submitted cannot be called back

    def result(self) -> Any:
        if not self.is_done:
            raise asyncio.InvalidStateError("the move is not committed")
        if self._exception is not None:
            raise self._exception
        return self._result

    def exception(self) -> Exception | None:
        if not self.is_done:
            raise asyncio.InvalidStateError("the move is not committed")
        return self._exception

    def add_done_callback(self, call: Callable[[Any], object]) -> None:
        if self.is_done:
            call(self)
        else:
            self._calls.append(call)

    def resolve(self, result: Any, exception: Exception | None = None) -> None:
        assert not self.is_done
        self.is_done, self._result, self._exception = True, result, exception
        calls, self._calls = self._calls, []
        for call in calls:
            call(self)

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.is_done:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if waiter.done() else waiter.set_result(None))
            yield from waiter
        return self.result()
