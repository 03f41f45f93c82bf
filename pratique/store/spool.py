"""The spool: bodies of messages in append-only segment files. Knows no rows, no states, no SQL.

A segment is a file of 64 MiB whose blocks are allocated beforehand; small bodies are appended one behind the other, so
that one fdatasync makes many of them durable (docs/internals.md). A body over `MEMORY_BYTES` gets a file of its
own and is written in pieces. Either way a body is one contiguous Extent.

Invariants
* An extent is durable only after `sync()` of its segment; the store calls it before the commit that names the extent.
* A failed fdatasync is never retried: the kernel may report success the second time with the data lost
  (docs/internals.md, "Group commit"). After it the spool takes nothing more.
* A segment that is used again gets a new number: an old extent never reads the octets of another message.
* A body is live from `finish()` to `drop()`; one whose move fails is dropped by the store. A segment without live
  bodies is used again once the rows agree. What no row names after a crash is free space.

Threads: writing and dropping belong to the loop's thread, `sync` and `prepare` to the store's writer, reading to any.
"""

import hashlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pratique.mail.body import Body
from pratique.store.bodies import MEMORY_BYTES, FileBodyWriter, SpoolBody
from pratique.store.interface import BodyWriter
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent
from pratique.store.segment import (
    Handle,
    Handles,
    Room,
    Segment,
    allocate,
    failure,
    make_directory,
    pread_all,
    write_all,
)

SEGMENT_BYTES = 64 << 20  # about 6,500 messages of 10 KB per file, allocation and directory fsync
SPARES_MAX = 2  # empty segments kept for use again; more are deleted
_NAME = re.compile(r"(\d{8,})\.seg\Z")


@dataclass(frozen=True, slots=True)
class SegmentState:
    """What the rows say of a segment at start: references, and where the next body may begin."""

    live: int
    used: int


