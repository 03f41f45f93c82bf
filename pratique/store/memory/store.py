"""The store in dicts: applies moves in the order of submission, commits them in batches, can be crashed at any point.

Two modes. *auto*: whatever was submitted is committed at the loop's next turn (at once when no loop runs).
*manual* (`manual=True`): moves wait in `pending` until `commit(count)`; `crash()` gives the store as the next process
would find it. It is a second implementation beside store.sqlite, made from the docstrings of moves.py, and shares with
it only the tables of custody and the audit chain.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pratique.store.memory.mail
import pratique.store.memory.offer
import pratique.store.memory.recovery
import pratique.store.memory.take  # noqa: F401  they fill APPLY
from pratique.store.interface import Identity, View
from pratique.store.memory.apply import APPLY, Tx
from pratique.store.memory.check import check_storable
from pratique.store.memory.offer import may_end_release
from pratique.store.memory.rows import Rows
from pratique.store.memory.spool import MemorySpool
from pratique.store.memory.submission import Submission
from pratique.store.memory.view import MemoryView
from pratique.store.moves import (
    Accept,
    AcceptSetback,
    Adopt,
    Cancel,
    Declare,
    EndDoubt,
    ExitHold,
    Judge,
    Move,
    MoveRefused,
    Receive,
    Reconcile,
    Settle,
    StoreFailed,
    TakeBack,
    TransfersAnswered,
)
from pratique.store.records import Extent, NewCopy

Clock = Any  # the part of net.clock.Clock that is used: now_ms() and random(count)


def copies_of(move: Move) -> tuple[NewCopy, ...]:
    match move:
        case Accept(copies=copies) | Judge(copies=copies) | Settle(spawned=copies) | TakeBack(spawned=copies):
            return copies
        case Receive(copy=copy):
            return (copy,)
        case _:
            return ()


class MemoryStore:
    def __init__(
        self,
        *,
        role: str,
        serial: str,
        clock: Clock,
        spool: MemorySpool | None = None,
        manual: bool = False,
        rows: Rows | None = None,
        inc: int = 1,
    ) -> None:
        self.role = role
        self.serial = serial
        self.clock = clock
        self.spool = spool if spool is not None else MemorySpool()
        self.manual = manual
        self.nonce: str = clock.random(16).hex()
        self.pending: list[Submission] = []
        self.rows = rows if rows is not None else Rows()
        self.rows.numbers.setdefault("inc", inc)
        self.view: View = MemoryView(self.rows)
        self._seq = self._opened = self.committed_seq()
        self._mid = max(self.rows.copies, default=0)
        self._failures: list[StoreFailed] = []
        self._ended: StoreFailed | None = None
        self._is_due = False

    @property
    def inc(self) -> int:
        return self.rows.numbers["inc"]

    @property
    def identity(self) -> Identity:
        return Identity(self.serial, self.role, self.inc, self.nonce, self._opened)

    def submit(self, move: Move) -> Submission:
        # Numbers that a move itself writes are taken now, so that they commit in the order in which they are given.
        if isinstance(move, (AcceptSetback, Adopt, Reconcile)):
            self._seq = max(self._seq, *(peer.knows_seq for peer in self.view.peers() if peer.set_back), 0)
        numbers = [self.next_seq() for _ in range(_numbers_wanted(move))]
        submission = Submission(move, numbers, self._seq)
        if self._ended is not None:
            submission.resolve(None, self._ended)
            return submission
        self.pending.append(submission)
        if not self.manual:
            self._commit_soon()
        return submission

    def _commit_soon(self) -> None:
        if self._is_due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.commit()
            return
        self._is_due = True
        loop.call_soon(self._commit_due)

    def _commit_due(self) -> None:
        self._is_due = False
        self.commit()

    def next_mid(self) -> int:
        self._mid += 1
        return self._mid

    def newest_mid(self) -> int:
        return self._mid

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def committed_seq(self) -> int:
        return self.rows.numbers.get("seq", 0)

    def audit_head(self) -> str:
        return self.rows.audit_head()

    def audit_number(self) -> int:
        return len(self.rows.audit)

    async def read(self, call: Callable[[View], Any]) -> Any:
        await asyncio.sleep(0)
        return call(self.view)

    async def close(self) -> None:
        if self._ended is None:
            self.commit()
            self._ended = StoreFailed("the store is closed", fatal=True)

    # --- for tests and for the simulator -------------------------------------------------------------------------
    def commit(self, count: int | None = None) -> int:
        """Commit the first `count` pending moves (all, when None) in one transaction; how many were taken."""
        batch, self.pending = self.pending[:count], self.pending[len(self.pending[:count]) :]
        if not batch:
            return 0
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            outcomes: list[tuple[Any, Exception | None]] = [(None, failure)] * len(batch)
            if failure.fatal:
                self._ended = failure
                outcomes += [(None, failure)] * len(self.pending)
                batch, self.pending = batch + self.pending, []
        else:
            outcomes = [self._apply(submission) for submission in batch]
        # Results go out only when the whole batch is durable.
        for submission, (result, exception) in zip(batch, outcomes, strict=True):
            submission.resolve(result, exception)
        return len(batch)

    def _apply(self, submission: Submission) -> tuple[Any, Exception | None]:
        tx = Tx(self.rows, self.role, self.inc, self.clock.now_ms(), submission.seq, submission.numbers)
        try:
            check_storable(submission.move)
            result = APPLY[type(submission.move)](tx, submission.move)
        except MoveRefused as refused:
            self.rows.take_back()
            self._decide(submission)
            return None, refused
        self._decide(submission)
        self.spool.sync(_extents(submission.move))
        self._mid = max([self._mid, *(copy.mid for copy in copies_of(submission.move))])
        return result, None

    def _decide(self, submission: Submission) -> None:
        """The number of a refused move is a gap from now on."""
        self.rows.decided(submission.seq)
        self.rows.settle()

    def crash(self) -> "MemoryStore":
        """The power fails now: the store that the next process opens. Pending moves never happened."""
        self._ended = StoreFailed("this process is gone", fatal=True)
        self.pending.clear()
        return MemoryStore(
            role=self.role,
            serial=self.serial,
            clock=self.clock,
            spool=self.spool.crashed(),
            manual=self.manual,
            rows=self.rows.duplicate(),
            inc=self.inc,
        )

    def fail_next(self, failure: StoreFailed) -> None:
        """The next commit fails so: nothing of its moves is durable. After a fatal one the store takes no more."""
        self._failures.append(failure)


def _extents(move: Move) -> list[Extent]:
    return [copy.extent for copy in copies_of(move)]


def _numbers_wanted(move: Move) -> int:
    """How many rows of our own journal a move may write: a tombstone, a FIN, a DEL. One not used is a gap."""
    match move:
        case Receive(copy=copy):
            return 2 if copy.custody == "SETTLED" else 1
        case Judge(copies=copies):
            return 1 if copies and copies[0].custody == "SETTLED" else 0
        case TransfersAnswered(answers=answers, role="gateway"):
            return sum(may_end_release("gateway", answer) for answer in answers)
        case Declare(rows=rows):
            return len(rows)
        case Adopt(shown=shown):
            return 1 + len(shown)
        case TakeBack(outcomes=outcomes):
            return 1 if outcomes else 0
        case Cancel() | EndDoubt() | ExitHold() | Reconcile() | Settle():
            return 1
        case _:
            return 0
