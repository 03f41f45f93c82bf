"""Can a row hold what a move brings? The rules of types and sizes that every backend shares."""

from dataclasses import is_dataclass
from typing import Any

from pratique.store.moves import MoveRefused
from pratique.store.records import AuditEntry

INTEGER_BITS = 63  # what a column of a database holds
CID_DIGITS = 32


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
            # An audit row quotes ids, also those that are none.
            check_storable(getattr(value, inner), "quoted" if isinstance(value, AuditEntry) else inner)


def _check_text(text: str, name: str) -> None:
    try:
        text.encode()
        if name in ("cid", "sha256"):
            bytes.fromhex(text)
    except ValueError as error:
        raise MoveRefused(f"no row can hold the text {text!a} ({name}): {error}") from error
    if name == "cid" and len(text) != CID_DIGITS:
        raise MoveRefused(f"{text!a} is not the id of a copy")
