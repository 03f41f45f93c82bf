"""Review, and hops 2 and 4, manager to gateway: what each party can do; see handover.py."""

from pratique.delivery.custody import (
    NOTHING,
    Answer,
    Event,
    GatewayCopy,
    ManagerCopy,
    Remembered,
    Tombstone,
    gateway_next,
    manager_next,
    on_cancel,
    on_group,
)
from proof.handover import Steps
from proof.rules import Rules, Safeguard
from proof.state import (
    DLV,
    DOUBTED,
    NONE,
    OUT,
    REPLY,
    SEAL,
    WRITES,
    State,
    hop_of,
    on_gateway,
    on_manager,
    send,
    tombstone,
)

OTHER = {"G": "H", "H": "G"}


# --- review ------------------------------------------------------------------------------------------------------
def _decided(copy: str, event: Event, r: Rules) -> ManagerCopy | None:
    try:
        return manager_next(ManagerCopy(copy), event, r.manager)
    except KeyError:
        return None  # the move is refused: someone else was first, and the reviewer is told who


def reviewers(s: State, r: Rules) -> Steps:
    """They act from whatever page they have open; what is not in the table is refused."""
    if s.recon or s.m.copy in (NONE, ManagerCopy.DOUBT) or s.m.holder != "G":
        return
    released = _decided(s.m.copy, Event.RELEASE, r)
    if released is not None:
        if not r.keep(Safeguard.RELEASE_RECORDED):
            yield "M sends the release before the row is written", send(s, "DATA2:G")
        recorded = on_manager(s, copy=released, actor="alice", target="G")
        yield "alice releases: row, actor and audit in one commit, then group 2 to G", send(recorded, "DATA2:G")
    deleted = _decided(s.m.copy, Event.DELETE, r)
    if deleted is not None:
        yield "bob deletes: row, actor and audit in one commit", on_manager(
            s, copy=deleted, actor="bob"
        )._replace(deleted=True)  # fmt: skip


def actor_in_doubt(s: State, r: Rules) -> Steps:
    """Only a named person ends a doubt, and says on record that a duplicate is possible."""
    if s.m.copy == ManagerCopy.DOUBT and not s.recon:
        sent = manager_next(ManagerCopy.DOUBT, Event.ACTOR_SENDS, r.manager)
        over = manager_next(ManagerCopy.DOUBT, Event.ACTOR_ENDS, r.manager)
        yield "carol: release again, through H (on record)", on_manager(
            s, copy=sent, target="H", actor="carol"
        )._replace(named=True)  # fmt: skip
        yield "carol: it counts as delivered (on record)", on_manager(
            s, copy=over, actor="carol"
        )._replace(named=True, deleted=True)  # fmt: skip
    if s.g.copy == GatewayCopy.DOUBT and not s.hold:
        yield "carol: deliver it again (on record)", on_gateway(
            s, "G", copy=gateway_next(GatewayCopy.DOUBT, Event.ACTOR_SENDS, r.gateway)
        )._replace(named=True)  # fmt: skip
        if gateway_next(GatewayCopy.DOUBT, Event.ACTOR_ENDS, r.gateway) == GatewayCopy.SETTLED:
            ended = on_gateway(s, "G", copy=OUT)._replace(named=True, deleted=True)
            yield "carol: it counts as delivered (on record)", ended
    for hop in (2, 4):
        if hop_of(s.g, hop) == DOUBTED and not s.hold:
            answered = on_gateway(s, "G", **{f"hop{hop}": DLV})._replace(named=True)
            yield "carol: deliver the release (on record)", answered._replace(deliveries=s.deliveries + 1)
            yield "carol: the release counts as delivered (on record)", answered._replace(deleted=True)


# --- hops 2 and 4: the manager as sender ---------------------------------------------------------------------------
def manager_sends(s: State, r: Rules) -> Steps:
    m = s.m
    if s.recon or m.copy != ManagerCopy.RELEASING:
        return
    if m.target in m.cancelled:
        yield from _retarget(s, r)
        return
    yield f"M sends group {m.hop} to {m.target}", send(s, f"DATA{m.hop}:{m.target}")
    another = m.target == "G" or (r.reoffer and m.hop == 2)
    if r.failover and another:
        yield f"M gives up waiting: XQCANCEL {m.hop} at {m.target}", send(s, f"CANCEL{m.hop}:{m.target}")
    if m.target == "G" and not r.keep(Safeguard.SWITCH_CANCEL):
        yield "M switches to H without a cancel", on_manager(s, target="H")
    if m.target == "H" and m.hop == 2 and not r.keep(Safeguard.REOFFER_CANCEL):
        yield "M offers hop 4 without H's cancel", on_manager(s, hop=4, cancelled=frozenset())
    if m.target == "G" and r.override:
        yield "carol overrides the dead G (on record, may duplicate)", on_manager(s, target="H")._replace(named=True)


