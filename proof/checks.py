"""What must hold in every state, and what counts as an end."""

from pratique.delivery.custody import GatewayCopy, ManagerCopy, Tombstone
from proof.state import DLV, NONE, OUT, STUCK, State, custody, has_release, owners


def broken(s: State) -> str:
    """The first promise that this state breaks, "" when it keeps them all."""
    if s.g.copy == NONE:
        return ""
    if not custody(s):
        return "LOST: answered 250, and it is nowhere"
    if s.o == GatewayCopy.DONE and not (s.m.holder == "O" and s.m.hop1 is Tombstone.ACC):
        return "FALSE ACC: another sender was told that its copy is safe, and it is not"
    if s.named:
        return _misreported(s)
    if s.deliveries > 1:
        return f"DUPLICATE: delivered {s.deliveries} times and nobody answers for it"
    if s.deliveries and (s.g.deletion or (s.deleted and not s.restores)):
        return "DELIVERED AND DELETED"
    if owners(s) > 1:
        return "TWO OWNERS can act at once"
    return _misreported(s)


def _misreported(s: State) -> str:
    taken = has_release(s.g) or has_release(s.h)
    if taken and s.m.actor == "-" and s.m.copy != NONE and not s.recon and not s.restores:
        return "RELEASED WITHOUT ACTOR on record"
    return ""


def ended(s: State) -> bool:
    """Nothing is open anywhere: the copy was delivered or deleted, and every party knows."""
    if s.hold or s.recon or not (s.deliveries or s.deleted):
        return False
    if s.g.copy not in (GatewayCopy.DONE, OUT) or s.m.copy not in (NONE, ManagerCopy.CLOSED, ManagerCopy.DELETED):
        return False
    return all(state in (Tombstone.NONE, Tombstone.CANC, DLV) for state in (s.g.hop2, s.g.hop4, s.h.hop2, s.h.hop4))


def set_aside(s: State) -> bool:
    """The copy met a stranger with its id: O has it, or an actor does; its further way is not followed."""
    return s.m.holder == "O" or s.o in (GatewayCopy.DONE, STUCK)
