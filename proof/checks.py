"""What must hold in every state, and what counts as an end."""

from pratique.delivery.custody import GatewayCopy, ManagerCopy, Tombstone
from proof.rules import Rules
from proof.state import DLV, DOUBTED, NONE, OUT, STUCK, State, custody, gateway, has_release, hop_of, owners, tombstone


def broken(s: State, r: Rules) -> str:
    """The first promise that this state breaks, "" when it keeps them all."""
    if s.g.copy == NONE:
        return ""
    if not custody(s):
        return "LOST: answered 250, and it is nowhere"
    if s.o == GatewayCopy.DONE and not (s.m.holder == "O" and s.m.hop1 is Tombstone.ACC):
        return "FALSE ACC: another sender was told that its copy is safe, and it is not"
    if not s.named:
        if s.deliveries > 1:
            return f"DUPLICATE: delivered {s.deliveries} times and nobody answers for it"
        if s.deliveries and (s.g.deletion or (s.deleted and not s.restores)):
            return "DELIVERED AND DELETED"
        if owners(s) > 1:
            return "TWO OWNERS can act at once"
    return _unrecorded(s) or _disagreed(s, r)


def _unrecorded(s: State) -> str:
    taken = has_release(s.g) or has_release(s.h)
    if taken and s.m.actor == "-" and s.m.copy != NONE and not s.recon and not s.restores:
        return "RELEASED WITHOUT ACTOR on record"
    if not s.rollbacks and (s.g.copy == GatewayCopy.DOUBT or s.m.copy == ManagerCopy.DOUBT):
        return "NEEDLESS DOUBT: an actor is asked although nothing was rolled back"
    known = s.m.hop1 is Tombstone.ACC and s.m.copy != NONE and not s.m.inferred
    if s.g.copy == GatewayCopy.DOUBT and known and not (s.hold or s.recon or s.named):
        return "NEEDLESS DOUBT: an actor is asked although the manager has the copy on record"
    if s.g.copy == GatewayCopy.DOUBT and s.m.hop1 is Tombstone.NONE and not (s.hold or s.restores):
        return "NEEDLESS DOUBT: an actor is asked about what the manager has never seen"
    if s.m.copy == ManagerCopy.DOUBT and s.g.deletion and not (s.hold or s.recon):
        return "NEEDLESS DOUBT: an actor is asked although the deletion is on record"
    if s.g.copy == GatewayCopy.DOUBT and "FIN1" in s.m.journal and not s.restores:
        return "NEEDLESS DOUBT: an actor is asked although the end is on record"
    return ""


def _disagreed(s: State, r: Rules) -> str:
    """Two disks that contradict each other, while neither is waiting to be told."""
    if s.hold or s.recon:
        return ""
    if s.m.copy == ManagerCopy.RELEASED and tombstone(s, s.m.target, s.m.hop) not in (Tombstone.ACC, DLV):
        return "CONTRADICTION: M believes that a gateway has the release, and it has not"
    if s.g.deletion and s.m.copy in (ManagerCopy.HELD, ManagerCopy.RELEASING):
        return "CONTRADICTION: M goes on with a copy whose deletion is on record"
    for hop in (2, 4):
        # A gateway that was set back to a state before the hop knows nothing of it, and is offered it by nobody.
        if f"FIN{hop}:G" in s.m.journal and tombstone(s, "G", hop) not in (DLV, Tombstone.NONE):
            return "CONTRADICTION: M has the end of a release on record, and the gateway denies it"
        if s.snapshot is not None and hop_of(s.snapshot, hop) == DLV and tombstone(s, "G", hop) != DLV:
            return "CONTRADICTION: the snapshot shows a delivery, and the gateway denies it"
    cancelled_first = not (r.fallback_unsent or r.stranger or s.named)
    if cancelled_first and s.g.copy in (GatewayCopy.LOCAL, OUT) and s.m.hop1 is not Tombstone.CANC:
        return "CONTRADICTION: G took its copy back, and M has no CANC on record"
    return ""


def ended(s: State) -> bool:
    """Nothing is open anywhere: the copy was delivered or deleted, and every party knows."""
    if s.hold or s.recon or not (s.deliveries or s.deleted):
        return False
    if s.g.copy not in (GatewayCopy.DONE, OUT) or s.m.copy not in (NONE, ManagerCopy.CLOSED, ManagerCopy.DELETED):
        return False
    hops = {hop for name in ("G", "H") for hop in (gateway(s, name).hop2, gateway(s, name).hop4)}
    return not hops & {Tombstone.ACC, DOUBTED}


def set_aside(s: State) -> bool:
    """The copy met a stranger with its id: O has it, or an actor does; its further way is not followed."""
    return s.m.holder == "O" or s.o in (GatewayCopy.DONE, STUCK)