def _retarget(s: State, r: Rules) -> Steps:
    """The hop goes to one that has not cancelled it; to one that has, only as a new hop, which no old message can
    carry. Every target that the old hop was offered to has cancelled by then: it leaves one only after its CANC."""
    m = s.m
    next_target = OTHER[m.target]
    if next_target not in m.cancelled:
        yield f"M turns to {next_target} with hop {m.hop}", on_manager(s, target=next_target)
    if m.hop == 2 and (r.reoffer or next_target in m.cancelled):
        for target in m.cancelled:
            again = on_manager(s, hop=4, target=target, cancelled=frozenset())
            yield f"M offers it anew to {target} as hop 4", again


def manager_reads(s: State, r: Rules) -> Steps:
    m = s.m
    if s.recon or m.copy in (NONE, ManagerCopy.HELD):
        return
    copy = ManagerCopy(m.copy)
    for name in ("G", "H"):
        mine = name == m.target or not r.keep(Safeguard.ANSWER_OF_TARGET)
        if mine and f"ACK{m.hop}:{name}" in s.net:
            yield f"M commits XQACC of {name}", on_manager(s, copy=manager_next(copy, Event.ACC, r.manager))
        if mine and f"CANC{m.hop}:{name}" in s.net:
            after = manager_next(copy, Event.CANC, r.manager)
            yield f"M commits XQCANC of {name}", on_manager(s, copy=after, cancelled=m.cancelled | {m.target})
        for hop in (2, 4):
            row = f"FIN{hop}:{name}"
            if row in s.net:
                after = manager_next(copy, Event.FIN, r.manager)
                yield f"M stores the row FIN of {name}", on_manager(s, copy=after, journal=m.journal | {row})


# --- hops 2 and 4: a gateway as receiver ---------------------------------------------------------------------------
def _takes(s: State, name: str) -> int:
    return s.g_takes if name == "G" else s.h_takes


def _taking(s: State, name: str, hop: int) -> State:
    return s._replace(g_takes=hop) if name == "G" else s._replace(h_takes=hop)


def _release_memory(state: str) -> Remembered:
    if state == Tombstone.NONE:
        return NOTHING
    return Remembered(Tombstone.CANC if state == Tombstone.CANC else Tombstone.ACC, SEAL, "M")


def release_target(s: State, r: Rules, name: str) -> Steps:
    if name == "G" and s.hold:
        return
    held = _takes(s, name)
    for hop in (2, 4) if r.reoffer or s.rollbacks else (2,):
        memory = _release_memory(tombstone(s, name, hop))
        if f"DATA{hop}:{name}" in s.net and not held:
            answer = on_group(memory, SEAL, "M", r.gateway)
            if answer in WRITES:
                yield f"{name} reads group {hop} into memory", _taking(s, name, hop)
            else:
                yield f"{name} knows hop {hop}: {answer}", _release_answered(s, name, hop, answer)
        if f"CANCEL{hop}:{name}" in s.net:
            answer = on_cancel(memory, SEAL, "M", r.gateway)
            yield f"{name} answers XQCANCEL {hop}: {answer}", _release_answered(s, name, hop, answer)
    if held:
        answer = on_group(_release_memory(tombstone(s, name, held)), SEAL, "M", r.gateway)
        yield f"{name} commits group {held}: {answer}", _release_answered(_taking(s, name, 0), name, held, answer)


def _release_answered(s: State, name: str, hop: int, answer: Answer) -> State:
    if answer in WRITES:
        kind = Tombstone.ACC if answer is Answer.COMMIT_ACC else Tombstone.CANC
        s = on_gateway(s, name, **{f"hop{hop}": kind})
    return send(s, f"{REPLY[answer]}{hop}:{name}")


def release_delivered(s: State, r: Rules, name: str) -> Steps:
    if name == "G" and s.hold:
        return
    for hop in (2, 4):
        state = tombstone(s, name, hop)
        if state == Tombstone.ACC:
            done = on_gateway(s, name, **{f"hop{hop}": DLV})
            yield f"{name} delivers the release (hop {hop})", done._replace(deliveries=s.deliveries + 1)
        elif state == DLV:
            yield f"{name} sends the row FIN of hop {hop}", send(s, f"FIN{hop}:{name}")
