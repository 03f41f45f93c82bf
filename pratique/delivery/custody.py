"""The hand-off of a copy between appliances, as tables (docs/custody.md, docs/cpq.md §4, §6).

Everything here is a lookup: what the receiver of a transfer answers and commits, and what the sender makes of an
answer. A pair that is missing from a table is a defect of ours and raises KeyError: custody is never guessed.
The stores apply these tables inside their transactions, and the explicit-state model runs the same tables (with one
safeguard removed at a time, to show that each is needed).

Words: a *copy* is one message for one group of recipients, id `cid`; a *hop* is one hand-off of it, id cid.hop;
odd hops go gateway -> manager, even hops manager -> gateway. A *tombstone* is the receiver's durable memory of a hop.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pratique.mail.values import value


class _Word(StrEnum):
    """Equal texts have equal hashes, so a word is found in a table by its text; and they are made in C, not by Enum."""

    __hash__ = str.__hash__


class Tombstone(_Word):
    NONE = "-"
    ACC = "ACC"  # the receiver has the copy
    CANC = "CANC"  # the receiver will never take this hop


class Answer(_Word):
    """What the receiver does; the first two write, the rest only answer."""

    COMMIT_ACC = "commit ACC"
    COMMIT_CANC = "commit CANC"
    ACC_AGAIN = "ACC again"
    CANC_AGAIN = "CANC again"
    CANCELLED = "cancelled"
    CONFLICT = "conflict"


class Content(_Word):
    """Does the unit carry the same seal, from the same peer, as the tombstone remembers? A tombstone without a seal
    (inferred) matches any."""

    SAME = "same"
    OTHER = "other"


GROUP: dict[tuple[Tombstone, Content], Answer] = {
    (Tombstone.NONE, Content.SAME): Answer.COMMIT_ACC,
    (Tombstone.ACC, Content.SAME): Answer.ACC_AGAIN,
    (Tombstone.ACC, Content.OTHER): Answer.CONFLICT,
    (Tombstone.CANC, Content.SAME): Answer.CANCELLED,
    (Tombstone.CANC, Content.OTHER): Answer.CANCELLED,
}
CANCEL: dict[tuple[Tombstone, Content], Answer] = {
    (
        Tombstone.NONE,
        Content.SAME,
    ): Answer.COMMIT_CANC,  # also for an id never seen: a late group must find it
    (Tombstone.ACC, Content.SAME): Answer.ACC_AGAIN,  # too late
    (Tombstone.ACC, Content.OTHER): Answer.CONFLICT,
    (Tombstone.CANC, Content.SAME): Answer.CANC_AGAIN,
    (Tombstone.CANC, Content.OTHER): Answer.CANC_AGAIN,
}


class GatewayCopy(_Word):
    """Where a copy that goes to quarantine stands at the gateway that accepted it."""

    QUEUED = "Q"  # ours; waits until the manager is ready; any route may still be taken
    IN_DOUBT = "X"  # intent written: may only be retried or cancelled
    DONE = "DONE"  # the manager has it; the body here is a shadow
    LOCAL = "LOC"  # ours again: the hop is cancelled for good
    DOUBT = "DOUBT"  # only a named actor decides
    SETTLED = "SETTLED"  # over
    CANCELLED = "CANC"  # a release that this gateway will not deliver: the manager has the copy


class ManagerCopy(_Word):
    HELD = "HELD"
    RELEASING = "REL"  # released by an actor on record; intent towards one target: retry or cancel only
    RELEASED = "RELD"  # a gateway has it; body kept until FIN
    CLOSED = "CLOSED"  # the gateway told how it ended
    DELETED = "DEL"
    DOUBT = "DOUBT"


class Event(_Word):
    """What can happen to a sender's copy."""

    INTEND = "intend"  # the peer said READY
    ACC = "ACC"  # XQACC read, or a row that implies it
    CANC = "CANC"  # XQCANC or XQCANCELLED read
    DELETED_ROW = "DEL row"  # the manager told that the copy was deleted: it had custody
    RELEASE = "release"  # every quarantine let it go
    DELETE = "delete"  # one quarantine deleted it
    FIN = "FIN row"  # the gateway told the end
    LOST = "lost"  # the manager acknowledged it in a life that it has lost since
    SET_BACK = "target set back"  # the gateway that may have the release was set back to an older state
    ACTOR_SENDS = "actor sends"  # a named actor ends the doubt: deliver it, which may be twice
    ACTOR_ENDS = "actor ends"  # a named actor ends the doubt: it counts as delivered


