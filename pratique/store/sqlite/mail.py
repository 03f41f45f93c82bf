"""Moves of a gateway's mail: accepted, judged, on its way, settled; and of bodies that may go."""

from collections.abc import Sequence
from typing import Any

from pratique.store.moves import Accept, DotSent, Forget, Judge, LetGo, MoveRefused, Settle, Settled
from pratique.store.records import Extent, NewCopy
from pratique.store.sqlite.copies import (
    Ending,
    Standing,
    change_many,
    end_of_hops,
    end_of_own,
    name_bodies,
    put_copies,
    standings,
)
from pratique.store.sqlite.item import Item
from pratique.store.sqlite.tx import Among, Tx, require

OPEN = ("DUE", "DOT")
ENDED = ("DELIVERED", "FAILED", "CANCELLED")


def accept(tx: Tx, items: Sequence[Item[Accept]]) -> list[Any]:
    copies: list[NewCopy] = []
    for item in items:
        move = item.move
        copies += move.copies
        name_bodies(tx, move.copies)
        tx.audits += move.audit
    put_copies(tx, copies)
    return [None] * len(items)


def judge(tx: Tx, item: Item[Judge]) -> None:
    move = item.move
    old = tx.row("SELECT custody, cid, hop, version, segment, offset, length FROM copy WHERE mid = ?", move.mid)
    require(old is not None, f"no copy has MID {move.mid}")
    require(old[0] == "RECEIVED", f"MID {move.mid} was judged: it is {old[0]}")
    require(bool(move.copies), "a verdict leaves at least one copy")
    first, children = move.copies[0], move.copies[1:]
    same = (first.mid, first.cid, first.hop) == (move.mid, old[1].hex(), old[2])
    require(same, "another copy is put in its place")
    body = Extent(old[4], old[5], old[6])
    require(first.extent == body, "a rewritten body belongs to a child, not to the copy itself")
    for table in ("delivery", "hold", "copy"):
        tx.run(f"DELETE FROM {table} WHERE mid = ?", move.mid)  # noqa: S608  names from the line above
    tx.count("copy.RECEIVED", -1)
    put_copies(tx, (first,), (item.number,), version=old[3] + 1)
    if children:
        put_copies(tx, children)
        name_bodies(tx, children, known=body)
    tx.audits += move.audit


_DOT = Among(
    "UPDATE delivery SET state = 'DOT' FROM (VALUES {}) AS v "
    "WHERE mid = v.column1 AND rid = v.column2 AND state = 'DUE'",
    "(?,?)",
)


def dot_sent(tx: Tx, items: Sequence[Item[DotSent]]) -> list[Any]:
    entries = [(item.move.mid, rid) for item in items for rid in item.move.rids]
    named = all(item.move.rids for item in items)  # one that names nothing is refused, whoever shares its batch
    if not named or _DOT.update(tx.db, entries) != len(entries):
        raise MoveRefused(f"MID {items[0].move.mid} has no such delivery that is due")
    return [None] * len(items)


_DELIVERIES = Among("SELECT mid, rid, state, attempts, next_at, delayed FROM delivery WHERE mid IN ({})")
_OUTCOMES = Among(
    "UPDATE delivery SET state = v.column3, attempts = v.column4, next_at = v.column5, delayed = v.column6, "
    "reply = v.column7 FROM (VALUES {}) AS v WHERE delivery.mid = v.column1 AND delivery.rid = v.column2",
    "(?,?,?,?,?,?,?)",
)
_Ways = dict[int, dict[int, tuple[str, int, int, int]]]  # mid -> rid -> state, attempts, next_at, delayed


