"""Moves of custody at the side that receives: groups, cancels, hellos and the peer's journal."""

import json
from collections.abc import Sequence
from typing import Any

from pratique.delivery.custody import NOTHING, Answer, Event, Remembered, Tombstone, on_cancel, on_group
from pratique.mail.values import value
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
from pratique.store.records import AuditEntry, NewCopy, Peer
from pratique.store.setback import SET_BACK, heard, set_back_to
from pratique.store.sqlite.codec import PEER_COLUMNS, peer_of, select
from pratique.store.sqlite.copies import change, next_custody, put_copies
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.recovery import doubt_releases, hear, offer_again, put_deleted
from pratique.store.sqlite.tx import Among, Into, Tx, blob, require

FENCED = Received("FENCED")
HELD = Received("HELD")
_TOMBS = Among("SELECT cid, hop, kind, seal, peer, inc, seq FROM tombstone WHERE cid IN ({})")
_PEER = select(PEER_COLUMNS, "peer")
_HELLO_VALUES = ("watermark", "serial", "nonce", "inc", "seq", "endpoint", "knows_inc", "knows_seq")
_HELLO = (
    "UPDATE peer SET nonce = :nonce, endpoint = iif(:endpoint = '', endpoint, :endpoint), inc = max(inc, :inc), "
    "seq = iif((:inc, :seq) > (inc, seq), :seq, seq), knows_inc = max(knows_inc, :knows_inc), "
    "knows_seq = iif((:knows_inc, :knows_seq) > (knows_inc, knows_seq), :knows_seq, knows_seq), "
    "watermark = coalesce(:watermark, watermark), confirmed = iif(:inc > inc, 0, confirmed), "
    "journal_in = iif(:inc > inc OR :begins, 0, journal_in), "
    "set_back_there = :there, lost_inc = :lost_inc, lost_seq = :lost_seq, newer = newer OR :newer, "
    "testified = testified AND NOT :begins AND :inc <= inc WHERE serial = :serial"
)
_TESTIFIED = (
    "UPDATE peer SET testified = 1 WHERE serial = ? AND set_back_here AND journal_in >= ? AND EXISTS "
    "(SELECT 1 FROM setting WHERE key = 'set-back' AND value = ?)"
)
_TOMB = Into("tombstone", "cid, hop, kind, seal, peer, inc, seq, at")


@value
class _Tomb:
    memory: Remembered
    inc: int
    seq: int


_NO_TOMB = _Tomb(NOTHING, 0, 0)


