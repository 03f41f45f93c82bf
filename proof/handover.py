"""Hop 1, gateway to manager: what each party can do, one generator per party; each yields (what happens, state after).

Every answer of the receiver and every step of the sender is taken from delivery/custody.py, the functions that the
stores run. A pair that their tables lack raises KeyError, which the search reports as a violation.
"""

from collections.abc import Callable, Iterator

from pratique.delivery.custody import (
    NOTHING,
    Answer,
    Event,
    GatewayCopy,
    ManagerCopy,
    Remembered,
    Tombstone,
    gateway_next,
    on_cancel,
    on_group,
)
from proof.rules import Rules, Safeguard
from proof.state import (
    NONE,
    OUT,
    REPLY,
    SEAL,
    SEAL_OF_STRANGER,
    STUCK,
    WRITES,
    State,
    on_gateway,
    on_manager,
    send,
)

Steps = Iterator[tuple[str, State]]


# --- hop 1: the gateway that accepted the copy -------------------------------------------------------------------
def client(s: State, r: Rules) -> Steps:
    if s.g.copy == NONE:
        yield "G accepts the message (250 after the commit)", on_gateway(s, "G", copy=GatewayCopy.QUEUED)


def gateway_sends(s: State, r: Rules) -> Steps:
    copy = s.g.copy
    if s.hold:
        return
    if copy == GatewayCopy.QUEUED:
        # The first send follows the commit in one step: that it may be lost is the network's action.
        intended = on_gateway(s, "G", copy=gateway_next(GatewayCopy.QUEUED, Event.INTEND, r.gateway))
        if not r.keep(Safeguard.KEEP_UNTIL_ACC):
            intended = on_gateway(s, "G", copy=GatewayCopy.DONE, shadow=False)
        yield "G writes the intent and sends group 1", send(intended, "DATA1")
        if r.fallback_unsent:
            yield "G takes the copy back before any intent", on_gateway(s, "G", copy=GatewayCopy.LOCAL)
    elif copy == GatewayCopy.IN_DOUBT:
        yield "G sends group 1 again", send(s, "DATA1")
        if r.fallback:
            yield "G gives up waiting: XQCANCEL 1", send(s, "CANCEL1")
            if not r.keep(Safeguard.CANCEL_FIRST):
                yield "G gives up waiting and falls back", on_gateway(s, "G", copy=GatewayCopy.LOCAL)
    elif copy == GatewayCopy.LOCAL:
        yield "G delivers the copy itself", on_gateway(s, "G", copy=OUT)._replace(deliveries=s.deliveries + 1)
    elif copy == OUT and r.rollbacks:
        yield "G sends the row FIN R=local", send(s, "FIN1")
    elif copy == GatewayCopy.DONE and r.prune:
        yield "G: XQCONFIRM", send(s, "CONFIRM1")
    elif copy == STUCK:
        yield "carol takes the conflicting copy back under a new id", on_gateway(s, "G", copy=GatewayCopy.LOCAL)


def gateway_reads(s: State, r: Rules) -> Steps:
    if s.hold or s.g.copy in (NONE, OUT, STUCK):
        return
    if "ACK1" in s.net:
        if s.g.copy == GatewayCopy.IN_DOUBT and not s.g_reads:
            yield "G reads XQACC 1", s._replace(g_reads=True)
        else:
            yield "G commits XQACC 1", _acknowledged(s, r)
    if "CANC1" in s.net:
        after = gateway_next(GatewayCopy(s.g.copy), Event.CANC, r.gateway)
        yield "G commits XQCANC 1", on_gateway(s, "G", copy=after)
    if "CONFLICT1" in s.net and s.g.copy == GatewayCopy.IN_DOUBT:
        yield "G: XQCONFLICT 1, to an actor's list", on_gateway(s, "G", copy=STUCK)
    if "DELROW" in s.net:
        after = gateway_next(GatewayCopy(s.g.copy), Event.DELETED_ROW, r.gateway)
        dropped = on_gateway(s, "G", copy=after, deletion=True, shadow=False)
        yield "G stores the row DEL: proof of custody", dropped._replace(g_reads=False)


def _acknowledged(s: State, r: Rules) -> State:
    after = gateway_next(GatewayCopy(s.g.copy), Event.ACC, r.gateway)
    new = after == GatewayCopy.DONE and s.g.copy != GatewayCopy.DONE
    shadow = r.keep(Safeguard.SHADOW) if new else s.g.shadow
    return on_gateway(s, "G", copy=after, shadow=shadow)._replace(g_reads=False)


