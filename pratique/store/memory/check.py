"""Can a row hold what a move brings? The rules of types and sizes that every backend shares."""

from dataclasses import is_dataclass
from typing import Any

from pratique.store.moves import MoveRefused

INTEGER_BITS = 63  # what a column of a database holds
_HEX = {"cid": 32, "sha256": 64}  # fields that are hex digits, and how many


def check_storable(value: Any, name: str = "") -> None:
    """Numbers have at most 63 bits, texts are Unicode, ids and digests are hex; else MoveRefused."""
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, int):
        if value.bit_length() > INTEGER_BITS:
            raise MoveRefused(f"no row can hold the number {value} ({name})")
    elif isinstance(value, tuple):
        for one in value:
            check_storable(one, name)
    elif is_dataclass(value):
        for inner in value.__dataclass_fields__:
            check_storable(getattr(value, inner), inner)


def _check_text(text: str, name: str) -> None:
    try:
        text.encode()
        if text and name in _HEX and len(bytes.fromhex(text)) * 2 != _HEX[name]:
            raise ValueError("not an id")
    except ValueError as error:
        raise MoveRefused(f"no row can hold the text {text!a} ({name}): {error}") from error
