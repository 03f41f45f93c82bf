"""Cutting a multipart body at its boundary (RFC 2046 §5.1.1), the strict way and the way loose readers do.

Positions only: nothing is copied. Invariants: never raises; each octet is looked at a fixed number of times.
"""

import re
from dataclasses import dataclass

BOUNDARY_GUESS_BYTES_MAX = 65_536  # how far a missing boundary is looked for
STRAY_BYTES_MAX = 65_536  # how far in front of the first and behind the last part headers of a part are looked for

_GUESS = re.compile(rb"(?:\A|\r\n)--([^\r\n]{1,200}?)(?:--)?[ \t]*+\r\n")
_FIELD_OF_A_PART = re.compile(rb"(?:\A|\r\n)(?i:content-(?:type|transfer-encoding|disposition))[ \t]*+:")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the parts lie: (start, end) of each, headers included."""

    regions: tuple[tuple[int, int], ...]
    preamble_end: int
    epilogue_start: int
    odd: str = ""  # why a loose reader would cut elsewhere
    more: bool = False  # there were more parts than asked for


def cut(octets: bytes, boundary: bytes, *, start: int, end: int, most: int, loose: bool = False) -> Cut:
    """Cut octets[start:end] into at most `most` parts.

    A delimiter is a whole line: "--", the boundary, perhaps "--", perhaps blanks. A loose reader also takes a line that
    only begins so, and goes on behind the closing delimiter.
    """
    needle = b"\r\n--" + boundary
    width = len(needle)
    regions: list[tuple[int, int]] = []
    odd = ""
    opened = -1  # where the part under way began
    preamble_end = epilogue_start = end
    at = _first(octets, needle, start, end)
    while at >= 0:
        line_end = octets.find(b"\r\n", at + width, end)
        if line_end < 0:
            line_end = end
        tail = octets[at + width : line_end].rstrip(b" \t")
        closing = tail == b"--" or (loose and tail.startswith(b"--"))
        if tail and not closing and not loose:
            odd = odd or "a line that only begins like a boundary"
        elif epilogue_start != end and not loose:
            odd = odd or "a part behind the closing boundary"
            break
        else:
            if opened >= 0:
                if len(regions) >= most:
                    return Cut(tuple(regions), preamble_end, epilogue_start, odd, more=True)
                regions.append((opened, max(at, opened)))
            elif not regions:
                preamble_end = max(at, start)
            opened = -1 if closing else min(line_end + 2, end)
            if closing:
                epilogue_start = min(line_end + 2, end) if line_end < end else end
        at = octets.find(needle, line_end, end)
    if opened >= 0:
        if len(regions) >= most:
            return Cut(tuple(regions), preamble_end, epilogue_start, odd, more=True)
        regions.append((opened, end))
    return Cut(tuple(regions), preamble_end, epilogue_start, odd)


def _first(octets: bytes, needle: bytes, start: int, end: int) -> int:
    """Where the CRLF of the first delimiter lies, or would lie when the body begins with the delimiter."""
    if octets.startswith(needle[2:], start, end):
        return start - 2
    return octets.find(needle, start, end)


def guess_boundary(octets: bytes, *, start: int, end: int) -> bytes:
    """The boundary of a multipart that names none: its first line that begins with two hyphens; b"" when none does."""
    match = _GUESS.search(octets[start : min(end, start + BOUNDARY_GUESS_BYTES_MAX)])
    return match[1].rstrip(b" \t") if match else b""


def stray_part(octets: bytes, *, start: int, end: int) -> int:
    """Where, in text that belongs to no part, headers of a part begin; -1 when nothing looks like it."""
    if end - start < 10:
        return -1
    match = _FIELD_OF_A_PART.search(octets[start : min(end, start + STRAY_BYTES_MAX)])
    if match is None:
        return -1
    return start + match.start() + (2 if match[0].startswith(b"\r\n") else 0)
