"""The second observer: strace sees what the kernel was asked for. What it sees and the shim does not, passed by.

A gateway and a manager run as `pratique run`, under strace and under the shim at once, and hand over some mail. For
every durable call on files below their directories the two must agree, by kind of call and by file. What can change a
file without a call of its own, memory that is mapped shared and writable, is allowed for SQLite's -shm alone: that is
made anew at each start and counts for nothing after a power failure.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from proof.durable import points, shim
from proof.durable.ledger import End
from proof.durable.place import Place, wait
from proof.durable.shim import Op, Unavailable
from proof.durable.sites import kind_of
from proof.durable.workers import scratch
from proof.durable.world import World, build

READY_SECONDS = 90.0  # every call of the interpreter's start is traced
CALLS = {
    "write": Op.WRITE,
    "pwrite64": Op.WRITE,
    "pwritev": Op.WRITE,
    "pwritev2": Op.WRITE,
    "writev": Op.WRITE,
    "ftruncate": Op.TRUNCATE,
    "fallocate": Op.ALLOCATE,
    "fsync": Op.FSYNC,
    "fdatasync": Op.FDATASYNC,
    "rename": Op.RENAME,
    "renameat": Op.RENAME,
    "renameat2": Op.RENAME,
    "unlink": Op.UNLINK,
    "unlinkat": Op.UNLINK,
    "rmdir": Op.RMDIR,
    "mkdir": Op.MKDIR,
    "mkdirat": Op.MKDIR,
    "link": Op.LINK,
    "linkat": Op.LINK,
}
# Durable too, and used by nobody here: one of them would have to be taught to the shim first.
FOREIGN = (
    "truncate", "symlink", "symlinkat", "sync_file_range", "msync", "sync", "syncfs", "copy_file_range", "sendfile",
    "splice", "io_uring_setup", "io_submit",
)  # fmt: skip
_LINE = re.compile(r"(?:\[pid\s+\d+\]\s+|\d+\s+)?(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+)")
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')


def need() -> str:
    found = shutil.which("strace")
    if not found:
        raise Unavailable("nobody sees what passes the shim by: install strace (Debian: strace)")
    return found


def observe() -> dict[str, Any]:
    """Counts of both observers, and `passed_by`: what only one of them saw. Raises Unavailable."""
    strace = need()
    base = scratch(memory=False)
    world = None
    try:
        world = build(base, 200)
        _live(world, strace)
        seen = {place.role: _strace(place) for place in world.places}
        ours = {place.role: _shim(place) for place in world.places}
    finally:
        if world is not None:
            for place in world.places:
                if place.alive():
                    place.stop(signal.SIGKILL)
            world.hop.close()
        shutil.rmtree(base, ignore_errors=True)
    passed = [
        f"{role}: {op.name.lower()} of {kind}: the kernel {seen[role][op, kind]}, the shim {ours[role][op, kind]}"
        for role in seen
        for op, kind in sorted(seen[role].keys() | ours[role].keys())
        if seen[role][op, kind] != ours[role][op, kind]
    ]
    return {"calls_seen_by_the_kernel": sum(sum(c.values()) for c in seen.values()), "passed_by": passed}


def _live(world: World, strace: str) -> None:
    """One held and one delivered message, from start to clean end."""
    for place in world.places:
        _launch(place, strace)
    deadline = time.monotonic() + READY_SECONDS
    for place in world.places:
        while b" ready (" not in place.log.with_suffix(".out").read_bytes():
            assert place.alive(), f"the {place.role} did not start: {place.errors()}"
            assert time.monotonic() < deadline, f"the {place.role} was not ready in time"
            wait()
    for kind, end in (("hold", End.HELD), ("plain", End.DELIVERED)):
        world.serial += 1
        reply = world.gateway.send(f"{kind}{world.serial}@demo.example", f"Subject: {kind}\r\n\r\nx\r\n".encode())
        assert reply.startswith("250"), (end, reply)
    while not world.hop.arrived() or world.manager.count("copy") < 1:
        assert time.monotonic() < deadline, "the mail did not arrive in time"
        wait()
    for place in world.places:
        child = Path(f"/proc/{place.pid}/task/{place.pid}/children").read_text().split()
        os.kill(int(child[0]), signal.SIGTERM)
        while place.alive():
            assert time.monotonic() < deadline, f"the {place.role} did not end in time"
            wait()


def _launch(place: Place, strace: str) -> None:
    """strace is the process that the place knows; the appliance is its child."""
    library = shim.make(shim.shared_place())
    wanted = ",".join([*CALLS, *FOREIGN, "open", "openat", "creat", "mmap", "ftruncate"])
    settings = [
        x for pair in shim.environment(library, place.directory, place.log).items() for x in ("-E", "=".join(pair))
    ]
    command = [strace, "-f", "-y", "-s", "0", "-e", f"trace=?{wanted.replace(',', ',?')}", "-o", str(_trace(place))]
    clean = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    with place.log.with_suffix(".out").open("wb") as out, place.log.with_suffix(".err").open("wb") as errors:
        arguments = [*command, *settings, sys.executable, "-m", "pratique", "run", str(place.directory)]
        place.pid = subprocess.Popen(arguments, stdout=out, stderr=errors, env=clean).pid
    place._pipe = os.open(os.devnull, os.O_RDONLY)


def _trace(place: Place) -> Path:
    return place.log.with_suffix(".strace")


def _shim(place: Place) -> Counter[tuple[Op, str]]:
    """What changed something; a name that was not there to remove changed nothing."""
    found: Counter[tuple[Op, str]] = Counter()
    for entry in shim.read_log(place.log, place.directory):
        if entry.op not in (Op.SYNCED, Op.CREATE) and entry.result >= 0:
            found[entry.op, kind_of(entry.path)] += 1
    return found


def _strace(place: Place) -> Counter[tuple[Op, str]]:
    found: Counter[tuple[Op, str]] = Counter()
    base = str(place.directory)
    for line in _joined(_trace(place).read_text(errors="replace").splitlines()):
        match = _LINE.match(line)
        if match is None or match[3].startswith("-"):
            continue
        name, arguments = match[1], match[2]
        paths = [p.removesuffix("(deleted)").strip() for p in _DESCRIPTOR.findall(arguments)] + _NAME.findall(arguments)
        below = [_below(p, base) for p in paths if p == base or p.startswith(base + os.sep)]
        if not below and "control.sock" in arguments and name in ("unlink", "unlinkat"):
            below = ["run/control.sock"]  # reached by way of /proc/self/fd
        if not below:
            continue
        if name in FOREIGN:
            found[Op.MARK, f"{name} of {kind_of(below[0])}"] += 1
        elif (
            name == "mmap" and "MAP_SHARED" in arguments and "PROT_WRITE" in arguments and not below[0].endswith("-shm")
        ):
            found[Op.MARK, f"mmap of {kind_of(below[0])}"] += 1
        elif name in ("open", "openat", "creat") and "O_TRUNC" in arguments and "O_CREAT" not in arguments:
            found[Op.TRUNCATE, kind_of(below[0])] += 1
        elif name in CALLS:
            kind = kind_of(below[0])
            synced = name in ("fsync", "fdatasync") and kind in ("directory", "appliance")
            found[Op.SYNCDIR if synced else CALLS[name], kind] += 1
    return found


def _below(path: str, base: str) -> str:
    return path.removeprefix(base).lstrip(os.sep)


def _joined(lines: list[str]) -> list[str]:
    """A call that another thread's cut in two is one line again."""
    begun: dict[str, str] = {}
    whole = []
    for line in lines:
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>").rstrip()
        elif (at := line.find(" resumed>")) >= 0 and thread in begun:
            whole.append(begun.pop(thread) + line[at + len(" resumed>") :])
        else:
            whole.append(line)
    return whole


if __name__ == "__main__":
    import json

    points.warm()
    result = observe()
    print(json.dumps(result))
    sys.exit(1 if result["passed_by"] else 0)
