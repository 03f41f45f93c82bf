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


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def random(self, count: int) -> bytes:
        return os.urandom(count)
