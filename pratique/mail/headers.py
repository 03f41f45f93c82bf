"""The header block of a message, read from its octets by hand, and the decoder of encoded words (RFC 5322, RFC 2047).

Not an address parser and not the standard library's `email`, which blows up in time or memory on hostile headers.
Invariants: nothing here raises, whatever the octets; time is linear in the block, which is capped; a value has no
line folding left. What was cut is told by `truncated`, what different readers would read differently by `malformed`.
"""

import binascii
import re
from itertools import islice

from pratique.mail.decoding import decode_octets, loose_base64
from pratique.mail.octets import Octets, starts_with

HEADER_BLOCK_BYTES_MAX = 262_144  # four times the largest block seen in honest mail; bounds work per message
HEADER_VALUE_BYTES_MAX = 65_536  # a To: with a thousand addresses fits
HEADERS_MAX = 1000  # honest mail has under two hundred
ENCODED_WORDS_MAX = 200  # a subject of 200 words of 75 characters is longer than any reader shows

# field-name = 1*ftext ; RFC 5322 §3.6.8: printable US-ASCII except colon
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_NOT_FIELD_NAME = re.compile(rb"[^!-9;-~]+")
# encoded-word = "=?" charset "?" encoding "?" encoded-text "?=" ; RFC 2047 §2; blanks in the text are tolerated
_ENCODED_WORD = re.compile(rb"=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=")
# What decides how a body is read; a broken form of these names is looked at all the same.
STRUCTURAL = frozenset({"content-type", "content-transfer-encoding", "content-disposition"})
_BLANK_LINE = re.compile(rb"\r\n[ \t]++(?:\r\n|\Z)")
_BLANK = b" \t\r\n"
_WSP = (b" ", b"\t")
_NONE: frozenset[str] = frozenset()
# Names met in nearly every message: one lookup instead of a match, a decode and a lower().
_COMMON = """
ARC-Authentication-Results ARC-Message-Signature ARC-Seal Authentication-Results Auto-Submitted Bcc Cc
Content-Disposition Content-ID Content-Language Content-Transfer-Encoding Content-Type DKIM-Signature Date
Delivered-To From In-Reply-To List-Id List-Unsubscribe MIME-Version Message-ID Message-Id Mime-Version Precedence
Received Received-SPF References Reply-To Return-Path Sender Subject To User-Agent X-Mailer X-Priority
"""
_KNOWN = {name.encode(): (name, name.lower()) for name in _COMMON.split()}


class Headers:
    """The fields of one header block in their order. Values are raw octets, unfolded, without blanks around them."""

    __slots__ = ("_index", "body_start", "fields", "garbage", "spaced", "truncated")

    def __init__(
        self,
        fields: tuple[tuple[str, bytes], ...],
        body_start: int,
        index: dict[str, list[bytes]],
        *,
        truncated: bool = False,
        garbage: bool = False,
        spaced: frozenset[str] = frozenset(),
    ) -> None:
        self.fields = fields  # names as written
        self.body_start = body_start  # offset of the first octet behind the blank line
        self.truncated = truncated  # a cap was met: there is more than `fields` shows
        self.garbage = garbage  # a line that is no field: readers differ on where the header ends
        self.spaced = spaced  # lower-case names that were written with a blank before the colon
        self._index = index

    @property
    def malformed(self) -> bool:
        """Readers differ on what the fields are."""
        return self.garbage or bool(self.spaced)

    def ended_at(self, body_start: int) -> "Headers":
        """The same fields for a reader to whom the body starts there, with nothing odd left to tell."""
        return Headers(self.fields, body_start, self._index, truncated=self.truncated)

    def get(self, name: str) -> bytes | None:
        """The first value of the field, None when it is absent."""
        values = self._index.get(name.lower())
        return values[0] if values else None

    def all(self, name: str) -> tuple[bytes, ...]:
        return tuple(self._index.get(name.lower(), ()))


def read_headers(octets: Octets, *, start: int = 0, end: int | None = None) -> Headers:
    """The header block that begins at `start`; without a blank line all up to `end` is header."""
    stop = len(octets) if end is None else end
    if starts_with(octets, b"\r\n", start, stop):
        return Headers((), start + 2, {})
    blank = octets.find(b"\r\n\r\n", start, stop)
    block_end, body_start = (stop, stop) if blank < 0 else (blank, blank + 4)
    if block_end - start > HEADER_BLOCK_BYTES_MAX:
        block_end = start + HEADER_BLOCK_BYTES_MAX
        cut = octets.rfind(b"\r\n", start, block_end)
        return _read_block(octets[start : max(cut, start)], body_start, truncated=True)
    return _read_block(octets[start:block_end], body_start, truncated=False)