class FileSpool:
    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        monotonic: Callable[[], float],
        reserve_bytes: int | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.directory = os.fspath(directory)
        self.memory_bytes = memory_bytes
        self._segment_bytes = segment_bytes
        make_directory(self.directory)
        self._directory_fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        self._directory_handle = Handle(self._directory_fd)
        self._directory_dirty = False
        self._lock = threading.Lock()
        self._handles = Handles()
        self._segments: dict[int, Segment] = {}
        self._spares: deque[tuple[str, Handle]] = deque()
        self._spare_count = 0
        self._current: Segment | None = None
        self._next_number = 1
        self._pending: set[tuple[int, int]] = set()  # finished, not yet named by a committed row
        self._forgotten: set[tuple[int, int]] = set()  # dropped because their move failed
        self._live_rows: Callable[[int], int] = lambda _: 1  # until adopt(): everything is needed
        self._dirty: set[int] = set()
        self._lends = False  # segments are lent out: the next must be at hand
        self._failed = ""
        self.given_back = (0, 0)  # files, octets that no row named at the start
        self._room = Room(self._directory_fd, monotonic, reserve_bytes)
        self._find()

    # --- start ------------------------------------------------------------------------------------------------
    def _find(self) -> None:
        for entry in os.scandir(self.directory):
            match = _NAME.match(entry.name)
            if match is not None:
                number, size = int(match.group(1)), entry.stat().st_size
                self._segments[number] = Segment(
                    number, entry.path, size, used=size, live=1, shared=size == self._segment_bytes
                )
            elif entry.name.startswith("spare-"):
                os.unlink(entry.path)
        self._next_number = max(self._segments, default=0) + 1

    def adopt(
        self, states: Mapping[int, SegmentState], live_rows: Callable[[int], int], *, untouched: bool = False
    ) -> None:
        """At start, once: what the rows refer to. All else is free, and the newest segment is written on.
        `live_rows` tells how many bodies of a segment are named by committed rows, now. `untouched`: the rows may be
        older than the files (a store that was put back from a copy), so nothing that lies here is freed or written on:
        the newer store may still be found."""
        kept = frozenset(self._segments) if untouched else frozenset()
        self._live_rows = lambda number: live_rows(number) + (number in kept)
        for number in states:
            self._next_number = max(self._next_number, number + 1)
        for segment in list(self._segments.values()):
            state = states.get(segment.number)
            segment.live = (state.live if state is not None else 0) + (segment.number in kept)
            if state is not None and segment.shared:
                segment.used = min(state.used, segment.capacity)
            if segment.live <= 0:
                if state is None:
                    self.given_back = (self.given_back[0] + 1, self.given_back[1] + segment.capacity)
                self._free_segment(segment)
        shared = [s for s in self._segments.values() if s.shared and s.used < s.capacity and s.number not in kept]
        self._current = max(shared, key=lambda s: s.number, default=None)

    def numbers(self) -> set[int]:
        """The segments that lie here."""
        return set(self._segments)

    # --- writing (the loop's thread) --------------------------------------------------------------------------
    def writer(self, *, digest: bool = True) -> BodyWriter:
        return FileBodyWriter(self, digest=digest)

    def check_room(self) -> None:
        if self._failed:
            raise StoreFailed(self._failed, fatal=True)
        if self.free_bytes() <= 0:
            raise StoreFailed("free disk space is below the reserve; make room in the spool's file system", full=True)

    def free_bytes(self) -> int:
        return self._room.free_bytes()

    def append(self, chunks: list[bytes], size: int) -> Extent:
        """A small body behind the others of the current segment. An empty one takes an octet, too: its place is how
        rows name it, and the next body must have another."""
        taken = max(size, 1)
        segment = self._current
        if segment is None or segment.used + taken > segment.capacity:
            segment = self._turn(taken)
        offset = segment.used
        self.write_at(segment, offset, chunks, size)
        segment.used = offset + taken
        segment.live += 1
        self._pending.add((segment.number, offset))
        return Extent(segment.number, offset, size)

    def make_own(self) -> Segment:
        """A file for one large body."""
        self.check_room()
        number = self._take_number()
        path = self._path(number)
        handle = self._create(path)
        segment = Segment(number, path, 0, shared=False, handle=handle)
        self._directory_dirty = True
        return segment

    def seal_own(self, segment: Segment) -> Extent:
        segment.capacity = segment.used
        segment.live = 1
        self._segments[segment.number] = segment
        self._pending.add((segment.number, 0))
        self._handles.remember(segment)
        return Extent(segment.number, 0, segment.used)

    def discard(self, segment: Segment) -> None:
        segment.retired = True
        segment.handle = None
        self._dirty.discard(segment.number)
        _remove(segment.path)

    def write_at(self, segment: Segment, offset: int, chunks: list[bytes], size: int) -> None:
        """All of it, or StoreFailed. The space behind the last extent belongs to nobody, so a part does no harm."""
        if size:
            write_all(self._handles.of(segment).fd, offset, chunks, size)
            self._dirty.add(segment.number)

    def _turn(self, size: int) -> Segment:
        """Begin the next segment."""
        before, segment = self._current, self._next_segment(size)
        self._current = segment
        if before is not None and before.live <= 0:
            self._let_go(before)
        return segment

    def _next_segment(self, size: int) -> Segment:
        """An empty segment, a spare when there is one."""
        self.check_room()
        number = self._take_number()
        path = self._path(number)
        capacity = max(self._segment_bytes, size)
        spare = self._take_spare() if capacity == self._segment_bytes else None
        if spare is not None:
            old_path, handle = spare
            try:
                os.rename(old_path, path)
            except OSError as error:
                _remove(old_path)  # nobody else knows it
                raise failure("cannot take an empty segment into use", error) from error
        else:
            handle = self._create(path)
            allocate(handle, path, capacity)
        segment = Segment(number, path, capacity, handle=handle)
        self._segments[number] = segment
        self._handles.remember(segment)
        self._directory_dirty = True
        return segment

    def _take_number(self) -> int:
        with self._lock:
            number = self._next_number
            self._next_number += 1
        return number

    def _path(self, number: int) -> str:
        return os.path.join(self.directory, f"{number:08d}.seg")

    def _create(self, path: str) -> Handle:
        try:
            return Handle(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise failure("cannot make a segment of the spool", error) from error

    # --- segments that another process writes (the loop's thread) ----------------------------------------------
    def lend(self, *, own: bool = False) -> tuple[Segment, int]:
        """A segment, and its file, for an edge process to write bodies to; `own`: an empty file for one large body.
        Nothing in it is a body before take_in(); it stays until the loan ends. Raises StoreFailed."""
        segment = self.make_own() if own else self._next_segment(0)
        segment.lent = True
        self._segments[segment.number] = segment
        self._lends = True
        return segment, self._handles.of(segment).fd

    def take_in(self, extent: Extent) -> None:
        """A body that a borrower has written is from here on like one of ours: live, and durable with the commit of a
        move that names it. Raises StoreFailed when it does not lie in a segment that is lent."""
        segment = self._segments.get(extent.segment)
        if segment is None or not segment.lent:
            raise StoreFailed(f"segment {extent.segment} is not lent to anybody")
        end = extent.offset + (max(extent.length, 1) if segment.shared else extent.length)
        if not segment.shared:
            segment.capacity = os.fstat(self._handles.of(segment).fd).st_size
        if extent.offset < 0 or extent.length < 0 or end > segment.capacity:
            raise StoreFailed(f"a body reaches beyond segment {extent.segment}")
        segment.used = max(segment.used, end)
        segment.live += 1
        self._pending.add((segment.number, extent.offset))
        self._dirty.add(segment.number)

    def end_loan(self, number: int) -> None:
        """The borrower writes no more to this segment. Harmless the second time."""
        segment = self._segments.get(number)
        if segment is None or not segment.lent:
            return
        segment.lent = False
        if segment.live <= 0:
            self._let_go(segment)

    # --- letting go (the loop's thread) -----------------------------------------------------------------------
    def named(self, extents: Iterable[Extent]) -> None:
        """A commit names these bodies."""
        for extent in extents:
            self._pending.discard((extent.segment, extent.offset))

    def unnamed(self, extents: Iterable[Extent]) -> None:
        """A move did not commit: bodies that only it named are forgotten. A later drop() of them does nothing."""
        for extent in extents:
            key = (extent.segment, extent.offset)
            if key in self._pending:
                self.drop((extent,))
                if extent.segment in self._segments:
                    self._forgotten.add(key)

    def poison(self, why: str) -> None:
        """The disk's state is unknown from here on: nothing more is written, and nothing is given free."""
        self._failed = why

    def drop(self, extents: Iterable[Extent]) -> None:
        if self._failed:
            return
        for extent in extents:
            key = (extent.segment, extent.offset)
            segment = self._segments.get(extent.segment)
            if segment is None or key in self._forgotten:
                continue
            self._pending.discard(key)
            segment.live -= 1
            if segment.live <= 0 and segment is not self._current and not segment.lent:
                self._let_go(segment)

    def _let_go(self, segment: Segment) -> None:
        """By our count nothing is left in the segment. The rows have the last word."""
        waiting = sum(number == segment.number for number, _ in self._pending)
        segment.live = self._live_rows(segment.number) + waiting
        if segment.live <= 0:
            self._free_segment(segment)

    def _free_segment(self, segment: Segment) -> None:
        del self._segments[segment.number]
        self._forgotten = {key for key in self._forgotten if key[0] != segment.number}
        segment.retired = True  # from here on a late reader fails instead of reading another message
        self._dirty.discard(segment.number)
        handle = self._handles.forget(segment)
        with self._lock:
            keep = segment.shared and segment.capacity == self._segment_bytes and len(self._spares) < SPARES_MAX
        if not keep:
            _remove(segment.path)
            return
        if handle is None:
            handle = Handle(os.open(segment.path, os.O_RDWR))
        with self._lock:
            self._spares.append((segment.path, handle))

    def _take_spare(self) -> tuple[str, Handle] | None:
        with self._lock:
            return self._spares.popleft() if self._spares else None

    # --- durability (the store's writer thread) ---------------------------------------------------------------
    def sync(self, segments: Iterable[int]) -> None:
        """The octets of these segments are durable on return."""
        try:
            if self._directory_dirty:
                self._directory_dirty = False
                os.fsync(self._directory_fd)
            for number in segments:
                if number in self._dirty:
                    self._dirty.discard(number)
                    segment = self._segments.get(number)
                    if segment is not None:
                        os.fdatasync(self._handles.of(segment).fd)
        except OSError as error:
            self._failed = f"the spool could not be synced ({error.strerror}); restart, the disk's state decides"
            raise StoreFailed(self._failed, fatal=True) from error

    def used(self, number: int) -> int:
        """Where the next body of this segment may begin, at the earliest."""
        segment = self._segments.get(number)
        return segment.used if segment is not None else 0

    def prepare(self) -> None:
        """Make the next segment ready while the current one is still half empty: the loop's thread never waits."""
        segment = self._current
        soon = self._lends or (segment is not None and segment.used * 2 >= segment.capacity)
        if not soon or self._spares or self._failed:
            return
        self._spare_count += 1
        path = os.path.join(self.directory, f"spare-{self._spare_count}")
        try:
            handle = self._create(path)
            allocate(handle, path, self._segment_bytes)
            os.fsync(handle.fd)
        except (StoreFailed, OSError):  # no room: the loop's thread meets the same when it must turn, and refuses mail
            _remove(path)  # one that could not be synced is never used
            return
        with self._lock:
            self._spares.append((path, handle))

    # --- reading (any thread) ---------------------------------------------------------------------------------
    def open(self, extent: Extent, sha256: str) -> Body:
        return SpoolBody(self, self._segment(extent), extent, sha256)

    def read(self, extent: Extent, start: int, length: int) -> bytes:
        length = max(0, min(length, extent.length - start))
        return self.read_segment(self._segment(extent), extent.offset + start, length)

    def verify(self, extent: Extent, sha256: str) -> bool:
        """Do the octets still have this digest? Raises OSError when they cannot be read."""
        digest = hashlib.sha256()
        for piece in self.open(extent, sha256).pieces():
            digest.update(piece)
        return digest.hexdigest() == sha256

    def read_segment(self, segment: Segment, offset: int, length: int) -> bytes:
        handle = self._handles.of(segment)
        octets = pread_all(handle.fd, segment.number, offset, length)
        if segment.retired:
            raise OSError(f"segment {segment.number} has been let go")
        return octets

    def _segment(self, extent: Extent) -> Segment:
        segment = self._segments.get(extent.segment)
        if segment is None:
            raise OSError(f"segment {extent.segment} is gone")
        return segment

    def close(self) -> None:
        for path, _ in self._spares:
            _remove(path)
        self._spares.clear()
        self._handles.close()


def _remove(path: str) -> None:
    """A disk that refuses keeps the file a little longer: the next start finds that no row names it. Whoever lets a
    body go has other work, which must not end by this."""
    try:
        os.unlink(path)
    except OSError:
        pass
