"""Moves of custody at the side that offers: intent, answers, a stuck or another target, taking back."""

from collections.abc import Iterator, Sequence
from typing import Any

from pratique.delivery.custody import Event
from pratique.mail.ids import make_xid
from pratique.store.moves import (
    Acknowledged,
    Intend,
    MoveRefused,
    Retarget,
    Settle,
    TakeBack,
    TransfersAnswered,
    TransferStuck,
)
from pratique.store.records import AuditEntry
from pratique.store.sqlite.copies import (
    Ending,
    Standing,
    change,
    change_many,
    end_of_hops,
    next_custody,
    put_deliveries,
    put_transfer,
    standings,
    touch,
)
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.mail import settle_alone
from pratique.store.sqlite.tx import Among, Tx, blob, require

# the word of an answer -> its event, what becomes of the transfer, the action in the audit
ANSWERED = {"ACC": (Event.ACC, "DONE", "transfer"), "CANC": (Event.CANC, "CANC", "cancel")}
_TRANSFERS = Among(
    "SELECT cid, hop, mid, peer, state FROM (VALUES {}) AS v "
    "CROSS JOIN transfer ON cid = v.column1 AND hop = v.column2",
    "(?,?)",
)
# a transfer and its copy, found in one go
_OFFERED = Among(
    "SELECT transfer.rowid, transfer.cid, transfer.hop, transfer.mid, peer, state, copy.hop, length, custody, version "
    "FROM (VALUES {}) AS v CROSS JOIN transfer ON transfer.cid = v.column1 AND transfer.hop = v.column2 "
    "CROSS JOIN copy ON copy.mid = transfer.mid",
    "(?,?)",
)
_INTENDED = Among(
    "UPDATE transfer SET state = 'X' FROM (VALUES {}) AS v WHERE cid = v.column1 AND hop = v.column2", "(?,?)"
)
_ANSWERS = Among(
    "UPDATE transfer SET state = v.column2, ack_inc = v.column3, ack_seq = v.column4, error = '' "
    "FROM (VALUES {}) AS v WHERE transfer.rowid = v.column1",
    "(?,?,?,?)",
)


def intend(tx: Tx, item: Item[Intend]) -> None:
    found = _TRANSFERS.run(tx.db, [(blob(cid), hop) for cid, hop in item.move.hops])
    queued = {(row[0], row[1]): row[2] for row in found if row[4] == "Q"}
    if not queued:
        return
    copies = standings(tx, list(queued.values()))
    for copy in copies.values():
        copy.custody = next_custody("gateway", copy.custody, Event.INTEND)
        copy.version += 1
    _INTENDED.update(tx.db, list(queued))
    change_many(tx, copies)


def may_end_release(role: str, answer: Acknowledged) -> bool:
    """May the answer need a row FIN of its own: was a copy that had been released held again?"""
    return answer.hop > 1 and answer.event == Event.ACC and role == "gateway"


def _numbered(items: Sequence[Item[TransfersAnswered]]) -> Iterator[tuple[Acknowledged, str, int]]:
    """The answers of all moves, each with its table and the number for its FIN."""
    for item in items:
        number, role = item.number, item.move.role
        for answer in item.move.answers:
            yield answer, role, number
            number += may_end_release(role, answer)


