"""One state of the world, as values. What survives a crash is in Gateway and Manager; the rest says where it lives.

One copy of one message is followed: copies share nothing that matters here, so what holds for one holds for all.
Parties: G, the gateway that accepted it; M, the manager; H, a second gateway that may take the release; O, a stranger
who uses the same transfer id for something else. The network is a *set* of messages that stay deliverable for ever.
That covers delay, reordering and duplication, and a server that still works on a session its client has given up.
Loss needs only one action, "all that is in flight is lost": a message in the set never forbids anything, so the empty
set is the worst that loss can do.
"""

from typing import Any, NamedTuple

from pratique.delivery.custody import Answer, GatewayCopy, ManagerCopy, Tombstone

NONE = "NONE"  # no such copy here
OUT = "OUT"  # delivered by G itself after it took the copy back; settled
STUCK = "STUCK"  # the receiver answered "conflict": on an actor's list, neither sent nor cancelled
DOUBTED = "DOUBT"  # a release that the gateway took, and of which nobody knows whether it was delivered
DLV = "DLV"  # a release that the gateway has delivered (its tombstone is ACC and stays so)

# What a receiver's answer looks like on the wire, and which answers write.
REPLY = {
    Answer.COMMIT_ACC: "ACK",
    Answer.ACC_AGAIN: "ACK",
    Answer.COMMIT_CANC: "CANC",
    Answer.CANC_AGAIN: "CANC",
    Answer.CANCELLED: "CANC",
    Answer.CONFLICT: "CONFLICT",
}
WRITES = (Answer.COMMIT_ACC, Answer.COMMIT_CANC)

SEAL = "a"
SEAL_OF_STRANGER = "b"


class Gateway(NamedTuple):
    """The disk of a gateway. `copy`: NONE, GatewayCopy, OUT, STUCK. hop2, hop4: Tombstone, DLV, or DOUBTED."""

    copy: str = NONE
    shadow: bool = False
    deletion: bool = False  # the manager's DEL row is stored
    hop2: str = Tombstone.NONE
    hop4: str = Tombstone.NONE
    m_inc: int = 0  # M's incarnation, as G last heard it


class Manager(NamedTuple):
    """The disk of the manager. `cancelled`: the targets known to have cancelled `hop`; `journal`: FIN rows stored."""

    copy: str = NONE
    hop1: Tombstone = Tombstone.NONE
    holder: str = "G"  # whose content the tombstone of hop 1 remembers
    inferred: bool = False  # the tombstone was inferred while reconciling: it has no seal
    actor: str = "-"
    hop: int = 2
    target: str = "-"
    cancelled: frozenset[str] = frozenset()
    journal: frozenset[str] = frozenset()
    g_inc: int = 0  # G's incarnation, as M last heard it: how often G was set back and has adopted


class State(NamedTuple):
    g: Gateway = Gateway()
    h: Gateway = Gateway()
    m: Manager = Manager()
    o: str = NONE  # the stranger's copy
    net: frozenset[str] = frozenset()
    # volatile: lost in a crash
    m_reads: str = ""  # the group that M holds in memory, not committed
    g_reads: bool = False  # G has read ACC, not committed
    g_takes: int = 0  # the release hop that G holds in memory, not committed
    h_takes: int = 0
    # what a party knows about itself
    hold: bool = False  # G was rolled back and takes no custody step
    heard: bool = False  # ... and M knows that, and has doubted what it released to G
    recon: bool = False  # M was restored and takes no custody step
    lost: bool = False  # ... to a state that had not taken the copy
    watermark: bool = False  # every backup that may be restored contains the copy
    # the world: for the checks only
    deliveries: int = 0
    deleted: bool = False
    named: bool = False  # a named actor accepted a possible duplicate, on record
    unsynced: bool = False  # M said 250 for rows that are not on the disk (mutant)
    backups: tuple[Manager, ...] = ()
    snapshot: Gateway | None = None
    crashes: int = 0
    restores: int = 0
    rollbacks: int = 0


def gateway(s: State, name: str) -> Gateway:
    return s.g if name == "G" else s.h


def on_gateway(s: State, name: str, **changes: Any) -> State:
    if name == "G":
        return s._replace(g=s.g._replace(**changes))
    return s._replace(h=s.h._replace(**changes))


def on_manager(s: State, **changes: Any) -> State:
    return s._replace(m=s.m._replace(**changes))


def send(s: State, *messages: str) -> State:
    """The same state with these in flight; the state itself when they are already."""
    net = s.net.union(messages)
    return s if len(net) == len(s.net) else s._replace(net=net)


def hop_of(disk: Gateway, hop: int) -> str:
    """What the gateway remembers of a release hop."""
    return disk.hop2 if hop == 2 else disk.hop4


def tombstone(s: State, name: str, hop: int) -> str:
    return hop_of(gateway(s, name), hop)


def has_release(disk: Gateway) -> int:
    """The release hop that this gateway took, 0 = none."""
    for hop, state in ((2, disk.hop2), (4, disk.hop4)):
        if state in (Tombstone.ACC, DLV, DOUBTED):
            return hop
    return 0


def custody(s: State) -> tuple[str, ...]:
    """Every place where the copy durably is."""
    places = (
        ("G", s.g.copy in (GatewayCopy.QUEUED, GatewayCopy.IN_DOUBT, GatewayCopy.LOCAL, GatewayCopy.DOUBT, STUCK)),
        ("G's shadow", s.g.copy == GatewayCopy.DONE and s.g.shadow),
        ("M", _held_by_manager(s.m)),
        ("G's queue", Tombstone.ACC in (s.g.hop2, s.g.hop4) or DOUBTED in (s.g.hop2, s.g.hop4)),
        ("H's queue", Tombstone.ACC in (s.h.hop2, s.h.hop4)),
        ("delivered", s.deliveries > 0),
        ("deleted", s.deleted),
    )
    return tuple(name for name, there in places if there)


_BODY_AT_MANAGER = (ManagerCopy.HELD, ManagerCopy.RELEASING, ManagerCopy.RELEASED, ManagerCopy.DOUBT)


def _held_by_manager(m: Manager) -> bool:
    return m.holder == "G" and m.copy in _BODY_AT_MANAGER


def owners(s: State) -> int:
    """How many parties may act on the copy by themselves: deliver it or decide on it."""
    return (
        (s.g.copy in (GatewayCopy.QUEUED, GatewayCopy.LOCAL) and not s.hold)
        + (s.m.copy == ManagerCopy.HELD and s.m.holder == "G" and not s.recon)
        + (Tombstone.ACC in (s.g.hop2, s.g.hop4) and not s.hold)
        + (Tombstone.ACC in (s.h.hop2, s.h.hop4))
    )
