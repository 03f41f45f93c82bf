"""Search among the held messages: totals and a page of MIDs. Runs inside the view's snapshot.

Three ways, the cheapest that is exact:
* few hits in the trigram index: those, and what the index has not reached yet, are looked at one by one;
* a page by time of receipt or of scheduled exit: the index of the holds is walked in that order until it is full;
* all else: every held message is looked at.

Case does not matter: LIKE folds ASCII, and a text with other letters is compared in its case-folded column.
A message that lies in several of the asked quarantines counts once: by the hold that comes last in `received`
(or first in scheduled exit), which is found with a probe per hold.
"""

# ruff: noqa: S608  every part of a statement comes from this file; what a person typed is bound

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

from pratique.store.interface import Search, TextTest

HITS_MAX = 6_000  # hits of the index that are looked at one by one: some 15 ms
TRIGRAM = 3  # characters below which the index knows nothing


@dataclass(frozen=True, slots=True)
class Order:
    """What a page is ordered by. Of several holds of one message `pick` tells which gives its place."""

    key: str
    of_hold: bool = False
    pick: Callable[[Any, Any], Any] = max


NEGATIONS = {
    "does_not_contain": "contains",
    "does_not_start_with": "starts_with",
    "does_not_end_with": "ends_with",
    "does_not_match": "matches_exactly",
}
# How the pattern stands in the text: `{}` is the escaped value.
PATTERNS = {"contains": "%{}%", "starts_with": "{}%", "ends_with": "%{}", "matches_exactly": "{}"}
# Recipients are one a line, so that each is tested whole: a line break stands before and after each.
LINE_PATTERNS = {
    "contains": "%{}%",
    "starts_with": "%\n{}%",
    "ends_with": "%{}\n%",
    "matches_exactly": "%\n{}\n%",
}
SENDER = "coalesce(sender_folded, sender)"
SUBJECT = "coalesce(subject_folded, subject)"
RECIPIENTS = "char(10) || coalesce(recipients_folded, recipients) || char(10)"
ORDERS = {
    "received": Order("received", of_hold=True, pick=max),
    "scheduledExit": Order("exit_at", of_hold=True, pick=min),
    "sender": Order("lower(" + SENDER + ")"),
    "subject": Order("lower(" + SUBJECT + ")"),
    "size": Order("length"),
}
VALUE_MAX = 10_000  # characters; SQLite refuses patterns of 50,000 octets, and no header field that we keep is as long
NEVER = "0"  # the condition that nothing passes
_STRANGE = frozenset("\n\r\0")  # in no address, and in no subject: it is unfolded
_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_FOREVER = 1 << 62


@dataclass(slots=True)
class Wanted:
    """A query as SQL: conditions on a hold, conditions on the copy, and what the trigram index can tell of them."""

    seen: str = ""  # on hold `h`
    seen_values: list[Any] = field(default_factory=list)
    copy: list[str] = field(default_factory=list)
    copy_values: list[Any] = field(default_factory=list)
    match: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)  # those of `copy` that a hit of the index does not prove
    unproven_values: list[Any] = field(default_factory=list)

    def ask(self, condition: str, *values: Any, proven: bool = False) -> None:
        """Add a condition on the copy. `proven`: a hit of the index meets it."""
        self.copy.append(condition)
        self.copy_values += values
        if not proven:
            self.unproven.append(condition)
            self.unproven_values += values

    @property
    def of_copy(self) -> str:
        return " AND ".join(self.copy) or "1"


def find(db: sqlite3.Connection, query: Search, *, indexed: bool) -> tuple[int, list[int]]:
    """How many messages match, and the MIDs of the page. `indexed`: a trigram index is attached as `idx`."""
    if query.order_by not in ORDERS:
        raise ValueError(f"cannot order by {query.order_by}")
    wanted = _wanted(query)
    if not query.quarantines or NEVER in wanted.copy:
        return 0, []
    hits = _hits(db, wanted) if indexed and wanted.match else None
    if hits is not None:
        return _among(db, query, wanted, hits)
    page = _walk(db, query, wanted) if query.order_by in ("received", "scheduledExit") else _sorted(db, query, wanted)
    if len(page) < query.limit and (page or not query.offset):
        return query.offset + len(page), page  # the last page tells the total
    if not wanted.copy:
        return _count_all(db, query, wanted), page
    return _count(db, query, wanted, indexed=indexed), page


