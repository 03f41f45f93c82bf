"""Products that are broken on purpose, one safeguard each. A proof that does not find them proves nothing."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pratique.store.moves import StoreFailed
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore
from pratique.store.sqlite.writer import Done, Writer


@dataclass(frozen=True, slots=True)
class Mutant:
    says: str
    change: Callable[[], None]


def _ack_first() -> None:
    """Everybody is told before the disk is asked."""
    make_durable = Writer._make_durable

    def told_first(self: Writer, items: Any) -> None:
        self._loop_told(items)
        make_durable(self, items)

    def tell(self: Writer, items: Any) -> None:
        for item in items:
            loop = item.future.get_loop()
            loop.call_soon_threadsafe(lambda f=item.future: f.done() or f.set_result(None))

    Writer._loop_told = tell  # type: ignore[attr-defined]
    Writer._make_durable = told_first  # type: ignore[method-assign]


CRASH: dict[str, Mutant] = {
    "ack-before-commit": Mutant("250 is said before the commit", _ack_first),
}


@dataclass(frozen=True, slots=True)
class PowerMutant(Mutant):
    fault: bool = False  # it shows only where a sync fails


POWER: dict[str, PowerMutant] = {}
