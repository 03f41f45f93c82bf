"""The appliance's own logs: searched, followed, traced for one message, rolled over.

A log may have a gigabyte: it is read in blocks, each in a thread, so that mail goes on meanwhile, and nothing but what
was found is kept. Patterns are RE2's, in linear time whatever the pattern.
"""

import re
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Logs, Why
from pratique.store.moves import Record
from pratique.telemetry.event import Event
from pratique.telemetry.reading import as_text, log_files, read_event
from pratique.telemetry.searching import Follower, Matcher, blocks

LOGS = {"mail_logs": ("mail", "Text Mail Logs"), "mail_json": ("mail.json", "JSON Mail Logs")}
PATTERN_CHARS_MAX = 4_096
PATTERN_MEMORY_BYTES = 8 * 1024 * 1024
CONTEXT_MAX = 100
HITS_MAX = 50  # messages that one search names; a narrower search finds the rest
EVENTS_MAX = 20_000  # lines of one message: one with ten thousand recipients has so many


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
async def search_log(desk: Desk, person: Person, name: str, wanted: Wanted) -> AsyncGenerator[list[str], None]:
    """The lines of a log that match, block by block, the oldest first. A block may have none."""
    return blocks(_files(desk, name), matcher(wanted).take)


@command("follow-log", Permission.LOGS)
async def follow_log(desk: Desk, person: Person, name: str, lines: int) -> Follower:
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

    async for block in blocks(_files(desk, "mail_json"), take):
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

    async for events in blocks(files, first):
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

    async for events in blocks(files, second):
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
    async for found in blocks(files, take):
        cid = found or cid
    if not cid:
        raise CommandRefused(Why.NOT_FOUND, f"the log has no line about MID {mid}")
    return cid


def _is_of(line: bytes, connections: set[tuple[str, int]]) -> bool:
    found = re.search(rb'"(icid|dcid)":(\d+)', line)
    return found is not None and (found[1].decode(), int(found[2])) in connections
