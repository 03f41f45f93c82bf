"""Bodies in memory, in two layers: what was written, and what a commit has made durable.

`crashed()` gives the spool as a power failure leaves it: only bodies named by a committed move. Offsets are never used
twice, so that reading a body after it was dropped is an error here, not somebody else's mail.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from pratique.mail.body import PIECE_BYTES, Body, InFile
from pratique.store.interface import Stored
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent

CAPACITY_BYTES = 1 << 30  # a test that fills the spool says its own
INLINE_BYTES_MAX = 262_144  # larger bodies are not handed out whole, as with files


class MemorySpool:
    def __init__(self, *, capacity: int = CAPACITY_BYTES, inline_max: int = INLINE_BYTES_MAX) -> None:
        self.capacity = capacity
        self.inline_max = inline_max
        self._bodies: dict[Extent, bytes] = {}
        self._durable: set[Extent] = set()
        self._next_offset = 0
        self._taken = 0

    def writer(self, *, digest: bool = True) -> "MemoryWriter":
        return MemoryWriter(self, digest=digest)

    def open(self, extent: Extent, sha256: str) -> Body:
        self._whole(extent)
        return SpooledBody(self, extent, sha256)

    def read(self, extent: Extent, start: int, length: int) -> bytes:
        return self._whole(extent)[start : start + length]

    def drop(self, extents: Iterable[Extent]) -> None:
        for extent in extents:
            if self._bodies.pop(extent, None) is not None:
                self._taken -= extent.length
                self._durable.discard(extent)

    def free_bytes(self) -> int:
        return self.capacity - self._taken

    # --- for the store and for tests -----------------------------------------------------------------------------
    def put(self, octets: bytes) -> Stored:
        """Write a whole body at once."""
        writer = self.writer()
        writer.write(octets)
        return writer.finish()

    def sync(self, extents: Iterable[Extent]) -> None:
        """A commit names these bodies: they survive a crash."""
        self._durable.update(extent for extent in extents if extent in self._bodies)

    def damage(self, extent: Extent, octets: bytes | None) -> None:
        """The disk now gives other octets, or (None) an error."""
        self._whole(extent)
        if octets is None:
            self.drop([extent])
        else:
            self._bodies[extent] = octets

    def crashed(self) -> "MemorySpool":
        left = MemorySpool(capacity=self.capacity, inline_max=self.inline_max)
        left._bodies = {extent: self._bodies[extent] for extent in self._durable}
        left._durable = set(self._durable)
        left._next_offset = self._next_offset
        left._taken = sum(extent.length for extent in left._durable)
        return left

    def _whole(self, extent: Extent) -> bytes:
        octets = self._bodies.get(extent)
        if octets is None:
            raise FileNotFoundError(f"no body at offset {extent.offset} of segment {extent.segment}")
        return octets

    def _take(self, count: int) -> None:
        if self._taken + count > self.capacity:
            raise StoreFailed("the spool has reached its reserve", full=True)
        self._taken += count

    def _keep(self, octets: bytes) -> Extent:
        extent = Extent(1, self._next_offset, len(octets))
        self._next_offset += len(octets) + 1  # an empty body, too, has a place of its own
        self._bodies[extent] = octets
        return extent


class MemoryWriter:
    def __init__(self, spool: MemorySpool, *, digest: bool) -> None:
        self._spool = spool
        self._octets = bytearray()
        self._digests = digest
        self._digest = sha256()  # always: a digest of other octets is to be found here, not by a reviewer
        self._open = True

    @property
    def size(self) -> int:
        return len(self._octets)

    def write(self, data: bytes) -> None:
        assert self._open, "the body has ended"
        self._spool._take(len(data))
        self._octets += data
        self._digest.update(data)

    def finish(self, sha256: str = "") -> Stored:
        assert self._open, "the body has ended"
        assert bool(sha256) is not self._digests, "one digest, the caller's or ours"
        assert sha256 in ("", self._digest.hexdigest()), "the digest of other octets"
        self._open = False
        extent = self._spool._keep(bytes(self._octets))
        return Stored(extent, len(self._octets), self._digest.hexdigest())

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._spool._taken -= len(self._octets)

    def octets(self) -> bytes | None:
        return bytes(self._octets) if len(self._octets) <= self._spool.inline_max else None


class SpooledBody:
    """A body that is looked up at each read, so that damage and loss show as they would on a disk."""

    __slots__ = ("_extent", "_spool", "place", "sha256", "size")

    def __init__(self, spool: MemorySpool, extent: Extent, sha256: str) -> None:
        self._spool = spool
        self._extent = extent
        self.size = extent.length
        self.sha256 = sha256
        self.place: InFile | None = None

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, PIECE_BYTES):
            yield self._spool.read(self._extent, start, PIECE_BYTES)
