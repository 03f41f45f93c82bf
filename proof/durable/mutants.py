"""Products that are broken on purpose, one safeguard each. A proof that does not find them proves nothing."""

import os
import select
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pratique.store.moves import Accept, DotSent
from pratique.store.spool import FileSpool
from pratique.store.sqlite import opening, store
from pratique.store.sqlite.store import SqliteStore
from pratique.store.sqlite.writer import Writer, segments_of
from proof.durable.shim import Fault

SLOW_DISK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Mutant:
    says: str
    change: Callable[[], None]
    scenario: str = "deliver"
    fault: Fault = Fault.KILL  # crash points: the fault under which it shows
    sites: str = ""  # crash points: where
    failed_sync: bool = False  # power loss: it shows only in a life with a failed sync


def _ack_first() -> None:
    make_durable = Writer._make_durable

    def told_first(self: Writer, items: Any) -> None:
        for item in items:
            if not isinstance(item.move, Accept):
                continue
            future = item.future
            future.get_loop().call_soon_threadsafe(lambda f=future: f.done() or f.set_result(None))
        select.select([], [], [], SLOW_DISK_SECONDS)
        make_durable(self, items)

    Writer._make_durable = told_first  # type: ignore[method-assign]


def _rows_first() -> None:
    def reversed_order(self: Writer, items: Any) -> None:
        self._db.execute("COMMIT")
        self._spool.sync(segments_of(items))

    Writer._make_durable = reversed_order  # type: ignore[method-assign]


def _sync_error_ignored() -> None:
    sync = os.fdatasync

    def careless(descriptor: int) -> None:
        try:
            sync(descriptor)
        except OSError:
            pass

    os.fdatasync = careless  # type: ignore[assignment]


def _no_dot() -> None:
    submit = SqliteStore.submit

    def forgetful(self: SqliteStore, move: Any) -> Any:
        if isinstance(move, DotSent):
            future = self._loop.create_future()
            future.set_result(None)
            return future
        return submit(self, move)

    SqliteStore.submit = forgetful  # type: ignore[method-assign]


def _no_body_sync() -> None:
    def directory_only(self: FileSpool, segments: Any) -> None:
        if self._directory_dirty:
            self._directory_dirty = False
            os.fsync(self._directory_fd)

    FileSpool.sync = directory_only  # type: ignore[method-assign]


def _no_directory_sync() -> None:
    sync = FileSpool.sync

    def octets_only(self: FileSpool, segments: Any) -> None:
        self._directory_dirty = False
        sync(self, segments)

    FileSpool.sync = octets_only  # type: ignore[method-assign]


def _normal() -> None:
    connect = opening.connect

    def relaxed(path: str, **how: Any) -> sqlite3.Connection:
        db = connect(path, **how)
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    store.connect = relaxed  # type: ignore[attr-defined]


def _used_again() -> None:
    """A segment without live bodies is written on from its beginning, under the number that it had."""
    adopt = FileSpool.adopt

    def from_the_start(self: FileSpool, *arguments: Any, **others: Any) -> None:
        adopt(self, *arguments, **others)
        if self._current is not None:
            self._current.used = 0

    FileSpool.adopt = from_the_start  # type: ignore[method-assign]


CRASH: dict[str, Mutant] = {
    "ack-before-commit": Mutant("250 is said before the commit.", _ack_first, sites="store.db-wal"),
    "rows-before-bodies": Mutant(
        "The commit comes before the sync of what it names.", _rows_first, fault=Fault.EIO, sites="fdatasync | segment"
    ),
    "sync-error-ignored": Mutant(
        "A failed sync of a body is passed over.", _sync_error_ignored, fault=Fault.LOST, sites="fdatasync | segment"
    ),
    "no-dot-record": Mutant("The final dot is not written down before it is sent.", _no_dot, sites="store.db-wal"),
}
POWER: dict[str, Mutant] = {
    "ack-before-commit": CRASH["ack-before-commit"],
    "no-dot-record": CRASH["no-dot-record"],
    "no-body-sync": Mutant("The octets of a body are not synced.", _no_body_sync),
    "no-directory-sync": Mutant("The name of a new segment is not synced.", _no_directory_sync),
    "sqlite-normal": Mutant("SQLite syncs its log at a checkpoint only.", _normal),
    "sync-error-ignored": Mutant("A failed sync of a body is passed over.", _sync_error_ignored, failed_sync=True),
    "written-from-the-start": Mutant(
        "After a crash the newest segment is written on from its beginning.", _used_again, scenario="transfer"
    ),
}
