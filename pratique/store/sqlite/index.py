"""The search index: trigrams of sender, recipients and subject of held messages, kept behind the receiving path.

It lies in a file of its own (`search.db`), written by a thread of its own in large batches, so that receiving never
waits for it; whatever it has not reached yet is scanned by the search (search.py), so answers are complete at once.
It can be made anew from the store at any time, and is, when it does not belong to the store as it stands.

What it has reached is told by `upto`: every held copy with a MID up to there is in it, save those that came late, with
a MID below one that was there already; the store lists these in `late_copy`, the index notes how many it took.
Rows of messages that have left quarantine stay until the index is made anew; a search joins with the holds anyway.
"""

import os
import sqlite3
import threading
from dataclasses import dataclass
from typing import Any

BATCH_ROWS = 5_000  # messages in one transaction of the index: about 150 ms of a core
WAKE_ROWS = 1_000  # messages that wake the thread at once
IDLE_S = 1.0  # fewer wait so long
STALE_SLACK = 100_000  # rows of messages gone that are put up with, beside as many as are held
CACHE_KIB = 16_384
BUSY_S = 5.0
_TABLES = """
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 0), upto INTEGER NOT NULL, late INTEGER NOT NULL,
    rows INTEGER NOT NULL, audit_number INTEGER NOT NULL, audit_hash BLOB NOT NULL);
CREATE VIRTUAL TABLE found USING fts5(sender, recipients, subject, content='', columnsize=0, tokenize='trigram');
INSERT INTO state VALUES (0, 0, 0, 0, 0, zeroblob(32));
PRAGMA user_version = 1;
"""
_TEXTS = "coalesce(sender_folded, sender), coalesce(recipients_folded, recipients), coalesce(subject_folded, subject)"
_TAKE = " ".join(
    (
        "INSERT INTO found (rowid, sender, recipients, subject) SELECT mid,",
        _TEXTS,
        "FROM store.copy WHERE custody = 'HELD' AND",
    )
)
_NEXT = " mid > ? AND mid <= ? ORDER BY mid"
_THESE = " mid IN (SELECT mid FROM store.late_copy WHERE id > ? AND id <= ? AND mid <= ?)"


@dataclass(frozen=True, slots=True)
class Reached:
    upto: int
    late: int


class SearchIndex:
    """The index's writing side. `path` is its file, `store` the database that it indexes."""

    def __init__(self, path: str, store: str) -> None:
        self.path = path
        self._db = self._open(path, store)
        self._waiting = 0
        self._wake = threading.Event()
        self._ends = False
        self.trouble = ""  # why the last batch was not taken in; "" = it was
        self._thread = threading.Thread(target=self._work, name="store-index", daemon=True)

    def start(self) -> None:
        self._waiting = 1  # whatever was committed after the index was last written
        self._wake.set()
        self._thread.start()

    def note(self, count: int) -> None:
        """So many held messages were committed."""
        before = self._waiting
        self._waiting = before + count
        if not before or self._waiting >= WAKE_ROWS:
            self._wake.set()

    def end(self) -> None:
        self._ends = True
        self._wake.set()
        self._thread.join()
        self._db.close()

    # --- the thread --------------------------------------------------------------------------------------------
    def _work(self) -> None:
        while not self._ends:
            self._wake.wait()
            self._wake.clear()
            if self._waiting < WAKE_ROWS and not self._ends:
                self._wake.wait(IDLE_S)  # a few more may come
                self._wake.clear()
            self._waiting = 0
            try:
                while not self._ends and self.advance():
                    pass
                self.trouble = ""
            except Exception as error:  # noqa: BLE001 - a thread that ends by an error would index nothing ever after
                # The index lags (disk full, say) and searches scan more; nothing is lost. Tried again with the next.
                self.trouble = f"{type(error).__name__}: {error}"

    def advance(self) -> bool:
        """Take one batch into the index; False when there was nothing to take."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            state = db.execute("SELECT upto, late, rows FROM state").fetchone()
            upto, late, rows = _batch(db, *state)
            if (upto, late) != state[:2]:
                mark = db.execute("SELECT audit_number, audit_hash FROM store.meta").fetchone()
                db.execute(
                    "UPDATE state SET upto = ?, late = ?, rows = ?, audit_number = ?, audit_hash = ?",
                    (upto, late, rows, *mark),
                )
            elif rows > 2 * _held(db) + STALE_SLACK:
                _empty(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return bool(upto != state[0] or late != state[1])

    # --- opening -----------------------------------------------------------------------------------------------
    def _open(self, path: str, store: str) -> sqlite3.Connection:
        try:
            return _connect(path, store)
        except sqlite3.DatabaseError:
            # Damaged: it holds nothing that the store does not.
            for name in (path, path + "-wal", path + "-shm"):
                if os.path.exists(name):
                    os.unlink(name)
            return _connect(path, store)


def _connect(path: str, store: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # what a power failure takes is indexed again
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.executescript("BEGIN;" + _TABLES + "COMMIT;")
        db.execute("ATTACH ? AS store", (store,))
        if not _belongs(db):
            db.execute("BEGIN IMMEDIATE")
            _empty(db)
            db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _belongs(db: sqlite3.Connection) -> bool:
    """Was the index made from this store, as it stands or earlier? The audit chain tells (a copy may be put back)."""
    number, digest = db.execute("SELECT audit_number, audit_hash FROM state").fetchone()
    if number == 0:
        return bool(db.execute("SELECT upto = 0 FROM state").fetchone()[0])
    row: Any = db.execute("SELECT hash FROM store.audit WHERE number = ?", (number,)).fetchone()
    return row is not None and bytes(row[0]) == digest


def _empty(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO found (found) VALUES ('delete-all')")
    db.execute("UPDATE state SET upto = 0, late = 0, rows = 0, audit_number = 0, audit_hash = zeroblob(32)")


def _held(db: sqlite3.Connection) -> int:
    row: Any = db.execute("SELECT count FROM store.tally WHERE key = 'copy.HELD'").fetchone()
    return 0 if row is None else int(row[0])


def _batch(db: sqlite3.Connection, upto: int, late: int, rows: int) -> tuple[int, int, int]:
    """Index the next held copies: where the index then stands. The steps run inside SQLite, without our lock."""
    last = db.execute(
        "SELECT max(mid) FROM (SELECT DISTINCT mid FROM store.hold WHERE mid > ? ORDER BY mid LIMIT ?)",
        (upto, BATCH_ROWS),
    ).fetchone()[0]
    if last is not None:
        rows += db.execute(_TAKE + _NEXT, (upto, last)).rowcount
    # A late copy above `upto` comes with the rest.
    end = db.execute("SELECT max(id) FROM (SELECT id FROM store.late_copy WHERE id > ? LIMIT ?)", (late, BATCH_ROWS))
    newest = end.fetchone()[0]
    if newest is not None:
        rows += db.execute(_TAKE + _THESE, (late, newest, upto)).rowcount
    return (upto if last is None else last), (late if newest is None else newest), rows
