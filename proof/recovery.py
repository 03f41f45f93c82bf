"""Crashes, backups, and the way back: reconciliation of a restored manager, adoption by a rolled-back gateway.

The rules are those of design/custody.md §2.4 and cpq.md §6; the production code for them is still to come, so they are
written here first, as the model needs them, each with the safeguard that stands for it.
"""

from pratique.delivery.custody import GatewayCopy, ManagerCopy, Tombstone
from proof.handover import Steps
from proof.rules import Rules, Safeguard
from proof.state import DLV, NONE, OUT, Manager, State, gateway, has_release, hop_of, on_gateway, on_manager

_UNDECIDED = (ManagerCopy.HELD, ManagerCopy.RELEASING, ManagerCopy.RELEASED)
_OWN = (GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT, GatewayCopy.LOCAL)
_TOOK = (Tombstone.ACC, DLV)


def network(s: State, r: Rules) -> Steps:
    if s.net:
        yield "(all that is in flight is lost)", s._replace(net=frozenset())


def crashes(s: State, r: Rules) -> Steps:
    if s.crashes >= r.crashes:
        return
    n = s._replace(crashes=s.crashes + 1)
    if s.m_reads or s.unsynced:
        lost = on_manager(n, copy=NONE, hop1=Tombstone.NONE) if s.unsynced else n
        yield "** M crashes", lost._replace(m_reads="", unsynced=False)
    if s.g_reads or s.g_takes:
        yield "** G crashes", n._replace(g_reads=False, g_takes=0)
    if s.h_takes:
        yield "** H crashes", n._replace(h_takes=0)


# --- the manager's backup ------------------------------------------------------------------------------------------
def backup(s: State, r: Rules) -> Steps:
    if r.restores and s.backup is None and not s.recon:
        yield "M: a backup is taken", s._replace(backup=s.m, watermark=s.m.hop1 is Tombstone.ACC)
    if s.watermark and s.g.copy == GatewayCopy.DONE and s.g.shadow and not s.restores:
        yield "G lets the shadow go (the watermark covers it)", on_gateway(s, "G", shadow=False)
    if s.backup is not None and s.restores < r.restores:
        yield (
            "** M is restored from the backup: a new incarnation",
            s._replace(m=s.backup, m_reads="", restores=s.restores + 1, recon=r.keep(Safeguard.RECON)),
        )
    unseen = s.g.copy == GatewayCopy.DONE and s.g.shadow and s.m.hop1 is Tombstone.NONE
    if unseen and s.restores and not r.keep(Safeguard.RECON):
        yield "G offers its shadow again", on_gateway(s, "G", copy=GatewayCopy.IN_DOUBT)


def reconcile(s: State, r: Rules) -> Steps:
    """M has heard every gateway; the first row that fits decides (cpq.md §6 "Reconciliation of M")."""
    if not s.recon:
        return
    n = s._replace(recon=False)
    if r.keep(Safeguard.INC_FENCE):
        n = n._replace(net=frozenset(), g_reads=False, g_takes=0, h_takes=0)
    n = n._replace(m=_testified(s, r))
    if n.g.copy == GatewayCopy.DONE and n.g.shadow and n.m.hop1 is Tombstone.NONE and r.keep(Safeguard.RECON_REOFFER):
        n = on_gateway(n, "G", copy=GatewayCopy.IN_DOUBT)
    if s.rollbacks:
        n = _doubted(n, r)  # last: what a rolled-back gateway would offer again is in doubt, too
    yield "M reconciles: every gateway has testified", n


def _testified(s: State, r: Rules) -> Manager:
    m = s.m
    if s.g.deletion and r.keep(Safeguard.RECON_DELETION):
        return m._replace(copy=ManagerCopy.DELETED, hop1=Tombstone.ACC, inferred=True, actor="(recovered)")
    if r.keep(Safeguard.RECON_RELEASED):
        for name in ("G", "H"):
            hop = has_release(gateway(s, name))
            if hop:
                released = m._replace(copy=ManagerCopy.RELEASED, target=name, hop=hop, actor="(recovered)")
                return released._replace(hop1=Tombstone.ACC, inferred=True)
    if s.g.copy in (GatewayCopy.LOCAL, OUT) and r.keep(Safeguard.RECON_LOCAL):
        return m._replace(copy=NONE, hop1=Tombstone.CANC, inferred=True)
    cancelled = {name for name in ("G", "H") if hop_of(gateway(s, name), m.hop) == Tombstone.CANC}
    return m._replace(cancelled=m.cancelled | cancelled)


