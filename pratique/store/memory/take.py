"""Moves of custody at the side that receives: groups, cancels, hellos and the peer's journal."""

import json
from dataclasses import replace

from pratique.delivery.custody import NOTHING, Answer, Event, Tombstone, on_cancel, on_group
from pratique.store.memory.apply import LET_GO_AT_ONCE, Tx, applies, next_custody, put_copy, require
from pratique.store.memory.recovery import doubt_releases, hear, offer_again, put_deleted
from pratique.store.memory.rows import Tomb
from pratique.store.moves import (
    AcceptSetback,
    Cancel,
    Confirm,
    FoundOld,
    HelloFrom,
    HelloTaken,
    JournalAcked,
    JournalIn,
    JournalTaken,
    Receive,
    Received,
    SetbackAccepted,
)
from pratique.store.records import AuditEntry, Copy
from pratique.store.recovery import ToldRow
from pratique.store.setback import SET_BACK, heard, set_back_to

FENCED = Received("FENCED")
HELD = Received("HELD")


def _is_current(tx: Tx, serial: str, nonce: str, inc: int) -> bool:
    """Only the instance that said hello last may change custody (custody.md §2.4, rules 3 and 4)."""
    peer = tx.rows.peers.get(serial)
    if peer is None or peer.withdrawn or peer.locked:
        return False
    return (peer.nonce, peer.inc) == (nonce, inc) and nonce != ""


@applies(Receive)
def receive(tx: Tx, move: Receive) -> Received:
    copy = move.copy
    require(copy.hop == move.hop, "the copy came by another hop")
    if not _is_current(tx, move.peer, move.nonce, move.inc):
        return FENCED
    peer = tx.peer(move.peer)
    if peer.set_back:
        return HELD
    tx.rows.peers[move.peer] = replace(peer, seq=max(peer.seq, move.seq))
    tomb = tx.rows.tombs.get((copy.cid, move.hop))
    answer = on_group(tomb.remembered if tomb else NOTHING, move.seal, move.peer)
    if answer is Answer.COMMIT_ACC:
        if tx.role == "gateway" and _newer_taken(tx, copy.cid, move.hop):
            return Received(Answer.CONFLICT)
        tomb = _bury(tx, (copy.cid, move.hop), Tombstone.ACC, move.seal, move.peer, copy.at)
        put_copy(tx, copy)
        tx.record(move.audit)
    return _answer(answer, tomb)


def _newer_taken(tx: Tx, cid: str, hop: int) -> bool:
    """An older release of a copy that came back by a later one: a defect or a lie, never taken."""
    return hop % 2 == 0 and any(
        tomb.kind is Tombstone.ACC and other > hop and other % 2 == 0
        for (known, other), tomb in tx.rows.tombs.items()
        if known == cid
    )


@applies(Cancel)
def cancel(tx: Tx, move: Cancel) -> Received:
    if not _is_current(tx, move.peer, move.nonce, move.inc):
        return FENCED
    if tx.peer(move.peer).set_back:
        return HELD
    tomb = tx.rows.tombs.get((move.cid, move.hop))
    answer = on_cancel(tomb.remembered if tomb else NOTHING, move.seal, move.peer)
    if answer is Answer.COMMIT_CANC:
        tomb = _bury(tx, (move.cid, move.hop), Tombstone.CANC, move.seal, move.peer, move.at)
        tx.record((AuditEntry(f"peer:{move.peer}", "cancel", 0, move.cid, f'{{"hop": {move.hop}}}'),))
    return _answer(answer, tomb)


def _bury(tx: Tx, hop: tuple[str, int], kind: Tombstone, seal: str, peer: str, at: int) -> Tomb:
    tomb = Tomb(kind, seal, peer, tx.inc, tx.number(), at)
    tx.rows.tombs[hop] = tomb
    return tomb


def _answer(answer: Answer, tomb: Tomb | None) -> Received:
    if answer is Answer.CONFLICT or tomb is None:
        return Received(answer)
    return Received(answer, tomb.inc, tomb.seq)


