"""Moves of a gateway's mail and of the small facts: accepted, judged, sent, settled; peers, quarantines, users."""

import json
from dataclasses import replace

from pratique.store.memory.apply import (
    Tx,
    applies,
    body_may_go,
    end_of_hop,
    is_open,
    is_over,
    put_copy,
    require,
    write_row,
)
from pratique.store.moves import (
    Accept,
    DotSent,
    DropQuarantine,
    Forget,
    Judge,
    LetGo,
    Outcome,
    PutPeer,
    PutQuarantine,
    PutSetting,
    PutUser,
    Record,
    RenewPeer,
    Settle,
    Settled,
)
from pratique.store.records import Copy, Delivery, Extent

RISING = ("journal_in", "journal_out", "watermark", "confirmed")
ENDED = ("DELIVERED", "FAILED", "CANCELLED")


def _end_of_own(tx: Tx, copy: Copy) -> None:
    """A copy whose hop was cancelled is over here: the manager is told, in case that we are set back (FIN R=local)."""
    del tx.rows.taken_back[copy.mid]
    for hop, transfer in tx.rows.transfers.items():
        if transfer.mid == copy.mid and transfer.state == "CANC" and transfer.cid == copy.cid:
            write_row(tx, hop, "FIN", transfer.seal, transfer.peer, '{"R": "local"}')
            return


@applies(Accept)
def accept(tx: Tx, move: Accept) -> None:
    for copy in move.copies:
        put_copy(tx, copy)
    tx.record(move.audit)


@applies(Judge)
def judge(tx: Tx, move: Judge) -> None:
    copy = tx.copy(move.mid)
    require(copy.custody == "RECEIVED", f"MID {move.mid} was judged: it is {copy.custody}")
    require(bool(move.copies), "a verdict leaves at least one copy")
    first = move.copies[0]
    require((first.mid, first.cid, first.hop) == (copy.mid, copy.cid, copy.hop), "another copy is put in its place")
    require(first.extent == copy.extent, "a rewritten body belongs to a child, not to the copy itself")
    for table in (tx.rows.copies, tx.rows.deliveries, tx.rows.holds, tx.rows.due):
        table.discard(move.mid)
    del tx.rows.mids[copy.cid, copy.hop]
    put_copy(tx, first, version=copy.version + 1)
    for child in move.copies[1:]:
        put_copy(tx, child)
    tx.record(move.audit)


@applies(DotSent)
def dot_sent(tx: Tx, move: DotSent) -> None:
    tx.copy(move.mid)
    require(bool(move.rids), f"MID {move.mid}: no delivery is named")
    found = {delivery.rid: delivery for delivery in tx.rows.deliveries.get(move.mid, ())}
    for rid in move.rids:
        require(rid in found and found[rid].state == "DUE", f"MID {move.mid} RID {rid} is not due")
        found[rid] = replace(found[rid], state="DOT")
    tx.rows.set_deliveries(move.mid, tuple(found.values()))


@applies(Settle)
def settle(tx: Tx, move: Settle) -> Settled:
    copy = tx.copy(move.mid)
    found = {delivery.rid: delivery for delivery in tx.rows.deliveries.get(move.mid, ())}
    rids = {outcome.rid for outcome in move.outcomes}
    require(len(rids) == len(move.outcomes), f"MID {move.mid} has two outcomes for one recipient")
    for outcome in move.outcomes:
        before = found.get(outcome.rid)
        require(before is not None and is_open((before,)), f"MID {move.mid} RID {outcome.rid} is not open")
        assert before is not None
        found[outcome.rid] = _after(before, outcome)
    deliveries = tuple(found.values())
    tx.rows.set_deliveries(move.mid, deliveries)
    for spawned in move.spawned:
        put_copy(tx, spawned)
    finished, row = not is_open(deliveries), False
    if finished and copy.custody in ("ACTIVE", "LOC"):
        tx.change(copy, "SETTLED")
        row = bool(copy.hop)
        end_of_hop(tx, move.mid)
        if not copy.hop and move.mid in tx.rows.taken_back:
            row = True
            _end_of_own(tx, copy)
    tx.record(move.audit)
    return Settled(finished, row)


def _after(before: Delivery, outcome: Outcome) -> Delivery:
    require(outcome.state in ENDED or outcome.state == "DUE", f"a delivery cannot end in {outcome.state}")
    return replace(
        before,
        state=outcome.state,
        attempts=before.attempts + 1,
        next_at=outcome.next_at if outcome.state == "DUE" else before.next_at,
        reply=outcome.reply,
        delayed=before.delayed or outcome.delayed,
    )


