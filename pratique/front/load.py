"""What the machine has to bear while an appliance runs, from what a process may always know: the unit of systemd hides
all of /proc but the processes.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

SPAN_SECONDS = 10.0  # a shorter span would measure little more than the question itself
SEGMENTS = ".seg"


class CpuShare:
    """How much of all processors this process takes, in per cent: since the question before, SPAN_SECONDS at least."""

    def __init__(
        self,
        *,
        used: Callable[[], float] = time.process_time,
        now: Callable[[], float] = time.monotonic,
        processors: int | None = None,
    ) -> None:
        self._used, self._now = used, now
        self._processors = processors or os.cpu_count() or 1
        self._since = (now(), used())
        self._share = 0

    def per_cent(self) -> int:
        at, used = self._now(), self._used()
        passed = at - self._since[0]
        if passed >= SPAN_SECONDS:
            self._share = share(used - self._since[1], passed * self._processors)
            self._since = (at, used)
        return self._share


def share(part: float, whole: float) -> int:
    """Per cent, 0 to 100."""
    return min(100, max(0, round(100 * part / whole))) if whole > 0 else 0


def all_that_runs(own: int) -> int:
    """The load of the last minute as a share of all processors; `own` where the system does not say it."""
    try:
        return share(os.getloadavg()[0], os.cpu_count() or 1)
    except OSError:
        return own


def memory() -> int:
    """What this process has in memory, in per cent of the machine's. Raises OSError."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1])
    return share(resident, os.sysconf("SC_PHYS_PAGES"))


def fullness(place: Path) -> tuple[int, int]:
    """(per cent that is used, octets that are free) of the disk. Raises OSError."""
    found = os.statvfs(place)
    return share(found.f_blocks - found.f_bfree, found.f_blocks - found.f_bfree + found.f_bavail), (
        found.f_bavail * found.f_frsize
    )


def segments(spool: Path) -> int:
    """Octets that the segments of a spool take on the disk. Raises OSError."""
    total = 0
    with os.scandir(spool) as found:
        for entry in found:
            if entry.name.endswith(SEGMENTS):
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                except FileNotFoundError:
                    continue  # a running appliance removes segments meanwhile
    return total
