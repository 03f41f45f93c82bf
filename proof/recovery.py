"""Crashes, backups, and the way back: reconciliation of a restored manager, adoption by a rolled-back gateway.

What is decided is looked up in delivery/recovery.py and delivery/custody.py, as the stores do; who is asked and when
is written here, each rule with the safeguard that stands for it.
"""

from pratique.delivery.custody import Event, GatewayCopy, ManagerCopy, Tombstone, gateway_next, manager_next
from pratique.delivery.recovery import Release, Shown, Told, adopted, reconciled
from proof.handover import Steps
from proof.rules import Rules, Safeguard
from proof.state import DLV, DOUBTED, NONE, OUT, Manager, State, gateway, hop_of, on_gateway, on_manager

_OWN = (GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT, GatewayCopy.LOCAL)


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
    if r.restores and len(s.backups) < r.backups and not s.recon and s.m not in s.backups:
        backups = (*s.backups, s.m)
        covered = len(backups) == r.backups and all(b.hop1 is Tombstone.ACC for b in backups)
        yield "M: a backup is taken", s._replace(backups=backups, watermark=covered)
    if s.watermark and s.g.copy == GatewayCopy.DONE and s.g.shadow and not s.restores:
        yield "G lets the shadow go (the watermark covers it)", on_gateway(s, "G", shadow=False)
    for number, saved in enumerate(s.backups if s.restores < r.restores else (), 1):
        restored = s._replace(m=saved, m_reads="", restores=s.restores + 1, recon=r.keep(Safeguard.RECON))
        yield f"** M is restored from backup {number}", restored._replace(lost=saved.hop1 is not Tombstone.ACC)
    unseen = s.g.copy == GatewayCopy.DONE and s.g.shadow and s.m.hop1 is Tombstone.NONE
    if unseen and s.restores and not r.keep(Safeguard.RECON):
        yield "G offers its shadow again", on_gateway(s, "G", copy=GatewayCopy.IN_DOUBT)


def _unsure(s: State, r: Rules) -> bool:
    """G was set back since M's state was saved, or still holds: it cannot testify what it did in the life it lost."""
    return (s.hold or s.m.g_inc < s.rollbacks) and r.keep(Safeguard.RECON_ROLLED)


def reconcile(s: State, r: Rules) -> Steps:
    """M has heard every gateway, decides for each copy and begins a new incarnation; the gateways hear of that and
    offer again what M had acknowledged in the life that it lost. One that M is unsure of must adopt (again)."""
    if not s.recon:
        return
    unsure = _unsure(s, r)
    n = s._replace(recon=False, hold=s.hold or unsure, heard=unsure)
    if r.keep(Safeguard.INC_FENCE):
        n = n._replace(net=frozenset(), g_reads=False, g_takes=0, h_takes=0)
    n = n._replace(m=_reconciled(s, r, unsure))
    if s.lost and n.g.copy == GatewayCopy.DONE and n.g.shadow and not n.g.deletion:
        n = on_gateway(n, "G", copy=gateway_next(GatewayCopy.DONE, Event.LOST, r.gateway))
    if not n.hold:
        n = on_gateway(n, "G", m_inc=s.restores)
    yield "M reconciles: every gateway has testified", n


def _reconciled(s: State, r: Rules, unsure: bool) -> Manager:
    m = s.m
    told, name, hop = _told(s, r, unsure)
    if told in r.manager.came:
        m = m._replace(hop1=r.manager.came[told], inferred=True)
    if unsure and name == "G" and told is Told.TAKEN:
        told = Told.UNSURE
    if m.copy == NONE:
        return m  # the body is at whoever testified
    if told is Told.NOTHING and unsure and (m.copy != ManagerCopy.RELEASED or m.target == "G"):
        told = Told.UNSURE
    after = reconciled(ManagerCopy(m.copy), told, r.manager.reconcile)
    if told in (Told.TAKEN, Told.ENDED):
        m = m._replace(target=name, hop=hop)
    if unsure and r.keep(Safeguard.CANCELS_FORGOTTEN):
        m = m._replace(cancelled=m.cancelled - {"G"})
    cancelled = {name for name in ("G", "H") if hop_of(gateway(s, name), m.hop) == Tombstone.CANC}
    if after != m.copy:
        m = m._replace(copy=after, actor="(recovered)")
    return m._replace(cancelled=m.cancelled | cancelled)


