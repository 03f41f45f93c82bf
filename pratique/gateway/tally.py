"""Who is connected to a listener and how many recipients an address has named this hour, for the listener's limits.

One process counts in a dict. Several edge processes take mail for one listener, and its limits are the listener's, not
the process's: they share a table of numbers in memory in which each process writes to its own row only, so no lock is
needed and none of them can be made to wait; a sum over the rows is the count. Addresses share the table's slots by a
keyed hash: two that meet in one slot are limited together, which no client can bring about.
"""

import hashlib
import mmap
import os
import sys
from collections import Counter
from typing import Protocol

SLOTS = 65_536  # 16 bits of the hash
KEY_BYTES = 16
_HEAD = 2  # numbers in front of a row's slots: the hour of the recipients, all connections
_ROW = _HEAD + 2 * SLOTS
_NUMBER = 4  # octets
COUNT_MAX = 2**32 - 1


class Tally(Protocol):
    def enter(self, address: str) -> tuple[int, int]:
        """A connection begins; (all connections, those from the address), this one included."""
        ...

    def leave(self, address: str) -> None: ...

    def connections(self) -> int:
        """All that are open now."""
        ...

    def recipient(self, address: str, hour: int) -> int:
        """One more recipient; how many the address has named in this hour."""
        ...


class OwnTally:
    """For a listener that one process serves."""

    def __init__(self) -> None:
        self._connections: Counter[str] = Counter()
        self._all = 0
        self._recipients: Counter[str] = Counter()
        self._hour = 0

    def enter(self, address: str) -> tuple[int, int]:
        self._all += 1
        self._connections[address] += 1
        return self._all, self._connections[address]

    def connections(self) -> int:
        return self._all

    def leave(self, address: str) -> None:
        self._all -= 1
        self._connections[address] -= 1
        if self._connections[address] <= 0:
            del self._connections[address]

    def recipient(self, address: str, hour: int) -> int:
        if hour != self._hour:
            self._recipients, self._hour = Counter(), hour
        self._recipients[address] += 1
        return self._recipients[address]


def shared_bytes(rows: int) -> int:
    """The size of a table for so many processes."""
    return KEY_BYTES + rows * _ROW * _NUMBER


def make_shared(rows: int) -> int:
    """A new table; the file descriptor is inherited by the processes that share it."""
    fd = os.memfd_create("pratique-tally", 0)
    os.ftruncate(fd, shared_bytes(rows))
    os.pwrite(fd, os.urandom(KEY_BYTES), 0)
    return fd


def clear_row(fd: int, row: int) -> None:
    """The process that wrote this row is gone, and so are its connections."""
    with mmap.mmap(fd, 0) as table:
        start = KEY_BYTES + row * _ROW * _NUMBER
        table[start : start + _ROW * _NUMBER] = bytes(_ROW * _NUMBER)


def open_connections(fd: int, rows: int) -> int:
    """All that are open now, by whichever process: for one that has no row of its own."""
    with mmap.mmap(fd, shared_bytes(rows), access=mmap.ACCESS_READ) as table:
        starts = (KEY_BYTES + (row * _ROW + 1) * _NUMBER for row in range(rows))
        return sum(int.from_bytes(table[at : at + _NUMBER], sys.byteorder) for at in starts)


class SharedTally:
    """For a listener that several processes serve; this one writes to `row`."""

    def __init__(self, fd: int, *, row: int, rows: int) -> None:
        self._table = mmap.mmap(fd, shared_bytes(rows))
        self._key = self._table[:KEY_BYTES]
        numbers = memoryview(self._table)[KEY_BYTES:].cast("I")
        self._rows = [numbers[at * _ROW : (at + 1) * _ROW] for at in range(rows)]
        self._own = self._rows[row]

    def enter(self, address: str) -> tuple[int, int]:
        at = self._slot(address)
        self._own[1] += 1
        self._own[at] += 1
        return sum(row[1] for row in self._rows), sum(row[at] for row in self._rows)

    def connections(self) -> int:
        return sum(row[1] for row in self._rows)

    def leave(self, address: str) -> None:
        self._own[1] -= 1
        self._own[self._slot(address)] -= 1

    def recipient(self, address: str, hour: int) -> int:
        own, at = self._own, self._slot(address) + SLOTS
        if own[0] != hour:
            own[_HEAD + SLOTS :] = memoryview(bytes(SLOTS * _NUMBER)).cast("I")
            own[0] = hour
        own[at] = min(own[at] + 1, COUNT_MAX)
        return sum(row[at] for row in self._rows if row[0] == hour)

    def _slot(self, address: str) -> int:
        digest = hashlib.blake2s(address.encode(), key=self._key, digest_size=2).digest()
        return _HEAD + int.from_bytes(digest)
