"""One recipient on its way to a next hop: its states, as a table. A pair that is missing is a defect and raises
KeyError.

SMTP to a foreign host cannot be exactly once: when the reply to the final dot is lost, nobody can know (RFC 1047).
So DOT is durable *before* the dot is sent: after a crash only the recipients in DOT are in doubt, and each of them is
named in the log (docs/custody.md). Hence nothing becomes DELIVERED that was not in DOT.
"""

from collections.abc import Iterable
from enum import StrEnum


class State(StrEnum):
    DUE = "DUE"  # to be tried at its time
    DOT = "DOT"  # the end of the message was or is being sent, the result is not recorded
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"  # refused for good or given up; the sender is told where that is due
    CANCELLED = "CANCELLED"  # dropped: by a named actor, or by a route to /dev/null


class Event(StrEnum):
    DOT_SENT = "dot sent"  # recorded before the octets go out
    ACCEPTED = "accepted"  # 2xx to the message
    DEFERRED = "deferred"  # 4xx, no connection, or no answer
    REFUSED = "refused"  # 5xx, or given up
    CANCEL = "cancel"
    RECOVERED = "recovered"  # after a crash, policy `retry`: try again, marked as a possible duplicate


TABLE: dict[tuple[State, Event], State] = {
    (State.DUE, Event.DOT_SENT): State.DOT,
    (State.DUE, Event.DEFERRED): State.DUE,
    (State.DUE, Event.REFUSED): State.FAILED,
    (State.DUE, Event.CANCEL): State.CANCELLED,
    (State.DOT, Event.ACCEPTED): State.DELIVERED,
    (State.DOT, Event.DEFERRED): State.DUE,
    (State.DOT, Event.REFUSED): State.FAILED,
    (State.DOT, Event.CANCEL): State.CANCELLED,  # an actor calls it delivered, or gives it up; his name is on record
    (State.DOT, Event.RECOVERED): State.DUE,
}
TERMINAL = frozenset({State.DELIVERED, State.FAILED, State.CANCELLED})


def next_state(state: State, event: Event) -> State:
    return TABLE[state, event]


def final_result(states: Iterable[State]) -> str:
    """How a copy ended, for the FIN row: "delivered" when anyone got it, else "bounced" when anyone was refused, else
    "dropped". Raises ValueError while a recipient is open."""
    seen = set(states)
    if seen - TERMINAL:
        raise ValueError("a recipient of this copy is still open")
    if State.DELIVERED in seen:
        return "delivered"
    return "bounced" if State.FAILED in seen else "dropped"
