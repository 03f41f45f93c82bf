"""The files of SQLite and the audit chain: whole, and belonging together."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

from pratique.store.audit import GENESIS, broken_at
from pratique.store.fsck.findings import Finding, Kind, Progress
from pratique.store.sqlite import codec
from pratique.store.sqlite.opening import connect

PROBLEMS_MAX = 100  # that SQLite names
AUDIT_PAGE = 1_000
_AUDIT = codec.select(codec.AUDIT_COLUMNS, "audit")


def check_files(db: sqlite3.Connection, what: str) -> Iterator[Finding]:
    """SQLite's own check of pages, rows and indexes; `what` names the file."""
    for (problem,) in db.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})"):
        if problem != "ok":
            kind = Kind.INDEX if " index " in problem and "missing" in problem else Kind.DATABASE
            yield Finding(kind, f"{what}: {problem}")


def check_audit(db: sqlite3.Connection, progress: Progress, *, newest: int = 0) -> Iterator[Finding]:
    """The chain up to the row that the store says is the newest: from the first one, or only so many `newest` rows."""
    last, head = db.execute("SELECT audit_number, audit_hash FROM meta").fetchone()
    first = max(0, last - newest) if newest else 0
    after, previous = first, _hash_of(db, first)
    while page := db.execute(_AUDIT + "WHERE number > ? ORDER BY number LIMIT ?", (after, AUDIT_PAGE)).fetchall():
        rows = [codec.audit_of(row) for row in page]
        broken = broken_at(rows, previous=previous, number=after + 1)
        if broken is not None:
            yield Finding(Kind.AUDIT, f"audit row {broken} does not follow the one before it")
            return
        after, previous = rows[-1].number, rows[-1].hash
        progress("audit rows", after - first, last - first)
    if (after, previous) != (last, bytes(head).hex()):
        yield Finding(Kind.AUDIT, f"the newest audit row is {after}, the store has written {last}")


def _hash_of(db: sqlite3.Connection, number: int) -> str:
    """What the row after `number` builds on; a missing row has a hash that nothing follows."""
    if not number:
        return GENESIS
    row = db.execute("SELECT hash FROM audit WHERE number = ?", (number,)).fetchone()
    return bytes(row[0]).hex() if row is not None else ""


def newest_audit(path: str, *, rows: int, progress: Progress) -> str:
    """What is wrong with the `rows` newest audit rows of the store `path`, or "". Of a running appliance as well; for
    a thread: it reads and hashes. Raises sqlite3.Error."""
    with closing(connect(path, read_only=True)) as db:
        db.execute("BEGIN")  # rows and the newest number of one instant
        found = next(check_audit(db, progress, newest=rows), None)
        return found.what if found is not None else ""


def check_search(path: str, db: sqlite3.Connection) -> Iterator[Finding]:
    """The search index of a manager, if it has one: whole, and made from this store (sqlite/index.py)."""
    if not os.path.exists(path):
        return
    try:
        index = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            yield from (Finding(Kind.INDEX, found.what) for found in check_files(index, "search index"))
            number, digest = index.execute("SELECT audit_number, audit_hash FROM state").fetchone()
        finally:
            index.close()
    except sqlite3.Error as error:
        yield Finding(Kind.INDEX, f"search index: {error}")
        return
    row = db.execute("SELECT hash FROM audit WHERE number = ?", (number,)).fetchone()
    newest = db.execute("SELECT audit_number FROM meta").fetchone()[0]
    if 0 < number <= newest and (row is None or row[0] != digest):
        yield Finding(Kind.INDEX, "search index: it was not made from this store")
