"""Reading the rows. Every answer is made from the dicts at once, so each call sees one committed state."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pratique.store import shown
from pratique.store.interface import Found, Search, TextTest
from pratique.store.memory.apply import body_may_go, is_over
from pratique.store.memory.mail import attachments
from pratique.store.memory.rows import OPEN_DELIVERY, OPEN_TRANSFER, Rows
from pratique.store.records import (
    AuditRow,
    Copy,
    Delivery,
    Extent,
    Hold,
    JournalRow,
    Peer,
    Quarantine,
    Statement,
    Transfer,
    User,
    Waiting,
)

TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, value: value in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "matches_exactly": str.__eq__,
}
NEGATIONS = {
    "does_not_contain": "contains",
    "does_not_start_with": "starts_with",
    "does_not_end_with": "ends_with",
    "does_not_match": "matches_exactly",
}


class MemoryView:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def copy(self, mid: int) -> Copy | None:
        return self._rows.copies.get(mid)

    def copy_of_hop(self, cid: str, hop: int) -> Copy | None:
        mid = self._rows.mids.get((cid, hop))
        return None if mid is None else self._rows.copies[mid]

    def holds(self, mid: int) -> tuple[Hold, ...]:
        return self._rows.holds.get(mid, ())

    def deliveries(self, mid: int) -> tuple[Delivery, ...]:
        return self._rows.deliveries.get(mid, ())

    def transfer(self, cid: str, hop: int) -> Transfer | None:
        return self._rows.transfers.get((cid, hop))

    def search(self, query: Search) -> Found:
        found = []
        for mid, holds in self._rows.holds.items():
            copy = self._rows.copies[mid]
            seen = [hold for hold in holds if _is_seen(query, hold)]
            if seen and _matches(query, copy):
                found.append((_order(query.order_by, copy, seen), mid))
        found.sort(reverse=query.descending)
        page = [mid for _, mid in found[query.offset : query.offset + query.limit]]
        return Found(len(found), tuple((self._rows.copies[mid], self.holds(mid)) for mid in page))

    def due_deliveries(self, after: tuple[int, int], limit: int, *, host: str = "") -> Sequence[Delivery]:
        mids = sorted(mid for mid in self._rows.due if mid >= after[0])
        found: list[Delivery] = []
        for mid in mids:
            if len(found) >= limit:
                break
            found += [
                delivery
                for delivery in self._rows.deliveries[mid]
                if delivery.state in OPEN_DELIVERY and (mid, delivery.rid) > after and host in ("", delivery.host)
            ]
        return found[:limit]

    def release_of(self, mid: int) -> Transfer | None:
        found = [transfer for transfer in self._rows.transfers.values() if transfer.mid == mid]
        return max(found, key=lambda transfer: transfer.hop, default=None)

    def cancelled_targets(self, cid: str, hop: int) -> frozenset[str]:
        return frozenset(peer for known, at, peer in self._rows.cancelled if (known, at) == (cid, hop))

    def waiting_for_host(self, host: str) -> Waiting:
        found = self.due_deliveries((0, -1), 1 << 62, host=host)
        attempted = sum(one.attempts > 0 for one in found)
        return Waiting(len(found), attempted, found[0].mid, min(one.next_at for one in found)) if found else Waiting()

    def waiting_for_peer(self, peer: str) -> Waiting:
        found = self.open_transfers(peer, -1, 1 << 62)
        attempted = sum(one.attempts > 0 for one in found)
        return Waiting(len(found), attempted, min(one.mid for one in found)) if found else Waiting()

    def open_transfers(self, peer: str, after_seq: int, limit: int) -> Sequence[Transfer]:
        found = [
            transfer
            for transfer in self._rows.transfers.values()
            if transfer.peer == peer and transfer.state in OPEN_TRANSFER and transfer.seq > after_seq
        ]
        return sorted(found, key=lambda transfer: transfer.seq)[:limit]

    def unsettled_transfers(self, limit: int) -> Sequence[Transfer]:
        copies = self._rows.copies
        found = [
            transfer
            for transfer in self._rows.transfers.values()
            if transfer.state == "STUCK"
            or (transfer.state == "CANC" and copies[transfer.mid].custody in ("REL", "LOC"))
        ]
        return sorted(found, key=lambda transfer: (transfer.mid, transfer.hop))[:limit]

    def acknowledged_above(self, peer: str, seq: int, limit: int) -> Sequence[Transfer]:
        found = [
            transfer
            for transfer in self._rows.transfers.values()
            if transfer.peer == peer and transfer.state == "DONE" and transfer.ack_seq > seq
            if self._rows.copies[transfer.mid].extent is not None
        ]
        return sorted(found, key=lambda transfer: -transfer.ack_seq)[:limit]

    def received_copies(self, after_mid: int, limit: int) -> Sequence[Copy]:
        copies = self._rows.copies.values()
        found = [copy for copy in copies if copy.custody == "RECEIVED" and copy.mid > after_mid]
        return sorted(found, key=lambda copy: copy.mid)[:limit]

    def expired_holds(self, now: int, limit: int) -> Sequence[Hold]:
        found = [hold for hold in self._exits() if hold.exit_at <= now]
        return sorted(found, key=lambda hold: (hold.exit_at, hold.mid, hold.quarantine))[:limit]

    def oldest_holds(self, limit: int) -> Sequence[Hold]:
        free = {q.name for q in self._rows.quarantines.values() if json.loads(q.overflow).get("free_space")}
        found = [hold for hold in self._exits() if hold.quarantine in free]
        return sorted(found, key=lambda hold: (hold.received, hold.mid, hold.quarantine))[:limit]

    def _held(self) -> Iterator[Hold]:
        for holds in self._rows.holds.values():
            yield from (hold for hold in holds if hold.mark == "HELD")

    def _exits(self) -> Iterator[Hold]:
        """A copy in doubt waits for a person, whatever its time."""
        return (hold for hold in self._held() if self._rows.copies[hold.mid].custody == "HELD")

    def testimony(self, peer: str, lost: tuple[int, int], journal_in: int) -> Sequence[Statement]:
        rows = self._rows
        found = [
            Statement(tomb.kind.value, cid, hop, tomb.seal)
            for (cid, hop), tomb in rows.tombs.items()
            if tomb.peer == peer and tomb.seq > journal_in and hop % 2 == 0 and not self._ended((cid, hop))
        ]
        found += [
            Statement("LOC", one.cid, one.hop, one.seal)
            for one in rows.transfers.values()
            if one.peer == peer and one.state == "CANC" and one.hop % 2
            if one.ack_inc == 0 or (one.ack_inc, one.ack_seq) > lost
            if not self._ended((one.cid, one.hop))
        ]
        found += [
            Statement("DEL", cid, hop, "-")
            for (cid, hop), one in rows.deleted.items()
            if one.peer == peer and (one.inc, one.seq) > lost
        ]
        return sorted(found, key=lambda one: (one.cid, one.hop))

    def _ended(self, hop: tuple[str, int]) -> bool:
        row = self._rows.rows.get(hop)
        return row is not None and row.state == "FIN"

    def to_ask(self, peer: str, *, newer: bool) -> Sequence[tuple[str, int]]:
        rows, found = self._rows, set[tuple[str, int]]()
        for one in rows.transfers.values():
            copy = rows.copies[one.mid]
            shadow = newer and copy.custody == "DONE" and copy.extent is not None
            if one.peer == peer and one.hop % 2 and (copy.custody in ("Q", "X", "LOC") or shadow):
                found.add((one.cid, one.hop))
        for hop, tomb in rows.tombs.items():
            mid = rows.mids.get(hop)
            taken = tomb.peer == peer and tomb.kind == "ACC" and hop[1] % 2 == 0
            if taken and mid is not None and rows.copies[mid].custody in ("ACTIVE", "RECEIVED"):
                found.add(hop)
        return sorted(found)

    def shown(self, peer: str, cid: str, hop: int) -> JournalRow | None:
        return shown.row_of(self, peer, cid, hop)

    def tombstone(self, cid: str, hop: int) -> tuple[str, str, int] | None:
        tomb = self._rows.tombs.get((cid, hop))
        return None if tomb is None else (tomb.kind.value, tomb.peer, tomb.seq)

    def was_told(self, cid: str, hop: int, peer: str) -> bool:
        told = self._rows.told.get((cid, hop, peer))
        return told is not None and told[0].state in ("ACC", "FIN")

    def doubtful(self, limit: int) -> Sequence[int]:
        return sorted(copy.mid for copy in self._rows.copies.values() if copy.custody == "DOUBT")[:limit]

    def journal(self, peer: str, after: int, limit: int) -> Sequence[JournalRow]:
        found = [row for row in self._rows.rows.values() if row.peer == peer and row.seq > after]
        return sorted(found, key=lambda row: row.seq)[:limit]

    def disposable(self, shadows_before: int, limit: int, *, uncovered_before: int = 1 << 62) -> Sequence[int]:
        rows = self._rows
        found = [
            copy.mid
            for copy in rows.copies.values()
            if copy.extent is not None
            and body_may_go(rows, copy, shadows_before)
            and (body_may_go(rows, copy, min(shadows_before, uncovered_before)) or not self._uncovered(copy))
        ]
        return sorted(found)[:limit]

    def past(self, after_mid: int, before: int, limit: int) -> tuple[tuple[int, ...], int]:
        copies = [self._rows.copies[mid] for mid in sorted(self._rows.copies) if mid > after_mid][:limit]
        old = [copy for copy in copies if copy.at < before]
        return tuple(copy.mid for copy in old if is_over(self._rows, copy)), old[-1].mid if old else 0

    def _uncovered(self, copy: Copy) -> bool:
        """Does its taker make backups, and none holds it yet?"""
        transfer = self._rows.transfers.get((copy.cid, copy.hop + 1))
        if transfer is None or transfer.state != "DONE":
            return False
        peer = self._rows.peers.get(transfer.peer)
        return peer is not None and 0 < peer.watermark < transfer.ack_seq

    def peers(self) -> tuple[Peer, ...]:
        return _by_name(self._rows.peers)

    def peer(self, serial: str) -> Peer | None:
        return self._rows.peers.get(serial)

    def quarantines(self) -> tuple[Quarantine, ...]:
        return _by_name(self._rows.quarantines)

    def quarantine_counts(self) -> Mapping[str, tuple[int, int]]:
        counts: dict[str, tuple[int, int]] = {}
        for hold in self._held():
            messages, octets = counts.get(hold.quarantine, (0, 0))
            counts[hold.quarantine] = (messages + 1, octets + self._rows.copies[hold.mid].size)
        return counts

    def users(self) -> tuple[User, ...]:
        return _by_name(self._rows.users)

    def user(self, name: str) -> User | None:
        return self._rows.users.get(name)

    def setting(self, key: str, default: str = "") -> str:
        return self._rows.settings.get(key, default)

    def audit(self, after: int, limit: int) -> Sequence[AuditRow]:
        first, last = max(after, 0) + 1, len(self._rows.audit)
        return [self._rows.audit[number] for number in range(first, min(first + limit, last + 1))]

    def counts(self) -> Mapping[str, int]:
        rows = self._rows
        counts = Counter(f"copy.{copy.custody}" for copy in rows.copies.values())
        for mid in rows.due:
            counts.update(f"host.{one.host}" for one in rows.deliveries[mid] if one.state in OPEN_DELIVERY)
        counts.update(f"transfer.{one.peer}" for one in rows.transfers.values() if one.state in OPEN_TRANSFER)
        return counts

    def newest_bodies(self, after_mid: int, limit: int) -> Sequence[tuple[int, Extent, str]]:
        found = [body for body in self.live_bodies() if body[0] > after_mid]
        return sorted(found, reverse=True)[:limit]

    def body(self, mid: int) -> tuple[Extent, str] | None:
        copy = self._rows.copies.get(mid)
        return None if copy is None or copy.extent is None else (copy.extent, copy.sha256)

    def live_bodies(self) -> Iterator[tuple[int, Extent, str]]:
        for copy in list(self._rows.copies.values()):
            if copy.extent is not None:
                yield copy.mid, copy.extent, copy.sha256


def _by_name(table: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(table[name] for name in sorted(table))


def _is_seen(query: Search, hold: Hold) -> bool:
    return hold.mark == "HELD" and hold.quarantine in query.quarantines and query.since <= hold.received < query.until


def _order(order_by: str, copy: Copy, seen: list[Hold]) -> Any:
    """Only the holds that the asker sees order the list."""
    match order_by:
        case "received":
            return max(hold.received for hold in seen)
        case "scheduledExit":
            return min(hold.exit_at for hold in seen)
        case "sender":
            return copy.envelope.sender.casefold()
        case "subject":
            return copy.subject.casefold()
        case "size":
            return copy.size
        case _:
            raise ValueError(f"cannot order by {order_by}")


def _matches(query: Search, copy: Copy) -> bool:
    recipients = [recipient.address for recipient in copy.envelope.recipients]
    return (
        _passes(query.sender, [copy.envelope.sender])
        and _passes(query.recipient, recipients)
        and _passes(query.subject, [copy.subject])
        and query.origin_ip in ("", copy.origin_ip)
        and _has_attachment(query, copy)
    )


def _passes(test: TextTest | None, texts: list[str]) -> bool:
    """A negation holds when no text passes the plain test."""
    if test is None:
        return True
    plain = NEGATIONS.get(test.how, test.how)
    if plain not in TESTS:
        raise ValueError(f"no text test is called {test.how}")
    value = test.value.casefold()
    return any(TESTS[plain](text.casefold(), value) for text in texts) is (plain == test.how)


def _has_attachment(query: Search, copy: Copy) -> bool:
    if not query.attachment and query.attachment_min <= 0 and query.attachment_max >= 1 << 62:
        return True
    name = query.attachment.casefold()
    return any(
        name in known.casefold() and query.attachment_min <= size <= query.attachment_max
        for known, size in attachments(copy)
    )
