"""The way back after a store was put back from an older copy, as tables (docs/custody.md, docs/cpq.md §6).

*Reconciliation*: a manager that was set back hears what every gateway knows, then decides once for each copy that it
has. *Adoption*: a gateway that was set back asks the manager about each copy of its own whose way it cannot know.
Lookups like those of delivery.custody: the stores apply them inside their transactions, the model runs the same ones.
What a table lacks is not guessed: a manager's copy stays as it is, a gateway's goes to a named actor's list (DOUBT).
"""

from enum import StrEnum

from pratique.delivery.custody import MANAGER, Event, GatewayCopy, ManagerCopy, Tombstone


class Told(StrEnum):
    """What all gateways together say of one copy; the first that fits."""

    DELETED = "DEL row"  # its origin was told that it was deleted
    ENDED = "FIN row"  # a gateway took a release of it and reported the end
    TAKEN = "ACC"  # a gateway has a release of it
    LOCAL = "LOC"  # its origin was told that the hop is cancelled
    UNSURE = "unsure"  # a gateway that was set back itself may have taken a release of it
    NOTHING = "nothing"


RECONCILE: dict[tuple[ManagerCopy, Told], ManagerCopy] = {
    (ManagerCopy.HELD, Told.DELETED): ManagerCopy.DELETED,
    (ManagerCopy.HELD, Told.ENDED): ManagerCopy.CLOSED,
    (ManagerCopy.HELD, Told.TAKEN): ManagerCopy.RELEASED,
    (ManagerCopy.HELD, Told.LOCAL): ManagerCopy.CLOSED,
    (ManagerCopy.HELD, Told.UNSURE): ManagerCopy.DOUBT,
    # A release that was in doubt was ended as a deletion; or an older life had decided it, and a newer one cancelled.
    (ManagerCopy.RELEASING, Told.DELETED): ManagerCopy.DELETED,
    (ManagerCopy.RELEASING, Told.LOCAL): ManagerCopy.CLOSED,
    (ManagerCopy.RELEASING, Told.UNSURE): ManagerCopy.DOUBT,
    (ManagerCopy.RELEASED, Told.DELETED): ManagerCopy.DELETED,
    (ManagerCopy.RELEASED, Told.UNSURE): ManagerCopy.DOUBT,
    (ManagerCopy.DELETED, Told.ENDED): ManagerCopy.CLOSED,
    (ManagerCopy.DELETED, Told.TAKEN): ManagerCopy.RELEASED,
    (ManagerCopy.DELETED, Told.LOCAL): ManagerCopy.CLOSED,
    (ManagerCopy.DOUBT, Told.DELETED): ManagerCopy.DELETED,
}
# A release that the older state knows of is answered as in ordinary life.
ANSWER: dict[Told, Event] = {Told.TAKEN: Event.ACC, Told.ENDED: Event.FIN}
# The tombstone of the odd hop by which the copy came (or came to a manager that lost it), as far as it follows.
CAME: dict[Told, Tombstone] = {
    Told.ENDED: Tombstone.ACC,
    Told.TAKEN: Tombstone.ACC,
    Told.LOCAL: Tombstone.CANC,
}


class Shown(StrEnum):
    """What the manager shows of the hop by which a gateway offered, or would offer, a copy."""

    ACC = "ACC"  # it has, or had, the copy
    DELETED = "DEL"  # and it was deleted there
    CANC = "CANC"
    ENDED = "CANC, FIN=local"  # and the gateway had reported that the copy was over
    DOUBT = "DOUBT"  # it only infers that the copy came
    NONE = "NONE"
    LOST = "NONE, restored"  # and it was set back itself since the gateway's state was saved


ADOPT: dict[tuple[GatewayCopy, Shown], GatewayCopy] = {
    (GatewayCopy.QUEUED, Shown.ACC): GatewayCopy.DONE,
    (GatewayCopy.QUEUED, Shown.DELETED): GatewayCopy.DONE,
    (GatewayCopy.QUEUED, Shown.ENDED): GatewayCopy.SETTLED,
    (GatewayCopy.QUEUED, Shown.NONE): GatewayCopy.QUEUED,
    (GatewayCopy.IN_DOUBT, Shown.ACC): GatewayCopy.DONE,
    (GatewayCopy.IN_DOUBT, Shown.DELETED): GatewayCopy.DONE,
    (GatewayCopy.IN_DOUBT, Shown.ENDED): GatewayCopy.SETTLED,
    (GatewayCopy.IN_DOUBT, Shown.NONE): GatewayCopy.IN_DOUBT,
    (GatewayCopy.LOCAL, Shown.ENDED): GatewayCopy.SETTLED,
    (GatewayCopy.DONE, Shown.ACC): GatewayCopy.DONE,
    (GatewayCopy.DONE, Shown.DELETED): GatewayCopy.DONE,
}


class Release(StrEnum):
    """What the manager shows of a release hop that a gateway took and has not reported the end of."""

    ENDED = "CLOSED"  # the end was reported before the gateway was set back
    OTHERS = "another state"  # it has the copy itself, offers it elsewhere, or asks a person
    NONE = "NONE"  # it knows nothing of it


ADOPT_RELEASE: dict[Release, GatewayCopy] = {
    Release.ENDED: GatewayCopy.SETTLED,
    Release.OTHERS: GatewayCopy.CANCELLED,
    Release.NONE: GatewayCopy.DOUBT,
}


def reconciled(
    state: ManagerCopy,
    told: Told,
    table: dict[tuple[ManagerCopy, Told], ManagerCopy] = RECONCILE,
    ordinary: dict[tuple[ManagerCopy, Event], ManagerCopy] = MANAGER,
) -> ManagerCopy:
    after = table.get((state, told))
    if after is None and told in ANSWER:
        after = ordinary.get((state, ANSWER[told]))
    return after or state


def adopted(
    state: GatewayCopy, shown: Shown, table: dict[tuple[GatewayCopy, Shown], GatewayCopy] = ADOPT
) -> GatewayCopy:
    return table.get((state, shown), GatewayCopy.DOUBT)