def transfers_answered(tx: Tx, items: Sequence[Item[TransfersAnswered]]) -> list[Any]:
    answers = list(_numbered(items))
    transfers: dict[tuple[bytes, int], tuple[int, int, str, str]] = {}  # rowid, mid, peer, state
    copies: dict[int, Standing] = {}
    keys = [(blob(answer.cid), answer.hop) for answer, _, _ in answers]
    for rowid, cid, hop, mid, peer, before, *copy in _OFFERED.run(tx.db, keys):
        transfers[cid, hop] = (rowid, mid, peer, before)
        if mid not in copies:
            came_by, size, custody, version = copy
            copies[mid] = Standing(cid, came_by, size, custody, custody, version)
    written: list[tuple[Any, ...]] = []
    changed: dict[int, Standing] = {}
    endings: list[Ending] = []
    reached: dict[tuple[str, int], int] = {}
    for key, (answer, role, number) in zip(keys, answers, strict=True):
        rowid, mid, peer, before = transfers.get(key, (0, 0, "", ""))
        if answer.peer and before and answer.peer != peer:
            continue  # a late answer of a target that the hop was taken away from
        known = ANSWERED.get(answer.event)
        if known is None or not before:
            raise MoveRefused(f"hop {answer.cid}.{answer.hop} was never offered, or {answer.event} is no answer")
        event, state, action = known
        if before in (state, "DOUBT"):
            continue  # a repeat; or a person has been asked since
        if before not in ("X", "STUCK"):  # STUCK waits for a person, but the peer's answer still ends the doubt
            raise MoveRefused(f"hop {answer.cid}.{answer.hop} is {before}, not in doubt")
        standing = copies[mid]
        standing.custody = next_custody(role, standing.custody, event)
        standing.version += 1
        changed[mid] = standing
        transfers[key] = (rowid, mid, peer, state)
        written.append((rowid, state, answer.inc, answer.seq))
        reached[peer, answer.inc] = max(answer.seq, reached.get((peer, answer.inc), 0))
        if role == "gateway" and event is Event.ACC and standing.hop and answer.hop == standing.hop + 1:
            again = make_xid(answer.cid, answer.hop)
            endings.append(Ending(standing.cid, standing.hop, mid, number, held_again=again))
        tx.audits.append(AuditEntry(f"peer:{peer}", action, mid, answer.cid, f'{{"hop": {answer.hop}}}'))
    _ANSWERS.update(tx.db, written)
    change_many(tx, changed)
    end_of_hops(tx, endings)
    for (peer, inc), seq in reached.items():
        tx.run("UPDATE peer SET seq = max(seq, ?) WHERE serial = ? AND inc = ?", seq, peer, inc)
    return [None] * len(items)


def transfer_stuck(tx: Tx, item: Item[TransferStuck]) -> None:
    move = item.move
    if move.peer:
        row = tx.row("SELECT peer FROM transfer WHERE cid = ? AND hop = ?", blob(move.cid), move.hop)
        if row is not None and row[0] != move.peer:
            return
    changed = tx.run(
        "UPDATE transfer SET state = ?, error = ?, attempts = attempts + 1 WHERE cid = ? AND hop = ? AND state = 'X'",
        "STUCK" if move.stuck else "X",
        move.error,
        blob(move.cid),
        move.hop,
    )
    require(changed == 1, f"hop {move.cid}.{move.hop} is not in doubt")
    tx.audits += move.audit


def retarget(tx: Tx, item: Item[Retarget]) -> None:
    move, new, key = item.move, item.move.transfer, blob(item.move.cid)
    old = tx.row("SELECT state, mid, peer FROM transfer WHERE cid = ? AND hop = ?", key, move.hop)
    require(old is not None, f"hop {move.cid}.{move.hop} was never offered")
    free = ("CANC", "X", "STUCK") if move.override else ("CANC",)
    require(old[0] in free, f"hop {move.cid}.{move.hop} is {old[0]}: its target may have it")
    mid = old[1]
    custody = tx.row("SELECT custody FROM copy WHERE mid = ?", mid)[0]
    require(custody == "REL", f"MID {mid} is {custody}, not being released")
    if new.hop == move.hop:
        gone = tx.row("SELECT 1 FROM cancelled_target WHERE cid = ? AND hop = ? AND peer = ?", key, move.hop, new.peer)
        require(new.peer != old[2] and gone is None, f"{new.peer} will never take hop {new.hop}: offer it two higher")
    else:
        require(new.hop == move.hop + 2, "the new hop must be the same to another peer, or two higher")
    if old[0] == "CANC":
        tx.run("INSERT OR IGNORE INTO cancelled_target VALUES (?, ?, ?)", key, move.hop, old[2])
    tx.run("DELETE FROM transfer WHERE cid = ? AND hop = ?", key, move.hop)
    put_transfer(tx, move.cid, mid, new)
    touch(tx, mid)
    tx.audits += move.audit


def take_back(tx: Tx, item: Item[TakeBack]) -> None:
    move = item.move
    row = tx.row("SELECT custody, cid FROM copy WHERE mid = ?", move.mid)
    require(row is not None, f"no copy has MID {move.mid}")
    custody, cid = row
    require(custody in ("LOC", "Q"), f"MID {move.mid} is {custody}: another route might double it")
    if custody == "Q":
        tx.run("UPDATE transfer SET state = 'CANC' WHERE cid = ? AND mid = ? AND state = 'Q'", cid, move.mid)
    else:
        tx.run("INSERT OR IGNORE INTO taken_back VALUES (?)", move.mid)
    change(tx, move.mid, custody, "ACTIVE")
    put_deliveries(tx, move.mid, move.deliveries)
    if move.outcomes:
        settle_alone(tx, Settle(move.mid, move.outcomes, (), move.spawned), item)
    tx.audits += move.audit
