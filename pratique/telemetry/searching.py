"""Log files searched and followed: lines in blocks, each block read and looked through in a thread, so that the loop
that moves mail goes on; over rollovers, and without keeping more than was found.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

BLOCK_BYTES = 262_144  # some milliseconds of one thread
LINE_BYTES_MAX = 65_536  # a longer line is cut up; ours have 4 KiB at most
TAIL_BYTES = 65_536  # how far back the last lines are looked for

T = TypeVar("T")


async def blocks(files: list[Path], take: Callable[[list[bytes]], T]) -> AsyncGenerator[T, None]:
    """`take` of each block's lines, in order. All files are opened first: a rollover meanwhile only renames them."""
    with ExitStack() as stack:
        opened = []
        for path in files:
            try:
                opened.append(stack.enter_context(path.open("rb")))
            except FileNotFoundError:
                continue  # pruned by a rollover
        for file in opened:
            reading = _lines_of(file)
            while (taken := await asyncio.to_thread(_next, reading, take)) is not None:
                yield taken[0]


def _next(reading: Iterator[list[bytes]], take: Callable[[list[bytes]], T]) -> tuple[T] | None:
    block = next(reading, None)
    return (take(block),) if block is not None else None


def _lines_of(file: BinaryIO) -> Iterator[list[bytes]]:
    """Whole lines; the last one also without its end."""
    rest = b""
    while octets := file.read(BLOCK_BYTES):
        whole, rest = _cut(rest + octets)
        yield whole
    if rest:
        yield [rest]


def _cut(octets: bytes) -> tuple[list[bytes], bytes]:
    *whole, rest = octets.split(b"\n")
    if len(rest) > LINE_BYTES_MAX:
        return [*whole, rest], b""
    return whole, rest


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


@dataclass(slots=True)
class Matcher:
    """Picks lines out of blocks that follow each other."""

    pattern: Any
    invert: bool
    context: int
    _before: deque[bytes] = field(default_factory=deque)
    _after: int = 0
    _gap: bool = False  # lines were left out since the last one that was given
    _any: bool = False

    def take(self, block: list[bytes]) -> list[str]:
        found: list[str] = []
        search, invert, context = self.pattern.search, self.invert, self.context
        for line in block:
            if (search(line) is None) is invert:
                if context and self._any and self._gap:
                    found.append("--")
                found += [_text(earlier) for earlier in self._before]
                found.append(_text(line))
                self._before.clear()
                self._after, self._gap, self._any = context, False, True
            elif self._after:
                self._after -= 1
                found.append(_text(line))
            elif context:
                self._before.append(line)
                if len(self._before) > context:
                    self._before.popleft()
                    self._gap = True
        return found


class Follower:
    """Reads on where it stopped, over rollovers."""

    def __init__(self, path: Path, lines: int) -> None:
        self._path = path
        self._file = path.open("rb")
        size = self._file.seek(0, 2)
        self._file.seek(max(0, size - TAIL_BYTES))
        self._rest = b""
        self._first = self._file.read()
        self._lines = lines

    def last(self) -> list[str]:
        """The last lines that were there at the beginning."""
        whole, self._rest = _cut(self._first)
        self._first = b""
        return [_text(line) for line in whole[-self._lines :]] if self._lines else []

    def more(self) -> list[bytes]:
        """What was written since."""
        octets = self._file.read(BLOCK_BYTES)
        if not octets and self._was_rolled() and not (octets := self._file.read(BLOCK_BYTES)):  # other processes write
            self._file.close()
            self._file = self._path.open("rb")
            octets = self._file.read(BLOCK_BYTES)
        whole, self._rest = _cut(self._rest + octets)
        return whole

    def close(self) -> None:
        self._file.close()

    def _was_rolled(self) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        mine = Path(f"/proc/self/fd/{self._file.fileno()}").stat()
        return (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino)
