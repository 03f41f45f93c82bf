"""A structured header value: `token; name=value; ...` as Content-Type and Content-Disposition use it.

Reads RFC 2045 §5.1 with RFC 2231 continuations and charsets and RFC 2047 words inside parameters, tolerantly: readers
disagree on comments, quotes and doubled names, so `boundaries` gives every reading and `odd` says why they differ.
Invariants: never raises; linear time; no recursion.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from pratique.mail.decoding import decode_octets
from pratique.mail.headers import decode_value

PARAMETERS_MAX = 100  # honest mail has under ten
BOUNDARIES_MAX = 6  # readings of one boundary followed further; each costs a walk through the body
TOKEN_CHARS_MAX = 255  # of a type or disposition; RFC 6838 §4.2 allows 127 + 1 + 127

_CACHED_BYTES_MAX = 80  # "text/plain; charset=utf-8" and the like; long ones hold unique boundaries
_PLAIN_SEGMENT = re.compile(rb"[^;]++")
_SEGMENT = re.compile(rb'(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)++', re.DOTALL)
_QUOTED = re.compile(rb'"((?:[^"\\]++|\\.)*+)"?', re.DOTALL)
_COMMENT_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|\\.|[()]|[^"()\\]++', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_TOKEN = re.compile(rb"[^\s;()=\"]++")
_EXTENDED = re.compile(r"([^*]+)(?:\*([0-9]{1,4}))?(\*)?\Z")  # RFC 2231 §7
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Structured:
    """One structured value. Parameters are raw: quotes still on."""

    main: str  # lower case; "" when missing
    parameters: tuple[tuple[str, bytes], ...]  # names in lower case, in order
    odd: str = ""  # why readers would differ, "" = they would not
    truncated: bool = False
    shadows: tuple[tuple[str, bytes], ...] = ()  # parameters that only other readings of the value have

    def text(self, name: str) -> str:
        """The decoded value most readers show; "" when there is none."""
        found = self.texts(name)
        return found[0] if found else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Every decoded value of the parameter, without repeats: RFC 2231 forms first."""
        found = _extended(name, self.parameters)
        found += [decode_value(_unquoted(raw)) for key, raw in (*self.parameters, *self.shadows) if key == name]
        return tuple(dict.fromkeys(value for value in found if value))

    def boundaries(self) -> tuple[bytes, ...]:
        """Every boundary some reader would use, the usual one first (RFC 2046 §5.1.1)."""
        found: list[bytes] = []
        for key, raw in (*self.parameters, *self.shadows):
            if key == "boundary":
                found.extend(_boundary_readings(raw))
        if any(key.startswith("boundary*") for key, _ in self.parameters):
            found.extend(text.encode("utf-8") for text in _extended("boundary", self.parameters))
        kept = dict.fromkeys(stripped for value in found if (stripped := value.rstrip(b" \t\r\n")))
        return tuple(kept)[:BOUNDARIES_MAX]


_ABSENT = Structured("", ())


def parse_structured(value: bytes | None) -> Structured:
    if value is None:
        return _ABSENT
    return _parse_short(value) if len(value) <= _CACHED_BYTES_MAX else _parse(value)


def _parse(value: bytes) -> Structured:
    segments = _SEGMENT if b'"' in value else _PLAIN_SEGMENT
    main, parameters, odd, truncated = _read(value, segments)
    shadows: tuple[tuple[str, bytes], ...] = ()
    if b"(" in value or b"\\" in value or value.count(b";") != len(parameters):
        # Comments and quoted semicolons: what a reader without comments, or without quotes, would find as well.
        known = set(parameters)
        others = (*_read(value, _PLAIN_SEGMENT)[1], *_read(_without_comments(value), _SEGMENT)[1])
        shadows = tuple(dict.fromkeys(other for other in others if other not in known))
    return Structured(main, parameters, odd, truncated, shadows)


_parse_short = lru_cache(maxsize=1024)(_parse)


