"""What several families of moves do to copies: store one with all that belongs to it, change its custody, end its hop.

Every function is part of a move and runs inside the writer's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pratique.delivery.custody import Event, GatewayCopy, ManagerCopy, gateway_next, manager_next
from pratique.store.moves import MoveRefused
from pratique.store.records import Extent, NewCopy, NewDelivery, NewTransfer
from pratique.store.sqlite.codec import (
    COPY_COLUMNS,
    DELIVERY_COLUMNS,
    HOLD_COLUMNS,
    JOURNAL_COLUMNS,
    TRANSFER_COLUMNS,
    Row,
    copy_row,
    hold_row,
    transfer_row,
)
from pratique.store.sqlite.tx import Among, Into, Tx, require

NEW_CUSTODY = frozenset(("RECEIVED", "ACTIVE", "Q", "X", "HELD", "SETTLED"))
_COPY = Into("copy", COPY_COLUMNS)
_HOLD = Into("hold", HOLD_COLUMNS)
_DELIVERY = Into("delivery", DELIVERY_COLUMNS)
_TRANSFER = Into("transfer", TRANSFER_COLUMNS)


@cache
def next_custody(role: str, state: str, event: Event) -> str:
    """The sender's custody table of `role`, as plain text; a pair that it lacks refuses the move."""
    try:
        if role == "gateway":
            return gateway_next(GatewayCopy(state), event).value
        return manager_next(ManagerCopy(state), event).value
    except (KeyError, ValueError) as missing:
        raise MoveRefused(f"a copy in {state} cannot take the event {event.value} on a {role}") from missing


def put_copies(
    tx: Tx,
    copies: Sequence[NewCopy],
    numbers: Sequence[int] = (),
    *,
    version: int = 1,
    states: frozenset[str] = NEW_CUSTODY,
) -> None:
    """Store copies with their deliveries, transfers and holds. `numbers[i]` is for the journal row that the i-th
    needs when it came by a hop and is settled from the start; `states`: where a new copy may begin."""
    rows: list[Row] = []
    deliveries: list[Row] = []
    transfers: list[Row] = []
    holds: list[Row] = []
    for copy in copies:
        custody, transfer = copy.custody, copy.transfer
        if custody not in states:
            raise MoveRefused(f"a new copy cannot be in {custody}")
        rows.append(copy_row(copy, version))
        tx.count("copy." + custody, 1)
        if copy.deliveries:
            deliveries += _delivery_rows(copy.mid, copy.deliveries)
        if transfer is not None:
            _check_transfer(copy.cid, transfer)
            transfers.append(transfer_row(copy.mid, transfer))
        if custody in ("Q", "X"):
            require(transfer is not None and transfer.state == custody, f"MID {copy.mid} has no transfer")
        if custody == "HELD":
            require(bool(copy.holds), f"MID {copy.mid} is held in no quarantine")
            if copy.mid > tx.newest_held:
                tx.newest_held = copy.mid
            else:
                tx.run("INSERT INTO late_copy (mid) VALUES (?)", copy.mid)
        size = copy.extent.length
        for hold in copy.holds:
            holds.append(hold_row(copy.mid, hold))
            tx.count("quarantine." + hold.quarantine, 1, size)
    _COPY.put(tx.db, rows)
    _DELIVERY.put(tx.db, deliveries)
    _TRANSFER.put(tx.db, transfers)
    _HOLD.put(tx.db, holds)
    endings = [
        Ending(bytes.fromhex(copy.cid), copy.hop, copy.mid, number, frozenset())
        for copy, number in zip(copies, numbers, strict=False)
        if copy.custody == "SETTLED"
    ]
    end_of_hops(tx, endings)


def name_bodies(tx: Tx, copies: Sequence[NewCopy], known: Extent | None = None) -> None:
    """Count the bodies that one move's new rows name; `known` is one that a row names already."""
    if len(copies) == 1 and known is None:
        tx.body(copies[0].extent.segment, 1)
        return
    rows: dict[Extent, int] = {} if known is None else {known: 1}
    for copy in copies:
        rows[copy.extent] = rows.get(copy.extent, 0) + 1
    for extent, count in rows.items():
        if extent != known:
            tx.body(extent.segment, 1)
        if count > 1:
            tx.run(
                "INSERT INTO shared_body VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET rows = rows + ?3 - ?4",
                extent.segment,
                extent.offset,
                count,
                1 if extent == known else 0,
            )


def _delivery_rows(mid: int, new: Sequence[NewDelivery]) -> list[Row]:
    return [(mid, d.rid, "DUE", d.next_at, 0, 0, d.address, d.host, d.notify, d.orcpt, "") for d in new]


def put_deliveries(tx: Tx, mid: int, new: Sequence[NewDelivery]) -> None:
    _DELIVERY.put(tx.db, _delivery_rows(mid, new))


def _check_transfer(cid: str, transfer: NewTransfer) -> None:
    require(transfer.cid == cid, "the transfer belongs to another copy")
    require(transfer.state in ("Q", "X"), f"a new transfer cannot be in {transfer.state}")