GATEWAY: dict[tuple[GatewayCopy, Event], GatewayCopy] = {
    (GatewayCopy.QUEUED, Event.INTEND): GatewayCopy.IN_DOUBT,
    (GatewayCopy.IN_DOUBT, Event.ACC): GatewayCopy.DONE,
    (GatewayCopy.IN_DOUBT, Event.CANC): GatewayCopy.LOCAL,
    (GatewayCopy.IN_DOUBT, Event.DELETED_ROW): GatewayCopy.DONE,
    (GatewayCopy.DONE, Event.ACC): GatewayCopy.DONE,
    (GatewayCopy.DONE, Event.DELETED_ROW): GatewayCopy.DONE,
    (GatewayCopy.LOCAL, Event.CANC): GatewayCopy.LOCAL,
    (GatewayCopy.DONE, Event.LOST): GatewayCopy.IN_DOUBT,  # offered again, same hop, same octets
    (GatewayCopy.DOUBT, Event.ACTOR_SENDS): GatewayCopy.LOCAL,
    (GatewayCopy.DOUBT, Event.ACTOR_ENDS): GatewayCopy.SETTLED,
}
MANAGER: dict[tuple[ManagerCopy, Event], ManagerCopy] = {
    (ManagerCopy.HELD, Event.RELEASE): ManagerCopy.RELEASING,
    (ManagerCopy.HELD, Event.DELETE): ManagerCopy.DELETED,
    (ManagerCopy.RELEASING, Event.ACC): ManagerCopy.RELEASED,
    (ManagerCopy.RELEASING, Event.CANC): ManagerCopy.RELEASING,  # this target is out; the next is tried
    (ManagerCopy.RELEASING, Event.FIN): ManagerCopy.CLOSED,  # FIN implies ACC
    (ManagerCopy.RELEASED, Event.ACC): ManagerCopy.RELEASED,
    (ManagerCopy.RELEASED, Event.FIN): ManagerCopy.CLOSED,
    (ManagerCopy.CLOSED, Event.ACC): ManagerCopy.CLOSED,
    (ManagerCopy.CLOSED, Event.FIN): ManagerCopy.CLOSED,
    # Answers may come late (found by the model): after an override the first target closes the copy and the second
    # one's CANC follows. A copy in doubt takes no answer at all, its transfer is over; only FIN tells how it ended.
    (ManagerCopy.CLOSED, Event.CANC): ManagerCopy.CLOSED,
    (ManagerCopy.DOUBT, Event.FIN): ManagerCopy.CLOSED,
    (ManagerCopy.RELEASING, Event.SET_BACK): ManagerCopy.DOUBT,
    (ManagerCopy.RELEASED, Event.SET_BACK): ManagerCopy.DOUBT,
    (ManagerCopy.DOUBT, Event.ACTOR_SENDS): ManagerCopy.RELEASING,
    (ManagerCopy.DOUBT, Event.ACTOR_ENDS): ManagerCopy.DELETED,
    (ManagerCopy.DELETED, Event.FIN): ManagerCopy.DELETED,
}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of the hand-off together; the model's mutants are copies with a row changed (proof/rules.py adds
    those of delivery.recovery)."""

    group: dict[tuple[Tombstone, Content], Answer] = field(default_factory=lambda: GROUP)
    cancel: dict[tuple[Tombstone, Content], Answer] = field(default_factory=lambda: CANCEL)
    gateway: dict[tuple[GatewayCopy, Event], GatewayCopy] = field(default_factory=lambda: GATEWAY)
    manager: dict[tuple[ManagerCopy, Event], ManagerCopy] = field(default_factory=lambda: MANAGER)


TABLES = Tables()


@value
class Remembered:
    """A tombstone as it is stored."""

    kind: Tombstone
    seal: str  # "-" = inferred, matches any
    peer: str  # "-" = inferred from what another gateway told, matches any


NOTHING = Remembered(Tombstone.NONE, "-", "")


def _content(memory: Remembered, seal: str, peer: str) -> Content:
    if memory.kind is Tombstone.NONE:
        return Content.SAME
    same = memory.seal in ("-", seal) and memory.peer in ("-", peer)
    return Content.SAME if same else Content.OTHER


def on_group(memory: Remembered, seal: str, peer: str, tables: Tables = TABLES) -> Answer:
    """The receiver's answer to a message group."""
    if memory.kind is not Tombstone.NONE and memory.peer not in ("-", peer):
        return Answer.CONFLICT  # an id held for another peer
    return tables.group[memory.kind, _content(memory, seal, peer)]


def on_cancel(memory: Remembered, seal: str, peer: str, tables: Tables = TABLES) -> Answer:
    """The receiver's answer to XQCANCEL."""
    if memory.kind is not Tombstone.NONE and memory.peer not in ("-", peer):
        return Answer.CONFLICT
    return tables.cancel[memory.kind, _content(memory, seal, peer)]


def gateway_next(state: GatewayCopy, event: Event, tables: Tables = TABLES) -> GatewayCopy:
    return tables.gateway[state, event]


def manager_next(state: ManagerCopy, event: Event, tables: Tables = TABLES) -> ManagerCopy:
    return tables.manager[state, event]
