"""The marks of a message in its quarantines, and what follows for the message (docs/operate/quarantine.md).

A message may lie in several quarantines. Each gives it a mark of its own; it leaves for delivery only when every
mark is RELEASED, and it is never delivered once one mark is DELETED. A mark once given is not taken back.
"""

from collections.abc import Iterable
from enum import StrEnum


class Mark(StrEnum):
    HELD = "HELD"
    RELEASED = "RELEASED"
    DELETED = "DELETED"


class Exit(StrEnum):
    NONE = "none"  # still held somewhere
    RELEASE = "release"  # released from all quarantines
    DELETE = "delete"  # decided everywhere, deleted at least once


class Cause(StrEnum):
    MANUAL = "manual"
    EXPIRED = "expired"
    QUEUE_FULL = "queue full"
    OUTBREAK = "outbreak"


def exit_of(marks: Iterable[Mark]) -> Exit:
    """What happens to the message, given all its marks."""
    seen = set(marks)
    if Mark.HELD in seen or not seen:
        return Exit.NONE
    return Exit.DELETE if Mark.DELETED in seen else Exit.RELEASE
