"""The files of a store and how they are opened: database, index, lock, witness.

`store.db` with its write-ahead log; `search.db`, an index that can be made anew (index.py); `store.lock`, so that two
processes never write one store; `witness`, what the store had reached when it was last opened or closed. A store that
is behind its witness was put back from a copy: it takes no custody step before it has spoken with its peers
(cpq.md §2). The witness is no part of a backup.
"""

import fcntl
import json
import os
import sqlite3
from dataclasses import dataclass
from typing import Any

from pratique.store.moves import StoreFailed, StoreInUse
from pratique.store.segment import make_directory
from pratique.store.sqlite.migrations import migrate
from pratique.store.sqlite.search import has_text

STORE_FILE = "store.db"
CACHE_KIB = 65_536  # pages of the writer in memory: the upper levels of every index at a million rows
READ_CACHE_KIB = 16_384
BUSY_S = 5.0  # only a backup tool can hold the database against us
STATEMENTS = 512  # prepared statements kept: every statement in all its sizes


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a store is: its incarnation and the highest number of its journal."""

    inc: int = 0
    seq: int = 0
    clean: bool = False  # it was closed in order
    mid: int = 0  # the highest MID then


class Files:
    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.database = os.path.join(directory, STORE_FILE)
        self.index = os.path.join(directory, "search.db")
        self._witness = os.path.join(directory, "witness")
        make_directory(directory)
        self._lock_fd = os.open(os.path.join(directory, "store.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock_fd)
            why = f"another process has the store in {directory} open; stop it first"
            raise StoreInUse(why, fatal=True) from error

    def unlock(self) -> None:
        os.close(self._lock_fd)

    def witness(self) -> Reached | None:
        """What the witness tells; None when there is none, or none that can be read."""
        try:
            with open(self._witness, "rb") as file:
                told = json.loads(file.read())
            return Reached(int(told["inc"]), int(told["seq"]), told["clean"] is True, int(told.get("mid", 0)))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def testify(self, reached: Reached, nonce: str) -> None:
        """Write the witness. It never goes back, or an old store would pass for a new one the next time."""
        before = self.witness() or Reached()
        inc, seq = max((reached.inc, reached.seq), (before.inc, before.seq))
        told = {"inc": inc, "seq": seq, "nonce": nonce, "clean": reached.clean, "mid": reached.mid}
        with open(self._witness + ".new", "wb") as file:
            file.write(json.dumps(told).encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._witness + ".new", self._witness)
        fd = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Meta:
    """The row that says whose store this is and how far it is."""

    inc: int
    seq: int
    mid: int
    audit_number: int
    audit_hash: str


def connect(path: str, *, read_only: bool, index: str | None = None) -> sqlite3.Connection:
    """Each connection is used by one thread at a time, though it may be opened and closed by another. `index` is the
    trigram index to search with."""
    db = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS, timeout=BUSY_S
    )
    db.execute(f"PRAGMA cache_size = -{READ_CACHE_KIB if read_only else CACHE_KIB}")
    db.execute("PRAGMA temp_store = MEMORY")
    db.create_function("has_text", 2, has_text, deterministic=True)
    if index is not None:
        db.execute("ATTACH ? AS idx", (index,))
    if read_only:
        db.execute("PRAGMA query_only = ON")
        return db
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged commits on power loss (custody.md §0.6)
    db.execute("PRAGMA wal_autocheckpoint = 0")  # carrying.py does it, and hears of a sync that fails
    return db


_DAMAGED = (
    "it is damaged: keep the file for whoever looks into it, and put the store back from a copy (docs/operate/"
    'troubleshooting.md, "A store was put back from a copy")'
)
_CURES = {
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_CANTOPEN": "give the user that runs this the right to the file and its directory",
    "SQLITE_READONLY": "give the user that runs this the right to write the file and its directory",
    "SQLITE_FULL": "make room on its disk",
    "SQLITE_BUSY": "another program has it open; end that first",
}


def unreadable(path: str, error: sqlite3.Error) -> str:
    """Why the store cannot be used, and what to do."""
    name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])  # without the detail: SQLITE_IOERR_READ
    return f"cannot open {path} ({error}); {_CURES.get(name, 'look after its disk')}"


def identify(db: sqlite3.Connection, path: str, *, role: str, serial: str) -> Meta:
    """Bring the schema up to date and read whose store it is; a new one becomes ours, and so does one whose making was
    cut short between its tables and this row."""
    migrate(db, path)
    if not db.execute("SELECT count(*) FROM meta").fetchone()[0]:
        db.execute("INSERT INTO meta VALUES (0, ?, ?, 1, 0, 0, 0, ?)", (serial, role, bytes(32)))
    row: Any = db.execute("SELECT role, serial, inc, seq, mid, audit_number, audit_hash FROM meta").fetchone()
    if row[:2] != (role, serial):
        why = f"{path} belongs to the {row[0]} {row[1]}, not to the {role} {serial}; name another data directory"
        raise StoreFailed(why, fatal=True)
    return Meta(row[2], row[3], row[4], row[5], row[6].hex())