def stranger(s: State, r: Rules) -> Steps:
    """O offers something else under the same transfer id; only what it is told matters."""
    if not r.stranger:
        return
    if s.o == NONE:
        yield (
            "O writes its intent and sends a group with the same id",
            send(s._replace(o=GatewayCopy.IN_DOUBT), "DATA1O"),
        )
    elif s.o == GatewayCopy.IN_DOUBT:
        yield "O: XQCANCEL of the same id", send(s, "CANCEL1O")
        if "CONFLICT1O" in s.net:
            yield "O: XQCONFLICT, to an actor's list", s._replace(o=STUCK)
        for reply, event in (("ACK1O", Event.ACC), ("CANC1O", Event.CANC)):
            if reply in s.net:
                yield f"O commits {reply}", s._replace(o=gateway_next(GatewayCopy.IN_DOUBT, event, r.gateway))


# --- hop 1: the manager as receiver ------------------------------------------------------------------------------
def _memory(s: State, r: Rules) -> Remembered:
    if s.m.hop1 is Tombstone.NONE:
        return NOTHING
    seal, peer = _identity(s.m.holder, r)
    if s.m.inferred:
        seal = "-" if r.keep(Safeguard.INFERRED_MATCHES_ANY) else "made up"
        if s.m.hop1 is Tombstone.ACC:  # it follows from a release, which any gateway may have told of
            peer = "-" if r.keep(Safeguard.INFERRED_FROM_ANY) else "H"
    return Remembered(s.m.hop1, seal, peer)


def _identity(sender: str, r: Rules) -> tuple[str, str]:
    """(seal, peer) of a sender's groups."""
    if sender == "G":
        return SEAL, "G"
    return SEAL_OF_STRANGER, "H" if r.stranger == "peer" else "G"


def _judge(s: State, r: Rules, sender: str, judge: Callable[..., Answer]) -> Answer:
    memory = _memory(s, r)
    seal, peer = _identity(sender, r)
    if memory.kind is not Tombstone.NONE:
        if not r.keep(Safeguard.PEER_REMEMBERED):
            memory = Remembered(memory.kind, seal, peer)
        elif not r.keep(Safeguard.SEAL_REMEMBERED):
            memory = Remembered(memory.kind, "-", memory.peer)
    return judge(memory, seal, peer, r.manager)


def _answered(s: State, sender: str, answer: Answer) -> State:
    """What M's commit of `answer` leaves, with the reply on its way."""
    if answer is Answer.COMMIT_ACC:
        s = on_manager(
            s, copy=ManagerCopy.HELD, hop1=Tombstone.ACC, holder=sender, inferred=False, actor="-", hop=2, target="-",
            cancelled=frozenset(),
        )  # fmt: skip
    elif answer is Answer.COMMIT_CANC:
        s = on_manager(s, hop1=Tombstone.CANC, holder=sender, inferred=False)
    return send(s, f"{REPLY[answer]}1{_mark(sender)}")


def _mark(sender: str) -> str:
    return "" if sender == "G" else sender


def manager_receives(s: State, r: Rules) -> Steps:
    if s.recon:
        return
    for sender in ("G", "O") if r.stranger else ("G",):
        if f"DATA1{_mark(sender)}" in s.net and not s.m_reads:
            yield from _manager_reads_group(s, r, sender)
        if f"CANCEL1{_mark(sender)}" in s.net:
            yield f"M answers XQCANCEL of {sender}", _answered(s, sender, _judge(s, r, sender, on_cancel))
    if s.m_reads:
        after = _answered(s._replace(m_reads=""), s.m_reads, _judge(s, r, s.m_reads, on_group))
        if not r.keep(Safeguard.FSYNC) and after.m != s.m:
            after = after._replace(unsynced=True)
        yield f"M commits the group of {s.m_reads} and answers", after


def _manager_reads_group(s: State, r: Rules, sender: str) -> Steps:
    answer = _judge(s, r, sender, on_group)
    if answer not in WRITES:  # only what will be written has a moment in which it can be lost
        yield f"M knows the id: {answer}", _answered(s, sender, answer)
        return
    read = s._replace(m_reads=sender)
    yield (
        f"M reads the group of {sender} into memory",
        (read if r.keep(Safeguard.COMMIT_FIRST) else send(read, f"ACK1{_mark(sender)}")),
    )


def manager_keeps_house(s: State, r: Rules) -> Steps:
    """Rows that travel, the journal, and the end of tombstones."""
    if s.recon:
        return
    if s.m.copy == ManagerCopy.DELETED:
        yield "M sends the row DEL to G", send(s, "DELROW")
    if "FIN1" in s.net and "FIN1" not in s.m.journal:
        yield "M stores the row FIN R=local", on_manager(s, journal=s.m.journal | {"FIN1"})
    if r.prune and "CONFIRM1" in s.net and s.m.copy in (ManagerCopy.CLOSED, ManagerCopy.DELETED):
        walls_passed = "DATA1" not in s.net and "CANCEL1" not in s.net
        if s.m.hop1 is not Tombstone.NONE and (walls_passed or not r.keep(Safeguard.PRUNE_LATE)):
            yield "M prunes the tombstone of hop 1", on_manager(s, hop1=Tombstone.NONE)
