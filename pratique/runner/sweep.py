"""The sweeper: bodies that no state needs any more give their space back, some at a time."""

import asyncio
from collections.abc import Iterable

from pratique.runner.services import Services
from pratique.store.interface import Submitted
from pratique.store.moves import LetGo, MoveRefused, StoreFailed
from pratique.store.records import Extent
from pratique.telemetry import events as log

EVERY_SECONDS = 2.0
BATCH = 500
UNCOVERED_TIMES = 4  # a shadow that no backup of the manager holds yet stays so many times as long; disks are finite


class Sweeper:
    """`shadow_ms`: how long the body of a copy that another appliance holds is kept here."""

    def __init__(self, services: Services, *, shadow_ms: int) -> None:
        self._services = services
        self._shadow_ms = shadow_ms

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.sweep()
            except (StoreFailed, MoveRefused) as error:
                if isinstance(error, StoreFailed) and error.fatal:
                    raise
                self._services.telemetry.emit(log.Fault(error=f"sweeper: {error}; tried again in {EVERY_SECONDS:g} s"))

    async def sweep(self) -> int:
        """Let go of what is disposable now; returns how many bodies."""
        now, total = self._services.clock.now_ms(), 0
        before, uncovered = now - self._shadow_ms, now - UNCOVERED_TIMES * self._shadow_ms
        while True:
            mids = await self._services.store.read(
                lambda view: tuple(view.disposable(before, BATCH, uncovered_before=uncovered))
            )
            if not mids:
                return total
            total += len(mids)
            extents: Iterable[Extent] = await self._services.store.submit(LetGo(mids))
            self._services.store.spool.drop(extents)

    def let_go(self, mids: tuple[int, ...]) -> None:
        """These at once (their deletion was acknowledged)."""

        def gone(future: Submitted) -> None:
            if future.exception() is None:
                self._services.store.spool.drop(future.result())

        if mids:
            self._services.store.submit(LetGo(mids)).add_done_callback(gone)
