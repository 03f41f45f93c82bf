"""A disk with two layers, for octets and for names: what was synced is there after a power failure, the rest perhaps.

Pure. It replays calls (shim.Entry, or one call at a time) and tells, for any instant, what could be found afterwards:

* of a file, what its last sync covered, and of the later writes any subset, cut at sectors of 512 octets;
* of the names of a directory (files made, renamed, removed), what its last sync covered, and of the later changes any
  subset (STRICT: what POSIX promises) or the first so many (ORDERED: a journal, which also keeps all changes of names
  before any sync, as ext4 does).

A sync covers what was written before it began. One that failed covers nothing, and what it should have covered is never
written any more.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from proof.durable.shim import SYNCS, Entry, Op

SECTOR = 512


class Mode(Enum):
    STRICT = "strict"
    ORDERED = "ordered"


@dataclass(frozen=True, slots=True)
class Change:
    """Of a file's octets: `data` at `at`; or its size becomes `at`, which `grows` only makes larger."""

    at: int
    data: bytes = b""
    resize: bool = False
    grows: bool = False

    def apply(self, octets: bytearray) -> None:
        if self.resize:
            if self.at < len(octets) and not self.grows:
                del octets[self.at :]
            octets.extend(bytes(max(0, self.at - len(octets))))
            return
        end = self.at + len(self.data)
        octets.extend(bytes(max(0, end - len(octets))))
        octets[self.at : end] = self.data

    def sectors(self, chance: random.Random) -> Iterator["Change"]:
        """A part of it: some of its sectors."""
        at = self.at
        while at < self.at + len(self.data):
            end = min((at // SECTOR + 1) * SECTOR, self.at + len(self.data))
            if chance.random() < 0.5:
                yield Change(at, self.data[at - self.at : end - self.at])
            at = end


@dataclass(slots=True)
class File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)
    syncing: list[int] = field(default_factory=list)  # how many changes each sync under way covers


@dataclass(frozen=True, slots=True)
class Rename:
    """Of names in one directory. `file` is None: removed; `old` is empty: made."""

    old: str
    new: str
    file: int | None

    def apply(self, names: dict[str, int]) -> None:
        if self.file is None:
            names.pop(self.new, None)
        elif not self.old:
            names[self.new] = self.file
        elif self.old in names:
            names[self.new] = names.pop(self.old)


State = dict[str, bytes]  # path -> octets


class Disk:
    def __init__(self, state: State, mode: Mode) -> None:
        """All of `state` is durable."""
        self.mode = mode
        self.files: list[File] = []
        self.names: dict[str, int] = {}  # as a running process sees them
        self.durable: dict[str, int] = {}
        self.pending: list[Rename] = []
        self._begun: dict[str, list[int]] = {}  # path -> which changes of names its syncs under way cover
        self._kept = 0  # changes of names that became durable, ever: positions stay true when they leave the list
        for path, octets in state.items():
            self.names[path] = self.durable[path] = self._new(octets)

    def _new(self, octets: bytes = b"") -> int:
        self.files.append(File(bytearray(octets)))
        return len(self.files) - 1

    # --- replay
    def play(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.step(entry)

    def step(self, entry: Entry) -> bool:
        """Did it change what could be found?"""
        path = entry.path
        if entry.op in SYNCS or entry.op is Op.SYNCDIR:
            return self._sync(path, failed=bool(entry.fault))
        if entry.op is Op.SYNCED:
            return self._synced(path, good=entry.result == 0)
        if entry.result < 0 or entry.op in (Op.MARK, Op.MKDIR, Op.RMDIR):
            return False
        return self._change(entry)

    def _change(self, entry: Entry) -> bool:
        path = entry.path
        if entry.op is Op.CREATE:
            self._name(Rename("", path, self._new()))
            return True
        if entry.op is Op.UNLINK:
            self._name(Rename("", path, None))
            return True
        if entry.op is Op.RENAME:
            self._name(Rename(path, entry.second, self.names.get(path, -1)))
            return True
        file = self._file(path)
        if file is None:
            return False  # it has no name any more: nobody will ever read it
        if entry.op is Op.WRITE:
            file.pending.append(Change(entry.offset, entry.data))
        else:
            file.pending.append(Change(entry.offset, resize=True, grows=entry.op is Op.ALLOCATE))
        return True

    def _name(self, change: Rename) -> None:
        self.pending.append(change)
        change.apply(self.names)

    def _file(self, path: str) -> File | None:
        number = self.names.get(path)
        return self.files[number] if number is not None else None

    def _sync(self, path: str, *, failed: bool) -> bool:
        file = self._file(path)
        if failed:
            if file is not None:
                file.pending.clear()
            return file is not None
        self._begun.setdefault(path, []).append(self._kept + len(self.pending))
        if file is not None:
            file.syncing.append(len(file.pending))
        return False

    def _synced(self, path: str, *, good: bool) -> bool:
        begun = self._begun.get(path)
        if not begun:
            return False
        covered = begun.pop(0) - self._kept
        file = self._file(path)
        if file is not None and file.syncing:
            self._keep_octets(file, file.syncing.pop(0), good=good)
        if good and (self.mode is Mode.ORDERED or file is None):
            self._keep_names(path, covered)
        return good

    def _keep_octets(self, file: File, covered: int, *, good: bool) -> None:
        if not good:
            return
        for change in file.pending[:covered]:
            change.apply(file.durable)
        del file.pending[:covered]
        file.syncing = [max(0, n - covered) for n in file.syncing]

    def _keep_names(self, synced: str, covered: int) -> None:
        """A journal keeps them all in their order; else those of the directory that was synced."""
        left = []
        for number, change in enumerate(self.pending):
            if number < covered and (self.mode is Mode.ORDERED or _directory(change.new) == synced):
                change.apply(self.durable)
                self._kept += 1
            else:
                left.append(change)
        self.pending = left

    # --- what could be found
    def found(self, chance: random.Random) -> State:
        """One of the many states after a power failure now."""
        names = dict(self.durable)
        for kept in self._names_kept(chance):
            kept.apply(names)
        kind = chance.choice(("none", "all", "first", "some", "torn"))
        state = {}
        for path, number in names.items():
            file = self.files[number]
            octets = bytearray(file.durable)
            for change in _kept(file.pending, kind, chance):
                change.apply(octets)
            state[path] = bytes(octets)
        return state

    def _names_kept(self, chance: random.Random) -> list[Rename]:
        if self.mode is Mode.ORDERED:
            return self.pending[: chance.randint(0, len(self.pending))]
        kind = chance.choice(("none", "all", "some"))
        if kind == "none":
            return []
        return [change for change in self.pending if kind == "all" or chance.random() < 0.5]


def _kept(pending: list[Change], kind: str, chance: random.Random) -> Iterator[Change]:
    if kind == "first":
        pending = pending[: chance.randint(0, len(pending))]
    for change in pending if kind != "none" else ():
        if kind in ("all", "first") or chance.random() < 0.5:
            yield change
        elif kind == "torn" and change.data:
            yield from change.sectors(chance)


def _directory(path: str) -> str:
    return path.rpartition("/")[0]
