"""What mail does to octets, undone: transfer encodings (RFC 2045 §6) and charsets, tolerant of damage.

No charset name from a message ever reaches the codec registry: it remembers every unknown name for good, and knows
codecs that are no charsets (hex, zlib), that are quadratic (idna, punycode) or that warn (unicode_escape). So names
are looked up in a table made at import.
Invariants: never raises; no lone surrogate in a text; linear time; output bounded by the caller's limit.
"""

import binascii
import re
from collections.abc import Iterator
from encodings.aliases import aliases
from functools import lru_cache

from pratique.mail.octets import Octets

PIECE_BYTES = 1_048_576  # what is decoded at a time, so that a small limit on a large part costs little
UU_BAD_LINES_MAX = 100  # lines inside a uuencoded file that are none; what follows is text
UU_LINE_BYTES_MAX = 4096  # a line carries 45 octets; one without end is looked at so far and is bad
RESTARTS_MAX = 1000  # padded ends inside one base64 body that are stepped over; each costs a call

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(n for n in range(256) if n not in _BASE64)
_NOT_BASE64_OR_PAD = bytes(n for n in _NOT_BASE64 if n != 0x3D)
_UU_BEGIN = re.compile(rb"begin(?:-base64)? [0-7]{3,4} [^\r\n]*+\r?\n")
_UU_LATER = re.compile(rb"\n" + _UU_BEGIN.pattern)

