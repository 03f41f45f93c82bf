"""The only place that reads a clock or draws randomness."""

import os
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Wall clock, ms since 1970 UTC: for records, never for deciding how long something took."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        ...

    def random(self, count: int) -> bytes: ...


RANDOM_BYTES = 4096  # drawn from the kernel at once: each message needs some


class SystemClock:
    def __init__(self) -> None:
        self._random = b""
        self._at = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self, count: int) -> bytes:
        """Each octet is given out once. One process, one loop: a fork would give the same out twice, and none is made
        after the start (worker processes are spawned)."""
        at = self._at
        if at + count > len(self._random):
            self._random, at = os.urandom(max(RANDOM_BYTES, count)), 0
        self._at = at + count
        return self._random[at : at + count]
