"""The store on SQLite (interface.Store): numbers, submission, reading, closing.

Numbers. A number of the journal is drawn in the loop's thread, in the same step as the `submit()` of the move that
writes it, and `submit()` itself draws those for rows that the move makes by itself (tombstone, FIN, DEL). The queue is
first in, first out, so numbers commit in the order in which they were drawn. Whoever draws a number and then waits
before submitting breaks this rule: a peer could be told of a later row first and never ask for the earlier one.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from pratique.store.audit import GENESIS, broken_at
from pratique.store.interface import Identity, View
from pratique.store.moves import (
    AcceptSetback,
    Adopt,
    FoundOld,
    Move,
    MoveRefused,
    Receive,
    Reconcile,
    StoreFailed,
    TransfersAnswered,
)
from pratique.store.records import AuditEntry
from pratique.store.spool import FileSpool, SegmentState
from pratique.store.sqlite.carrying import abandon
from pratique.store.sqlite.families import bodies_of, numbers_wanted
from pratique.store.sqlite.index import SearchIndex
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.opening import Files, Meta, Reached, connect, identify, unreadable
from pratique.store.sqlite.view import SqliteView
from pratique.store.sqlite.writer import Done, Head, Writer

MID_SKIP = 10_000  # after an unclean end: MIDs that were drawn, and logged, but never committed are not drawn again
# Moves for which no SMTP client waits: they may wait a moment for company, and ride with whatever commits sooner.
PATIENCE_SECONDS: dict[type, float] = {Receive: 0.008, TransfersAnswered: 0.020}
RENEWING = (AcceptSetback, Adopt, Reconcile)  # a new incarnation numbers above all that a peer has seen of us
GATHER_MAX = 128  # so many make a batch of their own
AUDIT_PAGE = 1_000  # audit rows verified at once


class StoreClock(Protocol):
    """The part of net.clock.Clock that the store uses."""

    def now_ms(self) -> int: ...
    def random(self, count: int) -> bytes: ...


class SqliteStore:
    """Made by `open`; every call belongs to the loop's thread."""

    @classmethod
    async def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        spool: FileSpool,
        role: str,
        serial: str,
        clock: StoreClock,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> "SqliteStore":
        """Open or make the store. Raises StoreFailed with the cure when it cannot."""
        files = Files(os.fspath(directory))
        try:
            db = connect(files.database, read_only=False)
            meta = identify(db, files.database, role=role, serial=serial)
            identity = Identity(serial, role, meta.inc, clock.random(16).hex(), meta.seq)
            store = cls(files, db, meta, identity, spool, clock, loop or asyncio.get_running_loop())
        except sqlite3.Error as error:
            files.unlock()
            raise StoreFailed(unreadable(files.database, error), fatal=True) from error
        except BaseException:
            files.unlock()
            raise
        try:
            await store._hold_if_old()
        except BaseException:
            await store.close()
            raise
        return store

    def __init__(
        self,
        files: Files,
        db: sqlite3.Connection,
        meta: Meta,
        identity: Identity,
        spool: FileSpool,
        clock: StoreClock,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.spool = spool
        self.identity = identity
        self.on_fatal: Callable[[StoreFailed], None] | None = None
        self.failed: StoreFailed | None = None
        self._files = files
        self._db = db
        self._loop = loop
        self._head = Head(meta.seq, meta.mid, meta.audit_number, meta.audit_hash, meta.inc)
        self._witness = files.witness() or Reached(meta.inc, meta.seq, clean=True, mid=meta.mid)
        # Put back from a copy: the witness has seen a later state than this one.
        self.possibly_old = (meta.inc, meta.seq) < (self._witness.inc, self._witness.seq)
        self.clean = self._witness.clean  # the last end was in order
        self.mid_before = min(self._witness.mid, meta.mid)  # the highest MID when the last life began
        self._seq = meta.seq
        self._mid = max(meta.mid, self._witness.mid) + (0 if self.clean else MID_SKIP)
        since = meta.mid if self.clean else self.mid_before  # what was not proved yet is proved by the next life
        files.testify(Reached(meta.inc, meta.seq, mid=since), identity.nonce)
        # Only a manager holds messages, so only a manager searches.
        self._index = SearchIndex(files.index, files.database) if identity.role == "manager" else None
        self._view = self._open_view()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reader_view: SqliteView | None = None
        states = segment_states(db, spool.numbers())
        spool.adopt(states, self._view.live_in_segment, untouched=self.possibly_old)
        self._writer = Writer(db, spool, identity=identity, head=self._head, now_ms=clock.now_ms, tell=self._tell)
        self._outbox: list[Item[Any]] = []
        self._soon = False
        self._later: asyncio.TimerHandle | None = None
        self._writer.start()
        if self._index is not None:
            self._index.start()

    async def _hold_if_old(self) -> None:
        """A store that is behind its witness does nothing with its peers until that is accepted for each of them."""
        if self.possibly_old:
            found, seen = self.identity.inc, self._witness
            detail = json.dumps({"inc": found, "seq": self._head.seq, "witness": [seen.inc, seen.seq]})
            await self.submit(
                FoundOld(
                    seen.inc, seen.seq, (AuditEntry("system", "set-back", detail=detail),), (found, self._head.seq)
                )
            )

    def _open_view(self) -> SqliteView:
        index = None if self._index is None else self._index.path
        return SqliteView(connect(self._files.database, read_only=True, index=index), indexed=index is not None)

    @property
    def view(self) -> SqliteView:
        return self._view

    # --- moves -------------------------------------------------------------------------------------------------
    def submit(self, move: Move) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.failed is not None:
            future.set_exception(self.failed)
            return future
        if type(move) in RENEWING:
            self._seq = max(self._seq, *(peer.knows_seq for peer in self._view.peers() if peer.set_back), 0)
        number = self._seq + 1
        self._seq += numbers_wanted(move)
        self._outbox.append(Item(move, future, number, self._seq, self._mid))
        patience = PATIENCE_SECONDS.get(type(move))
        if patience is None or len(self._outbox) >= GATHER_MAX:
            if not self._soon:
                self._soon = True
                self._loop.call_soon(self._hand_over)
        elif self._later is None and not self._soon:
            self._later = self._loop.call_later(patience, self._hand_over)
        return future

    def _hand_over(self) -> None:
        """Give the writer all that was submitted: one wake-up, and one commit for them all."""
        self._soon = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        items, self._outbox = self._outbox, []
        if items:
            self._writer.put(items)

    def newest_mid(self) -> int:
        return self._mid

    def next_mid(self) -> int:
        self._mid += 1
        return self._mid

    def next_mids(self, count: int) -> int:
        """The first of a block of MIDs, for an edge process."""
        self._mid += count
        return self._mid - count + 1

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def committed_seq(self) -> int:
        return self._head.seq

    def audit_head(self) -> str:
        return self._head.audit_hash

    def audit_number(self) -> int:
        return self._head.audit_number

    def _tell(self, done: Done) -> None:
        """From the writer's thread: a batch has ended."""
        try:
            self._loop.call_soon_threadsafe(self._take, done)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more, and the commit stands

    def _take(self, done: Done) -> None:
        self._head = done.head
        if done.head.inc != self.identity.inc:
            self.identity = replace(self.identity, inc=done.head.inc)
            self._files.testify(Reached(done.head.inc, done.head.seq, mid=self.mid_before), self.identity.nonce)
        last = done.results[-1]
        fatal = last if isinstance(last, StoreFailed) and last.fatal else done.fatal
        if fatal is not None:
            self.spool.poison(str(fatal))
        held = 0
        for item, result in zip(done.items, done.results, strict=True):
            held += self._account(item, result)
            future = item.future
            if future.done():
                continue
            if isinstance(result, (MoveRefused, StoreFailed)):
                future.set_exception(result)
            else:
                future.set_result(result)
        if held and self._index is not None:
            self._index.note(held)
        self._writer.begin()
        if fatal is not None and self.failed is None:
            self.failed = fatal
            if self.on_fatal is not None:
                self.on_fatal(fatal)

    def _account(self, item: Item[Move], result: Any) -> bool:
        """Tell the spool what became of the bodies that the move named. Was it a group that is ours now?"""
        bodies = bodies_of(item.move)
        if not bodies:
            return False
        stored = not isinstance(result, (MoveRefused, StoreFailed))
        received = type(item.move) is Receive
        if stored and received:
            stored = result.answer == "commit ACC"
        if stored:
            self.spool.named(bodies)
        else:
            self.spool.unnamed(bodies)
        return stored and received

    # --- reading -----------------------------------------------------------------------------------------------
    async def read(self, call: Callable[[View], Any]) -> Any:
        return await self._loop.run_in_executor(self._reader, self._read, call)

    def _read(self, call: Callable[[View], Any]) -> Any:
        if self._reader_view is None:
            self._reader_view = self._open_view()
        with self._reader_view.snapshot():
            return call(self._reader_view)

    async def verify_audit(self) -> int | None:
        """Walk the whole audit chain; the first number at which it breaks, None when it holds."""
        result: int | None = await self.read(broken_audit)
        return result

    @property
    def index_trouble(self) -> str:
        """Why the search index lags; "" = it does not."""
        return self._index.trouble if self._index is not None else ""

    async def close(self, *, in_order: bool = True) -> None:
        """Commit what was submitted, then end. Harmless the second time. `in_order`: False when the next life must
        take the end of the one before for what it was."""
        if not self._writer.is_alive():
            return
        while self._outbox or self._writer.busy:  # at the end only; the batches that are left tell nobody else
            self._hand_over()
            await asyncio.sleep(0.001)
        clean = self.failed is None
        if clean:  # before anything is awaited: a move that comes now is refused, not left behind
            self.failed = StoreFailed("the store is closed", fatal=True)
        await self._loop.run_in_executor(None, self._writer.end)
        if self._index is not None:
            await self._loop.run_in_executor(None, self._index.end)
        if clean and in_order:
            reached = Reached(self.identity.inc, self._head.seq, clean=True, mid=self._head.mid)
            self._files.testify(reached, self.identity.nonce)
        self._reader.shutdown(wait=True)
        if self._reader_view is not None:
            self._reader_view.close()
        self._view.close()
        if self._writer.log_needed:
            abandon(self._db)
        else:  # carries the log over and removes it: what a failed commit left in it, and was refused, goes as well
            self._db.close()
        self.spool.close()
        self._files.unlock()


def segment_states(db: sqlite3.Connection, lying: set[int]) -> dict[int, SegmentState]:
    """What rows say of each segment. Where the counts say that nothing in a segment `lying` there is needed, the copies
    themselves are asked before it is given free; a count that was too low is put right."""
    rows = db.execute("SELECT number, live, used FROM segment WHERE live > 0").fetchall()
    states = {number: SegmentState(live, used) for number, live, used in rows}
    free = lying - states.keys()
    if free:
        marks = ",".join("?" * len(free))
        named = db.execute(
            "SELECT segment, count(DISTINCT offset), max(offset + length) FROM copy "  # noqa: S608  only marks
            f"WHERE segment IN ({marks}) GROUP BY segment",
            sorted(free),
        ).fetchall()
        for number, live, used in named:
            states[number] = SegmentState(live, used)
            db.execute("REPLACE INTO segment (number, live, used) VALUES (?, ?, ?)", (number, live, used))
    return states


def broken_audit(view: View) -> int | None:
    """The first audit row that does not follow the one before it; None when the chain holds."""
    after, previous = 0, GENESIS
    while rows := view.audit(after, AUDIT_PAGE):
        broken = broken_at(rows, previous=previous, number=after + 1)
        if broken is not None:
            return broken
        after, previous = rows[-1].number, rows[-1].hash
    return None