def put_transfer(tx: Tx, cid: str, mid: int, new: NewTransfer) -> None:
    _check_transfer(cid, new)
    _TRANSFER.put(tx.db, [transfer_row(mid, new)])


def change(tx: Tx, mid: int, before: str, custody: str) -> None:
    """The copy's custody is now `custody`; its version rises."""
    if custody == before:
        touch(tx, mid)
        return
    tx.run(
        "UPDATE copy SET custody = ?1, version = version + 1, idle_since = iif(segment IS NULL, NULL, ?2) "
        "WHERE mid = ?3",
        custody,
        idle_since(tx, custody),
        mid,
    )
    tx.count("copy." + before, -1)
    tx.count("copy." + custody, 1)


def touch(tx: Tx, mid: int) -> None:
    tx.run("UPDATE copy SET version = version + 1 WHERE mid = ?", mid)


_CHANGE = Among(
    "UPDATE copy SET custody = v.column2, version = v.column3, "
    "idle_since = iif(custody = v.column2, idle_since, iif(segment IS NULL, NULL, v.column4)) "
    "FROM (VALUES {}) AS v WHERE copy.mid = v.column1",
    "(?,?,?,?)",
)


def change_many(tx: Tx, changed: Mapping[int, "Standing"]) -> None:
    """Write the standing of copies that a run of moves has changed."""
    rows = []
    for mid, standing in changed.items():
        custody = standing.custody
        rows.append((mid, custody, standing.version, idle_since(tx, custody)))
        if custody != standing.stored:
            tx.count("copy." + standing.stored, -1)
            tx.count("copy." + custody, 1)
    if rows:
        _CHANGE.run(tx.db, rows)


@dataclass(slots=True)
class Standing:
    """A copy as a run of moves sees it: what is stored, and what the moves before this one made of it."""

    cid: bytes
    hop: int
    size: int
    stored: str
    custody: str
    version: int


_STANDING = Among("SELECT mid, cid, hop, length, custody, version FROM copy WHERE mid IN ({})")


def standings(tx: Tx, mids: Sequence[int]) -> dict[int, Standing]:
    rows = _STANDING.run(tx.db, [(mid,) for mid in mids])
    return {row[0]: Standing(row[1], row[2], row[3], row[4], row[4], row[5]) for row in rows}


def idle_since(tx: Tx, custody: str) -> int | None:
    """When the body of a copy that comes to `custody` stopped being needed: -1 = it may go at once, None = needed."""
    if custody in ("SETTLED", "CLOSED"):
        return -1
    return tx.now if custody == "DONE" else None


@dataclass(frozen=True, slots=True)
class Ending:
    """A copy whose way ends here, and how: its deliveries, or another hold."""

    cid: bytes
    hop: int
    mid: int
    number: int
    states: frozenset[str] = frozenset()
    held_again: str = ""  # the transfer by which it went back to quarantine


_TOMBS = Among(
    "SELECT cid, hop, seal, peer FROM (VALUES {}) AS v "
    "CROSS JOIN tombstone ON cid = v.column1 AND hop = v.column2 WHERE kind = 'ACC'",
    "(?,?)",
)
_JOURNAL = Into("journal", JOURNAL_COLUMNS, or_replace=True)


def end_of_hops(tx: Tx, endings: Sequence[Ending]) -> None:
    """Copies that came by an even hop: the row FIN tells the peer that released one how it ended."""
    released = [ending for ending in endings if ending.hop and ending.hop % 2 == 0]
    if not released:
        return
    found = _TOMBS.run(tx.db, [(ending.cid, ending.hop) for ending in released])
    tombs = {(row[0], row[1]): (row[2], row[3]) for row in found}
    rows = []
    for ending in released:
        if (ending.cid, ending.hop) in tombs:
            seal, peer = tombs[ending.cid, ending.hop]
            states = ending.states
            ended = "delivered" if "DELIVERED" in states else "bounced" if "FAILED" in states else "dropped"
            again = ending.held_again
            pairs = f'{{"R": "heldagain", "NEXT": "{again}"}}' if again else f'{{"R": "{ended}"}}'
            rows.append((ending.cid, ending.hop, ending.number, "FIN", seal, peer, tx.now, ending.mid, pairs))
    _JOURNAL.put(tx.db, rows)


def end_of_own(tx: Tx, cid: bytes, mid: int, number: int) -> bool:
    """A copy whose hop was cancelled is over here: the manager is told, in case that we are set back (FIN R=local).
    False when the copy is no such one."""
    if not tx.run("DELETE FROM taken_back WHERE mid = ?", mid):
        return False
    row = tx.row("SELECT hop, seal, peer FROM transfer WHERE mid = ? AND state = 'CANC' AND cid = ?", mid, cid)
    if row is not None:
        _JOURNAL.put(tx.db, [(cid, row[0], number, "FIN", row[1], row[2], tx.now, mid, '{"R": "local"}')])
    return True


def write_rows(tx: Tx, rows: Sequence[Row]) -> None:
    """Our latest state of some hops, each under its new number."""
    _JOURNAL.put(tx.db, rows)
