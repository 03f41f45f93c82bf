"""The numbers that are kept beside the rows, so that nothing has to scan: are they what the rows say?

A wrong one does harm: a segment that counts no body is freed at the next start, and one whose end is too low is
written over. They are derived, so they can be made anew: `repair` does it inside the caller's transaction.
"""

# ruff: noqa: S608  every part of a statement comes from this file

import sqlite3
from collections.abc import Iterator

from pratique.store.fsck.findings import Finding, Kind

_BODIES = "SELECT DISTINCT segment, offset, length FROM copy WHERE segment IS NOT NULL"
_ENDS = (
    "SELECT segment AS number, count(*) AS wanted, max(offset + length) AS end "
    f"FROM ({_BODIES}) WHERE true GROUP BY segment"
)
# An empty body lies where the next one begins, so it is not told by its place, and nothing depends on its count.
_EMPTY = "SELECT segment, offset FROM copy WHERE length = 0 AND segment IS NOT NULL"
_NAMED = (
    "SELECT segment, offset, count(*) AS rows FROM copy WHERE segment IS NOT NULL AND length > 0 "
    "GROUP BY segment, offset"
)
_TALLIES = (
    "SELECT 'copy.' || custody AS key, count(*) AS count, 0 AS octets FROM copy GROUP BY custody UNION ALL "
    "SELECT 'quarantine.' || quarantine, count(*), sum(length) FROM hold JOIN copy USING (mid) "
    "WHERE mark = 'HELD' GROUP BY quarantine"
)


def check(db: sqlite3.Connection) -> Iterator[Finding]:
    yield from _segments(db)
    yield from _shared(db)
    yield from _tallies(db)


def _segments(db: sqlite3.Connection) -> Iterator[Finding]:
    for number, wanted, end, live, used in db.execute(
        f"SELECT number, wanted, end, coalesce(live, 0), coalesce(used, 0) FROM ({_ENDS}) "
        "LEFT JOIN segment USING (number) UNION ALL SELECT number, 0, 0, live, used FROM segment "
        "WHERE live <> 0 AND number NOT IN (SELECT segment FROM copy WHERE segment IS NOT NULL)"
    ):
        if live != wanted:
            yield Finding(Kind.COUNT, f"segment {number} counts {live} bodies, rows name {wanted}")
        if used < end:
            yield Finding(Kind.COUNT, f"segment {number} is said to end at {used}, its last body ends at {end}")


def _shared(db: sqlite3.Connection) -> Iterator[Finding]:
    """A body that no entry counts has one copy."""
    for segment, offset, rows, wanted in db.execute(
        "SELECT segment, offset, coalesce(kept.rows, 1), named.rows "
        f"FROM ({_NAMED}) AS named LEFT JOIN shared_body AS kept USING (segment, offset) "
        "WHERE coalesce(kept.rows, 1) <> named.rows UNION ALL "
        "SELECT segment, offset, kept.rows, 0 FROM shared_body AS kept "
        f"WHERE (segment, offset) NOT IN (SELECT segment, offset FROM ({_NAMED})) "
        f"AND (segment, offset) NOT IN ({_EMPTY})"
    ):
        what = f"the body at {offset} in segment {segment} counts {rows} copies, {wanted} rows name it"
        yield Finding(Kind.COUNT, what)


def _tallies(db: sqlite3.Connection) -> Iterator[Finding]:
    wanted = {key: (count, octets) for key, count, octets in db.execute(_TALLIES)}
    kept = {key: (count, octets) for key, count, octets in db.execute("SELECT key, count, octets FROM tally")}
    for key in sorted(wanted.keys() | kept.keys()):
        says, are = kept.get(key, (0, 0)), wanted.get(key, (0, 0))
        if says != are:
            yield Finding(Kind.COUNT, f"{key} counts {says[0]} ({says[1]} B), the rows say {are[0]} ({are[1]} B)")


def repair(db: sqlite3.Connection) -> None:
    """Make all of them anew. An end that is higher than needed stays: something may have been written there."""
    db.execute(
        f"INSERT INTO segment (number, live, used) SELECT number, wanted, end FROM ({_ENDS}) WHERE true "
        "ON CONFLICT (number) DO UPDATE SET live = excluded.live, used = max(used, excluded.used)"
    )
    db.execute("UPDATE segment SET live = 0 WHERE number NOT IN (SELECT segment FROM copy WHERE segment IS NOT NULL)")
    db.execute(f"DELETE FROM shared_body WHERE (segment, offset) NOT IN ({_EMPTY})")
    db.execute(f"INSERT OR REPLACE INTO shared_body SELECT segment, offset, rows FROM ({_NAMED}) WHERE rows > 1")
    db.execute("DELETE FROM tally")
    db.execute(f"INSERT INTO tally (key, count, octets) {_TALLIES}")
