"""Identifiers of custody: the copy's id (cid) and a transfer's id (xid = cid.hop).

A cid is 128 bits: 48 bits of milliseconds since 1970, then 80 random bits, as 32 lower-case hex digits.
Time-ordered keys are cheap to insert; 80 random bits make a guess useless (docs/internals.md, "Numbers").
Clock and randomness are arguments: this room has neither.
"""

import re
from functools import lru_cache

HOP_MAX = 999
_CID = re.compile(r"[0-9a-f]{32}\Z")
_XID = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,2})\Z")


def make_cid(now_ms: int, random_bytes: bytes) -> str:
    """The id of a new copy, from the time in ms and ten random bytes."""
    assert len(random_bytes) == 10
    return f"{now_ms & 0xFFFFFFFFFFFF:012x}{random_bytes.hex()}"


def is_cid(text: str) -> bool:
    return _CID.match(text) is not None


def make_xid(cid: str, hop: int) -> str:
    assert 1 <= hop <= HOP_MAX
    return f"{cid}.{hop}"


@lru_cache(maxsize=512)  # several rooms ask for the same one while its unit is under way
def parse_xid(text: str) -> tuple[str, int]:
    """(cid, hop) of a transfer id; ValueError when it is not one (cpq.md §3)."""
    match = _XID.match(text)
    if match is None:
        raise ValueError("not a transfer id")
    return match.group(1), int(match.group(2))
