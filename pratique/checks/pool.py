"""Worker processes for what reads hostile octets: killable, capped, fed in batches.

Processes and not threads: a parser that loops or eats memory must be killed without harm to its neighbours. A batch,
because a task of its own costs more than reading a small message: what arrives while all workers are busy travels
together. A batch that dies is given back piece by piece; a piece that dies alone twice, or runs out of time alone, is
the cause and has failed. Not here: what is read (the task function) and what a failure means.
"""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from pebble import ProcessPool

BATCH_ITEMS_MAX = 16  # bounds what one poison sends back
BATCH_BYTES_MAX = 262_144  # a large item travels alone
TASKS_PER_WORKER = 2  # one at work, one in the pipe: the worker never waits for the parent
DEATHS_MAX = 2  # once may be a neighbour's fault, or the system's
BYTES_A_SECOND = 16_777_216  # a task of large items has a second more for each of these
REBUILD_PAUSE_SECONDS = 1.0  # workers that die while they start must not make the parent spin

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Failed(Exception):
    """There is no answer. args[0] says why, in words for the log."""


class Poison(Failed):
    """There is none because of the item itself: alone it ended its worker, did not end, or raised."""


@dataclass(slots=True, eq=False)
class _Job(Generic[Item, Answer]):
    item: Item
    size: int
    answer: asyncio.Future[Answer]
    deaths: int = 0


class WorkerPool(Generic[Item, Answer]):
    """`task` gets a list of items in a worker and answers with a list of as many answers. Workers start with the first
    item; `begin` is called once in each. `task_seconds`: for small items; see BYTES_A_SECOND."""

    def __init__(
        self,
        task: Callable[[Sequence[Item]], list[Answer]],
        *,
        begin: Callable[..., None],
        begin_args: Sequence[Any],
        workers: int,
        task_seconds: float,
    ) -> None:
        self._task = task
        self._begin = begin
        self._begin_args = begin_args
        self._workers = workers
        self._task_seconds = task_seconds
        self._waiting: deque[_Job[Item, Answer]] = deque()
        self._in_flight: dict[int, list[_Job[Item, Answer]]] = {}  # by ticket
        self._ticket = 0
        self._pool: ProcessPool | None = None
        self._built_at = float("-inf")
        self._rebuild_planned = False
        self._closed = False

    async def ask(self, item: Item, size: int) -> Answer:
        """The answer for an item of `size` octets. Raises Failed. May be cancelled: the item is then not read."""
        if self._closed:
            raise Failed("shutting down")
        loop = asyncio.get_running_loop()
        job = _Job[Item, Answer](item, size, loop.create_future())
        self._waiting.append(job)
        self._dispatch(loop)
        return await job.answer

    def close(self) -> None:
        """Ends the workers; whoever waits gets Failed."""
        self._closed = True
        self._drop_pool()
        # pebble leaves the tasks of a stopped pool as they are: nobody else would answer for them
        for batch in self._in_flight.values():
            self._waiting.extend(batch)
        self._in_flight.clear()
        while self._waiting:
            _fail(self._waiting.popleft(), Failed("shutting down"))

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._pool is not None and not self._pool.active:
            self._give_back("the pool broke")
        while self._waiting and len(self._in_flight) < TASKS_PER_WORKER * self._workers:
            pool = self._running_pool(loop)
            batch = self._next_batch() if pool is not None else []
            if pool is None or not batch:
                return
            try:
                items = [job.item for job in batch]
                task = pool.schedule(self._task, args=[items], timeout=self._seconds(batch))
            except RuntimeError as error:  # pebble: the pool broke or is closed
                for job in batch:
                    _fail(job, Failed(str(error)))
                continue
            self._ticket += 1
            self._in_flight[self._ticket] = batch
            task.add_done_callback(partial(self._tell, loop, self._ticket))

    def _next_batch(self) -> list[_Job[Item, Answer]]:
        batch: list[_Job[Item, Answer]] = []
        size = 0
        while self._waiting and len(batch) < BATCH_ITEMS_MAX:
            job = self._waiting[0]
            if batch and (size + job.size > BATCH_BYTES_MAX or job.deaths):
                break
            self._waiting.popleft()
            if job.answer.done():  # the one who asked gave up
                continue
            batch.append(job)
            size += job.size
            if job.deaths:  # once suspect it travels alone
                break
        return batch

    def _seconds(self, batch: list[_Job[Item, Answer]]) -> float:
        return self._task_seconds + sum(job.size for job in batch) // BYTES_A_SECOND

    def _give_back(self, why: str) -> None:
        """What a pool that broke had in its hands is tried again."""
        self._drop_pool()
        tickets, self._in_flight = self._in_flight, {}
        for batch in tickets.values():
            self._died(batch, RuntimeError(why))

    def _tell(self, loop: asyncio.AbstractEventLoop, ticket: int, task: "Future[list[Answer]]") -> None:
        """In a thread of the pool."""
        try:
            loop.call_soon_threadsafe(self._done, loop, ticket, task)
        except RuntimeError:
            pass  # the loop is closed, and with it all who waited

    def _done(self, loop: asyncio.AbstractEventLoop, ticket: int, task: "Future[list[Answer]]") -> None:
        batch = self._in_flight.pop(ticket, None)
        if batch is None:  # answered by close() or given back
            return
        error = RuntimeError("the task was cancelled") if task.cancelled() else task.exception()
        if error is None:
            for job, answer in zip(batch, task.result(), strict=True):
                if not job.answer.done():
                    job.answer.set_result(answer)
        else:
            self._died(batch, error)
        self._dispatch(loop)

    def _died(self, batch: list[_Job[Item, Answer]], error: BaseException) -> None:
        """TimeoutError: killed. ProcessExpired: it died. Anything else: the task function raised."""
        alone = len(batch) == 1
        for job in reversed(batch):
            job.deaths += 1
            if alone and isinstance(error, TimeoutError):
                _fail(job, Poison(f"takes more than {self._seconds(batch):g} s"))
            elif alone and job.deaths >= DEATHS_MAX:
                kind = Failed if isinstance(error, RuntimeError) else Poison  # RuntimeError: pebble's, the pool broke
                _fail(job, kind(f"the worker ended ({type(error).__name__}: {error})"))
            else:
                self._waiting.appendleft(job)

    def _running_pool(self, loop: asyncio.AbstractEventLoop) -> ProcessPool | None:
        """None: not yet, `_dispatch` will be called again."""
        if self._pool is not None or self._closed:
            return self._pool
        if loop.time() < self._built_at + REBUILD_PAUSE_SECONDS:
            if not self._rebuild_planned:
                self._rebuild_planned = True
                loop.call_at(self._built_at + REBUILD_PAUSE_SECONDS, self._dispatch, loop)
            return None
        self._built_at = loop.time()
        self._rebuild_planned = False
        # forkserver: a fork of this process would copy its threads' locks in whatever state they are
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([self._task.__module__])
        self._pool = ProcessPool(
            max_workers=self._workers, initializer=self._begin, initargs=tuple(self._begin_args), context=context
        )
        return self._pool

    def _drop_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()


def _fail(job: _Job[Item, Answer], error: Failed) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)
