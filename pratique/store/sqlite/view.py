"""Reading rows (interface.View). One connection per view; a view belongs to one thread.

Each method is one statement, or runs inside `snapshot()`, so it sees one committed state.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import islice
from typing import Any

from pratique.store import shown
from pratique.store.interface import Found, Search
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
from pratique.store.sqlite import codec, search
from pratique.store.sqlite.mail import PAST

_COPY = codec.select(codec.COPY_COLUMNS, "copy")
_HOLD = codec.select(codec.HOLD_COLUMNS, "hold")
_DELIVERY = codec.select(codec.DELIVERY_COLUMNS, "delivery")
_SIZE = "(SELECT length FROM copy WHERE copy.mid = transfer.mid)"
_TRANSFER = codec.select(f"{codec.TRANSFER_COLUMNS}, {_SIZE}", "transfer")
# A copy in doubt waits for a person, whatever its time.
_IN_HOLD = "WHERE mark = 'HELD' AND (SELECT custody FROM copy WHERE copy.mid = hold.mid) = 'HELD' "
_RELEASE = "WHERE cid = (SELECT cid FROM copy WHERE mid = ?1) AND mid = ?1 ORDER BY hop DESC LIMIT 1"
_UNSETTLED = (
    "INDEXED BY transfer_ended_otherwise WHERE state IN ('CANC', 'STUCK', 'DOUBT') "
    "AND (state = 'STUCK' OR (SELECT custody FROM copy WHERE copy.mid = transfer.mid) IN ('REL', 'LOC')) "
    "ORDER BY mid, hop LIMIT ?"
)
_ACKNOWLEDGED = (
    "WHERE peer = ? AND state = 'DONE' AND ack_seq > ? "
    "AND (SELECT segment FROM copy WHERE copy.mid = transfer.mid) IS NOT NULL ORDER BY ack_seq DESC LIMIT ?"
)
_TESTIMONY = (
    "SELECT kind, cid, hop, seal FROM tombstone AS t WHERE peer = :peer AND seq > :applied AND hop % 2 = 0 "
    "AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.cid = t.cid AND j.hop = t.hop AND j.state = 'FIN') "
    "UNION ALL SELECT 'LOC', cid, hop, seal FROM transfer AS t WHERE peer = :peer AND state = 'CANC' "
    "AND hop % 2 = 1 AND (ack_inc = 0 OR (ack_inc, ack_seq) > (:inc, :seq)) "
    "AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.cid = t.cid AND j.hop = t.hop AND j.state = 'FIN') "
    "UNION ALL SELECT 'DEL', cid, hop, '-' FROM deleted WHERE peer = :peer AND (inc, seq) > (:inc, :seq) "
    "ORDER BY 2, 3"
)
_TO_ASK = (
    "SELECT t.cid, t.hop FROM transfer AS t JOIN copy USING (mid) WHERE t.peer = :peer AND t.hop % 2 = 1 "
    "AND (custody IN ('Q', 'X', 'LOC') OR (:newer AND custody = 'DONE' AND segment IS NOT NULL)) "
    "UNION SELECT t.cid, t.hop FROM tombstone AS t JOIN copy ON copy.cid = t.cid AND copy.hop = t.hop "
    "WHERE t.peer = :peer AND t.kind = 'ACC' AND t.hop % 2 = 0 AND custody IN ('ACTIVE', 'RECEIVED') ORDER BY 1, 2"
)
_DISPOSABLE = (
    "SELECT mid FROM copy WHERE idle_since < ?1 AND (idle_since < ?2 OR NOT EXISTS (SELECT 1 FROM transfer JOIN peer "
    "ON serial = transfer.peer WHERE transfer.cid = copy.cid AND transfer.hop = copy.hop + 1 "
    "AND transfer.state = 'DONE' AND watermark > 0 AND ack_seq > watermark)) ORDER BY idle_since, mid LIMIT ?3"
)
_JOURNAL = codec.select(codec.JOURNAL_COLUMNS, "journal")
_PEER = codec.select(codec.PEER_COLUMNS, "peer")
_QUARANTINE = codec.select(codec.QUARANTINE_COLUMNS, "quarantine")
_USER = codec.select(codec.USER_COLUMNS, "user")
_AUDIT = codec.select(codec.AUDIT_COLUMNS, "audit")


class SqliteView:
    def __init__(self, db: sqlite3.Connection, *, indexed: bool = False) -> None:
        self._db = db
        self._indexed = indexed

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the same committed state."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def live_in_segment(self, number: int) -> int:
        """Bodies in a segment of the spool that rows name."""
        row = self._one("SELECT live FROM segment WHERE number = ?", number)
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        self._db.close()

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._db.execute(sql, values[0] if values and isinstance(values[0], dict) else values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        return self._db.execute(sql, values).fetchone()

    # --- copies ------------------------------------------------------------------------------------------------
    def copy(self, mid: int) -> Copy | None:
        row = self._one(_COPY + "WHERE mid = ?", mid)
        return None if row is None else codec.copy_of(row)

    def copy_of_hop(self, cid: str, hop: int) -> Copy | None:
        key = _key(cid)
        row = None if key is None else self._one(_COPY + "WHERE cid = ? AND hop = ?", key, hop)
        return None if row is None else codec.copy_of(row)

    def received_copies(self, after_mid: int, limit: int) -> Sequence[Copy]:
        rows = self._all(_COPY + "WHERE custody = 'RECEIVED' AND mid > ? ORDER BY mid LIMIT ?", after_mid, limit)
        return [codec.copy_of(row) for row in rows]

    def disposable(self, shadows_before: int, limit: int, *, uncovered_before: int = 1 << 62) -> Sequence[int]:
        # -1 marks what may go at once; a shadow has the time from which it was one.
        rows = self._all(_DISPOSABLE, max(shadows_before, 0), max(uncovered_before, 0), limit)
        return sorted(row[0] for row in rows)

    def past(self, after_mid: int, before: int, limit: int) -> tuple[tuple[int, ...], int]:
        rows = self._all(PAST, before, after_mid, limit)
        old = [row for row in rows if row[1]]
        return tuple(mid for mid, _, over in old if over), old[-1][0] if old else 0

    def body(self, mid: int) -> tuple[Extent, str] | None:
        sql = "SELECT segment, offset, length, sha256 FROM copy WHERE mid = ? AND segment IS NOT NULL"
        row = self._one(sql, mid)
        return None if row is None else (Extent(*row[:3]), row[3].hex())

    def newest_bodies(self, after_mid: int, limit: int) -> Sequence[tuple[int, Extent, str]]:
        rows = self._all(
            "SELECT mid, segment, offset, length, sha256 FROM copy WHERE mid > ? AND segment IS NOT NULL "
            "ORDER BY mid DESC LIMIT ?",
            after_mid,
            limit,
        )
        return [(mid, Extent(segment, at, length), digest.hex()) for mid, segment, at, length, digest in rows]

    def live_bodies(self) -> Iterator[tuple[int, Extent, str]]:
        rows = self._db.execute(
            "SELECT mid, segment, offset, length, sha256 FROM copy WHERE segment IS NOT NULL ORDER BY mid"
        )
        for mid, segment, offset, length, digest in rows:
            yield mid, Extent(segment, offset, length), digest.hex()

    # --- holds -------------------------------------------------------------------------------------------------
    def holds(self, mid: int) -> tuple[Hold, ...]:
        return tuple(codec.hold_of(row) for row in self._all(_HOLD + "WHERE mid = ? ORDER BY quarantine", mid))

    def expired_holds(self, now: int, limit: int) -> Sequence[Hold]:
        rows = self._all(_HOLD + _IN_HOLD + "AND exit_at <= ? ORDER BY exit_at, mid, quarantine LIMIT ?", now, limit)
        return [codec.hold_of(row) for row in rows]

    def oldest_holds(self, limit: int) -> Sequence[Hold]:
        with self.snapshot():
            free = [q.name for q in self.quarantines() if json.loads(q.overflow).get("free_space")]
            streams = [self._oldest_of(name, limit) for name in free]
            rows = merge(*streams, key=lambda row: (row[3], row[0], row[1]))
            return [codec.hold_of(row) for row in islice(rows, limit)]

    def _oldest_of(self, quarantine: str, limit: int) -> list[Any]:
        sql = _HOLD + _IN_HOLD + "AND quarantine = ? ORDER BY received, mid LIMIT ?"
        return self._all(sql, quarantine, limit)

    def search(self, query: Search) -> Found:
        with self.snapshot():
            total, mids = search.find(self._db, query, indexed=self._indexed)
            found = []
            for mid in mids:
                copy = self.copy(mid)
                assert copy is not None
                found.append((copy, self.holds(mid)))
            return Found(total, tuple(found))

    # --- deliveries, transfers, journal ------------------------------------------------------------------------
    def deliveries(self, mid: int) -> tuple[Delivery, ...]:
        return tuple(codec.delivery_of(row) for row in self._all(_DELIVERY + "WHERE mid = ? ORDER BY rid", mid))

    def due_deliveries(self, after: tuple[int, int], limit: int, *, host: str = "") -> Sequence[Delivery]:
        rows = self._all(
            _DELIVERY + "WHERE state IN ('DUE', 'DOT') AND (mid, rid) > (?, ?) AND ? IN ('', host) "
            "ORDER BY mid, rid LIMIT ?",
            *after,
            host,
            limit,
        )
        return [codec.delivery_of(row) for row in rows]

    def waiting_for_host(self, host: str) -> Waiting:
        row = self._one(
            "SELECT count(*), total(attempts > 0), min(mid), min(next_at) FROM delivery INDEXED BY delivery_open "
            "WHERE state IN ('DUE', 'DOT') AND ? IN ('', host)",
            host,
        )
        return Waiting(row[0], int(row[1]), row[2], row[3]) if row[0] else Waiting()

    def waiting_for_peer(self, peer: str) -> Waiting:
        row = self._one(
            "SELECT count(*), total(attempts > 0), min(mid) FROM transfer INDEXED BY transfer_open "
            "WHERE state IN ('Q', 'X') AND peer = ?",
            peer,
        )
        return Waiting(row[0], int(row[1]), row[2]) if row[0] else Waiting()

    def transfer(self, cid: str, hop: int) -> Transfer | None:
        key = _key(cid)
        row = None if key is None else self._one(_TRANSFER + "WHERE cid = ? AND hop = ?", key, hop)
        return None if row is None else codec.transfer_of(row, row[13])

    def release_of(self, mid: int) -> Transfer | None:
        row = self._one(_TRANSFER + _RELEASE, mid)
        return None if row is None else codec.transfer_of(row, row[13])

    def cancelled_targets(self, cid: str, hop: int) -> frozenset[str]:
        rows = self._all("SELECT peer FROM cancelled_target WHERE cid = ? AND hop = ?", _key(cid), hop)
        return frozenset(row[0] for row in rows)

    def open_transfers(self, peer: str, after_seq: int, limit: int) -> Sequence[Transfer]:
        rows = self._all(
            _TRANSFER + "WHERE peer = ? AND seq > ? AND state IN ('Q', 'X') ORDER BY seq LIMIT ?",
            peer,
            after_seq,
            limit,
        )
        return [codec.transfer_of(row, row[13]) for row in rows]

    def unsettled_transfers(self, limit: int) -> Sequence[Transfer]:
        rows = self._all(_TRANSFER + _UNSETTLED, limit)
        return [codec.transfer_of(row, row[13]) for row in rows]

    def acknowledged_above(self, peer: str, seq: int, limit: int) -> Sequence[Transfer]:
        rows = self._all(_TRANSFER + _ACKNOWLEDGED, peer, seq, limit)
        return [codec.transfer_of(row, row[13]) for row in rows]

    def testimony(self, peer: str, lost: tuple[int, int], journal_in: int) -> Sequence[Statement]:
        rows = self._all(_TESTIMONY, {"peer": peer, "inc": lost[0], "seq": lost[1], "applied": journal_in})
        return [Statement(state, cid.hex(), hop, seal) for state, cid, hop, seal in rows]

    def to_ask(self, peer: str, *, newer: bool) -> Sequence[tuple[str, int]]:
        rows = self._all(_TO_ASK, {"peer": peer, "newer": newer})
        return [(cid.hex(), hop) for cid, hop in rows]

    def shown(self, peer: str, cid: str, hop: int) -> JournalRow | None:
        with self.snapshot():
            return shown.row_of(self, peer, cid, hop)

    def tombstone(self, cid: str, hop: int) -> tuple[str, str, int] | None:
        """Kind, peer and number of what is remembered of a hop."""
        row = self._one("SELECT kind, peer, seq FROM tombstone WHERE cid = ? AND hop = ?", _key(cid), hop)
        return None if row is None else tuple(row)

    def was_told(self, cid: str, hop: int, peer: str) -> bool:
        sql = "SELECT 1 FROM told WHERE cid = ? AND hop = ? AND peer = ? AND state IN ('ACC', 'FIN')"
        return self._one(sql, _key(cid), hop, peer) is not None

    def doubtful(self, limit: int) -> Sequence[int]:
        if not self._one("SELECT count FROM tally WHERE key = 'copy.DOUBT' AND count > 0"):
            return []
        return [row[0] for row in self._all("SELECT mid FROM copy WHERE custody = 'DOUBT' ORDER BY mid LIMIT ?", limit)]

    def journal(self, peer: str, after: int, limit: int) -> Sequence[JournalRow]:
        rows = self._all(_JOURNAL + "WHERE peer = ? AND seq > ? ORDER BY seq LIMIT ?", peer, after, limit)
        return [codec.journal_of(row) for row in rows]

    # --- small facts -------------------------------------------------------------------------------------------
    def peers(self) -> tuple[Peer, ...]:
        return tuple(codec.peer_of(row) for row in self._all(_PEER + "ORDER BY serial"))

    def peer(self, serial: str) -> Peer | None:
        row = self._one(_PEER + "WHERE serial = ?", serial)
        return None if row is None else codec.peer_of(row)

    def quarantines(self) -> tuple[Quarantine, ...]:
        return tuple(codec.quarantine_of(row) for row in self._all(_QUARANTINE + "ORDER BY name"))

    def users(self) -> tuple[User, ...]:
        return tuple(codec.user_of(row) for row in self._all(_USER + "ORDER BY name"))

    def user(self, name: str) -> User | None:
        row = self._one(_USER + "WHERE name = ?", name)
        return None if row is None else codec.user_of(row)

    def setting(self, key: str, default: str = "") -> str:
        row = self._one("SELECT value FROM setting WHERE key = ?", key)
        return default if row is None else str(row[0])

    def audit(self, after: int, limit: int) -> Sequence[AuditRow]:
        rows = self._all(_AUDIT + "WHERE number > ? ORDER BY number LIMIT ?", after, limit)
        return [codec.audit_of(row) for row in rows]

    # --- gauges ------------------------------------------------------------------------------------------------
    def quarantine_counts(self) -> Mapping[str, tuple[int, int]]:
        rows = self._all("SELECT substr(key, 12), count, octets FROM tally WHERE key GLOB 'quarantine.*' AND count > 0")
        return {name: (count, octets) for name, count, octets in rows}

    def counts(self) -> Mapping[str, int]:
        with self.snapshot():
            rows = self._all("SELECT key, count FROM tally WHERE key GLOB 'copy.*' AND count > 0")
            rows += self._all(
                "SELECT 'host.' || host, count(*) FROM delivery INDEXED BY delivery_open "
                "WHERE state IN ('DUE', 'DOT') GROUP BY host"
            )
            rows += self._all(
                "SELECT 'transfer.' || peer, count(*) FROM transfer INDEXED BY transfer_open "
                "WHERE state IN ('Q', 'X') GROUP BY peer"
            )
            return dict(rows)


def _key(cid: str) -> bytes | None:
    """A cid as it is stored; None when it cannot name a copy."""
    try:
        return bytes.fromhex(cid)
    except ValueError:
        return None