@applies(HelloFrom)
def hello_from(tx: Tx, move: HelloFrom) -> HelloTaken:
    before = tx.peer(move.serial)
    if (move.serial, move.nonce) in tx.rows.old_nonces:
        return HelloTaken(before, fenced=True)
    if before.nonce not in ("", move.nonce):
        tx.rows.old_nonces[move.serial, before.nonce] = True
    anew = move.inc > before.inc
    found = heard(move, before, role=tx.role, inc=tx.inc)
    inc, seq = max((before.inc, before.seq), (move.inc, move.seq))
    knows_inc, knows_seq = max((before.knows_inc, before.knows_seq), (move.knows_inc, move.knows_seq))
    here = found.here and not before.set_back_here
    there = found.there and not before.set_back_there
    if here:
        _set_back_everywhere(tx, move.opened)
    known = tx.rows.peers[move.serial]
    tx.rows.peers[move.serial] = replace(
        known,
        nonce=move.nonce,
        inc=inc,
        seq=seq,
        endpoint=move.endpoint or before.endpoint,
        journal_in=0 if anew or found.begins else before.journal_in,
        confirmed=0 if anew else before.confirmed,
        knows_inc=knows_inc,
        knows_seq=knows_seq,
        watermark=before.watermark if move.watermark is None else move.watermark,
        set_back_there=found.there,
        lost_inc=found.lost[0],
        lost_seq=found.lost[1],
        newer=known.newer or found.newer,
        testified=known.testified and not found.begins and not anew,
    )
    if found.ended and tx.role == "gateway":
        offer_again(tx, move.serial, (before.lost_inc, before.lost_seq))
    if there and tx.role == "manager" and not (before.set_back_here or found.here):
        doubt_releases(tx, move.serial)
    if move.told is not None:
        _testified(tx, move.serial, move.told)
    if here or there:
        detail = json.dumps({"serial": move.serial, "here": here, "there": there})
        tx.record((AuditEntry("system", "set-back", detail=detail),))
    return HelloTaken(before, fenced=False)


def _testified(tx: Tx, serial: str, told: tuple[int, int, int]) -> None:
    peer = tx.rows.peers[serial]
    ours = tx.rows.settings.get(SET_BACK) == set_back_to(told[:2])
    if peer.set_back_here and ours and peer.journal_in >= told[2]:
        tx.rows.peers[serial] = replace(peer, testified=True)


def _set_back_everywhere(tx: Tx, opened: tuple[int, int]) -> None:
    """Our store is one: it is older towards every peer. A withdrawn one has no say."""
    for serial, peer in list(tx.rows.peers.items()):
        if not peer.withdrawn:
            tx.rows.peers[serial] = replace(peer, set_back_here=True, testified=False, newer=False)
    if SET_BACK not in tx.rows.settings:
        tx.rows.settings[SET_BACK] = set_back_to(opened)


@applies(FoundOld)
def found_old(tx: Tx, move: FoundOld) -> None:
    new = False
    for serial, peer in list(tx.rows.peers.items()):
        knows_inc, knows_seq = max((peer.knows_inc, peer.knows_seq), (move.inc, move.seq))
        tx.rows.peers[serial] = replace(peer, knows_inc=knows_inc, knows_seq=knows_seq)
        new = new or not (peer.set_back_here or peer.withdrawn)
    if new:
        _set_back_everywhere(tx, move.opened)
        tx.record(move.audit)


@applies(AcceptSetback)
def accept_setback(tx: Tx, move: AcceptSetback) -> SetbackAccepted:
    peer = tx.peer(move.serial)
    require(peer.set_back, f"no set-back between us and {move.serial} is known")
    require(peer.knows_seq <= tx.seq, f"{move.serial} has just said hello; try again")
    tx.inc = tx.rows.numbers["inc"] = max(tx.inc, peer.knows_inc) + 1
    tx.rows.peers[move.serial] = replace(
        peer, inc=0, seq=0, set_back_here=False, set_back_there=False, testified=False, newer=False
    )
    if not any(other.set_back_here for other in tx.rows.peers.values()):
        tx.rows.settings.discard(SET_BACK)
    tx.record(move.audit)
    return SetbackAccepted(tx.inc, tx.seq)


