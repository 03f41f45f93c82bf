"""What every move does to the rows: the dispatch table and what the moves share.

Each function gets a `Tx`, changes rows or raises MoveRefused, and returns the move's result; the store undoes the
changes of a move that raised. The custody tables decide, a pair that they lack refuses the move.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from pratique.delivery.custody import (
    Event,
    GatewayCopy,
    ManagerCopy,
    Tombstone,
    gateway_next,
    manager_next,
)
from pratique.store.memory.rows import OPEN_DELIVERY, Hop, Rows
from pratique.store.moves import MoveRefused
from pratique.store.records import (
    AuditEntry,
    Copy,
    Delivery,
    Hold,
    JournalRow,
    NewCopy,
    NewDelivery,
    NewTransfer,
    Peer,
    Transfer,
)

LET_GO_AT_ONCE = -1  # as the time since when a copy is a shadow: older than any
NEW_CUSTODY = ("RECEIVED", "ACTIVE", "Q", "X", "HELD", "SETTLED")


@dataclass(slots=True)
class Tx:
    """One move being applied: the rows, and what is known of ourselves and of the moment."""

    rows: Rows
    role: str
    inc: int
    now: int
    seq: int = 0  # the highest number given out when the move was submitted
    numbers: list[int] = field(default_factory=list)  # reserved when the move was submitted, in that order

    def number(self) -> int:
        return self.numbers.pop(0)

    def record(self, entries: tuple[AuditEntry, ...]) -> None:
        self.rows.record(entries, self.now)

    def copy(self, mid: int) -> Copy:
        copy = self.rows.copies.get(mid)
        if copy is None:
            raise MoveRefused(f"no copy has MID {mid}")
        return copy

    def peer(self, serial: str) -> Peer:
        peer = self.rows.peers.get(serial)
        if peer is None:
            raise MoveRefused(f"no appliance with serial {serial} is enrolled")
        return peer

    def change(self, copy: Copy, custody: str) -> None:
        """The copy's custody is now `custody`; its version rises."""
        self.rows.copies[copy.mid] = replace(copy, custody=custody, version=copy.version + 1)
        if custody == GatewayCopy.DONE and copy.custody != GatewayCopy.DONE:
            self.rows.shadow_since[copy.mid] = self.now

    def touch(self, mid: int) -> None:
        copy = self.rows.copies[mid]
        self.rows.copies[mid] = replace(copy, version=copy.version + 1)


Applier = Callable[[Tx, Any], Any]
APPLY: dict[type, Applier] = {}


def applies(move: type) -> Callable[[Applier], Applier]:
    """Registers the function for a move's type."""

    def register(function: Applier) -> Applier:
        APPLY[move] = function
        return function

    return register


def next_custody(role: str, state: str, event: Event) -> str:
    """The sender's custody table of `role`; a pair that it lacks refuses the move."""
    try:
        if role == "gateway":
            return gateway_next(GatewayCopy(state), event)
        return manager_next(ManagerCopy(state), event)
    except (KeyError, ValueError) as missing:
        raise MoveRefused(f"a copy in {state} cannot take the event {event.value} on a {role}") from missing


def require(holds: bool, why: str) -> None:
    if not holds:
        raise MoveRefused(why)


def put_copy(tx: Tx, new: NewCopy, *, version: int = 1, states: tuple[str, ...] = NEW_CUSTODY) -> None:
    """Store a copy with all that belongs to it. Its MID must be free (Judge frees it first)."""
    rows = tx.rows
    require(new.custody in states, f"a new copy cannot be in {new.custody}")
    require(new.mid not in rows.copies, f"MID {new.mid} is taken")
    require((new.cid, new.hop) not in rows.mids, f"copy {new.cid} is here already by hop {new.hop}")
    if new.custody in ("Q", "X"):
        require(new.transfer is not None and new.transfer.state == new.custody, f"MID {new.mid} has no transfer")
    rows.copies[new.mid] = _copy(new, version)
    rows.mids[new.cid, new.hop] = new.mid
    put_deliveries(tx, new.mid, new.deliveries)
    if new.transfer is not None:
        put_transfer(tx, rows.copies[new.mid], new.transfer)
    if new.holds:
        _put_holds(tx, new)
    if new.custody == "SETTLED":
        end_of_hop(tx, new.mid)


