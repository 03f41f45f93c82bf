"""Custody's end of one edge process: its moves are committed by the one store, its bodies taken over, its wants met.

What an edge says is checked by type, place and custody; transfer numbers, seals and deliveries are made here. An edge
that says what cannot be read is cut off and started anew: its clients send again what was not answered.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from pratique.store.interface import Submitted
from pratique.store.moves import Accept, MoveRefused, StoreFailed
from pratique.store.records import Extent, NewCopy
from pratique.store.remote.lease import CONNECTIONS, CONNECTIONS_BLOCK, MIDS, MIDS_BLOCK, OWN, SEGMENT, Lessor
from pratique.store.remote.stream import Stream
from pratique.store.remote.wire import (
    Answered,
    BadFrame,
    Configured,
    CopyFrame,
    Counted,
    GiveBack,
    Known,
    Stop,
    Submit,
    Suspended,
    ToCustody,
    Troubled,
    to_custody,
)
from pratique.store.sqlite.store import SqliteStore

FROM_EDGE = frozenset(("RECEIVED", "ACTIVE", "Q", "SETTLED"))


@dataclass(frozen=True, slots=True)
class Duties:
    """What custody's role does for an edge. `complete` makes the copy of a frame, with deliveries or a sealed transfer
    (raises ValueError: it cannot be taken); `accepted` hears of copies after their commit; `connections` gives the
    first of a block of connection numbers; `lost` hears why an edge ended; `troubled` what its log says for alerts."""

    complete: Callable[[CopyFrame], NewCopy]
    accepted: Callable[[Sequence[NewCopy]], None]
    connections: Callable[[int], int]
    counted: Callable[[dict[str, int]], None]
    listening: Callable[[], None]
    lost: Callable[[str], None]
    troubled: Callable[[Troubled], None]


class EdgePort(Stream):
    def __init__(self, store: SqliteStore, duties: Duties, lease: socket.socket) -> None:
        super().__init__()
        self._store = store
        self._duties = duties
        self._lent: set[int] = set()
        self._why = "it ended"
        self._lessor = Lessor(
            lease,
            {
                SEGMENT: lambda: self._lend(own=False),
                OWN: lambda: self._lend(own=True),
                MIDS: self._block_of_mids,
                CONNECTIONS: lambda: (duties.connections(CONNECTIONS_BLOCK), CONNECTIONS_BLOCK, None),
            },
        )
        self._loop.add_reader(self._lessor.fileno(), self._asked)

    # --- asyncio.Protocol
    def data_received(self, data: bytes) -> None:
        try:
            for frame in self.frames(data):
                self._hear(to_custody.decode(frame))
        except (BadFrame, msgspec.MsgspecError, ValueError) as error:
            self.cut(f"it said what cannot be read ({error})")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._loop.remove_reader(self._lessor.fileno())
        self._lessor.close()
        for number in self._lent:
            self._store.spool.end_loan(number)
        self._lent.clear()
        self._duties.lost(self._why)

    def cut(self, why: str) -> None:
        """End it. The reader of `lost` starts another."""
        self._why = why
        if self._transport is not None:
            self._transport.abort()

    # --- leases
    def _asked(self) -> None:
        if not self._lessor.answer():
            self._loop.remove_reader(self._lessor.fileno())

    def _lend(self, *, own: bool) -> tuple[int, int, int]:
        segment, fd = self._store.spool.lend(own=own)
        self._lent.add(segment.number)
        return segment.number, segment.capacity, fd

    def _block_of_mids(self) -> tuple[int, int, None]:
        return self._store.next_mids(MIDS_BLOCK), MIDS_BLOCK, None

    # --- frames
    def _hear(self, said: ToCustody) -> None:
        if type(said) is Submit:
            self._submit(said)
        elif type(said) is GiveBack:
            self._lent.discard(said.segment)
            self._store.spool.end_loan(said.segment)
        elif type(said) is Counted:
            self._duties.counted(said.counters)
        elif type(said) is Troubled:
            self._duties.troubled(said)
        else:
            self._duties.listening()

    def _submit(self, said: Submit) -> None:
        try:
            copies = [self._copy(frame) for frame in said.copies]
            self._take_in(copies)
        except (StoreFailed, MoveRefused, ValueError) as error:
            self.say(Answered(said.number, "refused", str(error)))
            return
        future = self._store.submit(Accept(tuple(copies), said.entries()))
        future.add_done_callback(lambda done: self._committed(said.number, copies, done))

    def _copy(self, frame: CopyFrame) -> NewCopy:
        if frame.custody not in FROM_EDGE or frame.extent[0] not in self._lent:
            raise ValueError(f"MID {frame.mid} cannot be accepted from an edge")
        return self._duties.complete(frame)

    def _take_in(self, copies: Sequence[NewCopy]) -> None:
        taken: list[Extent] = []
        try:
            for extent in {copy.extent for copy in copies}:
                self._store.spool.take_in(extent)
                taken.append(extent)
        except StoreFailed:
            self._store.spool.drop(taken)
            raise

    def _committed(self, number: int, copies: Sequence[NewCopy], done: Submitted) -> None:
        error = done.exception()
        if error is None:
            self.say(Answered(number, "", ""))
            self._duties.accepted(copies)
        elif isinstance(error, StoreFailed):
            self.say(Answered(number, "full" if error.full else "failed", str(error)))
        else:
            self.say(Answered(number, "refused", str(error)))

    # --- to the edge
    def know(self, manager: str) -> None:
        self.say(Known(manager))

    def suspend(self, listeners: Sequence[str], *, paused: bool, close: bool) -> None:
        self.say(Suspended(list(listeners), paused, close))

    def configure(self, options: str, filters: str) -> None:
        self.say(Configured(options, filters))

    def stop(self) -> None:
        self.say(Stop())
