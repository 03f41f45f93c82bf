"""The shim (shim.c) from the Python side: made by the system's compiler, put before a process, read back.

Without a compiler there is no proof: `make()` says so and what to install.
"""

import ctypes
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
_ENTRY = struct.Struct("<IBBBxIiIQI")
_MAGIC = 0x51544152


class Unavailable(Exception):
    """A part of the proof cannot be run here; the text says what to install."""


class Op(IntEnum):
    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    ALLOCATE = 4
    FSYNC = 5
    FDATASYNC = 6
    SYNCDIR = 7
    RENAME = 8
    UNLINK = 9
    MKDIR = 10
    RMDIR = 11
    LINK = 12
    MARK = 13  # no call: a word of the driver, in the order of the calls
    SYNCED = 14  # the end of a sync


class Fault(IntEnum):
    NONE = 0
    KILL = 1
    TORN = 2
    EIO = 3
    ENOSPC = 4
    SHORT = 5
    LOST = 6


SYNCS = frozenset({Op.FSYNC, Op.FDATASYNC})
EVERY = (Fault.KILL, Fault.EIO, Fault.ENOSPC)


def faults_of(op: Op) -> tuple[Fault, ...]:
    """What can happen to a call of this kind."""
    if op is Op.WRITE:
        return (*EVERY, Fault.TORN, Fault.SHORT)
    return (*EVERY, Fault.LOST) if op in SYNCS else EVERY


@dataclass(frozen=True, slots=True)
class Entry:
    """One call. `path` and `second` are below the watched directory; `data` only when it was recorded."""

    op: Op
    fault: Fault
    result: int
    number: int
    path: str
    second: str
    offset: int
    size: int
    data: bytes


def make(directory: Path) -> Path:
    """Compile the shim into `directory`, once. Raises Unavailable."""
    source = SOURCE.read_bytes()
    library = directory / f"shim-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if library.exists():
        return library
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if not compiler:
        raise Unavailable(
            "faults are made by a C library and there is no C compiler: install gcc (Debian: gcc libc6-dev)"
        )
    fresh = library.with_suffix(f".{os.getpid()}")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(fresh), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{compiler} cannot make the shim: install gcc and libc6-dev\n{done.stderr}")
    fresh.rename(library)
    return library


def shared_place() -> Path:
    """Where compiled shims are kept: of this user, not of this repository."""
    place = Path(tempfile.gettempdir()) / f"pratique-proof-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def preloaded(arguments: list[str], module: str) -> None:
    """Start this command anew with the shim in front of it, unless it is there already. Raises Unavailable."""
    library = str(make(shared_place()))
    if library in os.environ.get("LD_PRELOAD", ""):
        return
    environment = {**os.environ, "LD_PRELOAD": library}
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


def end_with_parent() -> None:
    """This process is killed when the one that forked it ends, however that comes about."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Shim:
    """The library that was put before this process."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._watch, self._arm = library.shim_watch, library.shim_arm
        self._count, self._tell, self._mark = library.shim_count, library.shim_tell, library.shim_mark
        self._count.restype = ctypes.c_ulong
        self._kept: object = None

    def watch(self, directory: Path, log: Path | None = None, *, data: bool = False) -> None:
        """Count from 1 the durable calls below `directory`, and log them."""
        self._watch(os.fsencode(directory), os.fsencode(log) if log else b"", int(data))

    def arm(self, at: int, fault: Fault, part: str = "") -> None:
        """The first call from `at` on that the fault can happen to meets it; `part` must stand in the file's path."""
        self._arm(ctypes.c_ulong(at), int(fault), part.encode())

    def count(self) -> int:
        return int(self._count())

    def tell(self, hear: Callable[[int, Op, str], None]) -> None:
        """`hear(number, op, path)` is called in the thread of each durable call, before it."""
        kind = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_int, ctypes.c_char_p)

        def heard(number: int, op: int, path: bytes) -> None:
            hear(number, Op(op), os.fsdecode(path))

        self._kept = kind(heard)
        self._tell(self._kept)

    def mark(self, text: str) -> None:
        self._mark(text.encode())


def environment(library: Path, directory: Path, log: Path, *, at: int = 0, fault: Fault = Fault.NONE) -> dict[str, str]:
    """For a process of its own that is watched from its first call on."""
    return {
        "LD_PRELOAD": str(library),
        "SHIM_WATCH": str(directory),
        "SHIM_LOG": str(log),
        "SHIM_AT": str(at),
        "SHIM_FAULT": str(int(fault)),
    }


def read_log(path: Path, directory: Path) -> Iterator[Entry]:
    """The calls of a log, in order. A process that was killed while it wrote leaves no half entry: it is one write."""
    octets, at, cut = path.read_bytes(), 0, len(os.fsencode(directory)) + 1
    while at < len(octets):
        magic, op, fault, recorded, path_bytes, result, number, offset, size = _ENTRY.unpack_from(octets, at)
        assert magic == _MAGIC, f"{path} is damaged at {at}"
        at += _ENTRY.size
        one, _, two = os.fsdecode(octets[at : at + path_bytes]).partition("\0")
        at += path_bytes
        data = octets[at : at + size] if recorded else b""
        at += len(data)
        if op != Op.MARK:
            one, two = one[cut:], two[cut:]
        yield Entry(Op(op), Fault(fault), result, number, one, two, offset, size, data)