def settle(tx: Tx, items: Sequence[Item[Settle]]) -> list[Any]:
    mids = list({item.move.mid for item in items})
    copies = standings(tx, mids)
    ways: _Ways = {mid: {} for mid in mids}
    for mid, rid, *rest in _DELIVERIES.run(tx.db, [(mid,) for mid in mids]):
        ways[mid][rid] = tuple(rest)
    written: dict[tuple[int, int], tuple[Any, ...]] = {}
    spawned: list[NewCopy] = []
    endings: list[Ending] = []
    results: list[Any] = []
    local: bool | None = None  # is there any copy whose hop was cancelled and that was taken back?
    for item in items:
        move = item.move
        way = ways[move.mid]
        refused = _refusal(move, copies.get(move.mid), way)
        if refused:
            results.append(MoveRefused(refused))
            continue
        for outcome in move.outcomes:
            _, attempts, next_at, delayed = way[outcome.rid]
            due = outcome.next_at if outcome.state == "DUE" else next_at
            after = (outcome.state, attempts + 1, due, delayed or int(outcome.delayed))
            way[outcome.rid] = after
            written[move.mid, outcome.rid] = (move.mid, outcome.rid, *after, outcome.reply)
        if move.spawned:
            spawned += move.spawned
            name_bodies(tx, move.spawned)
        finished = not any(state in OPEN for state, *_ in way.values())
        copy, row = copies[move.mid], False
        if finished and copy.custody in ("ACTIVE", "LOC"):
            copy.custody = "SETTLED"
            copy.version += 1
            states = frozenset(state for state, *_ in way.values())
            endings.append(Ending(copy.cid, copy.hop, move.mid, item.number, states))
            if local is None:
                local = tx.row("SELECT 1 FROM taken_back LIMIT 1") is not None
            row = bool(copy.hop) or (local and end_of_own(tx, copy.cid, move.mid, item.number))
        tx.audits += move.audit
        results.append(Settled(finished, row))
    _OUTCOMES.update(tx.db, list(written.values()))
    put_copies(tx, spawned)
    change_many(tx, {mid: copy for mid, copy in copies.items() if copy.custody != copy.stored})
    end_of_hops(tx, endings)
    return results


def settle_alone(tx: Tx, move: Settle, within: Item[Any]) -> None:
    """As part of the move `within`, whose number is for the row FIN."""
    (result,) = settle(tx, [Item(move, within.future, within.number, within.seq, within.mid)])
    if isinstance(result, MoveRefused):
        raise result


def _refusal(move: Settle, copy: Standing | None, way: dict[int, tuple[str, int, int, int]]) -> str:
    """Why the move cannot be applied, "" when it can."""
    if copy is None:
        return f"no copy has MID {move.mid}"
    for outcome in move.outcomes:
        if outcome.rid not in way or way[outcome.rid][0] not in OPEN:
            return f"MID {move.mid} RID {outcome.rid} is not open"
        if outcome.state not in ENDED and outcome.state != "DUE":
            return f"a delivery cannot end in {outcome.state}"
    if len({outcome.rid for outcome in move.outcomes}) != len(move.outcomes):
        return f"MID {move.mid} has two outcomes for one recipient"
    return ""


def let_go(tx: Tx, item: Item[LetGo]) -> tuple[Extent, ...]:
    """Copies that were split from one message share a body: an extent goes with the last row that names it."""
    gone: list[Extent] = []
    for mid in item.move.mids:
        row = tx.row("SELECT custody, idle_since, segment, offset, length FROM copy WHERE mid = ?", mid)
        require(row is not None, f"no copy has MID {mid}")
        custody, idle_since, segment, offset, length = row
        if segment is None:
            continue
        require(idle_since is not None, f"the body of MID {mid} ({custody}) may still be needed")
        tx.run(
            "UPDATE copy SET segment = NULL, offset = NULL, idle_since = NULL, version = version + 1 WHERE mid = ?",
            mid,
        )
        if _was_last(tx, segment, offset):
            tx.body(segment, -1)
            gone.append(Extent(segment, offset, length))
    return tuple(gone)


_OVER = (
    "custody = 'SETTLED' AND hop = 0 AND segment IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM transfer WHERE transfer.cid = copy.cid AND transfer.hop = 1)"
)
PAST = f"SELECT mid, at < ?1, {_OVER} FROM copy WHERE mid > ?2 ORDER BY mid LIMIT ?3"  # noqa: S608 - all is ours


def forget(tx: Tx, item: Item[Forget]) -> int:
    gone = 0
    for mid in item.move.mids:
        if tx.run(f"DELETE FROM copy WHERE mid = ? AND {_OVER}", mid):  # noqa: S608 - all is ours
            tx.run("DELETE FROM delivery WHERE mid = ?", mid)
            gone += 1
    tx.count("copy.SETTLED", -gone)
    tx.audits += item.move.audit
    return gone


def _was_last(tx: Tx, segment: int, offset: int) -> bool:
    """Does no other row name the body?"""
    shared = tx.row("SELECT rows FROM shared_body WHERE segment = ? AND offset = ?", segment, offset)
    if shared is None:
        return True
    if shared[0] > 1:
        tx.run("UPDATE shared_body SET rows = rows - 1 WHERE segment = ? AND offset = ?", segment, offset)
        return False
    tx.run("DELETE FROM shared_body WHERE segment = ? AND offset = ?", segment, offset)
    return True
