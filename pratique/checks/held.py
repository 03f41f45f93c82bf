"""Octets that a worker works on: small ones in memory, large ones in a file that is mapped and has no name.

A file rather than memory, because its pages belong to the page cache: the kernel gives them back when somebody needs
them, and a message of 100 MB costs the worker a few MB of its own. It must be a file and no window, because a rule may
look at any two places at once. The files lie in the scratch directory and vanish with their last user, also when that
is killed. Not here: what is read in them.
"""

import errno
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator

from pratique.mail.body import PIECE_BYTES, InFile

HELD_BYTES_MAX = 1_048_576  # of one thing in memory: what the spool, too, takes in memory before it makes a file


class _File:
    """A file descriptor that closes with its last user."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


class Mapped(mmap.mmap):
    """A whole file, read only. `path` opens it again as long as this lives."""

    _file: _File

    @classmethod
    def of(cls, file: _File) -> "Mapped":
        """Raises MemoryError when the address space does not hold it."""
        try:
            made = cls(file.fd, 0, access=mmap.ACCESS_READ)
        except OSError as error:
            if error.errno == errno.ENOMEM:
                raise MemoryError from error
            raise
        made._file = file
        return made

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self._file.fd}"


Held = bytes | Mapped


class Scratch:
    """Collects octets that become one Held. `directory`: where the file is made; None = where the system has such."""

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._pieces: list[bytes] = []
        self._file: _File | None = None
        self.size = 0

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self._file is not None:
            _write(self._file, piece)
            return
        self._pieces.append(piece)
        if self.size > HELD_BYTES_MAX:
            self._file = _nameless(self._directory)
            for kept in self._pieces:
                _write(self._file, kept)
            self._pieces = []

    def held(self) -> Held:
        """All that was written."""
        return Mapped.of(self._file) if self._file is not None else b"".join(self._pieces)


def _nameless(directory: str | None) -> _File:
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        return _File(os.dup(file.fileno()))


def _write(file: _File, octets: bytes) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(file.fd, rest) :]


def held(pieces: Iterable[bytes], directory: str | None) -> Held:
    scratch = Scratch(directory)
    for piece in pieces:
        scratch.write(piece)
    return scratch.held()


def read_place(place: InFile) -> bytes:
    """The octets of a body that its owner did not send. Raises OSError."""
    return b"".join(_pieces(_open(place), place))


def open_place(place: InFile, directory: str | None) -> Held:
    """The same, mapped when it is large. A body that shares its file with others is copied: nobody reads theirs."""
    if place.length <= HELD_BYTES_MAX:
        return read_place(place)
    file = _open(place)
    if (place.offset, place.length) == (0, os.fstat(file.fd).st_size):
        return Mapped.of(file)
    return held(_pieces(file, place), directory)


def _pieces(file: _File, place: InFile) -> Iterator[bytes]:
    at, end = place.offset, place.offset + place.length
    while at < end:
        octets = os.pread(file.fd, min(PIECE_BYTES, end - at), at)
        if not octets:
            raise OSError("the segment ends before the body does")
        at += len(octets)
        yield octets


def _open(place: InFile) -> _File:
    return _File(os.open(place.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