def _read(value: bytes, segments: re.Pattern[bytes]) -> tuple[str, tuple[tuple[str, bytes], ...], str, bool]:
    """(main, parameters, odd, truncated) of one reading."""
    main = odd = ""
    parameters: list[tuple[str, bytes]] = []
    truncated = False
    for match in segments.finditer(value):
        segment = match[0]
        if match.start() == 0:
            main, segment, odd = _main_token(segment)
        name, equals, raw = segment.partition(b"=")
        if not equals:
            continue
        if len(parameters) >= PARAMETERS_MAX:
            truncated = True
            break
        parameters.append((name.strip().decode("latin-1").lower(), raw.strip()))
    return main, tuple(parameters), odd, truncated


def _main_token(segment: bytes) -> tuple[str, bytes, str]:
    """(token, what follows it in the same segment, why that is odd)."""
    odd = ""
    if b"\0" in segment:
        odd = "NUL in a type"
        segment = segment.replace(b"\0", b"")
    match = _TOKEN.search(segment)
    if match is None:
        return "", b"", odd
    token = match[0].decode("latin-1").lower()[:TOKEN_CHARS_MAX]
    rest = segment[match.end() :].strip()
    if rest.startswith(b"=") or segment[: match.start()].strip():
        # "boundary=x" where the type should be, or something in front of it
        return ("" if rest.startswith(b"=") else token), segment, odd or "no clear type"
    if rest:
        return token, rest, odd or "more than a type before the first semicolon"
    return token, b"", odd


def _without_comments(value: bytes) -> bytes:
    """The value without (comments), which nest (RFC 5322 §3.2.2)."""
    depth = 0
    kept: list[bytes] = []
    for match in _COMMENT_TOKEN.finditer(value):
        token = match[0]
        if token == b"(":
            depth += 1
        elif token == b")":
            depth = max(depth - 1, 0)
        elif depth == 0:
            kept.append(token)
    return b"".join(kept)


def _unquoted(raw: bytes) -> bytes:
    """A parameter's value without quotes and quoted pairs (RFC 2045 §5.1)."""
    if raw[:1] != b'"':
        return raw
    match = _QUOTED.match(raw)
    assert match is not None  # it begins with a quote
    inner = match[1]
    return _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner


def _boundary_readings(raw: bytes) -> list[bytes]:
    plain = _unquoted(raw)
    found = [plain, plain.split(b"\0", 1)[0]]  # NUL ends the text of readers written in C
    if raw[:1] == b'"':
        match = _QUOTED.match(raw)
        assert match is not None  # it begins with a quote
        found.append(match[1])  # a reader that knows no quoted pairs
        rest = raw[match.end() :].strip()
        if rest and not rest.startswith(b"("):
            found.append(plain + rest)
    elif plain:
        first = plain.split(None, 1)[0]
        found += [first, first.split(b"(", 1)[0], plain.replace(b'"', b"")]
    return found


def _extended(name: str, parameters: tuple[tuple[str, bytes], ...]) -> list[str]:
    """Values by RFC 2231: `name*=charset'language'octets` and `name*0=`, `name*1*=`, ... joined in order."""
    if not any(key.startswith(name) and "*" in key for key, _ in parameters):
        return []
    found: list[str] = []
    pieces: dict[int, tuple[bytes, bool]] = {}
    for key, raw in parameters:
        match = _EXTENDED.match(key)
        if match is None or match[1] != name or key == name:
            continue
        value = _unquoted(raw)
        if match[2] is None:
            found.append(_charset_text([(value, True)]))
        else:
            pieces.setdefault(int(match[2]), (value, match[3] is not None))
    if pieces:
        found.append(_charset_text([pieces[number] for number in sorted(pieces)]))
    return found


def _charset_text(pieces: list[tuple[bytes, bool]]) -> str:
    charset = ""
    out: list[bytes] = []
    for number, (value, is_extended) in enumerate(pieces):
        octets = value
        if is_extended:
            if number == 0 and value.count(b"'") >= 2:
                name, _, octets = value.split(b"'", 2)
                charset = name.decode("latin-1")
            octets = _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), octets)
        out.append(octets)
    return decode_octets(b"".join(out), charset)
