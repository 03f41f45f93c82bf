"""What the machine did meanwhile: processor time, memory, octets written."""

import os
import platform
import resource
import sys
from pathlib import Path


def busy_seconds() -> float:
    """Processor time that the whole machine has used so far. Both sides are measured by it, the client's own time
    taken off, on a machine that does nothing else: Postfix's processes come and go, and are not counted one by one."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def children_seconds() -> float:
    """Processor time of our children that have ended: the load generators."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pss_mib(pids: list[int]) -> float:
    """Memory of these processes, shared pages counted once."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def written_octets(pids: list[int]) -> int:
    """What these processes caused to be written to disks."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                total += int(line.split()[1])
    return total


def described() -> str:
    whose = " of the system" if sys.base_prefix == "/usr" else ""
    python = f"Python {platform.python_version()}{whose}"
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, {python}"
