"""Room on the disk: the log says when the reserve is reached and when there is room again. Whoever takes mail asks the
spool for itself; this only tells the operator."""

import asyncio

from pratique.runner.services import Services
from pratique.telemetry import events as log

EVERY_SECONDS = 1.0
LOW = (
    "the disk is full up to its reserve: no mail is taken (senders hear 452 and come back, peers wait) until there is "
    "room; free some, or see [store] reserve_bytes"
)


class SpaceWatch:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._low = False

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_SECONDS)

    def look(self) -> None:
        """One line for each change."""
        free = self._services.store.spool.free_bytes()
        if (free <= 0) == self._low:
            return
        self._low = free <= 0
        disk = log.Condition.DISK
        raised = log.Alarm(message=LOW, condition=disk)
        over = log.Over(message="the disk has room again: mail is taken", condition=disk)
        self._services.telemetry.emit(raised if self._low else over)
