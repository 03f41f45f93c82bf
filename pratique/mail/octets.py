"""What the readers of this room need of a message's octets: bytes, or a file that is mapped and never in memory whole.

Only positions, slices and searches; a slice is a copy, so who takes one bounds it.
"""

from typing import Protocol


class Octets(Protocol):
    """`bytes` and `mmap.mmap` are this. Patterns of `re` search it, too."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...

    def __buffer__(self, flags: int, /) -> memoryview: ...

    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...

    def rfind(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


def starts_with(octets: Octets, prefix: bytes, start: int, end: int) -> bool:
    """As bytes.startswith(prefix, start, end), which a mapped file has not."""
    return octets[start : min(start + len(prefix), end)] == prefix