def _doubted(n: State, r: Rules) -> State:
    """A gateway that was itself rolled back cannot testify what it did since."""
    m = n.m
    if r.keep(Safeguard.RECON_ROLLED):
        if m.copy in (ManagerCopy.HELD, ManagerCopy.RELEASING):
            n = on_manager(n, copy=ManagerCopy.DOUBT)
        if n.g.copy in _OWN and m.hop1 is not Tombstone.ACC:
            n = on_gateway(n, "G", copy=GatewayCopy.DOUBT)
    lacks = m.copy == ManagerCopy.RELEASED and hop_of(gateway(n, m.target), m.hop) not in _TOOK
    if lacks and r.keep(Safeguard.RECON_MISSING):
        n = on_manager(n, copy=ManagerCopy.DOUBT)
    return n


# --- the gateway's snapshot ----------------------------------------------------------------------------------------
def snapshot(s: State, r: Rules) -> Steps:
    if r.rollbacks and s.snapshot is None and s.g.copy != NONE:
        yield "G: a snapshot is taken", s._replace(snapshot=s.g)
    if s.snapshot is not None and s.rollbacks < r.rollbacks:
        yield (
            "** G is rolled back to the snapshot",
            s._replace(g=s.snapshot, g_reads=False, g_takes=0, rollbacks=s.rollbacks + 1, hold=r.keep(Safeguard.HOLD)),
        )


def adopt(s: State, r: Rules) -> Steps:
    """G says hello, learns that it was rolled back, and takes over what M knows (cpq.md §6 "Adoption")."""
    if not s.hold or s.recon:
        return
    n = s._replace(hold=False)
    if r.keep(Safeguard.INSTANCE_FENCE):
        n = n._replace(m_reads="", net=frozenset(message for message in s.net if message.endswith(":H")))
    n = _adopted_copy(n, s, r)
    yield "G says hello, was rolled back, adopts M's journal", _adopted_release(n, s, r)


def _adopted_copy(n: State, s: State, r: Rules) -> State:
    newer = bool(s.restores) and r.keep(Safeguard.ADOPT_NEWER_INC)
    unproven = s.g.copy in _OWN or (newer and s.g.copy == GatewayCopy.DONE and s.g.shadow)
    match s.m.hop1:
        case Tombstone.ACC if s.g.copy in (GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT) and r.keep(Safeguard.ADOPT_ACC):
            return on_gateway(n, "G", copy=GatewayCopy.DONE, shadow=True)
        case Tombstone.CANC if "FIN1" in s.m.journal and r.keep(Safeguard.ADOPT_LOCAL):
            return on_gateway(n, "G", copy=OUT)
        case Tombstone.CANC if unproven and r.keep(Safeguard.ADOPT_CANC):
            return on_gateway(n, "G", copy=GatewayCopy.DOUBT)
        case Tombstone.NONE if newer and unproven:
            return on_gateway(n, "G", copy=GatewayCopy.DOUBT)
    return n


def _adopted_release(n: State, s: State, r: Rules) -> State:
    for hop in (2, 4):
        field = f"hop{hop}"
        if hop_of(s.g, hop) == DLV and r.keep(Safeguard.ADOPT_KEEP_END):
            continue
        if f"FIN{hop}:G" in s.m.journal and r.keep(Safeguard.ADOPT_FIN):
            n = on_gateway(n, "G", **{field: DLV})
        elif s.m.hop >= hop and s.m.target != "-" and r.keep(Safeguard.ADOPT_CANCEL_RELEASE):
            n = on_gateway(n, "G", **{field: Tombstone.CANC})
    ended = s.m.journal & {"FIN2:G", "FIN4:G"}
    at_g = s.m.target == "G" and s.m.copy in (ManagerCopy.RELEASING, ManagerCopy.RELEASED)
    unheard = bool(s.restores) and r.keep(Safeguard.ADOPT_NEWER_INC) and s.m.copy in _UNDECIDED
    if not ended and ((at_g and r.keep(Safeguard.ROLLED_DOUBT)) or unheard):
        n = on_manager(n, copy=ManagerCopy.DOUBT)
    return n
