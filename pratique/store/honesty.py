"""Does the disk under a directory do what fdatasync asks of it? Measured, because it cannot be asked.

A disk must move something, or program flash, before it may say "durable"; one that answers faster than any such device
has answered from a cache. Which one it is nobody can see from here (a cache with a battery is honest), so what is found
is a doubt with its figure, never a proof.
"""

import os
import statistics
import tempfile
import time
from dataclasses import dataclass

ROUNDS = 64  # a median needs no more
SECONDS_MAX = 2.0  # a slow disk answers a few of them
BLOCK = 4_096
BLOCKS = 16
# The fastest flash that survives a power failure needs some 20 us for a synced write; memory needs one.
HONEST_SECONDS_MIN = 0.000_012
VOLATILE = frozenset({"tmpfs", "ramfs", "devtmpfs", "rootfs"})  # gone with the power
IGNORES = ("nobarrier", "barrier=0")  # mount options with which the disk is never asked to empty its cache


@dataclass(frozen=True, slots=True)
class Honesty:
    """`median_s`: of one synced write. `doubt`: "" = none."""

    median_s: float
    kind: str  # of the file system, "" = not known
    doubt: str


def measure(directory: str) -> Honesty:
    """Takes SECONDS_MAX at the most, and leaves nothing behind. Raises OSError."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        fd = file.fileno()
        os.pwrite(fd, bytes(BLOCK * BLOCKS), 0)
        os.fsync(fd)  # from here on no block is allocated: a write is the data alone
        times = []
        end = time.perf_counter() + SECONDS_MAX
        for number in range(ROUNDS):
            began = time.perf_counter()
            os.pwrite(fd, number.to_bytes(8, "big") * (BLOCK // 8), number % BLOCKS * BLOCK)
            os.fdatasync(fd)
            times.append(time.perf_counter() - began)
            if time.perf_counter() > end:
                break
    kind, options = mounted(directory)
    median = statistics.median(times)
    return Honesty(median, kind, doubt_of(median, kind, options))


def doubt_of(median_s: float, kind: str, options: str) -> str:
    if kind in VOLATILE:
        return f"{kind} keeps nothing when the power fails"
    ignored = next((option for option in IGNORES if option in options.split(",")), "")
    if ignored:
        return f"it is mounted with {ignored}: the disk is never asked to empty its cache"
    if median_s < HONEST_SECONDS_MIN:
        return "no disk is known to be that fast: a cache answers, or fdatasync does nothing"
    return ""


def mounted(directory: str, mountinfo: str = "/proc/self/mountinfo") -> tuple[str, str]:
    """(kind, mount options) of the file system of `directory`; ("", "") when the kernel does not tell (proc(5))."""
    path, best = os.path.realpath(directory), ("", "", "")
    try:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                head, _, tail = line.partition(" - ")
                at, own = head.split(" ")[4:6]
                at = at.replace("\\040", " ")
                inside = path == at or path.startswith(at.rstrip("/") + "/")
                if inside and len(at) >= len(best[0]):
                    kind, _, options = tail.rstrip("\n").split(" ", 2)
                    best = (at, kind, f"{own},{options}")
    except (OSError, ValueError):
        return "", ""
    return best[1], best[2]
