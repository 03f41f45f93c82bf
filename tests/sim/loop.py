"""An asyncio loop in virtual time: when nothing is ready, the clock jumps to the next timer. No sockets, no threads.

Connections are those of `net.Network`: the real `net.listener` runs unchanged, because what it asks of the loop
(`create_server`, `create_connection`) is answered here. Work for a thread runs at once, so nothing depends on the
machine. Whose code is running is a context variable, so a crash can take away the timers of one appliance.
"""

import asyncio
import itertools
from asyncio import events
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

OWNER: ContextVar[Any] = ContextVar("owner", default=None)  # the life (appliance.Life) whose code this is
TASK_NUMBERS = itertools.count(1)


class Task(asyncio.Task):
    """Its hash is a number and not an address: sets of tasks are walked in the same order in every replay."""

    def __init__(self, *args: Any, **named: Any) -> None:
        self._number = next(TASK_NUMBERS)
        context = named.get("context")
        self.owner = context.get(OWNER) if context is not None else OWNER.get()
        super().__init__(*args, **named)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class Deadlock(Exception):
    """Nothing is ready and no timer is set, but somebody waits."""


class Restless(Exception):
    """Something goes round and round."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`network` answers create_server and create_connection; it is set by the world."""

    def __init__(self) -> None:
        super().__init__()
        self._clock_resolution = 1e-9
        self._virtual_now = 0.0
        self.steps = 0  # turns of the loop
        self.steps_max = 1 << 62
        self.network: Any = None
        self._selector = self
        self.set_task_factory(self._task)

    def _task(self, loop: Any, work: Any, context: Any = None) -> Task:
        return Task(work, loop=loop, context=context)

    # --- what BaseEventLoop asks of its selector
    def time(self) -> float:
        return self._virtual_now

    def select(self, timeout: float | None) -> list[Any]:
        self.steps += 1
        if self.steps > self.steps_max:
            raise Restless(f"{self.steps_max} turns of the loop, and still no rest")
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set")
        if timeout > 0:
            # To the very time of the timer: a sum of two floats may fall short of it.
            self._virtual_now = max(self._virtual_now, self._scheduled[0].when())
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    # --- the edge
    async def create_server(self, factory: Callable[[], Any], host: str, port: int, **_: Any) -> Any:
        return self.network.listen(factory, host, port)

    async def create_connection(
        self, factory: Callable[[], Any], host: str, port: int, *, local_addr: Any = None, **_: Any
    ) -> Any:
        return await self.network.connect(factory, host, port, source=local_addr[0] if local_addr else "")

    async def connect_accepted_socket(self, factory: Callable[[], Any], end: Any, **_: Any) -> Any:
        if end.is_gone:
            raise OSError("it is gone already")
        end.protocol = factory()
        end.protocol.connection_made(end)
        return end, end.protocol

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is whoever awaits it that meets it
            done.set_exception(error)
        return done

    # --- a crash
    def forget_timers(self, owner: Any) -> None:
        """Whatever the code of `owner` planned for later does not happen."""
        for handle in self._scheduled:
            if handle._context is not None and handle._context.get(OWNER) is owner:
                handle.cancel()


def context_of(owner: Any) -> Any:
    """A context in which code counts as the owner's."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context


def run(loop: VirtualLoop, work: Any) -> Any:
    """Run to the end of `work`, as asyncio.run would."""
    events.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        events.set_event_loop(None)
