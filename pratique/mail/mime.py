"""The parts of a message as every plausible reader would see them: a bounded, tolerant MIME tokenizer (RFC 2045, 2046).

Mail readers and scanners disagree on broken MIME, and that is how malware passes a scanner. So where readings differ
this one does not choose: the usual reading comes first, the others follow as further parts whose `view` tells why, and
`ambiguous` says that it happened. It does not open archives and has no opinion on what is harmful.

Octets are taken with CRLF line ends, as the store keeps them; what is decoded on the way is made so.
Invariants: never raises; no recursion; at most PARTS_MAX parts, DEPTH_MAX levels, VIEWS_MAX extra readings and
EMBEDDED_BYTES_MAX octets decoded to look inside, so time is linear; what was left out is named in `truncated`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from pratique.mail import decoding
from pratique.mail.headers import Headers, garbage_at, read_headers
from pratique.mail.multipart import Cut, cut, guess_boundary, stray_part
from pratique.mail.octets import Octets
from pratique.mail.parameters import PARAMETERS_MAX, Structured, parse_structured
from pratique.mail.part import AFTER_PADDING, Part, Parts
from pratique.mail.values import value

__all__ = ["DEPTH_MAX", "PARAMETERS_MAX", "PARTS_MAX", "VIEWS_MAX", "Part", "Parts", "read_parts"]

DEPTH_MAX = 20  # forwarded threads reach 8; beyond it lie bombs
PARTS_MAX = 1000  # a digest of a busy list has 200
VIEWS_MAX = 16  # extra readings of one message; each may cost a walk through its body
EMBEDDED_BYTES_MAX = 16_777_216  # decoded to look inside messages that RFC 2046 forbids to encode; four times in memory

_CACHED_BYTES_MAX = 80  # of a Content-Type: "text/plain; charset=utf-8" and the like

_UNKNOWN_ENCODING = "unknown Content-Transfer-Encoding"
_SPACED = "a blank before the colon"
_GARBAGE = "a line that is no header field"
_TWO_TYPES = "two Content-Type fields"
_ENCODED_MESSAGE = "an encoded message/rfc822"
_TWO_BOUNDARIES = "two boundaries"
_GUESSED = "a boundary that was not announced"
_TWO_ENCODINGS = "two Content-Transfer-Encoding fields"

_ENCODINGS = {
    "": "",
    "7bit": "7bit",
    "7-bit": "7bit",
    "8bit": "8bit",
    "8-bit": "8bit",
    "binary": "binary",
    "base64": "base64",
    "quoted-printable": "quoted-printable",
    "x-uuencode": "x-uuencode",
    "uuencode": "x-uuencode",
    "x-uue": "x-uuencode",
}
_RESEMBLES = (("64", "base64"), ("quoted", "quoted-printable"), ("uu", "x-uuencode"))
_AS_IS = frozenset({"", "7bit", "8bit", "binary"})
_PLAIN_ENCODINGS = {name.encode(): way for name, way in _ENCODINGS.items() if way in _AS_IS}
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/rfc2822"})
_PADDING = re.compile(rb"[=\s]*+")
_UU_MARK = b"\r\nbegin"  # stands in all that _UU_BEGIN finds
_UU_BEGIN = re.compile(rb"\r\nbegin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})(?=\r\n)")


@value
class _Node:
    """An entity still to be read: headers and body in octets[start:end]."""

    octets: Octets
    start: int
    end: int
    path: str  # its own number when it is a leaf
    prefix: str  # in front of its children's numbers
    depth: int
    default_type: str
    view: str


@value
class _Reading:
    """One way to understand an entity: by one of its Content-Type fields."""

    node: _Node
    body: int  # where its body starts
    mime_type: str
    structured: Structured
    dispositions: tuple[Structured, ...]
    encodings: tuple[tuple[str, str], ...]  # (encoding, why it is not the usual reading), the usual first
    view: str


_NO_TYPE = Structured("text/plain", ())


def read_parts(octets: Octets, headers: Headers) -> Parts:
    """All leaf parts of a whole message in order, the usual reading of an entity before its other readings."""
    plain = read_plain(octets, headers)
    if plain is not None:
        return plain
    walk = _Walk()
    walk.run(_Node(octets, 0, len(octets), "1", "", 0, "text/plain", ""), headers)
    return Parts(tuple(walk.parts), walk.ambiguous, walk.truncated)


def read_plain(octets: Octets, headers: Headers) -> Parts | None:
    """What the walk finds in the usual message, one text that is not encoded, for a tenth of its cost.

    None where anything is there that readers could see differently, or that holds another entity.
    """
    if headers.malformed or headers.truncated or headers.get("content-disposition") is not None:
        return None
    types, encodings = headers.all("content-type"), headers.all("content-transfer-encoding")
    if len(types) > 1 or len(encodings) > 1:
        return None
    kind = _plain_type(types[0]) if types else ("text/plain", "")
    encoding = _PLAIN_ENCODINGS.get(encodings[0].lower()) if encodings else ""
    body, end = headers.body_start, len(octets)
    if kind is None or encoding is None or octets.find(_UU_MARK, max(body - 2, 0)) >= 0:
        return None
    return Parts((Part("1", kind[0], kind[1], "", "", encoding, max(end - body, 0), "", octets, body, end),))


def _plain_type(value: bytes) -> tuple[str, str] | None:
    """(type, charset) of a Content-Type that all readers take for the same text."""
    return _short_type(value) if len(value) <= _CACHED_BYTES_MAX else None


@lru_cache(maxsize=256)
def _short_type(value: bytes) -> tuple[str, str] | None:
    structured = parse_structured(value)
    if structured.odd or structured.truncated or structured.shadows or not structured.main.startswith("text/"):
        return None
    if any(name.startswith(("name", "boundary")) for name, _ in structured.parameters):
        return None
    return structured.main, structured.text("charset")


class _Walk:
    """One walk over one message: what was found, and what is left of its allowances."""

    __slots__ = ("_embedded_left", "_seen", "_views_left", "ambiguous", "parts", "truncated")

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ambiguous = ""
        self.truncated = ""
        self._seen: set[tuple[int, int, int, str, str, str]] = set()
        self._views_left = VIEWS_MAX
        self._embedded_left = EMBEDDED_BYTES_MAX

    def run(self, root: _Node, headers: Headers) -> None:
        stack = list(self._entity(root, headers))
        stack.reverse()
        while stack:
            if len(self.parts) >= PARTS_MAX:
                self._cut_short("parts")
                return
            node = stack.pop()
            children = list(self._entity(node, read_headers(node.octets, start=node.start, end=node.end)))
            children.reverse()
            stack += children

    # --- what is noted on the way ---

    def _doubt(self, why: str) -> None:
        self.ambiguous = self.ambiguous or why

    def _cut_short(self, limit: str) -> None:
        self.truncated = self.truncated or limit

    def _take_view(self, why: str) -> bool:
        """Note the doubt and ask for one more reading; False when the allowance is used up."""
        self._doubt(why)
        if self._views_left == 0:
            self._cut_short("views")
            return False
        self._views_left -= 1
        return True

    def _some(self, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """As many values of one field as can make a reading each."""
        if len(values) > VIEWS_MAX:
            self._cut_short("views")
        return values[:VIEWS_MAX]

    # --- one entity ---

    def _entity(self, node: _Node, headers: Headers) -> Iterator[_Node]:
        """Emit the entity when it is a leaf; give the entities inside it otherwise, in order."""
        if headers.truncated:
            self._cut_short("headers")
        types = headers.all("content-type")
        encodings = self._encodings(headers.all("content-transfer-encoding"))
        dispositions = tuple(map(parse_structured, self._some(headers.all("content-disposition"))))
        usual: bytes | None = types[0] if types else None
        for declared in (usual, *dict.fromkeys(other for other in types if other != usual)):
            view = node.view
            if declared is not usual:
                if not self._take_view(_TWO_TYPES):
                    break
                view = _TWO_TYPES
            structured = self._structured(declared)
            mime_type = structured.main or node.default_type
            if "/" not in mime_type and mime_type != "multipart":
                mime_type = "text/plain"  # RFC 2045 §5.2
            reading = _Reading(node, headers.body_start, mime_type, structured, dispositions, encodings, view)
            yield from self._read(reading)
        if headers.malformed:
            yield from self._odd_header(node, headers)

    def _structured(self, value: bytes | None) -> Structured:
        structured = parse_structured(value)
        if structured.truncated:
            self._cut_short("parameters")
        if structured.odd:
            self._doubt(structured.odd)
        if value is not None and "/" not in structured.main:
            self._doubt("Content-Type without a subtype")
        if any(name.startswith("boundary*") for name, _ in structured.parameters):
            self._doubt("a boundary in pieces")
        return structured

    def _encodings(self, values: tuple[bytes, ...]) -> tuple[tuple[str, str], ...]:
        """The ways to undo the transfer encoding."""
        if not values:
            return (("", ""),)
        ways: dict[str, str] = {}
        for number, given in enumerate(self._some(values)):
            name = given.decode("latin-1").lower()
            known = _ENCODINGS.get(name)
            if known is not None:
                ways.setdefault(known, _TWO_ENCODINGS if number else "")
                continue
            # Readers take it for none, or for what the word resembles: "base64;", "(c) base64", "base-64".
            self._doubt(_UNKNOWN_ENCODING)
            likely = [way for mark, way in _RESEMBLES if mark in name]
            for way in ("8bit", *(likely or ("base64", "quoted-printable"))):
                ways.setdefault(way, _UNKNOWN_ENCODING if ways else "")
        return tuple(ways.items())

    def _odd_header(self, node: _Node, headers: Headers) -> Iterator[_Node]:
        """Some readers end the header at a line that is no field, or at a name with a blank behind it."""
        why = _GARBAGE if headers.garbage else _SPACED
        if self._take_view(why):
            at = garbage_at(node.octets, start=node.start, end=headers.body_start)
            shorter = read_headers(node.octets, start=node.start, end=at)
            yield from self._entity(replace(node, view=why), shorter.ended_at(at))

    def _read(self, reading: _Reading) -> Iterator[_Node]:
        mime_type = reading.mime_type
        if mime_type.startswith("multipart"):
            yield from self._multipart(reading)
        elif mime_type in _MESSAGE_TYPES:
            self._add(reading, reading.encodings[0][0], reading.view)
            yield from self._message(reading)
        else:
            if mime_type in ("message/partial", "message/external-body"):
                self._doubt(f"{mime_type}: the content is elsewhere")
            self._leaf(reading)
            if reading.structured.parameters:
                yield from self._unexpected_multipart(reading)

    # --- leaves ---

    def _leaf(self, reading: _Reading) -> None:
        for encoding, why in reading.encodings:
            if why and not self._take_view(why):
                return
            self._add(reading, encoding, why or reading.view)
            if encoding == "base64":
                self._base64_behind_padding(reading)
            elif encoding in _AS_IS:
                self._uuencoded(reading)

    def _add(self, reading: _Reading, encoding: str, view: str) -> None:
        """One part, and one more for a name that another reader would show with another extension."""
        structured, node = reading.structured, reading.node
        charset = structured.text("charset") if structured.parameters else ""
        disposition = reading.dispositions[0].main if reading.dispositions else ""
        names = [name for one in reading.dispositions for name in one.texts("filename")]
        if structured.parameters:
            names += structured.texts("name")
        extensions: set[str] = set()
        for name in names or [""]:
            extension = name.rpartition(".")[2].lower()
            if extension in extensions:
                continue
            if extensions:
                if not self._take_view("two file names"):
                    return
                view = "two file names"
            extensions.add(extension)
            self._keep(
                Part(
                    node.path,
                    reading.mime_type,
                    charset,
                    name,
                    disposition,
                    encoding,
                    max(node.end - reading.body, 0),
                    view,
                    node.octets,
                    reading.body,
                    node.end,
                )
            )

    def _keep(self, part: Part) -> None:
        """Add the part, unless an earlier reading gave the very same."""
        if len(self.parts) >= PARTS_MAX:
            self._cut_short("parts")
            return
        key = (id(part.source), part.start, part.end, part.mime_type, part.encoding, part.filename)
        if part.view == AFTER_PADDING or key not in self._seen:
            self._seen.add(key)
            self.parts.append(part)

    def _base64_behind_padding(self, reading: _Reading) -> None:
        """Some readers stop at the first padding, some start anew behind it, some skip it."""
        octets, end = reading.node.octets, reading.node.end
        padding = octets.find(b"=", reading.body, end)
        if padding < 0 or _PADDING.fullmatch(octets, padding, end):
            return
        if self._take_view(AFTER_PADDING):
            self._add(reading, "base64", AFTER_PADDING)

    def _uuencoded(self, reading: _Reading) -> None:
        """Files uuencoded into text, which some readers show as attachments."""
        node = reading.node
        at = max(reading.body - 2, node.start)
        why = "a uuencoded file in the text"
        for match in _UU_BEGIN.finditer(node.octets, at, node.end):
            if not self._take_view(why):
                return
            start = match.start() + 2
            name = decoding.decode_octets(match[1].strip(), "")
            size = node.end - start
            self._keep(
                Part(
                    node.path, "application/octet-stream", "", name, "attachment", "x-uuencode", size, why,
                    node.octets, start, node.end,
                )
            )  # fmt: skip

    # --- what holds other entities ---

    def _multipart(self, reading: _Reading) -> Iterator[_Node]:
        node, body = reading.node, reading.body
        if node.depth >= DEPTH_MAX:
            self._cut_short("depth")
            self._add(reading, "", reading.view)
            return
        for encoding, _ in reading.encodings:
            if encoding not in _AS_IS:
                yield from self._encoded_multipart(reading, encoding)
        boundaries = reading.structured.boundaries()
        if len(boundaries) > 1:
            self._doubt(_TWO_BOUNDARIES)
        found = False
        for boundary in boundaries:
            pieces = self._cut(reading, boundary)
            if not pieces.regions:
                continue
            if found and not self._take_view(_TWO_BOUNDARIES):
                return
            yield from self._cuts(reading, boundary, pieces, _TWO_BOUNDARIES if found else reading.view)
            found = True
        if not found and body < node.end:
            self._doubt("multipart without its boundary")
            self._add(reading, "", reading.view)
            guess = guess_boundary(node.octets, start=body, end=node.end)
            if guess and self._take_view(_GUESSED):
                yield from self._cuts(reading, guess, self._cut(reading, guess), _GUESSED)

    def _cuts(self, reading: _Reading, boundary: bytes, pieces: Cut, view: str) -> Iterator[_Node]:
        """The parts by one boundary: cut strictly, then as loose readers cut, then what lies outside."""
        yield from self._pieces(reading, pieces, view)
        if pieces.odd and self._take_view(pieces.odd):
            yield from self._pieces(reading, self._cut(reading, boundary, loose=True), pieces.odd)
        yield from self._strays(reading, pieces)

    def _cut(self, reading: _Reading, boundary: bytes, *, loose: bool = False) -> Cut:
        node = reading.node
        most = PARTS_MAX - len(self.parts)
        return cut(node.octets, boundary, start=reading.body, end=node.end, most=most, loose=loose)

    def _pieces(self, reading: _Reading, pieces: Cut, view: str) -> Iterator[_Node]:
        if pieces.more:
            self._cut_short("parts")
        node = reading.node
        # RFC 2046 §5.1.5: what has no type in a digest is a message
        default = "message/rfc822" if reading.mime_type == "multipart/digest" else "text/plain"
        for number, (start, end) in enumerate(pieces.regions, 1):
            path = f"{node.prefix}{number}"
            yield _Node(node.octets, start, end, path, f"{path}.", node.depth + 1, default, view)

    def _strays(self, reading: _Reading, pieces: Cut) -> Iterator[_Node]:
        """Headers of a part in front of the first delimiter or behind the last: some readers take them for a part."""
        node = reading.node
        for start, end in ((reading.body, pieces.preamble_end), (pieces.epilogue_start, node.end)):
            at = stray_part(node.octets, start=start, end=end)
            why = "a part outside the boundaries"
            if at >= 0 and self._take_view(why):
                path = f"{node.prefix}0"
                yield _Node(node.octets, at, end, path, f"{path}.", node.depth + 1, "text/plain", why)

    def _encoded_multipart(self, reading: _Reading, encoding: str) -> Iterator[_Node]:
        """RFC 2045 §6.4 forbids to encode a multipart; some readers decode it nevertheless."""
        why = "an encoded multipart"
        decoded = self._embedded(reading, encoding) if self._take_view(why) else b""
        if decoded:
            boundary = next(iter(reading.structured.boundaries()), b"")
            quoted = boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            octets = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n%b' % (quoted, decoded)
            node = reading.node
            yield _Node(octets, 0, len(octets), node.path, node.prefix, node.depth + 1, "text/plain", why)

    def _unexpected_multipart(self, reading: _Reading) -> Iterator[_Node]:
        """A boundary where none belongs: some readers cut by it whatever the type is."""
        for boundary in reading.structured.boundaries():
            pieces = self._cut(reading, boundary)
            why = "a boundary on a type that is no multipart"
            if pieces.regions and reading.node.depth < DEPTH_MAX and self._take_view(why):
                yield from self._pieces(reading, pieces, why)

    def _message(self, reading: _Reading) -> Iterator[_Node]:
        """The message inside a message/rfc822 (RFC 2046 §5.2.1)."""
        node = reading.node
        if node.depth >= DEPTH_MAX:
            self._cut_short("depth")
            return
        path = node.path
        inner = _Node(
            node.octets, reading.body, node.end, f"{path}.1", f"{path}.", node.depth + 1, "text/plain", reading.view
        )
        usual = reading.encodings[0][0]
        if usual in _AS_IS:
            yield inner
        for encoding in (encoding for encoding, _ in reading.encodings if encoding not in _AS_IS):
            if not self._take_view(_ENCODED_MESSAGE):
                return
            octets = self._embedded(reading, encoding)
            if octets:
                yield replace(inner, octets=octets, start=0, end=len(octets), view=_ENCODED_MESSAGE)
        # RFC 2046 §5.2.1 forbids to encode it, so some readers do not decode it
        if usual not in _AS_IS and self._take_view(_ENCODED_MESSAGE):
            yield replace(inner, view=_ENCODED_MESSAGE)

    def _embedded(self, reading: _Reading, encoding: str) -> bytes:
        """The decoded body with CRLF line ends, within what is left of the allowance."""
        node = reading.node
        part = Part("", "", "", "", "", encoding, 0, "", node.octets, reading.body, node.end)
        octets = part.decoded(self._embedded_left)
        if len(octets) >= self._embedded_left:
            self._cut_short("embedded")
        self._embedded_left -= len(octets)
        return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