def _wanted(query: Search) -> Wanted:
    wanted = Wanted()
    names = ",".join("?" * len(query.quarantines))
    wanted.seen = f"h.mark = 'HELD' AND h.quarantine IN ({names}) AND h.received >= ? AND h.received < ?"
    wanted.seen_values = [*query.quarantines, query.since, query.until]
    for test, name, column, patterns in (
        (query.sender, "sender", SENDER, PATTERNS),
        (query.recipient, "recipients", RECIPIENTS, LINE_PATTERNS),
        (query.subject, "subject", SUBJECT, PATTERNS),
    ):
        if test is not None:
            _add_text(wanted, test, name, column, patterns)
    if query.origin_ip:
        wanted.ask("origin_ip = ?", query.origin_ip)
    if query.attachment or query.attachment_min > 0 or query.attachment_max < _FOREVER:
        wanted.ask(
            "EXISTS (SELECT 1 FROM json_each(attachments) AS part WHERE part.value ->> 1 BETWEEN ? AND ? "
            "AND has_text(part.value ->> 0, ?))",
            query.attachment_min,
            query.attachment_max,
            query.attachment.casefold(),
        )
    return wanted


def _add_text(wanted: Wanted, test: TextTest, name: str, column: str, patterns: dict[str, str]) -> None:
    plain = NEGATIONS.get(test.how, test.how)
    if plain not in patterns:
        raise ValueError(f"no text test is called {test.how}")
    is_plain = plain == test.how
    if len(test.value) > VALUE_MAX or not _STRANGE.isdisjoint(test.value):
        if is_plain:
            wanted.ask(NEVER)  # no text that we keep has it
        return
    value = test.value.casefold()
    indexable = is_plain and len(value) >= TRIGRAM
    wanted.ask(
        f"{column} {'LIKE' if is_plain else 'NOT LIKE'} ? ESCAPE '\\'",
        patterns[plain].format(value.translate(_ESCAPES)),
        proven=indexable and plain == "contains",
    )
    if indexable:
        wanted.match.append(name + ' : "' + value.replace('"', '""') + '"')


# --- by the trigram index --------------------------------------------------------------------------------------
_TAIL = (
    "SELECT mid FROM hold WHERE mid > (SELECT upto FROM idx.state) UNION "
    "SELECT mid FROM late_copy WHERE id > (SELECT late FROM idx.state)"
)


def _hits(db: sqlite3.Connection, wanted: Wanted) -> set[int] | None:
    """MIDs for which all holds that the index can tell: its own, and those it has not seen that stand the whole test.
    None when they are too many."""
    match = " AND ".join(wanted.match)
    found = db.execute("SELECT rowid FROM idx.found WHERE found MATCH ? LIMIT ?", (match, HITS_MAX + 1)).fetchall()
    if len(found) > HITS_MAX:
        return None
    tail = f"SELECT mid FROM ({_TAIL}) CROSS JOIN copy USING (mid) WHERE {wanted.of_copy} LIMIT ?"
    found += db.execute(tail, (*wanted.copy_values, HITS_MAX + 1)).fetchall()
    return {row[0] for row in found} if len(found) <= HITS_MAX else None


def _among(db: sqlite3.Connection, query: Search, wanted: Wanted, hits: set[int]) -> tuple[int, list[int]]:
    order, join, rest = ORDERS[query.order_by], "", " AND ".join(wanted.unproven)
    if rest or not order.of_hold:
        join = "CROSS JOIN copy USING (mid)"
    sql = (
        f"SELECT h.mid, {order.key} FROM json_each(?) AS hit CROSS JOIN hold AS h ON h.mid = hit.value {join} "
        f"WHERE {wanted.seen} AND {rest or '1'}"
    )
    values = [json.dumps(sorted(hits)), *wanted.seen_values, *wanted.unproven_values]
    best: dict[int, Any] = {}
    for mid, key in db.execute(sql, values):
        best[mid] = order.pick(best[mid], key) if mid in best else key
    ranked = sorted(best, key=lambda mid: (best[mid], mid), reverse=query.descending)
    return len(ranked), ranked[query.offset : query.offset + query.limit]


# --- by walking the holds in order -----------------------------------------------------------------------------
def _walk(db: sqlite3.Connection, query: Search, wanted: Wanted) -> list[int]:
    """The page, by the index of the holds in the order that is asked for."""
    way = "DESC" if query.descending else "ASC"
    by_exit = query.order_by == "scheduledExit"
    key, index = ("h.exit_at", "hold_exit") if by_exit else ("h.received", "hold_received")
    several = len(query.quarantines) > 1
    only, only_values = _only(query, wanted, by_exit=by_exit) if several else ("1", [])
    parts = [wanted.seen, only]
    values = [*wanted.seen_values, *only_values]
    join = ""
    if wanted.copy:
        join = "CROSS JOIN copy USING (mid)"
        parts.append(wanted.of_copy)
        values += wanted.copy_values
    end = query.offset + query.limit
    sql = (
        f"SELECT h.mid, {key} FROM hold AS h INDEXED BY {index} {join} WHERE {' AND '.join(parts)} "
        f"ORDER BY {key} {way}, h.mid {way} LIMIT ?"
    )
    if by_exit or not several:
        return [row[0] for row in db.execute(sql, (*values, end)).fetchall()[query.offset :]]
    # One stream per quarantine, each in the order of its part of the index, merged.
    single = sql.replace(" WHERE ", " WHERE h.quarantine = ? AND ", 1)
    streams = [db.execute(single, (name, *values, end)).fetchall() for name in dict.fromkeys(query.quarantines)]
    merged = merge(*streams, key=lambda row: (row[1], row[0]), reverse=query.descending)
    return [row[0] for row in islice(merged, query.offset, end)]


