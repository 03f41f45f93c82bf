"""Moves of custody at the side that offers, and of the hold whose end makes a manager offer."""

import json
from dataclasses import replace

from pratique.delivery.custody import Event, Tombstone
from pratique.mail.ids import make_xid
from pratique.quarantine.lifecycle import Exit, Mark, exit_of
from pratique.store.memory.apply import (
    Tx,
    applies,
    end_of_hop,
    next_custody,
    put_copy,
    put_deliveries,
    put_transfer,
    require,
    write_row,
)
from pratique.store.memory.mail import settle
from pratique.store.moves import (
    Acknowledged,
    DelayExit,
    Exited,
    ExitHold,
    Intend,
    MoveHold,
    MoveRefused,
    Retarget,
    SendCopy,
    Settle,
    TakeBack,
    TransfersAnswered,
    TransferStuck,
)
from pratique.store.records import AuditEntry, Copy, Hold

ANSWERED = {Event.ACC: "DONE", Event.CANC: "CANC"}


@applies(Intend)
def intend(tx: Tx, move: Intend) -> None:
    for hop in move.hops:
        transfer = tx.rows.transfers.get(hop)
        if transfer is None or transfer.state != "Q":
            continue
        copy = tx.copy(transfer.mid)
        tx.rows.transfers[hop] = replace(transfer, state="X")
        tx.change(copy, next_custody("gateway", copy.custody, Event.INTEND))


@applies(TransfersAnswered)
def transfers_answered(tx: Tx, move: TransfersAnswered) -> None:
    for answer in move.answers:
        _answered(tx, answer, move.role, tx.number() if may_end_release(move.role, answer) else 0)


def may_end_release(role: str, answer: Acknowledged) -> bool:
    """May the answer need a row FIN of its own: was a copy that had been released held again?"""
    return role == "gateway" and answer.event == Event.ACC and answer.hop > 1


def _answered(tx: Tx, answer: Acknowledged, role: str, number: int) -> None:
    transfer = tx.rows.transfers.get((answer.cid, answer.hop))
    require(transfer is not None, f"hop {answer.cid}.{answer.hop} was never offered")
    assert transfer is not None
    if answer.peer not in ("", transfer.peer):
        return  # a late answer of a target that the hop was taken away from
    require(answer.event in (Event.ACC, Event.CANC), f"{answer.event} is not an answer to a transfer")
    event = Event(answer.event)
    state = ANSWERED[event]
    if transfer.state in (state, "DOUBT"):
        return  # a repeat; or a person has been asked since
    # STUCK waits for a person, but the peer's answer still ends the doubt.
    require(transfer.state in ("X", "STUCK"), f"hop {answer.cid}.{answer.hop} is {transfer.state}, not in doubt")
    copy = tx.copy(transfer.mid)
    custody = next_custody(role, copy.custody, event)
    tx.rows.transfers[answer.cid, answer.hop] = replace(
        transfer, state=state, error="", ack_inc=answer.inc, ack_seq=answer.seq
    )
    peer = tx.rows.peers.get(transfer.peer)
    if peer is not None and peer.inc == answer.inc:
        tx.rows.peers[peer.serial] = replace(peer, seq=max(peer.seq, answer.seq))
    tx.change(copy, custody)
    if role == "gateway" and event is Event.ACC and answer.hop == copy.hop + 1:
        end_of_hop(tx, copy.mid, make_xid(answer.cid, answer.hop), number)
    action = "transfer" if event is Event.ACC else "cancel"
    tx.record((AuditEntry(f"peer:{transfer.peer}", action, copy.mid, copy.cid, f'{{"hop": {answer.hop}}}'),))


@applies(TransferStuck)
def transfer_stuck(tx: Tx, move: TransferStuck) -> None:
    transfer = tx.rows.transfers.get((move.cid, move.hop))
    if transfer is not None and move.peer not in ("", transfer.peer):
        return
    require(transfer is not None and transfer.state == "X", f"hop {move.cid}.{move.hop} is not in doubt")
    assert transfer is not None
    tx.rows.transfers[move.cid, move.hop] = replace(
        transfer, state="STUCK" if move.stuck else "X", error=move.error, attempts=transfer.attempts + 1
    )
    tx.record(move.audit)


@applies(Retarget)
def retarget(tx: Tx, move: Retarget) -> None:
    old = tx.rows.transfers.get((move.cid, move.hop))
    new = move.transfer
    require(old is not None, f"hop {move.cid}.{move.hop} was never offered")
    assert old is not None
    free = ("CANC", "X", "STUCK") if move.override else ("CANC",)
    require(old.state in free, f"hop {move.cid}.{move.hop} is {old.state}: its target may have it")
    copy = tx.copy(old.mid)
    require(copy.custody == "REL", f"MID {copy.mid} is {copy.custody}, not being released")
    require(new.cid == move.cid, "the transfer belongs to another copy")
    if new.hop == old.hop:
        gone = (move.cid, move.hop, new.peer) in tx.rows.cancelled
        require(new.peer != old.peer and not gone, f"{new.peer} will never take hop {new.hop}: offer it two higher")
    else:
        require(new.hop == old.hop + 2, "the new hop must be the same to another peer, or two higher")
    if old.state == "CANC":
        tx.rows.cancelled[move.cid, move.hop, old.peer] = True
    del tx.rows.transfers[move.cid, move.hop]
    put_transfer(tx, copy, new)
    tx.touch(copy.mid)
    tx.record(move.audit)


