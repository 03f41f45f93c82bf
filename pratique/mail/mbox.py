"""One message as an mbox file holds it (RFC 4155): the separator line, line ends LF, and `From ` at the beginning of a
line quoted so that it can be undone (mboxrd). Memory is bounded whatever a line's length.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

CARRY_BYTES_MAX = 65_536
_SEPARATOR = re.compile(rb">*From ")
_UNFIT = re.compile(r"[^!-~]")


def mbox(sender: str, at_ms: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces`: the message as it was accepted, with CRLF."""
    address = _UNFIT.sub("_", sender) or "MAILER-DAEMON"
    date = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S %Y")
    yield f"From {address} {date}\n".encode()
    carry, fresh = b"", True  # `fresh`: what comes begins a line
    for piece in pieces:
        *lines, carry = (carry + piece).split(b"\n")
        for line in lines:
            yield _quoted(line.removesuffix(b"\r"), fresh) + b"\n"
            fresh = True
        if len(carry) > CARRY_BYTES_MAX and not carry.endswith(b"\r"):
            yield _quoted(carry, fresh)
            carry, fresh = b"", False
    if carry or not fresh:
        yield _quoted(carry, fresh) + b"\n"
    yield b"\n"


def _quoted(line: bytes, fresh: bool) -> bytes:
    return b">" + line if fresh and _SEPARATOR.match(line) else line
