"""Moves of the hold: a mark is given, the scheduled exit moves, an entry changes its quarantine."""

import json
from collections.abc import Sequence
from typing import Any

from pratique.delivery.custody import Event
from pratique.quarantine.lifecycle import Exit, Mark, exit_of
from pratique.store.moves import DelayExit, Exited, ExitHold, MoveHold, MoveRefused, SendCopy
from pratique.store.records import Extent
from pratique.store.sqlite.codec import TRANSFER_COLUMNS, Row, origin_serial_of, transfer_row
from pratique.store.sqlite.copies import (
    Standing,
    change_many,
    name_bodies,
    next_custody,
    put_copies,
    standings,
    touch,
    write_rows,
)
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Among, Into, Tx, require

_HOLDS = Among("SELECT mid, quarantine, mark FROM hold WHERE mid IN ({})")
_MARKS = Among(
    "UPDATE hold SET mark = v.column3, cause = v.column4, actor = v.column5, decided_at = v.column6 "
    "FROM (VALUES {}) AS v WHERE hold.mid = v.column1 AND hold.quarantine = v.column2",
    "(?,?,?,?,?,?)",
)
_TRANSFER = Into("transfer", TRANSFER_COLUMNS)
_Marks = dict[int, dict[str, Mark]]
SENT = frozenset(("REL",))


def exit_hold(tx: Tx, items: Sequence[Item[ExitHold]]) -> list[Any]:
    mids = list({item.move.mid for item in items})
    copies = standings(tx, mids)
    marks: _Marks = {mid: {} for mid in mids}
    for mid, quarantine, mark in _HOLDS.run(tx.db, [(mid,) for mid in mids]):
        marks[mid][quarantine] = Mark(mark)
    written: list[Row] = []
    transfers: list[Row] = []
    deleted: list[Item[ExitHold]] = []
    results: list[Any] = []
    for item in items:
        move = item.move
        try:
            copy, exit_ = _decide(move, copies.get(move.mid), marks[move.mid])
        except MoveRefused as refused:
            results.append(refused)
            continue
        marks[move.mid][move.quarantine] = Mark(move.mark)
        copy.version += 1
        written.append((move.mid, move.quarantine, move.mark, move.cause, move.actor, move.at))
        tx.count("quarantine." + move.quarantine, -1, -copy.size)
        if exit_ is Exit.DELETE:
            copy.custody = next_custody("manager", copy.custody, Event.DELETE)
            deleted.append(item)
        elif exit_ is Exit.RELEASE:
            assert move.transfer is not None
            copy.custody = next_custody("manager", copy.custody, Event.RELEASE)
            transfers.append(transfer_row(move.mid, move.transfer))
        tx.audits += move.audit
        results.append(Exited(exit_))
    _MARKS.update(tx.db, written)
    _TRANSFER.put(tx.db, transfers)
    _tell_deleted(tx, deleted, copies)
    change_many(tx, copies)
    return results


def _decide(move: ExitHold, copy: Standing | None, marks: dict[str, Mark]) -> tuple[Standing, Exit]:
    """Everything that can refuse the move, before anything is changed."""
    if copy is None:
        raise MoveRefused(f"no copy has MID {move.mid}")
    require(copy.custody == "HELD", f"MID {move.mid} is {copy.custody}, not held")
    require(marks.get(move.quarantine) is Mark.HELD, f'MID {move.mid} is not held in "{move.quarantine}"')
    require(copy.version == move.version, f"MID {move.mid} has changed since it was read")
    require(move.mark in (Mark.RELEASED, Mark.DELETED), f"a hold cannot end as {move.mark}")
    require(move.actor != "", "nothing leaves quarantine without who ordered it")
    exit_ = exit_of((marks | {move.quarantine: Mark(move.mark)}).values())
    if exit_ is Exit.RELEASE:
        transfer = move.transfer
        require(transfer is not None, "this was the last quarantine: a transfer is needed")
        assert transfer is not None
        require(transfer.cid == copy.cid.hex(), "the transfer belongs to another copy")
        require(transfer.state == "X", "a release is offered from the start")
    return copy, exit_


