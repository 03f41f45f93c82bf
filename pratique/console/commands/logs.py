"""The appliance's own logs: searched, followed, traced for one message, rolled over.

A log may have a gigabyte: it is read in blocks, each in a thread, so that mail goes on meanwhile, and nothing but what
was found is kept. Patterns are RE2's, in linear time whatever the pattern.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import re2

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import CommandRefused, Desk, Logs, Why, audit, command
from pratique.store.moves import Record
from pratique.telemetry.event import Event
from pratique.telemetry.reading import as_text, log_files, read_event

LOGS = {"mail_logs": ("mail", "Text Mail Logs"), "mail_json": ("mail.json", "JSON Mail Logs")}
BLOCK_BYTES = 262_144  # some milliseconds of one thread
LINE_BYTES_MAX = 65_536  # a longer line is cut up; ours have 4 KiB at most
PATTERN_CHARS_MAX = 4_096
PATTERN_MEMORY_BYTES = 8 * 1024 * 1024
CONTEXT_MAX = 100
TAIL_BYTES = 65_536
HITS_MAX = 50  # messages that one search names; a narrower search finds the rest
EVENTS_MAX = 20_000  # lines of one message: one with ten thousand recipients has so many

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogFile:
    name: str
    type: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Lines with a match of one of `patterns`, without one when `invert`, and `context` lines around each."""

    patterns: tuple[str, ...]
    ignore_case: bool = False
    invert: bool = False
    context: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found: `text` is the line's."""

    cid: str
    mid: int
    at_ms: int
    text: str


@command("logs", Permission.LOGS)
async def list_logs(desk: Desk, person: Person) -> tuple[LogFile, ...]:
    """The logs that this appliance writes."""
    found = []
    for name, (stem, kind) in LOGS.items():
        sizes = [p.stat().st_size for p in log_files(_logs(desk).directory, stem)]
        if sizes:
            found.append(LogFile(name, kind, len(sizes), sum(sizes)))
    return tuple(found)


@command("search-log", Permission.LOGS)
async def search_log(desk: Desk, person: Person, name: str, wanted: Wanted) -> AsyncIterator[list[str]]:
    """The lines of a log that match, block by block, the oldest first. A block may have none."""
    return _blocks(_files(desk, name), matcher(wanted).take)


@command("follow-log", Permission.LOGS)
async def follow_log(desk: Desk, person: Person, name: str, lines: int) -> "Follower":
    """The last lines of a log, and what is written from now on."""
    return Follower(_files(desk, name)[-1], lines)


@command("find-messages", Permission.LOGS)
async def find_messages(desk: Desk, person: Person, kind: str, pattern: str) -> tuple[Hit, ...]:
    """Messages by their envelope (`from`, `to`), `subject` or `message-id`, the newest first."""
    field_of = {"from": "MidFrom", "to": "MidTo", "subject": "Subject", "message-id": "MessageId"}
    wanted = field_of[kind]
    compiled = _pattern(Wanted((pattern,), ignore_case=True))
    mark = f'"type":"{wanted}"'.encode()
    hits: dict[str, Hit] = {}

    def take(block: list[bytes]) -> list[Hit]:
        found = (read_event(line) for line in block if mark in line)
        return [_hit(*one) for one in found if one is not None and compiled.search(_value(one[0]).encode())]

    async for block in _blocks(_files(desk, "mail_json"), take):
        for hit in block:
            hits.pop(hit.cid, None)
            hits[hit.cid] = hit
    return tuple(reversed(hits.values()))[:HITS_MAX]


@command("trace-message", Permission.LOGS)
async def trace_message(desk: Desk, person: Person, *, mid: int = 0, cid: str = "") -> tuple[str, str]:
    """All lines about one message on this appliance and its connections, as the mail log has them; and its cid, by
    which the other appliance knows it."""
    files = _files(desk, "mail_json")
    mids = {mid} if mid else set()
    if mid and not cid:
        cid = await _cid_of(files, mid)
    connections: set[tuple[str, int]] = set()
    found: deque[tuple[Event, int]] = deque(maxlen=EVENTS_MAX)
    mark = f'"cid":"{cid}"'.encode()

    def first(block: list[bytes]) -> list[tuple[Event, int]]:
        return [one for line in block if mark in line and (one := read_event(line)) is not None]

    async for events in _blocks(files, first):
        for event, _ in events:
            mids.add(getattr(event, "mid", 0))
            connections.update((kind, n) for kind in ("icid", "dcid") if (n := getattr(event, kind, 0)))

    def second(block: list[bytes]) -> list[tuple[Event, int]]:
        return [
            one
            for line in block
            if (mark in line or (b'"cid"' not in line and _is_of(line, connections)))
            and (one := read_event(line)) is not None
        ]

    async for events in _blocks(files, second):
        found += events
    if not mids - {0} and not found:
        raise CommandRefused(Why.NOT_FOUND, "the log has no line about this message")
    return cid, as_text(list(found))


