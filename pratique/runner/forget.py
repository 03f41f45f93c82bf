"""Rows of mail that is over go when their time has come: the store grows with what is held, not with what passed.

Only mail that never was offered to another appliance is forgotten: nobody else has heard of it. Its audit rows stay.
"""

import asyncio
import json
from functools import partial

from pratique.runner.services import Services, audit
from pratique.store.interface import View
from pratique.store.moves import Forget, MoveRefused, StoreFailed
from pratique.telemetry import events as log

EVERY_SECONDS = 2.0
PAGE = 500  # rows that are looked at for one commit
PAGES = 20  # in one round: 5,000 messages a second are forgotten, more than come
REST_SECONDS = 3_600.0  # from the end of the rows to the next look from the first row on
ACTOR = "policy:keep@1"


class Forgetter:
    """`keep_ms`: how long the row of a message stays from its acceptance on."""

    def __init__(self, services: Services, *, keep_ms: int) -> None:
        self._services = services
        self._keep_ms = keep_ms
        self._after = 0  # the MID up to which rows were looked at

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS if self._after else REST_SECONDS)
            try:
                await self.round()
            except (StoreFailed, MoveRefused) as error:
                if isinstance(error, StoreFailed) and error.fatal:
                    raise
                self._services.telemetry.emit(log.Fault(error=f"old rows: {error}; tried again"))

    async def round(self) -> int:
        """Some pages further; returns how many messages were forgotten. Durable on return."""
        total, before = 0, self._services.clock.now_ms() - self._keep_ms
        for _ in range(PAGES):
            mids, self._after = await self._services.store.read(partial(_past, after=self._after, before=before))
            if mids:
                detail = json.dumps({"messages": len(mids), "first": mids[0], "last": mids[-1]})
                await self._services.store.submit(Forget(mids, (audit(ACTOR, "forget", 0, "", detail=detail),)))
                total += len(mids)
            if not self._after:
                break
        return total


def _past(view: View, *, after: int, before: int) -> tuple[tuple[int, ...], int]:
    return view.past(after, before, PAGE)