def _only(query: Search, wanted: Wanted, *, by_exit: bool) -> tuple[str, list[Any]]:
    """Of the holds of one message that the asker sees, only the one that gives its place in the order."""
    other = wanted.seen.replace("h.", "o.")
    if by_exit:
        before = "(o.exit_at < h.exit_at OR o.exit_at = h.exit_at AND o.quarantine < h.quarantine)"
    else:
        before = "(o.received > h.received OR o.received = h.received AND o.quarantine < h.quarantine)"
    return (
        f"NOT EXISTS (SELECT 1 FROM hold AS o WHERE o.mid = h.mid AND {other} AND {before})",
        wanted.seen_values,
    )


# --- by looking at all -----------------------------------------------------------------------------------------
def _sorted(db: sqlite3.Connection, query: Search, wanted: Wanted) -> list[int]:
    way = "DESC" if query.descending else "ASC"
    sql = (
        f"SELECT h.mid FROM hold AS h CROSS JOIN copy USING (mid) WHERE {wanted.seen} AND {wanted.of_copy} "
        f"GROUP BY h.mid ORDER BY {ORDERS[query.order_by].key} {way}, h.mid {way} LIMIT ? OFFSET ?"
    )
    rows = db.execute(sql, (*wanted.seen_values, *wanted.copy_values, query.limit, query.offset))
    return [row[0] for row in rows]


# --- totals ----------------------------------------------------------------------------------------------------
def _count_all(db: sqlite3.Connection, query: Search, wanted: Wanted) -> int:
    """Nothing is asked but quarantines and time: the tallies know, or the index of the holds alone."""
    names = set(query.quarantines)
    if query.since <= 0 and query.until >= _FOREVER:
        tallies = dict(db.execute("SELECT substr(key, 12), count FROM tally WHERE key GLOB 'quarantine.*'"))
        if len(names) == 1:
            return int(tallies.get(query.quarantines[0], 0))
        if all(name in names or not count for name, count in tallies.items()):
            held = db.execute("SELECT count FROM tally WHERE key = 'copy.HELD'").fetchone()
            return 0 if held is None else int(held[0])
    what = "h.mid" if len(names) == 1 else "DISTINCT h.mid"
    source = f"SELECT {what} FROM hold AS h INDEXED BY hold_received WHERE {wanted.seen} LIMIT ?"
    return _size(db, source, [*wanted.seen_values, query.count_to])


def _count(db: sqlite3.Connection, query: Search, wanted: Wanted, *, indexed: bool) -> int:
    if not (indexed and wanted.match):
        source = (
            "SELECT DISTINCT h.mid FROM hold AS h CROSS JOIN copy USING (mid) "
            f"WHERE {wanted.seen} AND {wanted.of_copy} LIMIT ?"
        )
        return _size(db, source, [*wanted.seen_values, *wanted.copy_values, query.count_to])
    match, rest = " AND ".join(wanted.match), " AND ".join(wanted.unproven)
    held = f"EXISTS (SELECT 1 FROM hold AS h WHERE h.mid = hit AND {wanted.seen})"
    join = f"CROSS JOIN copy ON copy.mid = hit AND {rest}" if rest else ""
    found = (
        "SELECT 1 FROM (SELECT rowid AS hit FROM idx.found WHERE found MATCH ? ORDER BY rowid DESC) "
        f"{join} WHERE {held} LIMIT ?"
    )
    total = _size(db, found, [match, *wanted.unproven_values, *wanted.seen_values, query.count_to])
    if total >= query.count_to:
        return total
    tail = f"SELECT 1 FROM (SELECT mid AS hit FROM ({_TAIL})) CROSS JOIN copy ON copy.mid = hit "
    tail += f"WHERE {wanted.of_copy} AND {held}"
    return total + _size(db, tail, [*wanted.copy_values, *wanted.seen_values])


def _size(db: sqlite3.Connection, source: str, values: list[Any]) -> int:
    return int(db.execute(f"SELECT count(*) FROM ({source})", values).fetchone()[0])


def has_text(text: str | None, part: str) -> bool:
    """SQL function: does `text` contain the case-folded `part`, whatever the case of its letters?"""
    return text is not None and part in text.casefold()
