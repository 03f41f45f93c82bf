"""The mail log's twin for machines: one JSON object a line, with `at`, `host`, `level`, `type`, the event's fields and
`cid`, which is equal on both appliances over all hops. A field that has its default is left out.

Values are the raw ones of the event, which a JSON string holds safely; characters that would change what a terminal
shows are written as \\uXXXX, and texts are cut where the text log cuts them.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from pratique.mail.text import LOG_CHARS_MAX
from pratique.telemetry.events import Event

LINE_BYTES_MAX = 4_096  # above it each text is cut to LOG_CHARS_MAX: a hostile header cannot flood the log

# DEL, C1 controls, zero-width and bidi marks, separators: JSON leaves them raw, and a terminal or a viewer obeys them
_UNSAFE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class JsonFormat:
    def __init__(self, host: str) -> None:
        self._host = _encode(host).decode()
        self._at = -1
        self._second = -1
        self._begin = ""
        self._heads: dict[str, bytes] = {}

    def lines(self, batch: Sequence[tuple[Event, int]]) -> bytes:
        """One line for each (event, ms since 1970 UTC)."""
        pieces: list[bytes] = []
        run: list[Event] = []  # events of one ms and one level
        level = ""
        for event, at in batch:
            if at != self._at or event.level is not level:
                if run:
                    pieces.append(_run(run, self._heads[level]))
                    run = []
                if at != self._at:
                    self._at = at
                    self._heads.clear()
                level = event.level
                if level not in self._heads:
                    self._head(level)
            run.append(event)
        if run:
            pieces.append(_run(run, self._heads[level]))
        return b"".join(pieces)

    def _head(self, level: str) -> bytes:
        """How a line begins: made once for each ms and level."""
        second, ms = divmod(self._at, 1000)
        if second != self._second:
            self._second = second
            self._begin = f'{{"at":"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.'
        text = f'{self._begin}{ms:03d}Z","host":{self._host},"level":"{level}",'
        return self._heads.setdefault(level, text.encode())


def _run(events: Sequence[Event], head: bytes) -> bytes:
    """A line for each event, all of them begun by `head`. Encoded in one go: JSON has no line end inside a value."""
    try:
        octets = _encode_lines(events)
    except UnicodeEncodeError:
        octets = b""
    bare = octets[1:].split(b"\n{")  # each line without its brace, which `head` has
    if not octets or not octets.isascii() or b"\x7f" in octets or max(map(len, bare)) >= LINE_BYTES_MAX:
        return b"".join([head + _fields(event)[1:] + b"\n" for event in events])
    return head + (b"\n" + head).join(bare)


def _fields(event: Event) -> bytes:
    try:
        octets = _encode(event)
    except UnicodeEncodeError:  # a lone surrogate that came out of a header
        octets = _encode(_bounded(event))
    if len(octets) > LINE_BYTES_MAX:
        octets = _encode(_bounded(event))
    if octets.isascii() and b"\x7f" not in octets:
        return octets
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", octets.decode()).encode()


def _bounded(event: Event) -> dict[str, object]:
    """The same fields, each text cut and without lone surrogates."""
    values = {field.encode_name: getattr(event, field.name) for field in msgspec.structs.fields(event)}
    fields = {"type": type(event).__name__, **values}
    return {name: _cut(value) if isinstance(value, str) else value for name, value in fields.items()}


def _cut(text: str) -> str:
    whole = text[:LOG_CHARS_MAX] + ("..." if len(text) > LOG_CHARS_MAX else "")
    return whole.encode("utf-8", "backslashreplace").decode()
