"""Where the product makes durable calls: the list, and how a call is put into it.

A *site* is the function of the product from which the call came, the kind of call and the kind of file. The list is
written by hand and kept true by the run: a call that it does not know ends the proof, and so does an entry that no run
met. A second observer (strace, kernel.py) proves that no durable call passed the shim by.
"""

import os
import re
import sys
from dataclasses import dataclass
from types import FrameType

from proof.durable.shim import Op

_PRODUCT = f"{os.sep}pratique{os.sep}"
_KINDS = (
    (re.compile(r"\Z"), "appliance"),
    (re.compile(r"spool/\d+\.seg\Z"), "segment"),
    (re.compile(r"spool/spare-\d+\Z"), "spare"),
    (re.compile(r"log/.+"), "log"),
    (re.compile(r"store/witness\.new\Z"), "witness"),
    (re.compile(r"run/control\.sock\Z"), "socket"),
    (re.compile(r"(store|spool|spool/lent|spool/scratch|log|run|keys|configuration(/history)?)\Z"), "directory"),
    (re.compile(r"configuration/history/\.?\d+\.toml(\.new)?\Z"), "version"),
    (re.compile(r"store/(store|search)\.db(-wal|-shm|-journal)?\Z"), ""),
)


@dataclass(frozen=True, slots=True, order=True)
class Site:
    where: str  # "store/spool.py FileSpool.sync"
    op: str
    kind: str

    def __str__(self) -> str:
        return f"{self.where} | {self.op} | {self.kind}"


def kind_of(path: str) -> str:
    """Of a path below an appliance's directory."""
    for pattern, kind in _KINDS:
        if pattern.match(path):
            return kind or path.rpartition("/")[2]
    return path


def here() -> str:
    """The innermost function of the product on the stack of this thread."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        _, found, tail = code.co_filename.rpartition(_PRODUCT)
        if found:
            return f"{tail} {code.co_qualname}"
        frame = frame.f_back
    return "no function of the product"


def site_of(where: str, op: Op, path: str) -> Site:
    return Site(where, op.name.lower(), kind_of(path))


_STORE, _WRITER = "store/sqlite/store.py SqliteStore", "store/sqlite/writer.py Writer._make_durable"
_CARRY = "store/sqlite/carrying.py CarryingOver.run"
_OPEN, _MIGRATE = "store/sqlite/opening.py", "store/sqlite/migrations.py"
_SPOOL, _SEGMENT, _INDEX = "store/spool.py FileSpool", "store/segment.py", "store/sqlite/index.py"
_VIEW = "store/sqlite/view.py SqliteView"

# function of the product -> "call kind", several
_LIST: dict[str, tuple[str, ...]] = {
    # bodies
    f"{_SEGMENT} write_all": ("write segment",),
    f"{_SPOOL}.sync": ("fdatasync segment", "syncdir directory"),
    f"{_SPOOL}._create": ("create segment", "create spare"),
    f"{_SEGMENT} allocate": ("allocate segment", "allocate spare"),
    f"{_SPOOL}._next_segment": ("rename spare", "rename segment"),
    f"{_SPOOL}.prepare": ("fsync spare",),
    "store/spool.py _remove": ("unlink segment", "unlink spare"),
    f"{_SPOOL}._find": ("unlink spare",),
    f"{_SEGMENT} make_directory": ("mkdir directory", "syncdir appliance"),
    "store/remote/fence.py Fence.__init__": ("create spool/edges.lock",),
    # rows: the commit, and the pages of the log that are carried over behind it
    _WRITER: ("write store.db-wal", "fdatasync store.db-wal", "syncdir directory"),
    _CARRY: ("fdatasync store.db-wal", "write store.db", "fdatasync store.db", "truncate store.db"),
    # opening and closing
    f"{_OPEN} Files.__init__": ("create store/store.lock",),
    f"{_OPEN} Files.testify": (
        "create witness",
        "write witness",
        "fsync witness",
        "rename witness",
        "syncdir directory",
    ),
    f"{_OPEN} connect": (
        "create store.db",
        "create store.db-journal",
        "create store.db-wal",
        "create store.db-shm",
        "write store.db",
        "write store.db-journal",
        "write store.db-shm",
        "truncate store.db-shm",
        "fdatasync store.db",
        "fdatasync store.db-journal",
        "syncdir directory",
        "unlink store.db-journal",
    ),
    f"{_MIGRATE} migrate": (
        "create store.db-wal",
        "create store.db-shm",
        "write store.db-shm",
        "truncate store.db-shm",
    ),
    f"{_MIGRATE} _take_steps": ("write store.db-wal", "fdatasync store.db-wal", "syncdir directory"),
    f"{_OPEN} identify": ("write store.db-wal", "fdatasync store.db-wal"),
    f"{_STORE}.close": (
        "write store.db",
        "truncate store.db",
        "fdatasync store.db",
        "fdatasync store.db-wal",
        "unlink store.db-wal",
        "unlink store.db-shm",
    ),
    # the search index of a manager, made anew from the store when it is lost
    f"{_INDEX} _connect": (
        "create search.db-wal",
        "create search.db-shm",
        "write search.db-shm",
        "truncate search.db-shm",
    ),
    f"{_INDEX} SearchIndex.advance": (
        "write search.db-wal",
        "fdatasync search.db-wal",
        "write search.db",
        "fdatasync search.db",
        "truncate search.db",
        "syncdir directory",
    ),
    f"{_VIEW}.close": (
        "write search.db",
        "truncate search.db",
        "fdatasync search.db",
        "fdatasync search.db-wal",
        "syncdir directory",
        "unlink search.db-wal",
        "unlink search.db-shm",
    ),
    # the configuration that a start finds, in the history
    "config/history.py History.add": ("mkdir directory",),
    "config/keeping.py replace_file": (
        "unlink version",
        "create version",
        "write version",
        "fsync version",
        "rename version",
    ),
    "config/keeping.py sync_directory": ("syncdir directory",),
    # nothing depends on these
    "telemetry/sink.py LogFile._open": ("mkdir directory", "create log"),
    "telemetry/sink.py LogFile._write": ("write log",),
    "front/control.py Control.start": ("mkdir directory",),
    "checks/room.py WorkerRoom.make": ("mkdir directory",),
    "front/control.py _bound": ("unlink socket",),
    "front/control.py Control.stop": ("unlink socket",),
}
SITES = frozenset(Site(where, *call.split(" ", 1)) for where, calls in _LIST.items() for call in calls)
# Seen in some runs only: they hang on how the work falls into batches.
SOMETIMES = frozenset(
    {
        Site(f"{_SPOOL}._next_segment", "rename", "segment"),
        Site("store/spool.py _remove", "unlink", "spare"),
        Site(f"{_SPOOL}._find", "unlink", "spare"),
        Site(_WRITER, "syncdir", "directory"),
        Site(f"{_STORE}.close", "fdatasync", "store.db-wal"),
    }
    # The search index follows in a thread of its own: a short run may end before it has begun.
    | {site for site in SITES if site.where == f"{_INDEX} SearchIndex.advance"}
    | {site for site in SITES if site.where == f"{_VIEW}.close" and site.op != "unlink"}
)
CALLS = frozenset((site.op, site.kind) for site in SITES)
