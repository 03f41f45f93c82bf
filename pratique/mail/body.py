"""What a body must offer to be read: its size, its digest, and its octets in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

PIECE_BYTES = 262_144  # bounds what one message costs in memory while it is read or sent
KEPT_BYTES = 65_536  # of a body that is kept in memory between being proved and being sent; nearly every mail


class DigestDiffers(OSError):
    """The stored octets are not those that were accepted."""

    def __init__(self) -> None:
        super().__init__("the stored body does not match its digest")


@dataclass(frozen=True, slots=True)
class InFile:
    """Where another process of this machine reads a body itself: octets [offset, offset + length) of a file."""

    path: str
    offset: int
    length: int

    def beginning(self, length: int) -> "InFile":
        """The first octets of it, at most `length`."""
        return InFile(self.path, self.offset, min(self.length, length))


class Body(Protocol):
    """A stored message: headers and text exactly as accepted, CRLF line ends, dots unstuffed."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Lower-case hex digest made when the message was accepted."""
        ...

    @property
    def place(self) -> InFile | None:
        """None when the body is in no file. The file may be gone, or have another body's octets, once the body was let
        go."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The octets in order, at most PIECE_BYTES at a time. Raises OSError when they cannot be read."""
        ...


class MemoryBody:
    """A body held in memory."""

    __slots__ = ("_octets", "place", "sha256", "size")

    def __init__(self, octets: bytes, sha256: str) -> None:
        self._octets = octets
        self.size = len(octets)
        self.sha256 = sha256
        self.place: InFile | None = None

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, self.size, PIECE_BYTES):
            yield self._octets[start : start + PIECE_BYTES]


def proved(body: Body) -> Body:
    """`body`, of which it is known that its octets have its digest; one that is small is not read a second time. Raises
    DigestDiffers; OSError when it cannot be read."""
    if body.size <= KEPT_BYTES:
        octets = b"".join(body.pieces())
        found: Body = MemoryBody(octets, sha256(octets).hexdigest())
        if found.sha256 != body.sha256:
            raise DigestDiffers
        return found
    digest = sha256()
    for piece in body.pieces():
        digest.update(piece)
    if digest.hexdigest() != body.sha256:
        raise DigestDiffers
    return body
