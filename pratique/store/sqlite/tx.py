"""One transaction: the connection, the moment, and what is gathered over a batch and written once at its end.

Audit rows, tallies and segment counts are gathered in memory and flushed before the commit; `mark` and `rewind` take
them back when a move rolls back alone. Rows go in by multi-row statements: each step of a statement releases and takes
the interpreter lock again, so one step for many rows is what keeps the writer cheap (docs/internals.md).
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from pratique.store.audit import hash_after
from pratique.store.moves import MoveRefused
from pratique.store.records import AuditEntry

CHUNK_MAX = 256  # rows in one statement
# How many rows a statement may have: few sizes, so that prepared statements are found again, and close ones, so that
# a batch needs few statements and little filling.
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, CHUNK_MAX)


class Into:
    """INSERT of many rows; the texts for each size are made once."""

    __slots__ = ("_head", "_row", "_sql", "_tail")

    def __init__(self, table: str, columns: str, tail: str = "", *, or_replace: bool = False) -> None:
        count = columns.count(",") + 1
        verb = "REPLACE" if or_replace else "INSERT"
        self._head = f"{verb} INTO {table} ({columns}) VALUES "
        self._row = "(" + ",".join("?" * count) + ")"
        self._tail = tail
        self._sql: dict[int, str] = {}

    def put(self, db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        start, left = 0, len(rows)
        while left:
            size = SIZES[bisect_right(SIZES, left) - 1]
            sql = self._sql.get(size)
            if sql is None:
                sql = self._sql[size] = self._head + ",".join([self._row] * size) + self._tail
            db.execute(sql, rows[start] if size == 1 else tuple(chain.from_iterable(rows[start : start + size])))
            start += size
            left -= size


class Among:
    """A statement with `{}` where a list of keys or values stands. A list is filled up to the next size by repeating
    its last entry, so the statement must not mind a repeat (SELECT, UPDATE).

    Pairs are joined with `(VALUES {})`: SQLite answers `(a, b) IN (VALUES …)` by a scan of the whole table."""

    __slots__ = ("_entry", "_sql", "_statement")

    def __init__(self, statement: str, entry: str = "?") -> None:
        self._statement = statement
        self._entry = entry
        self._sql: dict[int, str] = {}

    def run(self, db: sqlite3.Connection, entries: Sequence[Sequence[Any]]) -> list[Any]:
        """The rows of all parts; for an UPDATE an empty list."""
        found: list[Any] = []
        for start in range(0, len(entries), CHUNK_MAX):
            found += self._part(db, entries[start : start + CHUNK_MAX]).fetchall()
        return found

    def update(self, db: sqlite3.Connection, entries: Sequence[Sequence[Any]]) -> int:
        """How many rows an UPDATE changed."""
        parts = range(0, len(entries), CHUNK_MAX)
        return sum(self._part(db, entries[start : start + CHUNK_MAX]).rowcount for start in parts)

    def _part(self, db: sqlite3.Connection, part: Sequence[Sequence[Any]]) -> sqlite3.Cursor:
        size = SIZES[bisect_left(SIZES, len(part))]
        sql = self._sql.get(size)
        if sql is None:
            sql = self._sql[size] = self._statement.format(",".join([self._entry] * size))
        filled = chain(chain.from_iterable(part), *[part[-1]] * (size - len(part)))
        return db.execute(sql, tuple(filled))


_AUDIT = Into("audit", "number, at, actor, action, mid, cid, detail, hash")
_TALLY = Into(
    "tally",
    "key, count, octets",
    " ON CONFLICT (key) DO UPDATE SET count = count + excluded.count, octets = octets + excluded.octets",
)
_SEGMENT = Into(
    "segment",
    "number, live, used",
    " ON CONFLICT (number) DO UPDATE SET live = live + excluded.live, used = excluded.used",
)


Mark = tuple[int, dict[str, list[int]], dict[int, int], int]


class Tx:
    __slots__ = ("audits", "db", "inc", "newest_held", "now", "role", "segments", "tallies")

    def __init__(self, db: sqlite3.Connection, *, role: str, inc: int, now: int, newest_held: int = 0) -> None:
        self.db = db
        self.role = role
        self.inc = inc
        self.now = now
        self.newest_held = newest_held  # the highest MID of a held copy, rolled back or not
        self.audits: list[AuditEntry] = []
        self.tallies: dict[str, list[int]] = {}
        self.segments: dict[int, int] = {}

    def mark(self) -> Mark:
        tallies = {key: list(value) for key, value in self.tallies.items()}
        return len(self.audits), tallies, dict(self.segments), self.inc

    def rewind(self, mark: Mark) -> None:
        del self.audits[mark[0] :]
        self.tallies, self.segments, self.inc = mark[1:]

    def count(self, key: str, count: int, octets: int = 0) -> None:
        entry = self.tallies.get(key)
        if entry is None:
            self.tallies[key] = [count, octets]
        else:
            entry[0] += count
            entry[1] += octets

    def body(self, segment: int, count: int) -> None:
        self.segments[segment] = self.segments.get(segment, 0) + count

    def row(self, sql: str, *values: Any) -> Any:
        """The one row of a query, or None."""
        return self.db.execute(sql, values).fetchone()

    def run(self, sql: str, *values: Any) -> int:
        """Rows changed by a statement."""
        return self.db.execute(sql, values).rowcount

    def flush(self, number: int, head: str, used: Callable[[int], int]) -> tuple[int, str]:
        """Write what was gathered; the number and hash of the newest audit row."""
        if self.audits:
            number, head = self._flush_audit(number, head)
        if self.tallies:
            _TALLY.put(self.db, [(key, n, octets) for key, (n, octets) in self.tallies.items() if n or octets])
        if self.segments:
            _SEGMENT.put(self.db, [(segment, live, used(segment)) for segment, live in self.segments.items()])
        return number, head

    def _flush_audit(self, number: int, head: str) -> tuple[int, str]:
        rows = []
        for entry in self.audits:
            number += 1
            head = hash_after(head, number, self.now, entry)
            values = (entry.actor, entry.action, entry.mid, entry.cid, entry.detail)
            rows.append((number, self.now, *values, bytes.fromhex(head)))
        _AUDIT.put(self.db, rows)
        return number, head


def require(holds: bool, why: str) -> None:
    if not holds:
        raise MoveRefused(why)


def blob(cid: str) -> bytes:
    """A cid as it is stored. One that is not 32 hex digits names nothing here."""
    try:
        return bytes.fromhex(cid)
    except ValueError as error:
        raise MoveRefused(f"{cid!r} is not the id of a copy") from error
