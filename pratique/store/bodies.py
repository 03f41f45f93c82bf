"""One body on its way into segments, and out of them again: for the spool, and for an edge process that writes segments
it was lent (remote/spool.py).
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from pratique.mail.body import PIECE_BYTES, InFile
from pratique.store.interface import Stored
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent
from pratique.store.segment import Segment

MEMORY_BYTES = 1 << 20  # what one incoming body may take in memory before it is streamed to a file of its own


class Place(Protocol):
    """Where a writer puts a body: the spool, or segments of it that were lent to an edge process."""

    @property
    def memory_bytes(self) -> int: ...
    def check_room(self) -> None: ...
    def append(self, chunks: list[bytes], size: int) -> Extent: ...
    def make_own(self) -> Segment: ...
    def write_at(self, segment: Segment, offset: int, chunks: list[bytes], size: int) -> None: ...
    def seal_own(self, segment: Segment) -> Extent: ...
    def discard(self, segment: Segment) -> None: ...


class Reads(Protocol):
    def read_segment(self, segment: Segment, offset: int, length: int) -> bytes: ...


class SpoolBody:
    """A body in the spool (mail.body.Body)."""

    __slots__ = ("_extent", "_segment", "_spool", "sha256", "size")

    def __init__(self, spool: Reads, segment: Segment, extent: Extent, sha256: str) -> None:
        self._spool = spool
        self._segment = segment
        self._extent = extent
        self.size = extent.length
        self.sha256 = sha256

    @property
    def place(self) -> InFile | None:
        path = self._segment.path  # of a lent segment we were given the open file alone
        return InFile(path, self._extent.offset, self.size) if path else None

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, PIECE_BYTES):
            length = min(PIECE_BYTES, self.size - start)
            yield self._spool.read_segment(self._segment, self._extent.offset + start, length)


class FileBodyWriter:
    """One body on its way into the spool (interface.BodyWriter)."""

    __slots__ = ("_chunks", "_digest", "_done", "_segment", "_spool", "_waiting", "size")

    def __init__(self, spool: Place, *, digest: bool) -> None:
        self._spool = spool
        self._chunks: list[bytes] = []
        self._digest = hashlib.sha256() if digest else None
        self._segment: Segment | None = None  # set once the body has outgrown memory
        self._waiting = 0  # octets in _chunks
        self._done = False
        self.size = 0

    def write(self, data: bytes) -> None:
        assert not self._done, "write after finish or abort"
        if not self._chunks:
            self._spool.check_room()
        if self._digest is not None:
            self._digest.update(data)
        self._chunks.append(data)
        self.size += len(data)
        self._waiting += len(data)
        if self._segment is not None:
            if self._waiting >= PIECE_BYTES:
                self._flush(self._segment)
        elif self.size > self._spool.memory_bytes:
            self._segment = self._spool.make_own()
            self._flush(self._segment)

    def _flush(self, segment: Segment) -> None:
        self._spool.write_at(segment, segment.used, self._chunks, self._waiting)
        segment.used += self._waiting
        self._chunks = []
        self._waiting = 0

    def finish(self, sha256: str = "") -> Stored:
        assert not self._done, "finish twice"
        assert bool(sha256) is (self._digest is None), "one digest, the caller's or ours"
        if self._digest is not None:
            sha256 = self._digest.hexdigest()
        self._done = True
        if self._segment is not None:
            try:
                if self._waiting:
                    self._flush(self._segment)
            except StoreFailed:
                self._spool.discard(self._segment)
                raise
            extent = self._spool.seal_own(self._segment)
        else:
            extent = self._spool.append(self._chunks, self.size)
        return Stored(extent=extent, size=self.size, sha256=sha256)

    def abort(self) -> None:
        if self._done:
            return
        self._done = True
        self._chunks = []
        if self._segment is not None:
            self._spool.discard(self._segment)

    def octets(self) -> bytes | None:
        if self._segment is not None:
            return None
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]