@applies(TakeBack)
def take_back(tx: Tx, move: TakeBack) -> None:
    copy = tx.copy(move.mid)
    require(copy.custody in ("LOC", "Q"), f"MID {move.mid} is {copy.custody}: another route might double it")
    if copy.custody == "Q":
        for hop, transfer in list(tx.rows.transfers.items()):
            if transfer.mid == move.mid and transfer.state == "Q":
                tx.rows.transfers[hop] = replace(transfer, state="CANC")
    else:
        tx.rows.taken_back[move.mid] = True
    tx.change(copy, "ACTIVE")
    put_deliveries(tx, move.mid, move.deliveries)
    if move.outcomes:
        settle(tx, Settle(move.mid, move.outcomes, (), move.spawned))
    tx.record(move.audit)


@applies(ExitHold)
def exit_hold(tx: Tx, move: ExitHold) -> Exited:
    copy, hold = _held(tx, move.mid, move.quarantine)
    require(copy.version == move.version, f"MID {move.mid} has changed since it was read")
    require(move.mark in (Mark.RELEASED, Mark.DELETED), f"a hold cannot end as {move.mark}")
    require(move.actor != "", "nothing leaves quarantine without who ordered it")
    _replace_hold(
        tx, replace(hold, mark=move.mark, cause=move.cause, actor=move.actor, decided_at=move.at), move.quarantine
    )
    exit_ = exit_of(Mark(one.mark) for one in tx.rows.holds[move.mid])
    if exit_ is Exit.NONE:
        tx.touch(move.mid)
    elif exit_ is Exit.DELETE:
        tx.change(copy, next_custody("manager", copy.custody, Event.DELETE))
        _tell_deleted(tx, copy, move)
    else:
        require(move.transfer is not None, "this was the last quarantine: a transfer is needed")
        assert move.transfer is not None
        require(move.transfer.state == "X", "a release is offered from the start")
        tx.change(copy, next_custody("manager", copy.custody, Event.RELEASE))
        put_transfer(tx, copy, move.transfer)
    tx.record(move.audit)
    return Exited(exit_)


def _tell_deleted(tx: Tx, copy: Copy, move: ExitHold) -> None:
    tomb = tx.rows.tombs.get((copy.cid, copy.hop))
    seal = tomb.seal if tomb is not None and tomb.kind is Tombstone.ACC else "-"
    pairs = json.dumps({"ACTOR": move.actor, "WHY": move.cause})
    write_row(tx, (copy.cid, copy.hop), "DEL", seal, copy.origin_serial, pairs)


@applies(DelayExit)
def delay_exit(tx: Tx, move: DelayExit) -> None:
    _, hold = _held(tx, move.mid, move.quarantine)
    _replace_hold(tx, replace(hold, exit_at=move.exit_at), move.quarantine)
    tx.touch(move.mid)
    tx.record(move.audit)


@applies(MoveHold)
def move_hold(tx: Tx, move: MoveHold) -> None:
    _, hold = _held(tx, move.mid, move.source)
    there = [one for one in tx.rows.holds[move.mid] if one.quarantine == move.target]
    # A mark once given is not taken back: an entry that was decided is not there to be overwritten.
    require(all(one.mark == Mark.HELD for one in there), f'it was decided in "{move.target}" already')
    _replace_hold(tx, replace(hold, quarantine=move.target), move.source)
    tx.touch(move.mid)
    tx.record(move.audit)


@applies(SendCopy)
def send_copy(tx: Tx, move: SendCopy) -> None:
    held, _ = _held(tx, move.mid, move.quarantine)
    copy, transfer = move.copy, move.copy.transfer
    same = (copy.extent, copy.sha256, copy.hop) == (held.extent, held.sha256, held.hop)
    require(same, "a copy that is sent has the body and the hop of the held one")
    require(copy.cid != held.cid and copy.parent == held.cid, "a copy that is sent is a child with a cid of its own")
    offered = transfer is not None and (transfer.hop, transfer.state) == (copy.hop + 1, "X")
    require(offered, "a copy that is sent is offered from the start")
    put_copy(tx, copy, states=("REL",))
    tx.record(move.audit)


def _held(tx: Tx, mid: int, quarantine: str) -> tuple[Copy, Hold]:
    copy = tx.copy(mid)
    require(copy.custody == "HELD", f"MID {mid} is {copy.custody}, not held")
    for hold in tx.rows.holds.get(mid, ()):
        if hold.quarantine == quarantine and hold.mark == Mark.HELD:
            return copy, hold
    raise MoveRefused(f'MID {mid} is not held in "{quarantine}"')


def _replace_hold(tx: Tx, hold: Hold, left: str) -> None:
    """`hold` takes the place of the entries in `left` and in its own quarantine."""
    others = (one for one in tx.rows.holds[hold.mid] if one.quarantine not in (left, hold.quarantine))
    tx.rows.set_holds(hold.mid, (*others, hold))
