"""One supervisor for what must live as long as the appliance: loops, faces, and processes that others start again.

A component that ends by an error is said in the log (`An application fault occurred`), which raises an alert, and is
started again, at first soon and then at intervals that double. The store is no component: what fails there for good
ends the process (docs/internals.md, "Group commit"), and a loop that dies of it is not started again.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pratique.net.clock import Clock
from pratique.net.tasks import Tasks
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition
from pratique.telemetry.interface import Telemetry

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0  # a component that keeps failing costs a try a minute
STEADY_SECONDS = 60.0  # one that has run for so long has recovered: its alert is over, its next wait the first one
NAME_CHARS_MAX = 60


class Life(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"  # it ended by an error and is started again at `again_at`
    ENDED = "ended"  # it was done, or the store failed


@dataclass(frozen=True, slots=True)
class Component:
    """Times in ms since 1970. `restarts`: since the process began."""

    name: str
    life: Life
    since: int
    restarts: int = 0
    last_error: str = ""
    again_at: int = 0


class Supervisor:
    def __init__(self, tasks: Tasks, clock: Clock, telemetry: Telemetry) -> None:
        self._tasks = tasks
        self._clock = clock
        self._telemetry = telemetry
        self._known: dict[str, Component] = {}
        self._steady: dict[str, asyncio.TimerHandle] = {}

    def components(self) -> tuple[Component, ...]:
        return tuple(self._known[name] for name in sorted(self._known))

    def keep(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[Any]:
        """Run `make()` until it returns; begin anew whenever it raises. Cancelling the task ends it."""
        self._now(Component(name, Life.RUNNING, self._clock.now_ms()))
        return self._tasks.spawn(self._keep(name, make), name)

    async def _keep(self, name: str, make: Callable[[], Coroutine[Any, Any, None]]) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            began = self._clock.monotonic()
            try:
                await make()
                break
            except StoreFailed as failed:
                if failed.fatal:
                    self._ended(name, str(failed))
                    raise
                error: Exception = failed
            except Exception as raised:  # noqa: BLE001 - whatever it died of, it is said and begun anew
                error = raised
            if self._clock.monotonic() - began >= STEADY_SECONDS:
                wait = FIRST_WAIT_SECONDS
            self.died(name, f"{type(error).__name__}: {error}", wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            self.lives(name)
        self._ended(name, "")

    def _ended(self, name: str, why: str) -> None:
        self._forget_timer(name)
        if name not in self._known:  # gone
            return
        self._now(replace(self._known[name], life=Life.ENDED, since=self._clock.now_ms(), last_error=why, again_at=0))

    # --- those that restart their own report here, too
    def died(self, name: str, why: str, wait: float, *, what: str = "") -> None:
        """It ended by an error and is started again after so many seconds. `what`: said beside it."""
        now = self._clock.now_ms()
        self._forget_timer(name)
        before = self._known.get(name, Component(name, Life.RUNNING, now))
        self._now(replace(before, life=Life.WAITING, since=now, last_error=why, again_at=now + int(wait * 1000)))
        text = f"{name} ended ({why}) and is started again in {wait:g} s{what and '; '}{what}"
        self._telemetry.emit(log.Fault(error=text, condition=Condition.COMPONENT, subject=name[:NAME_CHARS_MAX]))

    def lives(self, name: str) -> None:
        """It runs: for the first time, or again. Nothing is said of one that runs already."""
        before, now = self._known.get(name), self._clock.now_ms()
        if before is None:
            self._now(Component(name, Life.RUNNING, now))
        elif before.life is not Life.RUNNING:
            self._now(replace(before, life=Life.RUNNING, since=now, restarts=before.restarts + 1, again_at=0))
            self._steady[name] = asyncio.get_running_loop().call_later(STEADY_SECONDS, self._recovered, name)

    def gone(self, name: str) -> None:
        """It is not wanted any more."""
        self._forget_timer(name)
        self._known.pop(name, None)

    def _recovered(self, name: str) -> None:
        self._steady.pop(name, None)
        text = f"{name} has run for {STEADY_SECONDS:g} s since it was started again"
        self._telemetry.emit(log.Over(message=text, condition=Condition.COMPONENT, subject=name[:NAME_CHARS_MAX]))

    def _forget_timer(self, name: str) -> None:
        if (timer := self._steady.pop(name, None)) is not None:
            timer.cancel()

    def _now(self, component: Component) -> None:
        self._known[component.name] = component
