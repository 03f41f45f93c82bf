"""What waits for the writer: a move, the numbers that were drawn for it, and the promise of its result."""

import asyncio
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

M = TypeVar("M")


@dataclass(slots=True, eq=False)
class Item(Generic[M]):
    """`number` is the first of those drawn for the rows that the move itself writes (tombstone, FIN, DEL)."""

    move: M
    future: "asyncio.Future[Any]"
    number: int
    seq: int  # highest number given out when the move was submitted
    mid: int
