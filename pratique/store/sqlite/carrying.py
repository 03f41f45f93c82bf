"""When the pages of the write-ahead log are carried over into the database, and what a failed sync means for that.

SQLite does it by itself behind a commit, but then it hides a sync that failed, and the next time carries over only what
it had not yet: pages whose write-back was lost would be found in neither file once the log begins anew. So it is done
here, where the error is heard, and after one the log stays as it is until the next start reads it from its first frame.
"""

import ctypes
import sqlite3

CHECKPOINT_PAGES = 16_000  # 64 MB of log before its pages are carried over (docs/internals.md, "Group commit")
PAGES_PER_CHANGE = 2.0  # a guess, until the first time tells how many pages a changed row takes
PAGES_PER_CHANGE_MAX = 64.0  # while a reader keeps the log from beginning anew its length says nothing of that


class CarryingOver:
    """For a connection that writes and does not carry over by itself (opening.py); no transaction is open in `run`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._changes = db.total_changes
        self._pages_per_change = PAGES_PER_CHANGE

    @property
    def due(self) -> bool:
        """The log has grown by about CHECKPOINT_PAGES: SQLite tells its length only when it carries over."""
        return (self._db.total_changes - self._changes) * self._pages_per_change >= CHECKPOINT_PAGES

    def run(self) -> None:
        """As far as readers let it. Raises sqlite3.Error: then nothing may be carried over any more in this life."""
        changes = max(1, self._db.total_changes - self._changes)
        _, frames, _ = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._changes = self._db.total_changes
        self._pages_per_change = min(max(1, frames) / changes, PAGES_PER_CHANGE_MAX)


def abandon(db: sqlite3.Connection) -> None:
    """Leave a connection to the end of the process, which releases its locks. Closing the last one would carry over and
    sync again, and remove the log, which may be all that still has the rows."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))
