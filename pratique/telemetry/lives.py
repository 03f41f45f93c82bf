"""Counters since they were reset, since the process began, and in all lives; and how fast they rise.

Pure: whoever owns it says when a sample is due, and keeps `text()` somewhere durable. What a crash takes is the time
since the last keeping.
"""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SAMPLE_SECONDS = 10
SPANS_MINUTES = (1, 5, 15)
_KEPT = SPANS_MINUTES[-1] * 60 // SAMPLE_SECONDS + 1


@dataclass(frozen=True, slots=True)
class Totals:
    reset: int
    uptime: int
    lifetime: int


class Lives:
    """`values()` are the counters of this process; `kept` is what an earlier one kept, "" = nothing."""

    def __init__(self, values: Callable[[], Mapping[str, float]], kept: str, *, now_ms: int) -> None:
        self.started_ms = now_ms
        self._values = values
        stored = _read(kept)
        self._before: dict[str, int] = _numbers(stored.get("lifetime"))
        self._at_reset: dict[str, int] = _numbers(stored.get("at_reset"))
        reset_ms = stored.get("reset_ms", 0)
        self.reset_ms: int = reset_ms if isinstance(reset_ms, int) else 0  # 0 = never
        self._samples: deque[tuple[int, dict[str, int]]] = deque(maxlen=_KEPT)

    def totals(self, name: str) -> Totals:
        uptime = int(self._values().get(name, 0))
        lifetime = self._before.get(name, 0) + uptime
        return Totals(lifetime - self._at_reset.get(name, 0), uptime, lifetime)

    def reset(self, now_ms: int) -> None:
        self._at_reset = self._lifetime()
        self.reset_ms = now_ms

    def text(self) -> str:
        kept = {"lifetime": self._lifetime(), "at_reset": self._at_reset, "reset_ms": self.reset_ms}
        return json.dumps(kept, sort_keys=True)

    def sample(self, now_ms: int) -> None:
        self._samples.append((now_ms, {name: int(value) for name, value in self._values().items()}))

    def rates(self, name: str, now_ms: int) -> tuple[int, ...]:
        """Events per hour, extrapolated from the last 1, 5 and 15 minutes."""
        value = int(self._values().get(name, 0))
        found = []
        for minutes in SPANS_MINUTES:
            since = now_ms - minutes * 60_000
            before = next((values.get(name, 0) for at, values in self._samples if at >= since), value)
            if now_ms - self.started_ms <= minutes * 60_000:
                before = 0  # all of this life lies within
            found.append(max(0, value - before) * 60 // minutes)
        return tuple(found)

    def _lifetime(self) -> dict[str, int]:
        now = {name: int(value) for name, value in self._values().items()}
        return {name: self._before.get(name, 0) + now.get(name, 0) for name in {*self._before, *now}}


def _read(text: str) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _numbers(found: object) -> dict[str, int]:
    return {str(k): v for k, v in found.items() if isinstance(v, int)} if isinstance(found, dict) else {}
