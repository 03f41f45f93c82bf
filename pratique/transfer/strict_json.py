"""The rules of I-JSON (RFC 7493) that a typed decoder does not enforce, for JSON that came from a peer.

No duplicate names, integers only and within 2^53, bounded nesting, UTF-8 without a byte-order mark, no lone surrogates.
This is the slow, exact check; `metadata` spares it when the octets are exactly what our own writer would write.
"""

import json
import re
from typing import NoReturn

from pratique.transfer.fields import INTEGER_MAX

DEPTH_MAX = 8  # bounds the recursion of every reader
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKET = bytes(set(range(256)) - set(b"{}[]"))


def read_object(octets: bytes) -> dict[str, object]:
    """The object in `octets`; ValueError when it breaks a rule."""
    if octets.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte-order mark")
    if depth(octets) > DEPTH_MAX:  # before json.loads, which would recurse as deep as the text says
        raise ValueError(f"it is nested deeper than {DEPTH_MAX}")
    found = json.loads(
        octets.decode("utf-8"),
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_no_float,
        parse_constant=_no_float,
    )
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # a lone surrogate (RFC 7493 §2.1) has no UTF-8 form
    return found


def depth(octets: bytes) -> int:
    """How deep the brackets outside strings are nested."""
    level = deepest = 0
    for bracket in _STRING.sub(b"", octets).translate(None, _NOT_BRACKET):
        if bracket in b"{[":
            level += 1
            deepest = max(deepest, level)
        else:
            level -= 1
    return deepest


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _integer(digits: str) -> int:
    # 2^53 has 16 digits; a longer text is refused before int() could spend time on it
    value = int(digits) if len(digits) <= 17 else INTEGER_MAX + 1
    if abs(value) > INTEGER_MAX:
        raise ValueError("a number is outside 2^53")
    return value


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")