def _tell_deleted(tx: Tx, deleted: Sequence[Item[ExitHold]], copies: dict[int, Standing]) -> None:
    """The row DEL for the origin: proof of custody, and the end of its shadow (custody.md §2.4, rule 5)."""
    rows: list[Row] = []
    for item in deleted:
        move = item.move
        copy = copies[move.mid]
        record = tx.row("SELECT record FROM copy WHERE mid = ?", move.mid)[0]
        tomb = tx.row("SELECT seal FROM tombstone WHERE cid = ? AND hop = ? AND kind = 'ACC'", copy.cid, copy.hop)
        seal = "-" if tomb is None else tomb[0]
        pairs = json.dumps({"ACTOR": move.actor, "WHY": move.cause})
        peer = origin_serial_of(record)
        rows.append((copy.cid, copy.hop, item.number, "DEL", seal, peer, tx.now, move.mid, pairs))
    write_rows(tx, rows)


def _held(tx: Tx, mid: int, quarantine: str) -> int:
    """The size of a copy that is held in this quarantine."""
    row = tx.row(
        "SELECT custody, length, (SELECT mark FROM hold WHERE hold.mid = copy.mid AND quarantine = ?2) "
        "FROM copy WHERE mid = ?1",
        mid,
        quarantine,
    )
    require(row is not None, f"no copy has MID {mid}")
    require(row[0] == "HELD", f"MID {mid} is {row[0]}, not held")
    require(row[2] == "HELD", f'MID {mid} is not held in "{quarantine}"')
    return int(row[1])


def delay_exit(tx: Tx, item: Item[DelayExit]) -> None:
    move = item.move
    _held(tx, move.mid, move.quarantine)
    tx.run("UPDATE hold SET exit_at = ? WHERE mid = ? AND quarantine = ?", move.exit_at, move.mid, move.quarantine)
    touch(tx, move.mid)
    tx.audits += move.audit


def move_hold(tx: Tx, item: Item[MoveHold]) -> None:
    move = item.move
    size = _held(tx, move.mid, move.source)
    there = tx.row("SELECT mark FROM hold WHERE mid = ? AND quarantine = ?", move.mid, move.target)
    # A mark once given is not taken back: an entry that was decided is not there to be overwritten.
    require(there is None or there[0] == "HELD", f'it was decided in "{move.target}" already')
    if move.target != move.source:
        if there is not None:
            tx.run("DELETE FROM hold WHERE mid = ? AND quarantine = ?", move.mid, move.target)
            tx.count("quarantine." + move.target, -1, -size)
        tx.run("UPDATE hold SET quarantine = ? WHERE mid = ? AND quarantine = ?", move.target, move.mid, move.source)
        tx.count("quarantine." + move.source, -1, -size)
        tx.count("quarantine." + move.target, 1, size)
    touch(tx, move.mid)
    tx.audits += move.audit


def send_copy(tx: Tx, item: Item[SendCopy]) -> None:
    move, copy, transfer = item.move, item.move.copy, item.move.copy.transfer
    _held(tx, move.mid, move.quarantine)
    row = tx.row("SELECT cid, hop, sha256, segment, offset, length FROM copy WHERE mid = ?", move.mid)
    body = Extent(*row[3:6])
    same = (copy.extent, copy.sha256, copy.hop) == (body, row[2].hex(), row[1])
    require(same, "a copy that is sent has the body and the hop of the held one")
    cid = row[0].hex()
    require(copy.cid != cid and copy.parent == cid, "a copy that is sent is a child with a cid of its own")
    offered = transfer is not None and (transfer.hop, transfer.state) == (copy.hop + 1, "X")
    require(offered, "a copy that is sent is offered from the start")
    put_copies(tx, (copy,), states=SENT)
    name_bodies(tx, (copy,), known=body)
    tx.audits += move.audit