@command("roll-over", Permission.ADMINISTER)
async def roll_over(desk: Desk, person: Person) -> None:
    """Give the current log files their dated names and begin new ones."""
    await desk.store.submit(Record((audit(person, "roll-over-logs"),)))
    try:
        _logs(desk).roll_over()
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the log could not be rolled over: {error.strerror}") from error


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
        if not octets and self._was_rolled():
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


def matcher(wanted: Wanted) -> Matcher:
    """Raises CommandRefused for a pattern that cannot be used."""
    return Matcher(_pattern(wanted), wanted.invert, min(wanted.context, CONTEXT_MAX))


def _logs(desk: Desk) -> Logs:
    if desk.logs is None:
        raise CommandRefused(Why.UNAVAILABLE, "this appliance writes no logs")
    return desk.logs


def _files(desk: Desk, name: str) -> list[Path]:
    known = LOGS.get(name)
    files = log_files(_logs(desk).directory, known[0]) if known is not None else []
    if not files:
        there = ", ".join(n for n, (stem, _) in LOGS.items() if log_files(_logs(desk).directory, stem)) or "none"
        raise CommandRefused(Why.NOT_FOUND, f"there is no log {name!a}; there are: {there}")
    return files


def _pattern(wanted: Wanted) -> Any:
    text = "|".join(f"(?:{one})" for one in wanted.patterns)
    options = re2.Options()
    options.max_mem = PATTERN_MEMORY_BYTES
    options.log_errors = False
    options.case_sensitive = not wanted.ignore_case
    try:
        if len(text) > PATTERN_CHARS_MAX:
            raise CommandRefused(Why.INVALID, f"a pattern has at most {PATTERN_CHARS_MAX} characters")
        for one in wanted.patterns:
            re2.compile(one.encode(), options)  # alone, so that a bracket of one does not close one of another
        return re2.compile(text.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        raise CommandRefused(
            Why.INVALID, f"the pattern cannot be used ({_said(error)}); it is an RE2 pattern, signs such as ( are \\("
        ) from error


def _said(error: Exception) -> str:
    why = error.args[0] if error.args else "refused"
    return why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)


async def _blocks(files: list[Path], take: Callable[[list[bytes]], T]) -> AsyncIterator[T]:
    """`take` of each block's lines, in order."""
    for path in files:
        try:
            reading = _lines_of(path)
            while (taken := await asyncio.to_thread(_next, reading, take)) is not None:
                yield taken[0]
        except FileNotFoundError:
            continue  # pruned by a rollover meanwhile


def _next(reading: Iterator[list[bytes]], take: Callable[[list[bytes]], T]) -> tuple[T] | None:
    block = next(reading, None)
    return (take(block),) if block is not None else None


def _lines_of(path: Path) -> Iterator[list[bytes]]:
    """Whole lines; the last one also without its end."""
    rest = b""
    with path.open("rb") as file:
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


def _value(event: Event) -> str:
    """What a search by field looks at."""
    return str(next(getattr(event, name) for name in ("sender", "recipient", "value") if hasattr(event, name)))


def _hit(event: Event, at_ms: int) -> Hit:
    return Hit(event.cid, int(getattr(event, "mid", 0)), at_ms, event.text())


async def _cid_of(files: list[Path], mid: int) -> str:
    """The id of the copy that has this MID here; the last one, if a log of another store was left behind."""
    mark = re.compile(rb'"mid":%d[,}]' % mid)

    def take(block: list[bytes]) -> str:
        for line in reversed(block):
            if b'"mid":' in line and mark.search(line) and (one := read_event(line)) and one[0].cid:
                return one[0].cid
        return ""

    cid = ""
    async for found in _blocks(files, take):
        cid = found or cid
    if not cid:
        raise CommandRefused(Why.NOT_FOUND, f"the log has no line about MID {mid}")
    return cid


def _is_of(line: bytes, connections: set[tuple[str, int]]) -> bool:
    found = re.search(rb'"(icid|dcid)":(\d+)', line)
    return found is not None and (found[1].decode(), int(found[2])) in connections