def _read_block(block: bytes, body_start: int, *, truncated: bool) -> Headers:
    unfolded, odd = _unfold(block)
    lines = unfolded.split(b"\r\n", HEADERS_MAX)
    if len(lines) > HEADERS_MAX:
        truncated = lines.pop() != b"" or truncated
    fields: list[tuple[str, bytes]] = []
    index: dict[str, list[bytes]] = {}
    spaced: set[str] = set()
    for line in lines:
        raw_name, colon, value = line.partition(b":")
        names = _KNOWN.get(raw_name)
        if names is None or not colon:
            names = _names(raw_name) if colon else None
            if names is None:
                odd = odd or line != b""  # an empty line is only what stands behind the last CRLF
                if colon and (lower := _resembled(raw_name)):
                    index.setdefault(lower, []).append(value.strip(_BLANK))
                continue
            if len(names[0]) != len(raw_name):
                spaced.add(names[1])
        name, lower = names
        value = value.strip(_BLANK)
        if len(value) > HEADER_VALUE_BYTES_MAX:
            value = value[:HEADER_VALUE_BYTES_MAX]
            truncated = True
        fields.append((name, value))
        held = index.get(lower)
        if held is None:
            index[lower] = [value]
        else:
            held.append(value)
    return Headers(
        tuple(fields),
        body_start,
        index,
        truncated=truncated,
        garbage=odd,
        spaced=frozenset(spaced) if spaced else _NONE,
    )


def _names(raw_name: bytes) -> tuple[str, str] | None:
    """The name as written and in lower case; None when it is no field name. Blanks before the colon are dropped."""
    bare = raw_name.rstrip(b" \t")
    if _FIELD_NAME.fullmatch(bare) is None:
        return None
    name = bare.decode("ascii")
    return name, name.lower()


def _resembled(raw_name: bytes) -> str:
    """The structural field that a broken name stands for to a lenient reader; "" = none. It is not listed in fields."""
    bare = _NOT_FIELD_NAME.sub(b"", raw_name).decode("ascii").lower()
    return bare if bare in STRUCTURAL else ""


def garbage_at(octets: Octets, *, start: int, end: int) -> int:
    """Where the first line stands that is no field to a strict reader, whose header ends there; `end` when none is."""
    at = start
    while at < end:
        line_end = octets.find(b"\r\n", at, end)
        stop = end if line_end < 0 else line_end
        line = octets[at:stop]
        if line[:1] in _WSP and at > start:
            is_field = line.strip(b" \t") != b""
        else:
            name, colon, _ = line.partition(b":")
            is_field = colon != b"" and _FIELD_NAME.fullmatch(name) is not None
        if not is_field:
            return at
        at = stop + 2
    return end


def _unfold(block: bytes) -> tuple[bytes, bool]:
    """The block with folded lines joined (RFC 5322 §2.2.3), and whether the folding was odd.

    A continuation in front of any field, or one of blanks alone, is odd: some readers end the header there.
    """
    odd = block[:1] in _WSP or (
        # a line of blanks ends in one: two searches at the speed of memory spare the slow third
        (b" \r\n" in block or b"\t\r\n" in block or block[-1:] in _WSP) and _BLANK_LINE.search(block) is not None
    )
    return block.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t"), odd


def received_count(headers: Headers) -> int:
    """How many hosts say they handled the message; the loop guard (RFC 5321 §6.3)."""
    return len(headers.all("received"))


def decode_value(raw: bytes) -> str:
    """A header value as a reader sees it: encoded words decoded, other octets as UTF-8 or else Latin-1."""
    if b"=?" not in raw:
        return raw.decode("ascii") if raw.isascii() else decode_octets(raw, "")
    out: list[str] = []
    pending: list[bytes] = []  # octets of adjacent words of one charset: a character may be split between them
    charset = ""
    at = 0
    for match in islice(_ENCODED_WORD.finditer(raw), ENCODED_WORDS_MAX):
        between = raw[at : match.start()]
        at = match.end()
        name = match[1].split(b"*", 1)[0].decode("latin-1").lower()  # RFC 2231 §5: charset*language
        # RFC 2047 §6.2: blanks between adjacent encoded words are not shown
        joined = bool(pending) and not between.strip(_BLANK)
        if not joined or name != charset:
            if pending:
                out.append(decode_octets(b"".join(pending), charset))
                pending = []
            if not joined and between:
                out.append(decode_octets(between, ""))
        charset = name
        pending.append(_word_octets(match[2], match[3]))
    if pending:
        out.append(decode_octets(b"".join(pending), charset))
    if at < len(raw):
        out.append(decode_octets(raw[at:], ""))
    return "".join(out)


def _word_octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    return loose_base64(text)