@applies(LetGo)
def let_go(tx: Tx, move: LetGo) -> tuple[Extent, ...]:
    """Copies that were split from one message share a body: an extent goes with the last row that names it."""
    gone: dict[Extent, None] = {}
    for mid in move.mids:
        copy = tx.copy(mid)
        require(body_may_go(tx.rows, copy, tx.now + 1), f"the body of MID {mid} ({copy.custody}) may still be needed")
        if copy.extent is not None:
            gone[copy.extent] = None
            tx.rows.copies[mid] = replace(copy, extent=None, version=copy.version + 1)
    named = {copy.extent for copy in tx.rows.copies.values()}
    return tuple(extent for extent in gone if extent not in named)


@applies(Forget)
def forget(tx: Tx, move: Forget) -> int:
    gone = [mid for mid in move.mids if (copy := tx.rows.copies.get(mid)) is not None and is_over(tx.rows, copy)]
    for mid in dict.fromkeys(gone):
        copy = tx.rows.copies[mid]
        del tx.rows.copies[mid]
        del tx.rows.mids[copy.cid, copy.hop]
        tx.rows.deliveries.discard(mid)
    tx.record(move.audit)
    return len(dict.fromkeys(gone))


@applies(RenewPeer)
def renew_peer(tx: Tx, move: RenewPeer) -> None:
    known = tx.rows.peers.get(move.serial)
    require(
        known is not None and not known.withdrawn and known.fingerprint == move.before,
        f"appliance {move.serial} is not enrolled with the certificate that is renewed",
    )
    assert known is not None
    tx.rows.peers[move.serial] = replace(known, certificate=move.certificate, fingerprint=move.fingerprint)
    tx.record(move.audit)


@applies(PutPeer)
def put_peer(tx: Tx, move: PutPeer) -> None:
    """What was learnt by exchange is not an administrator's to set back: it may have been read before a hello."""
    peer, known = move.peer, tx.rows.peers.get(move.peer.serial)
    if known is not None:
        risen = {name: max(getattr(known, name), getattr(peer, name)) for name in RISING}
        inc, seq = max((known.inc, known.seq), (peer.inc, peer.seq))
        knows_inc, knows_seq = max((known.knows_inc, known.knows_seq), (peer.knows_inc, peer.knows_seq))
        peer = replace(
            peer,
            nonce=known.nonce or peer.nonce,
            endpoint=known.endpoint or peer.endpoint,
            inc=inc,
            seq=seq,
            knows_inc=knows_inc,
            knows_seq=knows_seq,
            set_back_here=known.set_back_here,
            set_back_there=known.set_back_there,
            lost_inc=known.lost_inc,
            lost_seq=known.lost_seq,
            testified=known.testified,
            newer=known.newer,
            **risen,
        )
    tx.rows.peers[peer.serial] = peer
    tx.record(move.audit)


@applies(PutQuarantine)
def put_quarantine(tx: Tx, move: PutQuarantine) -> None:
    tx.rows.quarantines[move.quarantine.name] = move.quarantine
    tx.record(move.audit)


@applies(DropQuarantine)
def drop_quarantine(tx: Tx, move: DropQuarantine) -> None:
    require(move.name in tx.rows.quarantines, f'there is no quarantine "{move.name}"')
    held = any(
        hold.quarantine == move.name and hold.mark == "HELD" for holds in tx.rows.holds.values() for hold in holds
    )
    require(not held, f'the quarantine "{move.name}" holds messages')
    del tx.rows.quarantines[move.name]
    tx.record(move.audit)


@applies(PutUser)
def put_user(tx: Tx, move: PutUser) -> None:
    tx.rows.users[move.user.name] = move.user
    tx.record(move.audit)


@applies(PutSetting)
def put_setting(tx: Tx, move: PutSetting) -> None:
    tx.rows.settings[move.key] = move.value
    tx.record(move.audit)


@applies(Record)
def record(tx: Tx, move: Record) -> None:
    tx.record(move.audit)


def attachments(copy: Copy) -> list[tuple[str, int]]:
    """(name, octets of the base64 form) of each part."""
    return [(str(name), int(size)) for name, size in json.loads(copy.attachments)]
