"""Moves of the way back after a set-back (moves.py): what follows from the rows is decided in store.recovery."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pratique.delivery.custody import Event, Tombstone
from pratique.store.memory.apply import (
    LET_GO_AT_ONCE,
    Tx,
    applies,
    end_of_hop,
    next_custody,
    put_deliveries,
    put_transfer,
    require,
    write_row,
)
from pratique.store.memory.rows import Deleted, Tomb
from pratique.store.moves import Adopt, Declare, EndDoubt, JournalIn, Reconcile, Recovered
from pratique.store.records import AuditEntry, Copy, Transfer
from pratique.store.recovery import Ledger, Offered, Open, Outcome, ToldRow, adopt, reconcile
from pratique.store.setback import SET_BACK


def _open(copy: Copy) -> Open:
    return Open(copy.mid, copy.cid, copy.hop, copy.custody)


class MemoryLedger(Ledger):
    def __init__(self, tx: Tx, number: int, peer: str = "", inc: int = 0) -> None:
        self._tx = tx
        self._rows = tx.rows
        self._number = number
        self._peer, self._inc = peer, inc

    def told(self) -> Iterable[ToldRow]:
        return [row for _, (row, fresh) in sorted(self._rows.told.items()) if fresh]

    def copies_of(self, cid: str) -> Sequence[Open]:
        found = [copy for copy in self._rows.copies.values() if copy.cid == cid]
        return [_open(copy) for copy in sorted(found, key=lambda copy: copy.hop)]

    def undecided(self) -> Iterable[Open]:
        return [_open(copy) for _, copy in sorted(self._rows.copies.items()) if copy.custody in ("HELD", "REL", "RELD")]

    def _newest(self, mid: int) -> Transfer | None:
        found = [transfer for transfer in self._rows.transfers.values() if transfer.mid == mid]
        return max(found, key=lambda transfer: transfer.hop, default=None)

    def offered(self, mid: int) -> Offered | None:
        newest = self._newest(mid)
        return None if newest is None else Offered(newest.hop, newest.peer, newest.state)

    def tombstone(self, cid: str, hop: int) -> Tombstone:
        tomb = self._rows.tombs.get((cid, hop))
        return Tombstone.NONE if tomb is None else tomb.kind

    def bury(self, cid: str, hop: int, kind: Tombstone, peer: str) -> None:
        known = self._rows.tombs.get((cid, hop))
        if known is not None:
            self._rows.tombs[cid, hop] = replace(known, kind=kind)
        else:
            self._rows.tombs[cid, hop] = Tomb(kind, "-", peer, self._tx.inc, self._number, self._tx.now)

    def change(self, copy: Open, custody: str) -> None:
        self._tx.change(self._tx.copy(copy.mid), custody)

    def let_go(self, mid: int) -> None:
        self._rows.shadow_since[mid] = LET_GO_AT_ONCE

    def end_holds(self, mid: int, mark: str, actor: str) -> None:
        ended = tuple(
            replace(hold, mark=mark, cause="manual", actor=actor, decided_at=self._tx.now)
            if hold.mark == "HELD"
            else hold
            for hold in self._rows.holds.get(mid, ())
        )
        if ended:
            self._rows.set_holds(mid, ended)

    def offer_state(self, mid: int, state: str, *, cid: str = "", hop: int = 0, peer: str = "") -> None:
        newest = self._newest(mid)
        if newest is not None and hop in (0, newest.hop):
            changed = replace(newest, state=state, error="", peer=peer or newest.peer)
            self._rows.transfers[newest.cid, newest.hop] = changed
            return
        if newest is not None:
            del self._rows.transfers[newest.cid, newest.hop]
        size = self._rows.copies[mid].size
        self._rows.transfers[cid, hop] = Transfer(
            cid, hop, mid, peer, self._number, state, "-", b"", b"", size, 0, "", 0, 0
        )

    def cancelled_at(self, cid: str, hop: int, peer: str) -> None:
        transfer = self._rows.transfers.get((cid, hop))
        if transfer is not None and transfer.peer == peer and transfer.state in ("X", "STUCK"):
            self._rows.transfers[cid, hop] = replace(transfer, state="CANC", error="")
        else:
            self._rows.cancelled[cid, hop, peer] = True

    def forget_cancelled(self, peer: str) -> None:
        forget_cancelled(self._tx, peer)

    # --- a gateway's
    def copy_offered_by(self, cid: str, hop: int) -> Open | None:
        transfer = self._rows.transfers.get((cid, hop))
        return None if transfer is None else _open(self._rows.copies[transfer.mid])

    def copy_taken_by(self, cid: str, hop: int) -> Open | None:
        mid = self._rows.mids.get((cid, hop))
        return None if mid is None else _open(self._rows.copies[mid])

    def acknowledged(self, copy: Open, hop: int, seq: int) -> None:
        self._done(copy, hop, seq)
        if copy.hop and hop == copy.hop + 1:
            end_of_hop(self._tx, copy.mid, f"{copy.cid}.{hop}")

    def deleted(self, copy: Open, hop: int, seq: int) -> None:
        self._done(copy, hop, seq)
        put_deleted(self._tx, copy.cid, hop, self._peer, seq)
        self._rows.shadow_since[copy.mid] = LET_GO_AT_ONCE

    def _done(self, copy: Open, hop: int, seq: int) -> None:
        transfer = self._rows.transfers[copy.cid, hop]
        self._rows.transfers[copy.cid, hop] = replace(transfer, state="DONE", error="", ack_inc=self._inc, ack_seq=seq)
        self._tx.change(self._tx.copy(copy.mid), "DONE")

    def end_deliveries(self, mid: int, why: str) -> None:
        ended = tuple(
            replace(one, state="CANCELLED", reply=why) if one.state in ("DUE", "DOT") else one
            for one in self._rows.deliveries.get(mid, ())
        )
        self._rows.set_deliveries(mid, ended)


def put_deleted(tx: Tx, cid: str, hop: int, peer: str, seq: int) -> None:
    known = tx.rows.peers.get(peer)
    if known is not None:
        tx.rows.deleted[cid, hop] = Deleted(peer, known.inc, seq)


def forget_cancelled(tx: Tx, peer: str) -> None:
    for key in [key for key in tx.rows.cancelled if key[2] == peer]:
        del tx.rows.cancelled[key]


@applies(Declare)
def declare(tx: Tx, move: Declare) -> int:
    last = tx.seq
    for row in move.rows:
        last = tx.number()
        ended = tx.rows.rows.get((row.cid, row.hop))
        if ended is None or ended.state != "FIN":
            write_row(tx, (row.cid, row.hop), row.state, row.seal, move.peer, "{}", last)
    return last


def hear(tx: Tx, move: JournalIn) -> None:
    """Rows that come while we are set back wait for the testimony of all."""
    for _seq, state, cid, hop, seal, _at, pairs in move.rows:
        tx.rows.told[cid, hop, move.peer] = (ToldRow(move.peer, cid, hop, state, seal, pairs), True)


def _begin_anew(tx: Tx, audit: tuple[AuditEntry, ...], outcome: Outcome) -> Recovered:
    """A new incarnation, above all that was seen; we are not set back any more."""
    peers = tx.rows.peers
    require(max(peer.knows_seq for peer in peers.values()) <= tx.seq, "a peer has just said hello; try again")
    tx.inc = tx.rows.numbers["inc"] = max(tx.inc, *(peer.knows_inc for peer in peers.values())) + 1
    for serial, peer in list(peers.items()):
        peers[serial] = replace(peer, set_back_here=False, testified=False, newer=False)
    tx.rows.settings.discard(SET_BACK)
    for key, (row, fresh) in list(tx.rows.told.items()):
        if fresh:
            tx.rows.told[key] = (row, False)
    changed = tuple((state, tuple(mids)) for state, mids in outcome.changed.items())
    counts = {state: len(mids) for state, mids in outcome.changed.items()}
    tx.record(audit)
    tx.record((AuditEntry("system", "recovered", detail=json.dumps({"inc": tx.inc} | counts)),))
    for state, mids in changed:
        tx.record(tuple(AuditEntry("system", "recover", mid, detail=json.dumps(state)) for mid in mids))
    return Recovered(tx.inc, tx.seq, changed)


@applies(Reconcile)
def reconcile_all(tx: Tx, move: Reconcile) -> Recovered:
    peers = [peer for peer in tx.rows.peers.values() if peer.role == "gateway" and peer.set_back_here]
    require(tx.role == "manager" and bool(peers), "this manager is not set back")
    silent = [peer.name for peer in peers if not peer.withdrawn and not peer.testified]
    require(not silent, f"{', '.join(silent)} has not testified")
    unsure = frozenset(peer.serial for peer in peers if peer.withdrawn or peer.set_back_there)
    return _begin_anew(tx, move.audit, reconcile(MemoryLedger(tx, tx.number()), unsure))


@applies(Adopt)
def adopt_all(tx: Tx, move: Adopt) -> Recovered:
    peer = tx.rows.peers.get(move.peer)
    require(peer is not None and peer.set_back_here and tx.role == "gateway", "this gateway is not set back")
    assert peer is not None
    ledger = MemoryLedger(tx, tx.number(), move.peer, peer.inc)
    return _begin_anew(tx, move.audit, adopt(ledger, move.shown, newer=peer.newer))


def doubt_releases(tx: Tx, peer: str) -> None:
    """This gateway was set back: what it may have taken, and delivered or lost, only a person can decide."""
    forget_cancelled(tx, peer)
    for key, transfer in sorted(tx.rows.transfers.items(), key=lambda pair: pair[1].mid):
        copy = tx.rows.copies[transfer.mid]
        open_ = transfer.state in ("X", "STUCK", "DONE") and copy.custody in ("REL", "RELD")
        if transfer.peer == peer and open_:
            tx.change(copy, next_custody("manager", copy.custody, Event.SET_BACK))
            tx.rows.transfers[key] = replace(transfer, state="DOUBT")
            detail = json.dumps({"gateway": peer, "hop": transfer.hop})
            tx.record((AuditEntry("system", "doubt", copy.mid, copy.cid, detail),))


def offer_again(tx: Tx, peer: str, lost: tuple[int, int]) -> None:
    """What the manager had acknowledged in a life that it lost is in doubt again, same hop, same octets."""
    for key, transfer in sorted(tx.rows.transfers.items(), key=lambda pair: pair[1].mid):
        copy = tx.rows.copies[transfer.mid]
        shadow = transfer.state == copy.custody == "DONE" and copy.extent is not None and key not in tx.rows.deleted
        if transfer.peer == peer and shadow and (transfer.ack_inc, transfer.ack_seq) > lost:
            tx.change(copy, next_custody("gateway", "DONE", Event.LOST))
            tx.rows.shadow_since.discard(copy.mid)
            tx.rows.transfers[key] = replace(transfer, state="X")
            detail = json.dumps({"hop": transfer.hop})
            tx.record((AuditEntry("system", "offer-again", copy.mid, copy.cid, detail),))


@applies(EndDoubt)
def end_doubt(tx: Tx, move: EndDoubt) -> None:
    copy = tx.copy(move.mid)
    require(copy.custody == "DOUBT", f"MID {move.mid} is {copy.custody}: nobody doubts it")
    after = next_custody(tx.role, "DOUBT", Event.ACTOR_SENDS if move.send else Event.ACTOR_ENDS)
    if tx.role == "manager":
        MemoryLedger(tx, 0).end_holds(move.mid, "RELEASED" if move.send else "DELETED", move.actor)
        if move.send:
            require(move.transfer is not None, "a transfer is needed")
            assert move.transfer is not None
            for key in [key for key, transfer in tx.rows.transfers.items() if transfer.mid == move.mid]:
                del tx.rows.transfers[key]
            put_transfer(tx, copy, move.transfer)
        else:
            _tell_ended(tx, copy, move)
    elif move.send:
        after = "ACTIVE"
        if not _due_again(tx, move.mid):
            put_deliveries(tx, move.mid, move.deliveries)
        shown = (replace(one, reply=move.reply) if one.state == "DUE" else one for one in tx.rows.deliveries[move.mid])
        tx.rows.set_deliveries(move.mid, tuple(shown))
    tx.change(copy, after)
    tx.record(move.audit)


def _due_again(tx: Tx, mid: int) -> bool:
    before = tx.rows.deliveries.get(mid, ())
    again = tuple(replace(one, state="DUE") if one.state == "CANCELLED" else one for one in before)
    if again == before:
        return False
    tx.rows.set_deliveries(mid, again)
    return True


def _tell_ended(tx: Tx, copy: Copy, move: EndDoubt) -> None:
    tomb = tx.rows.tombs.get((copy.cid, copy.hop))
    if tomb is not None and tomb.kind is Tombstone.ACC and tomb.peer != "-":
        pairs = json.dumps({"ACTOR": move.actor, "WHY": "doubt"})
        write_row(tx, (copy.cid, copy.hop), "DEL", tomb.seal, tomb.peer, pairs)
