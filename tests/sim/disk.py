"""The disk of one appliance: the store in memory, with commits that take time, fail, or end in a crash.

What a crash leaves is what was committed; bodies survive when a committed row names them. Each commit is a crash point
before it begins and another when it is durable and nobody has been told.
"""

from typing import Any

from pratique.store.memory import MemorySpool, MemoryStore
from pratique.store.memory.spool import MemoryWriter
from pratique.store.memory.submission import Submission
from pratique.store.moves import Move, StoreFailed
from pratique.store.records import Extent

BATCH = 256
UNKNOWN = StoreFailed("the outcome of the commit is not known", fatal=True)


class Spool(MemorySpool):
    """Bodies; `life` is the process that has it open. A dead process changes nothing any more."""

    life: Any = None
    store: Any = None

    def writer(self, *, digest: bool = True) -> MemoryWriter:
        self.life.effect("write a body")
        return super().writer(digest=digest)

    def drop(self, extents: Any) -> None:
        extents = tuple(extents)
        if self.store.is_ended:  # as the spool on disk: what the last commit named is not known, so nothing goes
            return
        if self.life.effect("drop bodies"):
            self.life.world.ledger.bodies_dropped(self.store, extents)
            super().drop(extents)

    def _take(self, count: int) -> None:
        if not self.life.dead:
            super()._take(count)

    def _keep(self, octets: bytes) -> Extent:
        return Extent(1, 0, len(octets)) if self.life.dead else super()._keep(octets)

    def survived(self, named: set[Extent]) -> "Spool":
        """As the next process finds it: what no row names is free."""
        left = Spool(capacity=self.capacity, inline_max=self.inline_max)
        left._bodies = {extent: self._bodies[extent] for extent in self._durable if extent in named}
        left._durable = set(left._bodies)
        left._next_offset = self._next_offset
        left._taken = sum(extent.length for extent in left._durable)
        return left


class Store(MemoryStore):
    """`life` is the process that has it open."""

    def __init__(self, life: Any, **named: Any) -> None:
        super().__init__(**named)
        self.life = life
        self.is_unknown = False  # the next commit is durable, and nobody learns it
        self._left = 0
        self.spool.life, self.spool.store = life, self

    def submit(self, move: Move) -> Submission:
        if not self.life.effect("submit"):
            return Submission(move, [], 0)  # nobody commits it
        return super().submit(move)

    def _commit_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            life = self.life
            life.loop.call_later(life.commit_seconds(), self._commit_due, context=life.fresh_context())

    def _commit_due(self) -> None:
        self._is_due = False
        self.commit(BATCH)
        if self.pending and not self.life.dead:
            self._commit_soon()
        if self._ended is not None and not self.life.dead:
            self.life.fatal()

    def commit(self, count: int | None = None) -> int:
        if not self.life.effect("commit"):
            return 0
        self._left = len(self.pending[:count])
        return super().commit(count)

    def _apply(self, submission: Submission) -> tuple[Any, Exception | None]:
        result, error = super()._apply(submission)
        self._left -= 1
        self.life.world.ledger.committed(self.life, submission.move, result, error)
        if self._left == 0:
            self.life.effect("be durable")
        if not self.is_unknown:
            return result, error
        if self._left == 0:
            self._ended = UNKNOWN
        return None, UNKNOWN

    @property
    def is_ended(self) -> bool:
        return self._ended is not None

    def named(self) -> set[Extent]:
        return {copy.extent for copy in self.rows.copies.values() if copy.extent is not None}

    def survived(self, life: Any, clock: Any) -> "Store":
        """As the next process opens it."""
        self.pending.clear()
        return Store(
            life,
            role=self.role,
            serial=self.serial,
            clock=clock,
            spool=self.spool.survived(self.named()),
            rows=self.rows.duplicate(),
            inc=self.inc,
        )
