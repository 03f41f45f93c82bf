"""The one writer: whatever queued up while the last commit ran goes into the next (docs/internals.md, "Group commit").

A batch is applied in the loop's thread and committed in the writer's: the statements are many and short, and a second
thread that runs them trades the interpreter lock at every step, which costs more than they do; the sync and the commit
are two calls that wait for the disk. One batch = one fdatasync of the spool, one transaction, one wake-up of the loop.
Moves are applied in the order of
submission, runs of one type together. If anything in the batch fails, all of it is rolled back and done again move by
move, each in a savepoint, so that a bad move harms only itself; numbers drawn at submission stay with their moves.

What the disk can do to a batch:
* full, out of memory: rolled back, every move of the batch gets StoreFailed, the next batch may fare better;
* I/O error, failed sync (of the log, or of the database when pages are carried over), or a commit of unknown outcome:
  fatal. Nothing is tried again; the process ends and the disk tells at the next start what is durable.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from queue import SimpleQueue
from typing import Any, TypeVar

from pratique.store.interface import Identity
from pratique.store.moves import Move, MoveRefused, StoreFailed
from pratique.store.records import AuditEntry
from pratique.store.spool import FileSpool
from pratique.store.sqlite.carrying import CarryingOver
from pratique.store.sqlite.families import BATCHES, SINGLES, bodies_of
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Tx

T = TypeVar("T")
BATCH_MAX = 256  # moves in one commit: bounds what one failure or one slow disk holds up
# What a value raises that no row can hold: against a rule of the schema, over 63 bits, not Unicode.
UNSTORABLE = (sqlite3.IntegrityError, OverflowError, ValueError)
_FULL = (7, 13)  # SQLITE_NOMEM, SQLITE_FULL: the transaction is rolled back and the store is whole
_LATER = (*_FULL, 5, 6)  # or SQLITE_BUSY, SQLITE_LOCKED: the log is carried over another time


@dataclass(slots=True)
class Head:
    """Where the store stands after the newest commit."""

    seq: int
    mid: int
    audit_number: int
    audit_hash: str
    inc: int  # our incarnation


@dataclass(frozen=True, slots=True)
class Done:
    """A batch that was tried: one result or exception for each of its moves, and where the store stands."""

    items: Sequence[Item[Move]]
    results: Sequence[Any]
    head: Head
    fatal: StoreFailed | None = None  # the batch stands, and the store takes no further one


class Writer:
    def __init__(
        self,
        db: sqlite3.Connection,
        spool: FileSpool,
        *,
        identity: Identity,
        head: Head,
        now_ms: Callable[[], int],
        tell: Callable[[Done], None],
    ) -> None:
        self._db = db
        self._spool = spool
        self._me = identity
        self._head = head
        self._newest_held: int = db.execute("SELECT coalesce(max(mid), 0) FROM hold").fetchone()[0]
        self._now_ms = now_ms
        self._tell = tell  # called in either thread; `begin()` is called once the loop has heard it
        self._queue: deque[Item[Any]] = deque()
        self._busy = False
        self._handed: SimpleQueue[tuple[Sequence[Item[Any]], Sequence[Any], Head] | None] = SimpleQueue()
        self._failed: StoreFailed | None = None
        self.log_needed = False  # pages may have been lost that only the log has: it must outlive this process
        self._log = CarryingOver(db)
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)

    # --- the loop's side ---------------------------------------------------------------------------------------
    def start(self) -> None:
        self._thread.start()

    def put(self, items: Sequence[Item[Any]]) -> None:
        """They are begun at once, or when the batch under way has ended."""
        self._queue.extend(items)
        if not self._busy:
            self.begin()

    def begin(self) -> None:
        """Apply what is queued and hand the commit to the thread. Called again after each batch was told."""
        self._busy = bool(self._queue)
        if not self._busy:
            return
        items = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        applied = self._attempt(lambda: self._statements(items))
        if isinstance(applied, StoreFailed):
            self._tell(Done(items, [applied] * len(items), self._head))
        else:
            self._handed.put((items, *applied))

    @property
    def busy(self) -> bool:
        """Something is queued or being committed."""
        return self._busy

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        """Stop the thread. Only when nothing is busy."""
        assert not self._busy
        self._handed.put(None)
        self._thread.join()

    # --- the thread --------------------------------------------------------------------------------------------
    def _work(self) -> None:
        while (handed := self._handed.get()) is not None:
            items, results, head = handed
            failed = self._attempt(lambda items=items: self._make_durable(items))  # type: ignore[misc]
            if isinstance(failed, StoreFailed):
                results = [failed] * len(items)
            else:
                self._head = head
                self._carry_over()
            self._tell(Done(items, results, self._head, self._failed))
            self._spool.prepare()

    def _carry_over(self) -> None:
        """Behind a commit, which stands whatever comes of this. Before the batch is told: then the next one begins."""
        if not self._log.due:
            return
        try:
            self._log.run()
        except sqlite3.Error as cause:
            if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _LATER:
                return  # nothing was written or synced amiss: the log grows until there is room
            why = f"the store's log could not be carried over ({cause}); restart, what is committed is whole"
            self._failed, self.log_needed = StoreFailed(why, fatal=True), True

    def _make_durable(self, items: Sequence[Item[Any]]) -> None:
        """The bodies first: a row never names octets that could be lost."""
        self._spool.sync(segments_of(items))
        self._db.execute("COMMIT")

    # --- both: only one of them at a time, a batch is applied and then committed ----------------------------------
    def _attempt(self, act: Callable[[], T]) -> T | StoreFailed:
        if self._failed is not None:
            return self._failed
        try:
            return act()
        except StoreFailed as failure:
            error = failure
            self._roll_back()
        except sqlite3.Error as cause:
            error = self._judge(cause)
        except Exception as defect:  # noqa: BLE001  not swallowed: the process ends; a dead thread would only be silent
            error = StoreFailed(f"a defect of the store ({defect!r}); restart and report it", fatal=True)
            error.__cause__ = defect
        if error.fatal:
            self._failed = error
        return error

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _judge(self, cause: sqlite3.Error) -> StoreFailed:
        """What an error of the whole batch means."""
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        try:
            self._roll_back()
        except sqlite3.Error:
            return StoreFailed(f"the store cannot roll back ({cause}); restart", fatal=True)
        if code in _FULL:
            return StoreFailed(f"the store's disk or memory is full ({cause}); make room", full=True)
        return StoreFailed(f"the store failed ({cause}); restart, what is committed is whole", fatal=True)

    def _statements(self, items: Sequence[Item[Any]]) -> tuple[Sequence[Any], Head]:
        """One open transaction that holds the batch: its results, and where the store stands once it is committed."""
        db, head, last, now = self._db, self._head, items[-1], self._now_ms()
        db.execute("BEGIN IMMEDIATE")
        try:
            results, number, audit_hash, inc = self._apply(apply_runs, items, now)
        except (MoveRefused, *UNSTORABLE):
            db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            results, number, audit_hash, inc = self._apply(apply_singly, items, now)
        seq, mid = max(head.seq, last.seq), max(head.mid, last.mid)
        db.execute(
            "UPDATE meta SET inc = ?, seq = ?, mid = ?, audit_number = ?, audit_hash = ?",
            (inc, seq, mid, number, bytes.fromhex(audit_hash)),
        )
        return results, Head(seq, mid, number, audit_hash, inc)

    def _apply(
        self, apply: Callable[[Tx, Sequence[Item[Any]]], list[Any]], items: Sequence[Item[Any]], now: int
    ) -> tuple[list[Any], int, str, int]:
        """The results, number and hash of the newest audit row, and our incarnation."""
        tx = Tx(self._db, role=self._me.role, inc=self._head.inc, now=now, newest_held=self._newest_held)
        results = apply(tx, items)
        self._newest_held = tx.newest_held
        return results, *tx.flush(self._head.audit_number, self._head.audit_hash, self._spool.used), tx.inc


def segments_of(items: Sequence[Item[Any]]) -> set[int]:
    """The segments of the spool that a batch names."""
    return {extent.segment for item in items for extent in bodies_of(item.move)}


def apply_runs(tx: Tx, items: Sequence[Item[Any]]) -> list[Any]:
    """Runs of one type at once. A MoveRefused among the results changed nothing; one that is raised spoils the run."""
    results: list[Any] = []
    for kind, run in groupby(items, lambda item: type(item.move)):
        many = BATCHES.get(kind)
        if many is not None:
            results += many(tx, list(run))
        else:
            single = SINGLES[kind]
            results += [single(tx, item) for item in run]
    return results


def check_storable(entries: Sequence[AuditEntry]) -> None:
    """Audit rows are written at the end of the batch: one that cannot be must be found while its move is known."""
    for entry in entries:
        f"{entry.actor}{entry.action}{entry.cid}{entry.detail}".encode()
        entry.mid.to_bytes(8, signed=True)


def apply_singly(tx: Tx, items: Sequence[Item[Any]]) -> list[Any]:
    """Each move in a savepoint of its own."""
    results: list[Any] = []
    for item in items:
        mark = tx.mark()
        tx.db.execute("SAVEPOINT move")
        try:
            result = apply_runs(tx, [item])[0]
            check_storable(tx.audits[mark[0] :])
        except MoveRefused as refused:
            result = refused
        except UNSTORABLE as error:
            result = MoveRefused(f"the rows do not allow it: {error}")
        if isinstance(result, MoveRefused):
            # Only while the transaction stands: SQLite itself ends it on a full disk, and then all is undone.
            tx.db.execute("ROLLBACK TO move")
            tx.rewind(mark)
        tx.db.execute("RELEASE move")
        results.append(result)
    return results