_CODECS = re.compile(
    r"(utf_(7|8|8_sig|16|16_be|16_le|32|32_be|32_le)|ascii|latin_1|iso8859_\d+|cp\d+|koi8_[rut]|gb2312|gbk|gb18030|hz"
    r"|big5|big5hkscs|euc_jp|euc_jis_2004|euc_jisx0213|euc_kr|johab|shift_jis|shift_jis_2004|shift_jisx0213"
    r"|iso2022_\w+|mac_(cyrillic|greek|iceland|latin2|roman|turkish)|tis_620|hp_roman8|kz1048|ptcp154)"
)
_NOT_NAME = re.compile(r"[^a-z0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
# names that mail uses and the library does not know; others it knows under a name of their own
_EXTRA = {
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_6_e": "iso8859_6",
    "x_sjis": "cp932",
    "x_gbk": "gbk",
    "x_euc_jp": "euc_jp",
    "x_cp1250": "cp1250",
    "x_cp1251": "cp1251",
    "x_cp1252": "cp1252",
    "x_mac_roman": "mac_roman",
    "x_mac_cyrillic": "mac_cyrillic",
    "ansi_x3_4_1968": "ascii",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "koi8_u": "koi8_u",
    "koi8_t": "koi8_t",
    "koi8_ru": "koi8_u",
    "windows_874": "cp874",
    "cp874": "cp874",
    "cp737": "cp737",
    "cp856": "cp856",
    "iso_2022_jp_ms": "iso2022_jp",
    "gb_2312_80": "gb18030",
    # what says US-ASCII, Latin-1 or GB 2312 is by habit of all mail readers a wider relative
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
}


def _table() -> dict[str, str]:
    names: dict[str, str] = {}
    for alias, codec in aliases.items():
        if _CODECS.fullmatch(codec):
            names[_NOT_NAME.sub("_", alias.lower())] = codec
            names[_NOT_NAME.sub("_", codec.lower())] = codec
    for number in range(1, 17):
        if number != 12:  # there is no part 12
            names[f"iso_8859_{number}"] = "latin_1" if number == 1 else f"iso8859_{number}"
    for alias, codec in _EXTRA.items():
        names[alias] = codec
        for other, target in list(names.items()):
            if target == alias:
                names[other] = codec
    return names


_NAMES = _table()


def codec_of(charset: str) -> str:
    """The codec for a charset's name as mail writes it; "" when it is none we know."""
    return _codec_of(charset) if 0 < len(charset) <= 80 else ""


@lru_cache(maxsize=256)
def _codec_of(charset: str) -> str:
    return _NAMES.get(_NOT_NAME.sub("_", charset.lower()).strip("_"), "")


def decode_octets(octets: bytes, charset: str) -> str:
    """Text of `octets`. An unknown charset reads as UTF-8 when it is that, else as Latin-1, which loses nothing."""
    codec = codec_of(charset) if charset else ""
    if not codec or codec in ("utf_8", "ascii"):
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets.decode("utf-8", "replace") if codec == "utf_8" else octets.decode("latin-1")
    return _SURROGATE.sub("\ufffd", octets.decode(codec, "replace"))


def loose_base64(octets: bytes) -> bytes:
    """All that is base64 in `octets`, as if nothing else, padding included, stood there."""
    return _whole(octets.translate(None, _NOT_BASE64))


def _whole(clean: bytes) -> bytes:
    """Decode octets of the alphabet alone; a lone last one carries less than an octet and is dropped."""
    spare = len(clean) % 4
    if spare == 1:
        return binascii.a2b_base64(clean[:-1])
    return binascii.a2b_base64(clean + b"==" if spare else clean)


def joined(pieces: Iterator[bytes], limit: int) -> bytes:
    """The first `limit` octets; what lies behind them is not decoded."""
    out: list[bytes] = []
    size = 0
    for piece in pieces:
        out.append(piece)
        size += len(piece)
        if size >= limit:
            break
    return b"".join(out)[:limit]


def plain_pieces(octets: Octets, *, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE_BYTES):
        yield octets[at : min(at + PIECE_BYTES, end)]


def loose_base64_pieces(octets: Octets, *, start: int, end: int) -> Iterator[bytes]:
    """As loose_base64."""
    carry = b""
    for piece in plain_pieces(octets, start=start, end=end):
        clean = carry + piece.translate(None, _NOT_BASE64)
        usable = len(clean) & ~3
        yield binascii.a2b_base64(clean[:usable])
        carry = clean[usable:]
    yield _whole(carry)


def base64_pieces(octets: Octets, *, start: int, end: int) -> Iterator[bytes]:
    """Base64 where each padded end starts anew, so that joined bodies all show; the rest is skipped (RFC 2045 §6.8)."""
    restarts = 0
    carry = b""
    for piece in plain_pieces(octets, start=start, end=end):
        clean = carry + piece.translate(None, _NOT_BASE64_OR_PAD)
        if b"=" in clean:
            *ended, clean = clean.split(b"=", RESTARTS_MAX - restarts)
            restarts += len(ended)
            for closed in ended:
                if closed:
                    yield _whole(closed)
            if restarts >= RESTARTS_MAX:
                return
        usable = len(clean) & ~3
        yield binascii.a2b_base64(clean[:usable])
        carry = clean[usable:]
    yield _whole(carry)


def decode_base64(octets: Octets, *, start: int, end: int, limit: int) -> bytes:
    return joined(base64_pieces(octets, start=start, end=end), limit)


def quoted_printable_pieces(octets: Octets, *, start: int, end: int) -> Iterator[bytes]:
    """Quoted-printable (RFC 2045 §6.7); an equals sign that introduces nothing stands for itself."""
    at = start
    while at < end:
        stop = min(at + PIECE_BYTES, end)
        if stop < end:  # never cut through "=XX" or "=CRLF"
            equals = octets.rfind(b"=", stop - 2, stop)
            stop = equals if equals > at else stop
        yield binascii.a2b_qp(octets[at:stop])
        at = stop


def decode_quoted_printable(octets: Octets, *, start: int, end: int, limit: int) -> bytes:
    return joined(quoted_printable_pieces(octets, start=start, end=end), limit)


def uuencode_pieces(octets: Octets, *, start: int, end: int) -> Iterator[bytes]:
    """The first uuencoded file in the region; lines that are none are skipped, up to a point."""
    begin = _UU_BEGIN.match(octets, start, end) or _UU_LATER.search(octets, start, end)
    if begin is None:
        return
    at = begin.end()
    if b"-base64" in begin[0]:
        stop = octets.find(b"\n====", at, end)
        yield from base64_pieces(octets, start=at, end=end if stop < 0 else stop)
        return
    bad = 0
    while at < end:
        newline = octets.find(b"\n", at, end)
        stop = end if newline < 0 else newline
        line = octets[at : min(stop, at + UU_LINE_BYTES_MAX)].rstrip(b"\r")
        at = stop + 1
        if line == b"end":
            break
        piece = _uu_line(line)
        if piece is None:
            bad += 1
            if bad > UU_BAD_LINES_MAX:
                break
            continue
        yield piece


def decode_uuencode(octets: Octets, *, start: int, end: int, limit: int) -> bytes:
    return joined(uuencode_pieces(octets, start=start, end=end), limit)


def _uu_line(line: bytes) -> bytes | None:
    """The octets of one line; None when it is none."""
    if not line:
        return b""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        pass  # many encoders write characters behind the last octet: the length in front decides
    octets = (line[0] - 32) & 63
    try:
        return binascii.a2b_uu(line[: 1 + (octets * 4 + 2) // 3])
    except binascii.Error:
        return None
