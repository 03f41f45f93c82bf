"""What a hello tells of a set-back, and what is written of it with the hello: the same for both backends."""

import json
from dataclasses import dataclass
from typing import Any

from pratique.store.moves import HelloFrom
from pratique.store.records import Peer

SET_BACK = "set-back"  # the setting that says to which state of ours we were set back


@dataclass(frozen=True, slots=True)
class Heard:
    here: bool  # our own store was found to be older
    there: bool  # after this hello the peer counts as set back
    ended: bool  # it counted so, and came with a new incarnation
    begins: bool  # it says for the first time to what state: its journal begins anew for us
    lost: tuple[int, int]
    newer: bool

    @property
    def values(self) -> dict[str, Any]:
        return {
            "there": self.there,
            "begins": self.begins,
            "lost_inc": self.lost[0],
            "lost_seq": self.lost[1],
            "newer": self.newer,
        }


def heard(move: HelloFrom, before: Peer, *, role: str, inc: int) -> Heard:
    """`before`: what was known of the peer; `inc`: our own incarnation."""
    counts = move.compared in (None, (inc, before.inc))
    here = counts and move.set_back_here
    found = (counts and move.set_back_there) or move.old is not None
    anew = move.inc > before.inc
    known = (before.lost_inc, before.lost_seq)
    # It has begun a new life since the state that we were set back to: nobody testifies of the one that it lost.
    unsure = role == "manager" and before.set_back_here and anew and before.inc > 0
    there = found or unsure or (before.set_back_there and not anew)
    stated = move.old or (move.inc, move.seq)
    lost = (0, 0)
    if there:
        lost = min(known, stated) if before.set_back_there and not anew and move.old is None else stated
    return Heard(
        here=here,
        there=there,
        ended=before.set_back_there and anew and not there,
        begins=move.old is not None and (not before.set_back_there or move.old != known),
        lost=lost,
        newer=role == "gateway" and (here or before.set_back_here) and anew and before.inc > 0,
    )


def set_back_to(state: tuple[int, ...]) -> str:
    """The text of the setting that says to which state of ours we were set back."""
    return json.dumps(list(state))


def state_of(text: str) -> tuple[int, int] | None:
    """... and back; None when we were not."""
    return tuple(json.loads(text)) if text else None
