"""The store of an edge process: what SMTP sessions and judging ask of a store, carried to custody.

An edge accepts mail and nothing else: it has no rows to read and no move but Accept. `submit` resolves after custody's
commit. When custody is gone the edge ends at once: whatever it had not answered, its clients send again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pratique.store.interface import Identity
from pratique.store.moves import Accept, Move, MoveRefused, StoreFailed
from pratique.store.records import Extent
from pratique.store.remote.lease import MIDS, Leases
from pratique.store.remote.spool import LentSpool
from pratique.store.remote.stream import Stream
from pratique.store.remote.wire import (
    Answered,
    Counted,
    GiveBack,
    Listening,
    Submit,
    Troubled,
    frame_of,
    to_edge,
)


class Custody(Stream):
    """The stream to custody. `told` hears Known, Suspended, Configured and Stop; `gone` that custody ended."""

    def __init__(self, *, told: Callable[[Any], None], gone: Callable[[], None]) -> None:
        super().__init__()
        self._told = told
        self._gone = gone
        self._waiting: dict[int, Callable[[Answered], None]] = {}
        self._number = 0

    def data_received(self, data: bytes) -> None:
        for frame in self.frames(data):
            said = to_edge.decode(frame)
            if type(said) is Answered:
                self._waiting.pop(said.number)(said)
            else:
                self._told(said)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone()

    def ask(self, move: Accept, answered: Callable[[Answered], None]) -> None:
        self._number += 1
        self._waiting[self._number] = answered
        audit = [(entry.actor, entry.action, entry.mid, entry.cid, entry.detail) for entry in move.audit]
        self.say(Submit(self._number, [frame_of(copy) for copy in move.copies], audit))

    def listening(self) -> None:
        self.say(Listening())

    def counted(self, counters: dict[str, int]) -> None:
        self.say(Counted(counters))

    def troubled(self, condition: str, text: str, *, over: bool) -> None:
        self.say(Troubled(condition, text, over))


class EdgeStore:
    """The part of interface.Store that an edge uses."""

    def __init__(
        self,
        custody: Custody,
        leases: Leases,
        *,
        identity: Identity,
        monotonic: Callable[[], float],
        reserve_bytes: int | None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.identity = identity
        self._custody = custody
        self._mids = leases.numbers(MIDS)
        self._loop = loop or asyncio.get_running_loop()
        self.spool = LentSpool(
            lambda own: leases.segment(own=own),
            lambda number: custody.say(GiveBack(number)),
            monotonic=monotonic,
            reserve_bytes=reserve_bytes,
        )

    def next_mid(self) -> int:
        return next(self._mids)

    def submit(self, move: Move) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        assert isinstance(move, Accept), "an edge accepts mail and makes no other move"
        bodies = {copy.extent for copy in move.copies}

        def answered(answer: Answered) -> None:
            self._settled(bodies)
            if future.done():
                return
            if not answer.failure:
                future.set_result(None)
            elif answer.failure == "refused":
                future.set_exception(MoveRefused(answer.why))
            else:
                future.set_exception(StoreFailed(answer.why, full=answer.failure == "full"))

        self._custody.ask(move, answered)
        return future

    def _settled(self, bodies: set[Extent]) -> None:
        self.spool.drop(bodies)
