"""When an alert is sent: at once, and while it is raised again and again at intervals that double. Pure; one table.

By key. The first time is told at once and opens an interval; what is raised within it is counted and told, as one
repeat with its count, when the interval is over, and the next interval is twice as long. A trouble that ends is told
once; one that comes and goes within an interval is counted, so that flapping cannot flood a mailbox.
"""

from dataclasses import dataclass
from enum import Enum

KEYS_MAX = 1_000  # troubles known at once; beyond it the one that has been quiet for longest is forgotten


class State(Enum):
    QUIET = "nobody was told of it, or of its end"
    TOLD = "told; an interval is open"
    MORE = "told, and raised again in the interval"
    HELD = "told; the interval is over"
    OVER = "told of its end; the interval is open"
    AGAIN = "raised again after its end, in the interval"


class Input(Enum):
    RAISED = "raised"
    ENDED = "ended"
    INTERVAL_OVER = "interval over"


class Act(Enum):
    NOTHING = "nothing"
    TELL = "tell of the trouble; the interval opens"
    COUNT = "count it"
    TELL_END = "tell that it is over"


S, N, A = State, Input, Act
TABLE: dict[tuple[State, Input], tuple[State, Act]] = {
    (S.QUIET, N.RAISED): (S.TOLD, A.TELL),
    (S.QUIET, N.ENDED): (S.QUIET, A.NOTHING),
    (S.QUIET, N.INTERVAL_OVER): (S.QUIET, A.NOTHING),
    (S.TOLD, N.RAISED): (S.MORE, A.COUNT),
    (S.TOLD, N.ENDED): (S.OVER, A.TELL_END),
    (S.TOLD, N.INTERVAL_OVER): (S.HELD, A.NOTHING),
    (S.MORE, N.RAISED): (S.MORE, A.COUNT),
    (S.MORE, N.ENDED): (S.OVER, A.TELL_END),
    (S.MORE, N.INTERVAL_OVER): (S.TOLD, A.TELL),
    (S.HELD, N.RAISED): (S.TOLD, A.TELL),
    (S.HELD, N.ENDED): (S.QUIET, A.TELL_END),
    (S.HELD, N.INTERVAL_OVER): (S.HELD, A.NOTHING),
    (S.OVER, N.RAISED): (S.AGAIN, A.COUNT),
    (S.OVER, N.ENDED): (S.OVER, A.NOTHING),
    (S.OVER, N.INTERVAL_OVER): (S.QUIET, A.NOTHING),
    (S.AGAIN, N.RAISED): (S.AGAIN, A.COUNT),
    (S.AGAIN, N.ENDED): (S.OVER, A.NOTHING),
    (S.AGAIN, N.INTERVAL_OVER): (S.TOLD, A.TELL),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said now. `more`: how often it was raised beside since it was last told."""

    key: str
    over: bool
    more: int


@dataclass(slots=True)
class _Trouble:
    state: State = State.QUIET
    wait: float = 0.0  # the interval that is open, or was last
    until: float = 0.0
    more: int = 0


class Repeats:
    """Times in seconds of one clock. `max_s` is at least `initial_s`."""

    def __init__(self, initial_s: float, max_s: float) -> None:
        self._initial = initial_s
        self._max = max_s
        self._known: dict[str, _Trouble] = {}

    def use(self, initial_s: float, max_s: float) -> None:
        """From the next interval on."""
        self._initial, self._max = initial_s, max_s

    def raised(self, key: str, now: float) -> Told | None:
        return self._take(key, Input.RAISED, now)

    def ended(self, key: str, now: float) -> Told | None:
        return self._take(key, Input.ENDED, now) if key in self._known else None

    def holds(self, key: str) -> bool:
        """Was it told, and not yet that it is over?"""
        found = self._known.get(key)
        return found is not None and found.state in (State.TOLD, State.MORE, State.HELD)

    def due(self, now: float) -> list[Told]:
        """What is to be told because an interval is over."""
        ripe = [key for key, one in self._known.items() if _open(one.state) and one.until <= now]
        told = [self._take(key, Input.INTERVAL_OVER, now) for key in ripe]
        return [one for one in told if one is not None]

    def next_at(self) -> float | None:
        """When `due` has something to look at; None: nothing is open."""
        return min((one.until for one in self._known.values() if _open(one.state)), default=None)

    def _take(self, key: str, said: Input, now: float) -> Told | None:
        found = self._known.get(key)
        if found is None:
            found = self._new(key)
        found.state, act = TABLE[found.state, said]
        if act is Act.COUNT:
            found.more += 1
        if act is Act.TELL:
            self._open_interval(found, now)
        if act in (Act.TELL, Act.TELL_END):
            more, found.more = found.more, 0
            return Told(key, act is Act.TELL_END, more)
        return None

    def _open_interval(self, found: _Trouble, now: float) -> None:
        """Twice the last one, unless it has been quiet for the longest one since."""
        fresh = not found.wait or now >= found.until + self._max
        found.wait = self._initial if fresh else min(2 * found.wait, self._max)
        found.until = now + found.wait

    def _new(self, key: str) -> _Trouble:
        if len(self._known) >= KEYS_MAX:
            del self._known[min(self._known, key=lambda known: self._known[known].until)]
        found = self._known[key] = _Trouble()
        return found


def _open(state: State) -> bool:
    return state in (State.TOLD, State.MORE, State.OVER, State.AGAIN)
