"""Search among the held messages: exact totals, a page of MIDs. Runs inside the view's snapshot.

Case does not matter: LIKE folds ASCII, and a text with other letters is compared in its lower-cased column.
"""

import sqlite3
from typing import Any

from pratique.store.interface import Search, TextTest

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
    "received": "max(received)",
    "scheduledExit": "min(exit_at)",
    "sender": "lower(" + SENDER + ")",
    "subject": "lower(" + SUBJECT + ")",
    "size": "length",
}
VALUE_MAX = 10_000  # characters; SQLite refuses patterns of 50,000 octets, and no header field that we keep is as long
_STRANGE = frozenset("\n\r\0")  # in no address, and in no subject: it is unfolded
_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def find(db: sqlite3.Connection, query: Search) -> tuple[int, list[int]]:
    """How many messages match, and the MIDs of the page."""
    order = ORDERS.get(query.order_by)
    if order is None:
        raise ValueError(f"cannot order by {query.order_by}")
    where, values = _conditions(query)
    source = f"FROM hold JOIN copy USING (mid) WHERE {where}"
    total = db.execute(f"SELECT count(DISTINCT mid) {source}", values).fetchone()[0]
    way = "DESC" if query.descending else "ASC"
    rows = db.execute(
        f"SELECT mid {source} GROUP BY mid ORDER BY {order} {way}, mid {way} LIMIT ? OFFSET ?",
        (*values, query.limit, query.offset),
    )
    return total, [row[0] for row in rows]


def _conditions(query: Search) -> tuple[str, list[Any]]:
    names = ",".join("?" * len(query.quarantines))
    parts = ["mark = 'HELD'", f"quarantine IN ({names})", "received >= ?", "received < ?"]
    values: list[Any] = [*query.quarantines, query.since, query.until]
    for test, column, patterns in (
        (query.sender, SENDER, PATTERNS),
        (query.recipient, RECIPIENTS, LINE_PATTERNS),
        (query.subject, SUBJECT, PATTERNS),
    ):
        if test is not None:
            sql, pattern = _text(test, column, patterns)
            parts.append(sql)
            values += pattern
    if query.origin_ip:
        parts.append("origin_ip = ?")
        values.append(query.origin_ip)
    if query.attachment or query.attachment_min > 0 or query.attachment_max < 1 << 62:
        parts.append(
            "EXISTS (SELECT 1 FROM json_each(attachments) AS part WHERE part.value ->> 1 BETWEEN ? AND ? "
            "AND has_text(part.value ->> 0, ?))"
        )
        values += [query.attachment_min, query.attachment_max, query.attachment.lower()]
    return " AND ".join(parts), values


def _text(test: TextTest, column: str, patterns: dict[str, str]) -> tuple[str, list[str]]:
    """The condition for one text, and the value it binds."""
    plain = NEGATIONS.get(test.how, test.how)
    if plain not in patterns:
        raise ValueError(f"no text test is called {test.how}")
    is_plain = plain == test.how
    if len(test.value) > VALUE_MAX or not _STRANGE.isdisjoint(test.value):
        return ("0" if is_plain else "1"), []  # no text that we keep has it
    pattern = patterns[plain].format(test.value.lower().translate(_ESCAPES))
    return f"{column} {'LIKE' if is_plain else 'NOT LIKE'} ? ESCAPE '\\'", [pattern]


def has_text(text: str | None, part: str) -> bool:
    """SQL function: does `text` contain the lower-cased `part`, whatever the case of its letters?"""
    return text is not None and part in text.lower()