@applies(JournalIn)
def journal_in(tx: Tx, move: JournalIn) -> JournalTaken:
    peer = tx.peer(move.peer)
    require(move.last >= move.after, "the journal runs backwards")
    if move.after != peer.journal_in:
        return JournalTaken(peer.journal_in, gap=True)
    dropped: list[int] = []
    for seq, state, cid, hop, _seal, _at, pairs in move.rows:
        require(move.after < seq <= move.last, f"row {seq} is not in ({move.after}, {move.last}]")
        if peer.set_back_here and tx.role == "manager":
            continue  # what the older state holds is decided when all have told
        if (tx.role, state) in (("manager", "FIN"), ("gateway", "DEL")):
            copy = _told(tx, move.peer, state, (cid, hop), pairs)
            if copy is not None and copy.extent is not None and copy.mid not in dropped:
                dropped.append(copy.mid)
            _remember(tx, move.peer, state, (cid, hop), seq)
    if peer.set_back_here and tx.role == "manager":
        hear(tx, move)
    tx.rows.peers[move.peer] = replace(peer, journal_in=move.last, seq=max(peer.seq, move.last))
    return JournalTaken(move.last, gap=False, dropped=tuple(dropped))


def _remember(tx: Tx, serial: str, state: str, hop: tuple[str, int], seq: int) -> None:
    """What either side may have to prove when the other was set back: a deletion; our own end of a cancelled hop."""
    if state == "DEL":
        put_deleted(tx, *hop, serial, seq)
    elif hop[1] % 2:
        tx.rows.told[*hop, serial] = (ToldRow(serial, *hop, "FIN", "-", "{}"), False)


_TOLD_IN = {"manager": ("REL", "RELD", "DOUBT"), "gateway": ("X", "DONE")}


def _told(tx: Tx, serial: str, state: str, hop: tuple[str, int], pairs: str) -> Copy | None:
    """FIN and DEL imply ACC. A row of a hop that we did not offer to this peer, or that is settled otherwise, says
    nothing that we may act on."""
    transfer = tx.rows.transfers.get(hop)
    if transfer is None or transfer.peer != serial or transfer.state not in ("X", "STUCK", "DONE", "DOUBT"):
        return None
    copy = tx.copy(transfer.mid)
    if copy.custody not in _TOLD_IN[tx.role]:
        return None
    role, event = ("manager", Event.FIN) if state == "FIN" else ("gateway", Event.DELETED_ROW)
    custody = next_custody(role, copy.custody, event)
    if transfer.state != "DONE":
        tx.rows.transfers[hop] = replace(transfer, state="DONE", error="")
    if custody != copy.custody:
        tx.change(copy, custody)
    tx.rows.shadow_since[copy.mid] = LET_GO_AT_ONCE
    if custody != copy.custody:
        action = "deliver" if state == "FIN" else "delete"
        tx.record((AuditEntry(f"peer:{serial}", action, copy.mid, copy.cid, pairs),))
    return copy


@applies(JournalAcked)
def journal_acked(tx: Tx, move: JournalAcked) -> tuple[int, ...]:
    peer = tx.peer(move.peer)
    applied = move.applied if move.gap else max(peer.journal_out, move.applied)
    tx.rows.peers[move.peer] = replace(peer, journal_out=applied)
    covered = [
        mid
        for row in tx.rows.rows.values()
        if row.peer == move.peer and row.state == "DEL" and row.seq <= applied
        if (mid := tx.rows.mids.get((row.cid, row.hop))) is not None and tx.rows.copies[mid].extent is not None
    ]
    for mid in covered:
        tx.rows.shadow_since[mid] = LET_GO_AT_ONCE
    return tuple(sorted(covered))


@applies(Confirm)
def confirm(tx: Tx, move: Confirm) -> None:
    peer = tx.peer(move.peer)
    tx.rows.peers[move.peer] = replace(peer, confirmed=max(peer.confirmed, move.seq))
