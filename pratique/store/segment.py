"""Segment files of the spool: what is known of one, how one is allocated, and what an error of the disk means.

Which body lies where, and when a segment may be used again, is the spool's business (spool.py).
"""

import errno
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pratique.store.moves import StoreFailed

MESSAGE_BYTES_MAX = 100 << 20  # the largest message we accept; the reserve holds two
RESERVE_SHARE = 0.05  # of the disk: the database, its log and the operating system need room to recover
FREE_CACHE_S = 0.5  # how long one statvfs answer is believed
CHUNKS_MAX = 512  # below IOV_MAX (1,024): more chunks are joined before the write
HANDLES_MAX = 512  # open segment files; older ones are reopened when read


class Handle:
    """A file descriptor that closes when its last user lets go."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


@dataclass(slots=True, eq=False)
class Segment:
    number: int
    path: str
    capacity: int
    used: int = 0
    live: int = 0
    shared: bool = True  # False: a file that belongs to one large body
    lent: bool = False  # another process writes it (spool.lend)
    retired: bool = False
    handle: Handle | None = None


class Handles:
    """Open segment files, no more than HANDLES_MAX. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[int, Segment] = OrderedDict()

    def of(self, segment: Segment) -> Handle:
        """The segment's file, opened when it is not. Who holds the handle may read on when the cache lets it go."""
        handle = segment.handle
        if handle is not None:
            return handle
        if segment.retired:
            raise OSError(f"segment {segment.number} has been let go")
        segment.handle = handle = Handle(os.open(segment.path, os.O_RDWR | os.O_CLOEXEC))
        self.remember(segment)
        return handle

    def remember(self, segment: Segment) -> None:
        with self._lock:
            self._open[segment.number] = segment
            if len(self._open) > HANDLES_MAX:
                self._open.popitem(last=False)[1].handle = None

    def forget(self, segment: Segment) -> Handle | None:
        with self._lock:
            self._open.pop(segment.number, None)
            handle, segment.handle = segment.handle, None
        return handle

    def close(self) -> None:
        with self._lock:
            for segment in self._open.values():
                segment.handle = None
            self._open.clear()


class Room:
    """How much more the disk may take before its reserve is reached."""

    def __init__(self, fd: int, monotonic: Callable[[], float], reserve: int | None) -> None:
        self._fd = fd
        self._monotonic = monotonic
        self._reserve = reserve
        self._asked_at = float("-inf")
        self._free = 0

    def free_bytes(self) -> int:
        now = self._monotonic()
        if now - self._asked_at >= FREE_CACHE_S:
            disk = os.fstatvfs(self._fd)
            if self._reserve is None:
                self._reserve = max(2 * MESSAGE_BYTES_MAX, int(disk.f_blocks * disk.f_frsize * RESERVE_SHARE))
            self._free = disk.f_bavail * disk.f_frsize - self._reserve
            self._asked_at = now
        return self._free


def make_directory(path: str) -> None:
    """Make a directory whose name survives a power failure: its parent is synced, too."""
    if os.path.isdir(path):
        return
    os.makedirs(path, mode=0o700, exist_ok=True)
    fd = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def allocate(handle: Handle, path: str, size: int) -> None:
    try:
        os.posix_fallocate(handle.fd, 0, size)
    except OSError as error:
        os.unlink(path)
        raise failure("cannot allocate a segment of the spool", error) from error


def write_all(fd: int, offset: int, chunks: list[bytes], size: int) -> None:
    """All `size` octets of the chunks, or StoreFailed."""
    if not size:
        return
    if len(chunks) > CHUNKS_MAX:
        chunks = [b"".join(chunks)]
    try:
        done = os.pwritev(fd, chunks, offset)
        if done != size:
            rest = memoryview(b"".join(chunks))[done:]
            while rest:
                count = os.pwrite(fd, rest, offset + size - len(rest))
                rest = rest[count:]
    except OSError as error:
        raise failure("cannot write to the spool", error) from error


def pread_all(fd: int, number: int, offset: int, length: int) -> bytes:
    """`length` octets of a segment. Raises OSError when it ends before."""
    octets = os.pread(fd, length, offset)
    while len(octets) < length:
        more = os.pread(fd, length - len(octets), offset + len(octets))
        if not more:
            raise OSError(f"segment {number} ends before the body does")
        octets += more
    return octets


def failure(what: str, error: OSError) -> StoreFailed:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StoreFailed(f"{what}: {error.strerror}", full=full)
