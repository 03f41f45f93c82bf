"""Who gets the next connection? Round robin over destinations: the one served longest ago comes first, so a domain with
a million messages waits no less and no more than a domain with one.

Pure: it knows names and counts, no socket. A destination has a turn while it has more due recipients than open
connections, fewer connections than its own limit, and the total is not used up. All steps are O(1).
"""

from collections.abc import Callable
from dataclasses import dataclass

from pratique.delivery.settings import FairnessSettings

DEFAULT = FairnessSettings()


@dataclass(slots=True)
class _Destination:
    due: int = 0
    open: int = 0


class Fairness:
    __slots__ = ("_known", "_limit", "_settings", "_total", "_turns")

    def __init__(self, settings: FairnessSettings = DEFAULT, limit: Callable[[str], int] = lambda name: 0) -> None:
        """`limit`: connections that a destination has for itself, 0 = as many as any."""
        self._settings = settings
        self._limit = limit
        self._known: dict[str, _Destination] = {}
        self._turns: dict[str, None] = {}  # those with a turn, the one served longest ago first
        self._total = 0

    @property
    def open_total(self) -> int:
        return self._total

    def due(self, destination: str, count: int) -> bool:
        """`count` recipients are due now. False: no room to remember one more destination; ask again later."""
        entry = self._known.get(destination)
        if entry is None:
            if count <= 0:
                return True
            if len(self._known) >= self._settings.destinations_max:
                return False
            entry = self._known[destination] = _Destination()
        entry.due = max(count, 0)
        self._place(destination, entry)
        return True

    def take(self) -> str | None:
        """The destination that gets a connection now (it counts as open from here on), or None."""
        if self._total >= self._settings.total_max or not self._turns:
            return None
        destination = next(iter(self._turns))
        entry = self._known[destination]
        entry.open += 1
        self._total += 1
        del self._turns[destination]
        self._place(destination, entry)  # behind all others
        return destination

    def closed(self, destination: str) -> None:
        """A connection that `take` gave has ended, however it ended."""
        entry = self._known[destination]
        assert entry.open > 0, "closed more connections than were given"
        entry.open -= 1
        self._total -= 1
        self._place(destination, entry)

    def _place(self, destination: str, entry: _Destination) -> None:
        if entry.open < min(entry.due, self._limit(destination) or self._settings.per_destination_max):
            self._turns.setdefault(destination)
            return
        self._turns.pop(destination, None)
        if entry.due == 0 and entry.open == 0:
            del self._known[destination]  # memory follows the work, not the history