def _put_holds(tx: Tx, new: NewCopy) -> None:
    require(len({hold.quarantine for hold in new.holds}) == len(new.holds), "a quarantine is named twice")
    holds = tuple(
        Hold(
            new.mid,
            hold.quarantine,
            hold.kind,
            "HELD",
            hold.reasons,
            hold.matched,
            hold.received,
            hold.exit_at,
            hold.default_action,
            "",
            "",
            0,
            hold.outbreak,
        )
        for hold in new.holds
    )
    tx.rows.set_holds(new.mid, holds)


def _copy(new: NewCopy, version: int) -> Copy:
    return Copy(
        mid=new.mid,
        cid=new.cid,
        hop=new.hop,
        custody=new.custody,
        icid=new.icid,
        at=new.at,
        envelope=new.envelope,
        extent=new.extent,
        size=new.extent.length,
        sha256=new.sha256,
        subject=new.subject,
        from_header=new.from_header,
        message_id=new.message_id,
        parent=new.parent,
        origin_serial=new.origin_serial,
        origin_host=new.origin_host,
        origin_ip=new.origin_ip,
        origin_mid=new.origin_mid,
        context=new.context,
        attachments=new.attachments,
        version=version,
    )


def put_deliveries(tx: Tx, mid: int, new: tuple[NewDelivery, ...]) -> None:
    """Add recipients of the copy; their numbers must be new to it."""
    if not new:
        return
    have = tx.rows.deliveries.get(mid, ())
    rids = [delivery.rid for delivery in have] + [delivery.rid for delivery in new]
    require(len(set(rids)) == len(rids), f"MID {mid} has this RID already")
    fresh = tuple(
        Delivery(mid, one.rid, one.address, one.host, one.notify, one.orcpt, "DUE", 0, one.next_at, "", False)
        for one in new
    )
    tx.rows.set_deliveries(mid, have + fresh)


def put_transfer(tx: Tx, copy: Copy, new: NewTransfer) -> None:
    require(new.cid == copy.cid, "the transfer belongs to another copy")
    require(new.state in ("Q", "X"), f"a new transfer cannot be in {new.state}")
    require((new.cid, new.hop) not in tx.rows.transfers, f"hop {new.cid}.{new.hop} is offered already")
    tx.rows.transfers[new.cid, new.hop] = Transfer(
        cid=new.cid,
        hop=new.hop,
        mid=copy.mid,
        peer=new.peer,
        seq=new.seq,
        state=new.state,
        seal=new.seal,
        commands=new.commands,
        metadata=new.metadata,
        size=copy.size,
        attempts=0,
        error="",
        ack_inc=0,
        ack_seq=0,
    )


def is_open(deliveries: tuple[Delivery, ...]) -> bool:
    return any(delivery.state in OPEN_DELIVERY for delivery in deliveries)


def is_over(rows: Rows, copy: Copy) -> bool:
    """Nobody but us has ever heard of it, and nothing of it is left to do."""
    alone = copy.hop == 0 and (copy.cid, 1) not in rows.transfers
    return copy.custody == "SETTLED" and copy.extent is None and alone


def end_of_hop(tx: Tx, mid: int, held_again: str = "", number: int = 0) -> None:
    """A copy that came by an even hop is settled, or held again by the transfer of that id: the row FIN tells the peer
    that released it how it ended."""
    copy = tx.rows.copies[mid]
    tomb = tx.rows.tombs.get((copy.cid, copy.hop))
    if copy.hop == 0 or copy.hop % 2 or tomb is None or tomb.kind is not Tombstone.ACC:
        return
    states = {delivery.state for delivery in tx.rows.deliveries.get(mid, ())}
    ended = "delivered" if "DELIVERED" in states else "bounced" if "FAILED" in states else "dropped"
    pairs = {"R": "heldagain", "NEXT": held_again} if held_again else {"R": ended}
    write_row(tx, (copy.cid, copy.hop), "FIN", tomb.seal, tomb.peer, json.dumps(pairs), number)


def write_row(tx: Tx, hop: Hop, state: str, seal: str, peer: str, pairs: str, number: int = 0) -> None:
    tx.rows.rows[hop] = JournalRow(hop[0], hop[1], number or tx.number(), state, seal, peer, tx.now, pairs)


def body_may_go(rows: Rows, copy: Copy, shadows_before: int) -> bool:
    """Nobody can need the body any more (View.disposable)."""
    match copy.custody:
        case "SETTLED" | "CLOSED":
            return True
        case "DONE":
            return rows.shadow_since.get(copy.mid, copy.at) < shadows_before
        case "DEL":  # once the origin has applied the deletion, whatever it forgets later
            return rows.shadow_since.get(copy.mid) == LET_GO_AT_ONCE
        case _:
            return False
