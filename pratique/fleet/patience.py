"""When a member speaks with another again: soon after a change, now and then without one, later and later while the
other does not answer. Pure; time is handed in.
"""

from dataclasses import dataclass

PERIOD_SECONDS = 30.0  # without a change: a change that was missed is at most so old
FIRST_SECONDS = 1.0  # after a failure; it doubles
LONGEST_SECONDS = 30.0  # and a member that is back is noticed within so long


@dataclass(slots=True)
class Patience:
    """Of one peer. `due`: on the clock that is handed in."""

    due: float = 0.0
    failures: int = 0

    def succeeded(self, now: float) -> None:
        self.failures = 0
        self.due = now + PERIOD_SECONDS

    def failed(self, now: float) -> None:
        self.due = now + min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures, 10))
        self.failures += 1

    def hurry(self, now: float) -> None:
        """There is something to say, or the peer was heard of. One that does not answer is not asked more often for
        it."""
        if not self.failures:
            self.due = min(self.due, now)

    def back(self, now: float) -> None:
        """The peer spoke to us: it can be reached, most likely."""
        if self.failures:
            self.failures = 0
            self.due = now
