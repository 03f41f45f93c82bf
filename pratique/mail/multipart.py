"""Cutting a multipart body at its boundary (RFC 2046 §5.1.1), the strict way and the way loose readers do.

Positions only: nothing is copied. Invariants: never raises; each octet is looked at a fixed number of times.
"""

import re
from dataclasses import dataclass

from pratique.mail.octets import Octets, starts_with

NEAR_MISSES_MAX = 10_000  # lines that only begin like a boundary; more is a bomb, and cutting stops there
BOUNDARY_GUESS_BYTES_MAX = 65_536  # how far a missing boundary is looked for
STRAY_BYTES_MAX = 65_536  # how far in front of the first and behind the last part headers of a part are looked for

_NOWHERE = -9  # no position: the CRLF in front of a body that starts at 0 would lie at -2
_GUESS = re.compile(rb"(?:\A|\r\n)--([^\r\n]{1,200}?)(?:--)?[ \t]*+\r\n")
_FIELD_OF_A_PART = re.compile(rb"(?:\A|\r\n)(?i:content-(?:type|transfer-encoding|disposition))[ \t]*+:")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the parts lie: (start, end) of each, headers included."""

    regions: tuple[tuple[int, int], ...]
    preamble_end: int
    epilogue_start: int
    odd: str = ""  # why a loose reader would cut elsewhere
    more: bool = False  # there was more than was cut


def cut(octets: Octets, boundary: bytes, *, start: int, end: int, most: int, loose: bool = False) -> Cut:
    """Cut octets[start:end] into at most `most` parts.

    A delimiter is a whole line: "--", the boundary, perhaps "--", perhaps blanks. To a loose reader any line that
    begins so is one, and none closes.
    """
    needle = b"\r\n--" + boundary
    regions: list[tuple[int, int]] = []
    odd = ""
    misses = 0
    opened = _NOWHERE  # where the part under way began
    preamble_end = epilogue_start = end
    at = _first(octets, needle, start, end)
    while at != _NOWHERE:
        tail_start = at + len(needle)
        line_end = octets.find(b"\r\n", tail_start, end)
        line_end = end if line_end < 0 else line_end
        tail = b"" if loose else octets[tail_start:line_end].rstrip(b" \t")
        if tail not in (b"", b"--"):
            odd = odd or "a line that only begins like a boundary"
            misses += 1
            if misses > NEAR_MISSES_MAX:
                break
        elif epilogue_start != end:
            odd = odd or "a part behind the closing boundary"
            break
        else:
            if opened != _NOWHERE:
                regions.append((opened, max(at, opened)))
            else:
                preamble_end = max(at, start)
            if len(regions) > most:
                break
            behind = min(line_end + 2, end)
            if tail:
                if opened == at + 2:
                    odd = odd or "a boundary that closes where it opens"
                opened, epilogue_start = _NOWHERE, behind
            else:
                opened = behind
        at = _find(octets, needle, line_end, end)
    if opened != _NOWHERE and len(regions) <= most:
        regions.append((opened, end))
    return Cut(
        tuple(regions[:most]), preamble_end, epilogue_start, odd, more=len(regions) > most or misses > NEAR_MISSES_MAX
    )


def _first(octets: Octets, needle: bytes, start: int, end: int) -> int:
    """Where the CRLF of the first delimiter lies, or would lie when the body begins with the delimiter."""
    if starts_with(octets, needle[2:], start, end):
        return start - 2
    return _find(octets, needle, start, end)


def _find(octets: Octets, needle: bytes, start: int, end: int) -> int:
    at = octets.find(needle, start, end)
    return _NOWHERE if at < 0 else at


def guess_boundary(octets: Octets, *, start: int, end: int) -> bytes:
    """The boundary of a multipart that names none: its first line that begins with two hyphens; b"" when none does."""
    match = _GUESS.search(octets[start : min(end, start + BOUNDARY_GUESS_BYTES_MAX)])
    return match[1].rstrip(b" \t") if match else b""


def stray_part(octets: Octets, *, start: int, end: int) -> int:
    """Where, in text that belongs to no part, headers of a part begin; -1 when nothing looks like it."""
    if end - start < 10:
        return -1
    match = _FIELD_OF_A_PART.search(octets[start : min(end, start + STRAY_BYTES_MAX)])
    if match is None:
        return -1
    return start + match.start() + (2 if match[0].startswith(b"\r\n") else 0)