class _Peers:
    """The peers of a run of moves: who is current, and what they were seen to have reached."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._rows: dict[str, Any] = {}
        self._seqs: dict[str, int] = {}

    def refusal(self, serial: str, nonce: str, inc: int) -> Received | None:
        """Only the instance that said hello last may change custody (custody.md §2.4, rules 3 and 4), and nobody while
        a set-back waits for an administrator."""
        if serial not in self._rows:
            self._rows[serial] = self._tx.row(
                "SELECT nonce, inc, set_back_here OR set_back_there FROM peer "
                "WHERE serial = ? AND NOT withdrawn AND locked = ''",
                serial,
            )
        row = self._rows[serial]
        if row is None or nonce == "" or row[:2] != (nonce, inc):
            return FENCED
        return HELD if row[2] else None

    def reached(self, serial: str, seq: int) -> None:
        if seq > self._seqs.get(serial, 0):
            self._seqs[serial] = seq

    def write(self) -> None:
        for serial, seq in self._seqs.items():
            self._tx.run("UPDATE peer SET seq = max(seq, ?) WHERE serial = ?", seq, serial)


def receive(tx: Tx, items: Sequence[Item[Receive]]) -> list[Any]:
    keys = [blob(item.move.copy.cid) for item in items]
    tombs: dict[bytes, dict[int, _Tomb]] = {key: {} for key in keys}
    for row in _TOMBS.run(tx.db, [(key,) for key in keys]):
        tombs[row[0]][row[1]] = _tomb(row[2:])
    peers = _Peers(tx)
    copies: list[NewCopy] = []
    numbers: list[int] = []
    buried: list[tuple[Any, ...]] = []
    results: list[Any] = []
    for item, key in zip(items, keys, strict=True):
        move = item.move
        copy, peer, hop = move.copy, move.peer, move.hop
        require(copy.hop == hop, "the copy came by another hop")
        refusal = peers.refusal(peer, move.nonce, move.inc)
        if refusal is not None:
            results.append(refusal)
            continue
        peers.reached(peer, move.seq)
        known = tombs[key]
        tomb = known.get(hop, _NO_TOMB)
        answer = on_group(tomb.memory, move.seal, peer)
        if answer is Answer.COMMIT_ACC:
            if known and tx.role == "gateway" and _is_newer_taken(known, hop):
                results.append(Received(Answer.CONFLICT))
                continue
            tomb = known[hop] = _Tomb(Remembered(Tombstone.ACC, move.seal, peer), tx.inc, item.number)
            buried.append((key, hop, "ACC", move.seal, peer, tx.inc, item.number, copy.at))
            copies.append(copy)
            numbers.append(item.number + 1)
            tx.body(copy.extent.segment, 1)
            tx.audits += move.audit
        results.append(_answer(answer, tomb))
    _TOMB.put(tx.db, buried)
    put_copies(tx, copies, numbers)
    peers.write()
    return results


def _tomb(row: Sequence[Any]) -> _Tomb:
    kind, seal, peer, inc, seq = row
    return _Tomb(Remembered(Tombstone(kind), seal, peer), inc, seq)


def _is_newer_taken(known: dict[int, _Tomb], hop: int) -> bool:
    """An older release of a copy that came back by a later one: a defect or a lie, never taken."""
    return hop % 2 == 0 and any(
        tomb.memory.kind is Tombstone.ACC and other > hop and other % 2 == 0 for other, tomb in known.items()
    )


def _answer(answer: Answer, tomb: _Tomb) -> Received:
    return Received(answer) if answer is Answer.CONFLICT else Received(answer, tomb.inc, tomb.seq)


def cancel(tx: Tx, item: Item[Cancel]) -> Received:
    move, key = item.move, blob(item.move.cid)
    refusal = _Peers(tx).refusal(move.peer, move.nonce, move.inc)
    if refusal is not None:
        return refusal
    row = tx.row("SELECT kind, seal, peer, inc, seq FROM tombstone WHERE cid = ? AND hop = ?", key, move.hop)
    tomb = _NO_TOMB if row is None else _tomb(row)
    answer = on_cancel(tomb.memory, move.seal, move.peer)
    if answer is Answer.COMMIT_CANC:
        tomb = _Tomb(Remembered(Tombstone.CANC, move.seal, move.peer), tx.inc, item.number)
        _TOMB.put(tx.db, [(key, move.hop, "CANC", move.seal, move.peer, tx.inc, item.number, move.at)])
        tx.audits.append(AuditEntry(f"peer:{move.peer}", "cancel", 0, move.cid, f'{{"hop": {move.hop}}}'))
    return _answer(answer, tomb)


def peer_row_of(tx: Tx, serial: str) -> Peer:
    row = tx.row(_PEER + "WHERE serial = ?", serial)
    require(row is not None, f"no appliance with serial {serial} is enrolled")
    return peer_of(row)


def hello_from(tx: Tx, item: Item[HelloFrom]) -> HelloTaken:
    move = item.move
    before = peer_row_of(tx, move.serial)
    old = tx.row("SELECT 1 FROM peer_nonce WHERE serial = ? AND nonce = ?", move.serial, move.nonce)
    if old is not None:
        return HelloTaken(before, fenced=True)
    if before.nonce not in ("", move.nonce):
        tx.run("INSERT OR IGNORE INTO peer_nonce VALUES (?, ?, ?)", move.serial, before.nonce, move.at)
    found = heard(move, before, role=tx.role, inc=tx.inc)
    here = found.here and not before.set_back_here
    there = found.there and not before.set_back_there
    if here:
        _is_old(tx, move.opened)
    tx.db.execute(_HELLO, {name: getattr(move, name) for name in _HELLO_VALUES} | found.values)
    if found.ended and tx.role == "gateway":
        offer_again(tx, move.serial, (before.lost_inc, before.lost_seq))
    if there and tx.role == "manager" and not (before.set_back_here or found.here):
        doubt_releases(tx, move.serial)
    if move.told is not None:
        tx.run(_TESTIFIED, move.serial, move.told[2], set_back_to(move.told[:2]))
    if here or there:
        detail = json.dumps({"serial": move.serial, "here": here, "there": there})
        tx.audits.append(AuditEntry("system", "set-back", detail=detail))
    return HelloTaken(before, fenced=False)


def _is_old(tx: Tx, opened: tuple[int, int]) -> None:
    """Our store is one: it is older towards every peer. A withdrawn one has no say."""
    tx.run("UPDATE peer SET set_back_here = 1, testified = 0, newer = 0 WHERE NOT withdrawn")
    tx.run("INSERT OR IGNORE INTO setting VALUES (?, ?)", SET_BACK, set_back_to(opened))


def found_old(tx: Tx, item: Item[FoundOld]) -> None:
    move = item.move
    tx.run(
        "UPDATE peer SET knows_seq = iif((?1, ?2) > (knows_inc, knows_seq), ?2, knows_seq), "
        "knows_inc = max(knows_inc, ?1)",
        move.inc,
        move.seq,
    )
    if tx.row("SELECT 1 FROM peer WHERE NOT set_back_here AND NOT withdrawn LIMIT 1") is not None:
        _is_old(tx, move.opened)
        tx.audits += move.audit


def accept_setback(tx: Tx, item: Item[AcceptSetback]) -> SetbackAccepted:
    move = item.move
    peer = peer_row_of(tx, move.serial)
    require(peer.set_back, f"no set-back between us and {move.serial} is known")
    require(peer.knows_seq <= item.seq, f"{move.serial} has just said hello; try again")
    tx.inc = max(tx.inc, peer.knows_inc) + 1
    tx.run(
        "UPDATE peer SET inc = 0, seq = 0, set_back_here = 0, set_back_there = 0, testified = 0, newer = 0 "
        "WHERE serial = ?",
        move.serial,
    )
    if tx.row("SELECT 1 FROM peer WHERE set_back_here LIMIT 1") is None:
        tx.run("DELETE FROM setting WHERE key = ?", SET_BACK)
    tx.audits += move.audit
    return SetbackAccepted(tx.inc, item.seq)


def journal_in(tx: Tx, item: Item[JournalIn]) -> JournalTaken:
    move = item.move
    peer = peer_row_of(tx, move.peer)
    require(move.last >= move.after, "the journal runs backwards")
    if move.after != peer.journal_in:
        return JournalTaken(peer.journal_in, gap=True)
    dropped: dict[int, None] = {}
    for seq, state, cid, hop, _seal, _at, pairs in move.rows:
        require(move.after < seq <= move.last, f"row {seq} is not in ({move.after}, {move.last}]")
        if peer.set_back_here and tx.role == "manager":
            continue  # what the older state holds is decided when all have told
        if (tx.role, state) in (("manager", "FIN"), ("gateway", "DEL")):
            mid = _told(tx, move.peer, state, cid, hop, pairs)
            if mid is not None:
                dropped[mid] = None
            _remember(tx, move.peer, state, cid, hop, seq)
    if peer.set_back_here and tx.role == "manager":
        hear(tx, move)
    tx.run("UPDATE peer SET journal_in = ?1, seq = max(seq, ?1) WHERE serial = ?2", move.last, move.peer)
    return JournalTaken(move.last, gap=False, dropped=tuple(dropped))


_TOLD_IN = {"manager": ("REL", "RELD", "DOUBT"), "gateway": ("X", "DONE")}


def _told(tx: Tx, serial: str, state: str, cid: str, hop: int, pairs: str) -> int | None:
    """FIN and DEL imply ACC. A row of a hop that we did not offer to this peer, or that is settled otherwise, says
    nothing that we may act on. The MID, when its body is still there and may go now."""
    key = blob(cid)
    row = tx.row(
        "SELECT transfer.state, transfer.mid, custody, segment FROM transfer JOIN copy USING (mid) "
        "WHERE transfer.cid = ? AND transfer.hop = ? AND transfer.peer = ?",
        key,
        hop,
        serial,
    )
    if row is None or row[0] not in ("X", "STUCK", "DONE", "DOUBT") or row[2] not in _TOLD_IN[tx.role]:
        return None
    offered, mid, before, segment = row
    role, event = ("manager", Event.FIN) if state == "FIN" else ("gateway", Event.DELETED_ROW)
    custody = next_custody(role, before, event)
    if offered != "DONE":
        tx.run("UPDATE transfer SET state = 'DONE', error = '' WHERE cid = ? AND hop = ?", key, hop)
    if custody != before:
        change(tx, mid, before, custody)
        action = "deliver" if state == "FIN" else "delete"
        tx.audits.append(AuditEntry(f"peer:{serial}", action, mid, cid, pairs))
    if segment is None:
        return None
    tx.run("UPDATE copy SET idle_since = -1 WHERE mid = ?", mid)
    return int(mid)


def _remember(tx: Tx, serial: str, state: str, cid: str, hop: int, seq: int) -> None:
    """What either side may have to prove when the other was set back: a deletion; our own end of a cancelled hop."""
    if state == "DEL":
        put_deleted(tx, cid, hop, serial, seq)
    elif hop % 2:
        tx.run("REPLACE INTO told VALUES (?, ?, ?, 'FIN', '-', '{}', 0)", blob(cid), hop, serial)


def journal_acked(tx: Tx, item: Item[JournalAcked]) -> tuple[int, ...]:
    move = item.move
    before = peer_row_of(tx, move.peer).journal_out
    if move.gap:
        tx.run("UPDATE peer SET journal_out = ? WHERE serial = ?", move.applied, move.peer)
    else:
        tx.run("UPDATE peer SET journal_out = max(journal_out, ?) WHERE serial = ?", move.applied, move.peer)
    tx.run(
        "UPDATE copy SET idle_since = -1 WHERE custody = 'DEL' AND segment IS NOT NULL AND mid IN "
        "(SELECT mid FROM journal WHERE peer = ? AND seq > ? AND seq <= ? AND state = 'DEL')",
        move.peer,
        before,
        move.applied,
    )
    covered = tx.db.execute(
        "SELECT copy.mid FROM copy JOIN journal USING (cid, hop) "
        "WHERE idle_since = -1 AND custody = 'DEL' AND peer = ? ORDER BY copy.mid",
        (move.peer,),
    )
    return tuple(row[0] for row in covered)


def confirm(tx: Tx, item: Item[Confirm]) -> None:
    move = item.move
    changed = tx.run("UPDATE peer SET confirmed = max(confirmed, ?) WHERE serial = ?", move.seq, move.peer)
    require(changed == 1, f"no appliance with serial {move.peer} is enrolled")
