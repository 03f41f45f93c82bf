"""The spool of an edge process: it writes bodies into segments that custody lent, and reads them while it judges.

A segment goes back when it is full and the last of its bodies is settled: accepted by custody, or dropped. What an edge
wrote and never got accepted is free space of the segment.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress

from pratique.mail.body import Body
from pratique.store.bodies import MEMORY_BYTES, FileBodyWriter, SpoolBody
from pratique.store.interface import BodyWriter
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent
from pratique.store.segment import Handle, Room, Segment, pread_all, write_all


class LentSpool:
    """`lease(own)` gives a segment or raises StoreFailed; `give_back(number)` ends its loan."""

    memory_bytes = MEMORY_BYTES

    def __init__(
        self,
        lease: Callable[[bool], Segment],
        give_back: Callable[[int], None],
        *,
        monotonic: Callable[[], float],
        reserve_bytes: int | None,
    ) -> None:
        self._lease = lease
        self._give_back = give_back
        self._monotonic = monotonic
        self._reserve_bytes = reserve_bytes
        self._current: Segment | None = None
        self._segments: dict[int, Segment] = {}
        self._unsettled: set[tuple[int, int]] = set()  # bodies that custody has not answered for
        self._disk: Handle | None = None  # any file of the spool tells how full its disk is
        self._room: Room | None = None
        with suppress(StoreFailed):  # a disk that is full takes mail when there is space again
            self._turn()

    # --- writing (bodies.Place)
    def writer(self, *, digest: bool = True) -> BodyWriter:
        return FileBodyWriter(self, digest=digest)

    def check_room(self) -> None:
        if self.free_bytes() <= 0:
            raise StoreFailed("free disk space is below the reserve; make room in the spool's file system", full=True)

    def free_bytes(self) -> int:
        if self._room is None:
            try:
                self._turn()
            except StoreFailed as failed:
                if failed.full:
                    return 0
                raise
        assert self._room is not None
        return self._room.free_bytes()

    def append(self, chunks: list[bytes], size: int) -> Extent:
        segment, taken = self._current, max(size, 1)  # an empty body, too, has a place of its own
        if segment is None or segment.used + taken > segment.capacity:
            segment = self._turn()
        offset = segment.used
        self.write_at(segment, offset, chunks, size)
        segment.used = offset + taken
        return self._begun(segment, offset, size)

    def _turn(self) -> Segment:
        before, self._current = self._current, self._lease(False)
        self._segments[self._current.number] = self._current
        if before is not None:
            self._end_if_settled(before)
        if self._room is None:
            assert self._current.handle is not None
            self._disk = self._current.handle
            self._room = Room(self._disk.fd, self._monotonic, self._reserve_bytes)
        return self._current

    def make_own(self) -> Segment:
        segment = self._lease(True)
        self._segments[segment.number] = segment
        return segment

    def write_at(self, segment: Segment, offset: int, chunks: list[bytes], size: int) -> None:
        assert segment.handle is not None
        write_all(segment.handle.fd, offset, chunks, size)

    def seal_own(self, segment: Segment) -> Extent:
        segment.capacity = segment.used
        return self._begun(segment, 0, segment.used)

    def discard(self, segment: Segment) -> None:
        self._end_if_settled(segment)

    def _begun(self, segment: Segment, offset: int, size: int) -> Extent:
        segment.live += 1
        self._unsettled.add((segment.number, offset))
        return Extent(segment.number, offset, size)

    # --- letting go
    def drop(self, extents: Iterable[Extent]) -> None:
        """The message was refused, or custody has answered for it: this process needs the body no more."""
        for extent in extents:
            key = (extent.segment, extent.offset)
            if key in self._unsettled:
                self._unsettled.discard(key)
                segment = self._segments[extent.segment]
                segment.live -= 1
                self._end_if_settled(segment)

    def _end_if_settled(self, segment: Segment) -> None:
        if segment.live <= 0 and segment is not self._current:
            del self._segments[segment.number]
            segment.handle = None  # who reads it still keeps the file open
            self._give_back(segment.number)

    # --- reading
    def open(self, extent: Extent, sha256: str) -> Body:
        return SpoolBody(self, self._segment(extent), extent, sha256)

    def read(self, extent: Extent, start: int, length: int) -> bytes:
        length = max(0, min(length, extent.length - start))
        return self.read_segment(self._segment(extent), extent.offset + start, length)

    def read_segment(self, segment: Segment, offset: int, length: int) -> bytes:
        handle = segment.handle
        if handle is None:
            raise OSError(f"segment {segment.number} has been given back")
        return pread_all(handle.fd, segment.number, offset, length)

    def _segment(self, extent: Extent) -> Segment:
        segment = self._segments.get(extent.segment)
        if segment is None:
            raise OSError(f"segment {extent.segment} has been given back")
        return segment
