"""The embedded virus engine: YARA-X with our rules, in worker processes.

Processes, because yara-x holds the interpreter lock and because what reads hostile octets must be killable: each worker
has a cap on memory and on CPU time, and a task that does not end is killed with its worker. What is scanned is
virus_worker.py's; clamd has an engine of its own.

Messages that arrive while all workers are busy travel together in one task. A task that dies is given back message by
message, so that a neighbour's poison costs a message nothing but time; one that kills its worker twice is unscannable.
"""

import asyncio
import multiprocessing
from collections import deque
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

from pebble import ProcessExpired, ProcessPool

from pratique.checks import virus_worker
from pratique.checks.virus_worker import Answer
from pratique.checks.yara_rules import CompiledRules
from pratique.mail.body import Body
from pratique.policy.facts import Unknown, VirusResult

TASK_SECONDS_MAX = 4.0  # then the task's worker is killed; the CPU cap ends a message's work long before
DEADLINE_S = 10.0  # for one message with its waiting; the caller then has Unknown
MEMORY_BYTES_MAX = 805_306_368  # address space of a worker: all a message may unpack to, held at once, twice
MESSAGE_BYTES_MAX = 67_108_864  # larger mail is not accepted anywhere we know
BATCH_MESSAGES_MAX = 16  # bounds what one poison sends back
BATCH_BYTES_MAX = 262_144  # a large message travels alone
TASKS_PER_WORKER = 2  # one at work, one in the pipe: the worker never waits for the parent
REBUILD_PAUSE_S = 1.0  # workers that die while they start must not make the parent spin


@dataclass(slots=True, eq=False)
class _Job:
    octets: bytes
    answer: asyncio.Future[VirusResult | Unknown]
    deaths: int = 0


class YaraEngine:
    """A VirusEngine. `start` may be called ahead; else the first message waits for the workers to come up."""

    name = "YARA-X"

    def __init__(
        self,
        rules: CompiledRules,
        *,
        workers: int = 1,
        deadline_s: float = DEADLINE_S,
        task_s: float = TASK_SECONDS_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self.version = rules.version
        self._rules = rules.octets
        self._workers = workers
        self._deadline_s = deadline_s
        self._task_s = task_s
        self._memory_bytes_max = memory_bytes_max
        self._waiting: deque[_Job] = deque()
        self._in_flight: list[list[_Job]] = []
        self._pool: ProcessPool | None = None
        self._built_at = float("-inf")
        self._rebuild_planned = False
        self._closed = False

    async def start(self) -> None:
        """Have the workers up and their rules loaded."""
        await self._ask(b"\r\n")

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        if body.size > MESSAGE_BYTES_MAX:
            return self._result("unscannable", "too large")
        if octets is None:
            try:
                octets = await asyncio.to_thread(b"".join, body.pieces())
            except OSError as error:
                return Unknown(f"{self.name}: the message cannot be read ({error})")
        return await self._ask(octets)

    def close(self) -> None:
        """Those who still wait get Unknown."""
        self._closed = True
        for job in (*self._waiting, *(job for batch in self._in_flight for job in batch)):
            self._settle(job, Unknown(f"{self.name}: shutting down"))
        self._waiting.clear()
        self._drop_pool()

    async def _ask(self, octets: bytes) -> VirusResult | Unknown:
        if self._closed:
            return Unknown(f"{self.name}: shutting down")
        loop = asyncio.get_running_loop()
        job = _Job(octets, loop.create_future())
        self._waiting.append(job)
        self._dispatch(loop)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await job.answer
        except TimeoutError:
            return Unknown(f"{self.name}: no answer within {self._deadline_s:g} s, the workers are busy")

    def _result(self, result: str, name: str) -> VirusResult:
        return VirusResult(engine=self.name, version=self.version, result=result, name=name)

    @staticmethod
    def _settle(job: _Job, answer: VirusResult | Unknown) -> None:
        if not job.answer.done():  # done: the one who asked gave up
            job.answer.set_result(answer)

    # --- tasks ---

    def _dispatch(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and len(self._in_flight) < TASKS_PER_WORKER * self._workers:
            pool = self._running_pool(loop)
            batch = self._next_batch() if pool is not None else []
            if pool is None or not batch:
                return
            try:
                task = pool.schedule(
                    virus_worker.scan_batch, args=[[job.octets for job in batch]], timeout=self._task_s
                )
            except RuntimeError as error:  # pebble: the pool broke or is closed
                for job in batch:
                    self._settle(job, Unknown(f"{self.name}: {error}"))
                continue
            self._in_flight.append(batch)
            task.add_done_callback(partial(self._tell, loop, batch))

    def _next_batch(self) -> list[_Job]:
        batch: list[_Job] = []
        size = 0
        while self._waiting and len(batch) < BATCH_MESSAGES_MAX:
            job = self._waiting[0]
            if batch and (size + len(job.octets) > BATCH_BYTES_MAX or job.deaths):
                break
            self._waiting.popleft()
            if job.answer.done():
                continue
            batch.append(job)
            size += len(job.octets)
            if job.deaths:  # once suspect it travels alone
                break
        return batch

    def _tell(self, loop: asyncio.AbstractEventLoop, batch: list[_Job], task: "Future[list[Answer]]") -> None:
        """In a thread of the pool."""
        try:
            loop.call_soon_threadsafe(self._done, loop, batch, task)
        except RuntimeError:
            pass  # the loop is closed, and with it all who waited

    def _done(self, loop: asyncio.AbstractEventLoop, batch: list[_Job], task: "Future[list[Answer]]") -> None:
        self._in_flight.remove(batch)
        if task.cancelled() or self._closed:
            return
        error = task.exception()
        if error is None:
            for job, answer in zip(batch, task.result(), strict=True):
                self._settle(job, self._result(*answer))
        else:
            self._died(batch, error)
        self._dispatch(loop)

    def _died(self, batch: list[_Job], error: BaseException) -> None:
        alone = len(batch) == 1
        for job in reversed(batch):
            job.deaths += 1
            if alone and isinstance(error, TimeoutError):  # pebble killed the worker: no second try, it costs as much
                self._settle(job, self._result("unscannable", "takes too long"))
            elif alone and job.deaths > 1:
                self._settle(job, self._last_word(error))
            else:
                self._waiting.appendleft(job)

    def _last_word(self, error: BaseException) -> VirusResult | Unknown:
        if isinstance(error, BrokenProcessPool):  # no message's fault
            return Unknown(f"{self.name}: the workers do not stay up ({error})")
        if isinstance(error, ProcessExpired):
            return self._result("unscannable", "ended its scanner twice")
        return self._result("unscannable", f"scanner failed ({type(error).__name__})")  # raised by the worker's code

    # --- the pool ---

    def _running_pool(self, loop: asyncio.AbstractEventLoop) -> ProcessPool | None:
        """None: not now, `_dispatch` will be called again."""
        if self._pool is not None and self._pool.active:
            return self._pool
        if self._closed:
            return None
        if loop.time() < self._built_at + REBUILD_PAUSE_S:
            if not self._rebuild_planned:
                self._rebuild_planned = True
                loop.call_at(self._built_at + REBUILD_PAUSE_S, self._dispatch, loop)
            return None
        self._drop_pool()
        self._built_at = loop.time()
        self._rebuild_planned = False
        # forkserver: a fork of this process would copy its threads' locks in whatever state they are
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([virus_worker.__name__])
        self._pool = ProcessPool(
            max_workers=self._workers,
            initializer=virus_worker.begin,
            initargs=(self._rules, self._memory_bytes_max),
            context=context,
        )
        return self._pool

    def _drop_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()
