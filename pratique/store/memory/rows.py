"""The rows: one dict per noun, with an undo list so that a refused move leaves no trace.

Values are frozen; a change replaces a value. Nothing here knows a rule of custody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pratique.delivery.custody import Remembered, Tombstone
from pratique.store.audit import GENESIS, chained
from pratique.store.records import (
    AuditEntry,
    AuditRow,
    Copy,
    Delivery,
    Hold,
    JournalRow,
    Peer,
    Quarantine,
    Transfer,
    User,
)
from pratique.store.recovery import ToldRow

K = TypeVar("K")
V = TypeVar("V")

Hop = tuple[str, int]
OPEN_DELIVERY = ("DUE", "DOT")
OPEN_TRANSFER = ("Q", "X")


@dataclass(frozen=True, slots=True)
class Tomb:
    """What a receiver remembers of a hop for ever."""

    kind: Tombstone
    seal: str
    peer: str
    inc: int
    seq: int
    at: int

    @property
    def remembered(self) -> Remembered:
        return Remembered(self.kind, self.seal, self.peer)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a manager told to be deleted, by its number."""

    peer: str
    inc: int
    seq: int


class Table(dict[K, V]):
    """A dict that notes in `undo` how to take each change back."""

    __slots__ = ("_undo",)

    def __init__(self, undo: list[Callable[[], None]]) -> None:
        super().__init__()
        self._undo = undo

    def __setitem__(self, key: K, value: V) -> None:
        self._undo.append(partial(self.restore, key, self.get(key)))
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        self._undo.append(partial(self.restore, key, self.get(key)))
        super().__delitem__(key)

    def discard(self, key: K) -> None:
        if key in self:
            del self[key]

    def restore(self, key: K, value: V | None) -> None:
        if value is None:
            super().pop(key, None)
        else:
            super().__setitem__(key, value)


class Rows:
    """All durable rows of one appliance."""

    def __init__(self) -> None:
        undo: list[Callable[[], None]] = []
        self._undo = undo
        self.copies: Table[int, Copy] = Table(undo)
        self.mids: Table[Hop, int] = Table(undo)
        self.deliveries: Table[int, tuple[Delivery, ...]] = Table(undo)  # by rid
        self.holds: Table[int, tuple[Hold, ...]] = Table(undo)  # by name
        self.transfers: Table[Hop, Transfer] = Table(undo)
        self.cancelled: Table[tuple[str, int, str], bool] = Table(undo)  # targets that a release hop was taken from
        self.told: Table[tuple[str, int, str], tuple[ToldRow, bool]] = Table(undo)  # and: not yet reconciled
        self.deleted: Table[Hop, Deleted] = Table(undo)
        self.taken_back: Table[int, bool] = Table(undo)
        self.tombs: Table[Hop, Tomb] = Table(undo)
        self.rows: Table[Hop, JournalRow] = Table(undo)
        self.peers: Table[str, Peer] = Table(undo)
        self.old_nonces: Table[tuple[str, str], bool] = Table(undo)
        self.quarantines: Table[str, Quarantine] = Table(undo)
        self.users: Table[str, User] = Table(undo)
        self.settings: Table[str, str] = Table(undo)
        self.audit: Table[int, AuditRow] = Table(undo)
        self.numbers: Table[str, int] = Table(undo)  # "seq": the highest decided
        self.shadow_since: Table[int, int] = Table(undo)  # when a copy became DONE
        self.due: Table[int, bool] = Table(undo)  # index: copies with an open delivery

    def settle(self) -> None:
        """The changes since the last call stay."""
        self._undo.clear()

    def take_back(self) -> None:
        """The changes since the last settle() never were."""
        while self._undo:
            self._undo.pop()()

    def duplicate(self) -> "Rows":
        """The same rows for another life. There must be no unsettled change."""
        assert not self._undo
        twin = Rows()
        for name, table in vars(self).items():
            if isinstance(table, Table):
                dict.update(getattr(twin, name), table)
        return twin

    # --- helpers that keep two tables in step --------------------------------------------------------------------
    def set_deliveries(self, mid: int, deliveries: tuple[Delivery, ...]) -> None:
        self.deliveries[mid] = tuple(sorted(deliveries, key=lambda delivery: delivery.rid))
        if any(delivery.state in OPEN_DELIVERY for delivery in deliveries):
            self.due[mid] = True
        else:
            self.due.discard(mid)

    def set_holds(self, mid: int, holds: tuple[Hold, ...]) -> None:
        self.holds[mid] = tuple(sorted(holds, key=lambda hold: hold.quarantine))

    def decided(self, seq: int) -> None:
        """Every number up to this one is in a committed row or is a gap for ever."""
        self.numbers["seq"] = max(self.numbers.get("seq", 0), seq)

    def audit_head(self) -> str:
        return self.audit[len(self.audit)].hash if self.audit else GENESIS

    def record(self, entries: tuple[AuditEntry, ...], at: int) -> None:
        for entry in entries:
            number = len(self.audit) + 1
            self.audit[number] = chained(self.audit_head(), number, at, entry)
