"""The files of SQLite and the audit chain: whole, and belonging together."""

import os
import sqlite3
from collections.abc import Iterator

from pratique.store.audit import GENESIS, broken_at
from pratique.store.fsck.findings import Finding, Kind, Progress
from pratique.store.sqlite import codec

PROBLEMS_MAX = 100  # that SQLite names
AUDIT_PAGE = 1_000
_AUDIT = codec.select(codec.AUDIT_COLUMNS, "audit")


def check_files(db: sqlite3.Connection, what: str) -> Iterator[Finding]:
    """SQLite's own check of pages, rows and indexes; `what` names the file."""
    for (problem,) in db.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})"):
        if problem != "ok":
            kind = Kind.INDEX if " index " in problem and "missing" in problem else Kind.DATABASE
            yield Finding(kind, f"{what}: {problem}")


def check_audit(db: sqlite3.Connection, progress: Progress) -> Iterator[Finding]:
    """The chain from its first row to the one that the store says is the newest."""
    newest, head = db.execute("SELECT audit_number, audit_hash FROM meta").fetchone()
    after, previous = 0, GENESIS
    while page := db.execute(_AUDIT + "WHERE number > ? ORDER BY number LIMIT ?", (after, AUDIT_PAGE)).fetchall():
        rows = [codec.audit_of(row) for row in page]
        broken = broken_at(rows, previous=previous, number=after + 1)
        if broken is not None:
            yield Finding(Kind.AUDIT, f"audit row {broken} does not follow the one before it")
            return
        after, previous = rows[-1].number, rows[-1].hash
        progress("audit rows", after, newest)
    if (after, previous) != (newest, bytes(head).hex()):
        yield Finding(Kind.AUDIT, f"the newest audit row is {after}, the store has written {newest}")


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