def _told(s: State, r: Rules, unsure: bool) -> tuple[Told, str, int]:
    """The first that fits, whose release it is, and its hop."""
    if s.g.deletion:
        return Told.DELETED, "", 0
    for wanted, told in ((DLV, Told.ENDED), (Tombstone.ACC, Told.TAKEN), (DOUBTED, Told.TAKEN)):
        for name in ("G", "H"):
            for hop in (4, 2):
                if hop_of(gateway(s, name), hop) == wanted:
                    return told, name, hop
    if s.g.copy in (GatewayCopy.LOCAL, OUT):
        return Told.LOCAL, "", 0
    return Told.NOTHING, "", 0


# --- the gateway's snapshot ----------------------------------------------------------------------------------------
def snapshot(s: State, r: Rules) -> Steps:
    if r.rollbacks and s.snapshot is None and s.g.copy != NONE:
        yield "G: a snapshot is taken", s._replace(snapshot=s.g)
    if s.snapshot is not None and s.rollbacks < r.rollbacks:
        yield (
            "** G is rolled back to the snapshot",
            s._replace(
                g=s.snapshot,
                g_reads=False,
                g_takes=0,
                rollbacks=s.rollbacks + 1,
                hold=r.keep(Safeguard.HOLD),
                heard=False,
            ),
        )


def hears(s: State, r: Rules) -> Steps:
    """The hello of a gateway that was set back: what it may have taken, and delivered or lost, is in doubt."""
    if not s.hold or s.recon or s.heard:
        return
    n = s._replace(heard=True)
    if r.keep(Safeguard.INSTANCE_FENCE):
        n = n._replace(m_reads="", net=frozenset(message for message in s.net if message.endswith(":H")))
    if r.keep(Safeguard.CANCELS_FORGOTTEN):
        n = on_manager(n, cancelled=s.m.cancelled - {"G"})
    ended = s.m.journal & {"FIN2:G", "FIN4:G"}
    if s.m.target == "G" and s.m.copy in (ManagerCopy.RELEASING, ManagerCopy.RELEASED) and not ended:
        n = on_manager(n, copy=manager_next(ManagerCopy(s.m.copy), Event.SET_BACK, r.manager))
    yield "M hears that G was set back", n


def adopt(s: State, r: Rules) -> Steps:
    """G asks M about all that it cannot know by itself, and begins a new incarnation."""
    if not s.hold or s.recon or not s.heard:
        return
    n = s._replace(hold=False, heard=False)
    n = on_manager(on_gateway(n, "G", m_inc=s.restores), g_inc=s.rollbacks)
    n = _adopted_copy(n, s, r)
    yield "G asks M and adopts", _adopted_release(n, s, r)


def _adopted_copy(n: State, s: State, r: Rules) -> State:
    newer = s.g.m_inc < s.restores and r.keep(Safeguard.ADOPT_NEWER_INC)
    if s.g.copy not in _OWN and not (newer and s.g.copy == GatewayCopy.DONE and s.g.shadow):
        return n
    shown = _shown(s, newer)
    after = adopted(GatewayCopy(s.g.copy), shown, r.gateway.adopt)
    if after is GatewayCopy.SETTLED:
        return on_gateway(n, "G", copy=OUT)
    if after is GatewayCopy.DONE:
        deleted = s.g.deletion or shown is Shown.DELETED
        return on_gateway(n, "G", copy=after, shadow=not deleted, deletion=deleted)
    return on_gateway(n, "G", copy=after)


def _shown(s: State, newer: bool) -> Shown:
    match s.m.hop1:
        case Tombstone.ACC if s.m.copy == NONE:
            return Shown.DOUBT
        case Tombstone.ACC:
            return Shown.DELETED if s.m.copy == ManagerCopy.DELETED else Shown.ACC
        case Tombstone.CANC:
            return Shown.ENDED if "FIN1" in s.m.journal else Shown.CANC
    return Shown.LOST if newer else Shown.NONE


_RELEASE_STATE = {GatewayCopy.SETTLED: DLV, GatewayCopy.CANCELLED: Tombstone.CANC, GatewayCopy.DOUBT: DOUBTED}


def _adopted_release(n: State, s: State, r: Rules) -> State:
    for hop in (2, 4):
        if hop_of(s.g, hop) != Tombstone.ACC and not (hop_of(s.g, hop) == DLV and not r.keep(Safeguard.ADOPT_KEEP_END)):
            continue
        if f"FIN{hop}:G" in s.m.journal:
            shown = Release.ENDED
        elif s.m.copy != NONE and s.m.hop >= hop and s.m.target != "-":
            shown = Release.OTHERS
        else:
            shown = Release.NONE
        n = on_gateway(n, "G", **{f"hop{hop}": _RELEASE_STATE[r.gateway.adopt_release[shown]]})
    return n
