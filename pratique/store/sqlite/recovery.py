"""Moves of the way back after a set-back: testimony, reconciliation, adoption, and the end of a doubt by a person.

What follows from the rows is decided in store.recovery; here it is read and written. All of it is rare and may be long.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pratique.delivery.custody import Event, Tombstone
from pratique.store.moves import Adopt, Declare, EndDoubt, JournalIn, Reconcile, Recovered
from pratique.store.records import AuditEntry
from pratique.store.recovery import Ledger, Offered, Open, Outcome, ToldRow, adopt, reconcile
from pratique.store.setback import SET_BACK
from pratique.store.sqlite.copies import (
    Ending,
    change,
    end_of_hops,
    next_custody,
    put_deliveries,
    put_transfer,
    write_rows,
)
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Tx, blob, require

_OPEN = "SELECT mid, cid, hop, custody FROM copy "
_NEWEST = (
    "SELECT hop, peer, state FROM transfer WHERE cid = (SELECT cid FROM copy WHERE mid = ?1) AND mid = ?1 "
    "ORDER BY hop DESC LIMIT 1"
)


def _open(row: Sequence[Any]) -> Open:
    return Open(row[0], row[1].hex(), row[2], row[3])


class SqliteLedger(Ledger):
    def __init__(self, tx: Tx, number: int, peer: str = "", inc: int = 0) -> None:
        self._tx = tx
        self._number = number  # of everything that is inferred
        self._peer, self._inc = peer, inc  # who showed what is adopted
        self._rows = 0

    def told(self) -> Iterable[ToldRow]:
        rows = self._tx.db.execute("SELECT peer, cid, hop, state, seal, pairs FROM told WHERE fresh ORDER BY cid, hop")
        return [ToldRow(row[0], row[1].hex(), *row[2:]) for row in rows]

    def copies_of(self, cid: str) -> Sequence[Open]:
        return [_open(row) for row in self._tx.db.execute(_OPEN + "WHERE cid = ? ORDER BY hop", (blob(cid),))]

    def undecided(self) -> Iterable[Open]:
        return [_open(row) for row in self._tx.db.execute(_OPEN + "WHERE custody IN ('HELD', 'REL', 'RELD')")]

    def offered(self, mid: int) -> Offered | None:
        row = self._tx.row(_NEWEST, mid)
        return None if row is None else Offered(*row)

    def tombstone(self, cid: str, hop: int) -> Tombstone:
        row = self._tx.row("SELECT kind FROM tombstone WHERE cid = ? AND hop = ?", blob(cid), hop)
        return Tombstone.NONE if row is None else Tombstone(row[0])

    def bury(self, cid: str, hop: int, kind: Tombstone, peer: str) -> None:
        tx, key = self._tx, blob(cid)
        if tx.run("UPDATE tombstone SET kind = ? WHERE cid = ? AND hop = ?", kind.value, key, hop):
            return
        tx.run(
            "INSERT INTO tombstone (cid, hop, kind, seal, peer, inc, seq, at) VALUES (?, ?, ?, '-', ?, ?, ?, ?)",
            key,
            hop,
            kind.value,
            peer,
            tx.inc,
            self._number,
            tx.now,
        )

    def change(self, copy: Open, custody: str) -> None:
        change(self._tx, copy.mid, copy.custody, custody)

    def let_go(self, mid: int) -> None:
        self._tx.run("UPDATE copy SET idle_since = -1 WHERE mid = ? AND segment IS NOT NULL", mid)

    def end_holds(self, mid: int, mark: str, actor: str) -> None:
        tx = self._tx
        size = tx.row("SELECT length FROM copy WHERE mid = ?", mid)[0]
        names = tx.db.execute("SELECT quarantine FROM hold WHERE mid = ? AND mark = 'HELD'", (mid,)).fetchall()
        for (name,) in names:
            tx.count("quarantine." + name, -1, -size)
        tx.run(
            "UPDATE hold SET mark = ?, cause = 'manual', actor = ?, decided_at = ? WHERE mid = ? AND mark = 'HELD'",
            mark,
            actor,
            tx.now,
            mid,
        )

    def offer_state(self, mid: int, state: str, *, cid: str = "", hop: int = 0, peer: str = "") -> None:
        tx, offered = self._tx, self.offered(mid)
        if offered is not None and hop in (0, offered.hop):
            tx.run(
                "UPDATE transfer SET state = ?, error = '', peer = iif(? = '', peer, ?) WHERE mid = ? AND hop = ?",
                state,
                peer,
                peer,
                mid,
                offered.hop,
            )
            return
        if offered is not None:
            tx.run("DELETE FROM transfer WHERE mid = ? AND hop = ?", mid, offered.hop)
        tx.run(
            "INSERT INTO transfer (cid, hop, mid, peer, seq, state, attempts, ack_inc, ack_seq, error, seal, commands, "
            "metadata) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, '', '-', x'', x'')",
            blob(cid),
            hop,
            mid,
            peer,
            self._number,
            state,
        )

    def cancelled_at(self, cid: str, hop: int, peer: str) -> None:
        tx, key = self._tx, blob(cid)
        changed = tx.run(
            "UPDATE transfer SET state = 'CANC', error = '' WHERE cid = ? AND hop = ? AND peer = ? "
            "AND state IN ('X', 'STUCK')",
            key,
            hop,
            peer,
        )
        if not changed:
            tx.run("INSERT OR IGNORE INTO cancelled_target VALUES (?, ?, ?)", key, hop, peer)

    def forget_cancelled(self, peer: str) -> None:
        self._tx.run("DELETE FROM cancelled_target WHERE peer = ?", peer)

    # --- a gateway's
    def copy_offered_by(self, cid: str, hop: int) -> Open | None:
        mid = "WHERE mid = (SELECT mid FROM transfer WHERE cid = ? AND hop = ?)"
        row = self._tx.row(_OPEN + mid, blob(cid), hop)
        return None if row is None else _open(row)

    def copy_taken_by(self, cid: str, hop: int) -> Open | None:
        row = self._tx.row(_OPEN + "WHERE cid = ? AND hop = ?", blob(cid), hop)
        return None if row is None else _open(row)

    def acknowledged(self, copy: Open, hop: int, seq: int) -> None:
        self._done(copy, hop, seq)
        if copy.hop and hop == copy.hop + 1:
            key = blob(copy.cid)
            end_of_hops(
                self._tx,
                [Ending(key, copy.hop, copy.mid, self._next(), held_again=f"{copy.cid}.{hop}")],
            )

    def deleted(self, copy: Open, hop: int, seq: int) -> None:
        self._done(copy, hop, seq)
        put_deleted(self._tx, copy.cid, hop, self._peer, seq)
        self._tx.run("UPDATE copy SET idle_since = -1 WHERE mid = ? AND segment IS NOT NULL", copy.mid)

    def _done(self, copy: Open, hop: int, seq: int) -> None:
        self._tx.run(
            "UPDATE transfer SET state = 'DONE', error = '', ack_inc = ?, ack_seq = ? WHERE cid = ? AND hop = ?",
            self._inc,
            seq,
            blob(copy.cid),
            hop,
        )
        change(self._tx, copy.mid, copy.custody, "DONE")

    def _next(self) -> int:
        self._rows += 1
        return self._number + self._rows

    def end_deliveries(self, mid: int, why: str) -> None:
        self._tx.run(
            "UPDATE delivery SET state = 'CANCELLED', reply = ? WHERE mid = ? AND state IN ('DUE', 'DOT')", why, mid
        )


def put_deleted(tx: Tx, cid: str, hop: int, peer: str, seq: int) -> None:
    tx.run(
        "REPLACE INTO deleted (cid, hop, peer, inc, seq) SELECT ?, ?, serial, inc, ? FROM peer WHERE serial = ?",
        blob(cid),
        hop,
        seq,
        peer,
    )


def declare(tx: Tx, item: Item[Declare]) -> int:
    move, number, rows = item.move, item.number, []
    for row in move.rows:
        key = blob(row.cid)
        ended = tx.row("SELECT 1 FROM journal WHERE cid = ? AND hop = ? AND state = 'FIN'", key, row.hop)
        if ended is None:
            rows.append((key, row.hop, number, row.state, row.seal, move.peer, tx.now, 0, "{}"))
        number += 1
    write_rows(tx, rows)
    return number - 1


def hear(tx: Tx, move: JournalIn) -> None:
    """Rows that come while we are set back wait for the testimony of all."""
    for _seq, state, cid, hop, seal, _at, pairs in move.rows:
        tx.run("REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?, 1)", blob(cid), hop, move.peer, state, seal, pairs)


def _begin_anew(tx: Tx, item: Item[Any], outcome: Outcome) -> Recovered:
    """A new incarnation, above all that was seen; we are not set back any more."""
    knows = tx.row("SELECT coalesce(max(knows_inc), 0), coalesce(max(knows_seq), 0) FROM peer")
    require(knows[1] <= item.seq, "a peer has just said hello; try again")
    tx.inc = max(tx.inc, knows[0]) + 1
    tx.run("UPDATE peer SET set_back_here = 0, testified = 0, newer = 0")
    tx.run("DELETE FROM setting WHERE key = ?", SET_BACK)
    tx.run("UPDATE told SET fresh = 0")
    changed = tuple((state, tuple(mids)) for state, mids in outcome.changed.items())
    counts = {state: len(mids) for state, mids in outcome.changed.items()}
    tx.audits += item.move.audit
    tx.audits.append(AuditEntry("system", "recovered", detail=json.dumps({"inc": tx.inc} | counts)))
    for state, mids in changed:
        tx.audits += (AuditEntry("system", "recover", mid, detail=json.dumps(state)) for mid in mids)
    return Recovered(tx.inc, item.seq, changed)


def reconcile_all(tx: Tx, item: Item[Reconcile]) -> Recovered:
    peers = tx.db.execute(
        "SELECT serial, withdrawn, testified, set_back_there, name FROM peer WHERE role = 'gateway' AND set_back_here"
    ).fetchall()
    require(tx.role == "manager" and bool(peers), "this manager is not set back")
    silent = [row[4] for row in peers if not row[1] and not row[2]]
    require(not silent, f"{', '.join(silent)} has not testified")
    unsure = frozenset(row[0] for row in peers if row[1] or row[3])
    return _begin_anew(tx, item, reconcile(SqliteLedger(tx, item.number), unsure))


def adopt_all(tx: Tx, item: Item[Adopt]) -> Recovered:
    move = item.move
    row = tx.row("SELECT set_back_here, newer, inc FROM peer WHERE serial = ?", move.peer)
    require(row is not None and bool(row[0]) and tx.role == "gateway", "this gateway is not set back")
    ledger = SqliteLedger(tx, item.number, move.peer, row[2])
    return _begin_anew(tx, item, adopt(ledger, move.shown, newer=bool(row[1])))


def doubt_releases(tx: Tx, peer: str) -> None:
    """This gateway was set back: what it may have taken, and delivered or lost, only a person can decide."""
    tx.run("DELETE FROM cancelled_target WHERE peer = ?", peer)
    rows = tx.db.execute(
        "SELECT copy.mid, copy.custody, transfer.cid, transfer.hop FROM transfer JOIN copy USING (mid) "
        "WHERE transfer.peer = ? AND copy.custody IN ('REL', 'RELD') AND transfer.state IN ('X', 'STUCK', 'DONE') "
        "ORDER BY copy.mid",
        (peer,),
    ).fetchall()
    for mid, custody, cid, hop in rows:
        change(tx, mid, custody, next_custody("manager", custody, Event.SET_BACK))
        tx.run("UPDATE transfer SET state = 'DOUBT' WHERE cid = ? AND hop = ?", cid, hop)
        tx.audits.append(AuditEntry("system", "doubt", mid, cid.hex(), json.dumps({"gateway": peer, "hop": hop})))


def offer_again(tx: Tx, peer: str, lost: tuple[int, int]) -> None:
    """What the manager had acknowledged in a life that it lost is in doubt again, same hop, same octets."""
    rows = tx.db.execute(
        "SELECT copy.mid, transfer.cid, transfer.hop FROM transfer JOIN copy USING (mid) WHERE transfer.peer = ? "
        "AND transfer.state = 'DONE' AND copy.custody = 'DONE' AND copy.segment IS NOT NULL "
        "AND (transfer.ack_inc, transfer.ack_seq) > (?, ?) "
        "AND NOT EXISTS (SELECT 1 FROM deleted WHERE deleted.cid = transfer.cid AND deleted.hop = transfer.hop) "
        "ORDER BY copy.mid",
        (peer, *lost),
    ).fetchall()
    for mid, cid, hop in rows:
        change(tx, mid, "DONE", next_custody("gateway", "DONE", Event.LOST))
        tx.run("UPDATE transfer SET state = 'X' WHERE cid = ? AND hop = ?", cid, hop)
        tx.audits.append(AuditEntry("system", "offer-again", mid, cid.hex(), json.dumps({"hop": hop})))


def end_doubt(tx: Tx, item: Item[EndDoubt]) -> None:
    move = item.move
    row = tx.row("SELECT custody, cid, hop FROM copy WHERE mid = ?", move.mid)
    require(row is not None, f"no copy has MID {move.mid}")
    require(row[0] == "DOUBT", f"MID {move.mid} is {row[0]}: nobody doubts it")
    cid, hop = row[1:]
    after = next_custody(tx.role, "DOUBT", Event.ACTOR_SENDS if move.send else Event.ACTOR_ENDS)
    if tx.role == "manager":
        SqliteLedger(tx, item.number).end_holds(move.mid, "RELEASED" if move.send else "DELETED", move.actor)
        if move.send:
            require(move.transfer is not None, "a transfer is needed")
            assert move.transfer is not None
            tx.run("DELETE FROM transfer WHERE mid = ?", move.mid)
            put_transfer(tx, cid.hex(), move.mid, move.transfer)
        else:
            _tell_ended(tx, item, cid, hop)
    elif move.send:
        after = "ACTIVE"
        if not tx.run("UPDATE delivery SET state = 'DUE' WHERE mid = ? AND state = 'CANCELLED'", move.mid):
            put_deliveries(tx, move.mid, move.deliveries)
        tx.run("UPDATE delivery SET reply = ? WHERE mid = ? AND state = 'DUE'", move.reply, move.mid)
    change(tx, move.mid, "DOUBT", after)
    tx.audits += move.audit


def _tell_ended(tx: Tx, item: Item[EndDoubt], cid: bytes, hop: int) -> None:
    tomb = tx.row("SELECT seal, peer FROM tombstone WHERE cid = ? AND hop = ? AND kind = 'ACC'", cid, hop)
    if tomb is not None and tomb[1] != "-":
        pairs = json.dumps({"ACTOR": item.move.actor, "WHY": "doubt"})
        write_rows(tx, [(cid, hop, item.number, "DEL", tomb[0], tomb[1], tx.now, item.move.mid, pairs)])
