"""Do copies, transfers, holds, deliveries, tombstones and journal rows agree with each other?

What a transfer may be for a copy in a given custody follows from the tables of delivery/custody.py, which the store
applies: each event leaves a transfer in one state. Each other rule is one statement that gives the rows that break it.
"""

# ruff: noqa: S608  every part of a statement comes from this file

import sqlite3
from collections.abc import Iterator, Mapping

from pratique.delivery.custody import GATEWAY, MANAGER, Event
from pratique.store.fsck.findings import Finding, Kind

NO_TRANSFER = ""
LEFT_BY: Mapping[Event, tuple[str, ...]] = {
    Event.INTEND: ("X", "STUCK"),
    Event.RELEASE: ("X", "STUCK"),
    Event.ACC: ("DONE",),
    Event.FIN: ("DONE",),
    Event.DELETED_ROW: ("DONE",),
    Event.CANC: ("CANC",),
    Event.DELETE: (NO_TRANSFER,),
    Event.LOST: ("X", "STUCK"),
    Event.SET_BACK: ("DOUBT",),
    Event.ACTOR_SENDS: ("X", "STUCK"),
    Event.ACTOR_ENDS: (NO_TRANSFER, "CANC", "DONE", "DOUBT"),
}
# What recovery may leave besides (delivery/recovery.py).
_RECOVERED = {"ACTIVE": {"DOUBT"}, "SETTLED": {"DOUBT"}, "CLOSED": {NO_TRANSFER, "CANC"}, "DEL": {"X", "DONE", "CANC"}}
_BEGINS = {  # what no event of the tables leads to
    "RECEIVED": {NO_TRANSFER},
    "ACTIVE": {NO_TRANSFER, "CANC"},  # CANC: taken back
    "SETTLED": {NO_TRANSFER, "CANC"},
    "Q": {"Q"},
    "X": {"X", "STUCK"},
    "HELD": {NO_TRANSFER},
    "REL": {"X", "STUCK"},
}
_DOUBT = {NO_TRANSFER, "Q", "X", "DONE", "CANC", "STUCK", "DOUBT"}  # nobody knows: anything

_NEEDED = "('RECEIVED', 'ACTIVE', 'Q', 'X', 'LOC', 'HELD', 'REL', 'RELD', 'DOUBT')"
_OVER = "('SETTLED', 'CLOSED', 'DONE')"
_OPEN = "EXISTS (SELECT 1 FROM delivery WHERE delivery.mid = copy.mid AND state IN ('DUE', 'DOT'))"
_HELD = "(SELECT count(*) FROM hold WHERE hold.mid = copy.mid AND mark = 'HELD')"
_DELETED = "(SELECT count(*) FROM hold WHERE hold.mid = copy.mid AND mark = 'DELETED')"
_RULES = {
    "its body is needed and was let go": (f"SELECT mid FROM copy WHERE custody IN {_NEEDED} AND segment IS NULL"),
    "its body is needed and marked to be let go": (
        f"SELECT mid FROM copy WHERE custody IN {_NEEDED} AND idle_since IS NOT NULL"
    ),
    "it has ended, and its body would never be let go": (
        f"SELECT mid FROM copy WHERE custody IN {_OVER} AND segment IS NOT NULL AND idle_since IS NULL"
    ),
    "a hold of a copy that does not exist": ("SELECT DISTINCT mid FROM hold WHERE mid NOT IN (SELECT mid FROM copy)"),
    "a delivery of a copy that does not exist": (
        "SELECT DISTINCT mid FROM delivery WHERE mid NOT IN (SELECT mid FROM copy)"
    ),
    "a transfer of a copy that does not exist": ("SELECT mid FROM transfer WHERE mid NOT IN (SELECT mid FROM copy)"),
    "held in no quarantine": (f"SELECT mid FROM copy WHERE custody = 'HELD' AND {_HELD} = 0"),
    "held in a quarantine, though it has left": (
        f"SELECT mid FROM copy WHERE custody NOT IN ('HELD', 'DOUBT') AND {_HELD} > 0"
    ),
    "released, though a quarantine deleted it": (
        f"SELECT mid FROM copy WHERE custody IN ('REL', 'RELD', 'CLOSED') AND {_DELETED} > 0"
    ),
    "deleted, though no quarantine did it": (
        f"SELECT mid FROM copy WHERE custody = 'DEL' AND {_DELETED} = 0 "
        "AND NOT EXISTS (SELECT 1 FROM transfer WHERE transfer.mid = copy.mid)"  # a doubt that a person ended
    ),
    "held in a quarantine that does not exist": (
        "SELECT mid FROM hold WHERE mark = 'HELD' AND quarantine NOT IN (SELECT name FROM quarantine)"
    ),
    "to be delivered, and no delivery is open": (f"SELECT mid FROM copy WHERE custody = 'ACTIVE' AND NOT {_OPEN}"),
    "a delivery is open, though it is not to be delivered from here": (
        f"SELECT mid FROM copy WHERE custody NOT IN ('ACTIVE', 'LOC', 'DOUBT') AND {_OPEN}"
    ),
    "it came from a peer, and nothing remembers that it was taken": (
        "SELECT mid FROM copy WHERE hop > 0 AND NOT EXISTS (SELECT 1 FROM tombstone WHERE "
        "(kind = 'ACC' OR custody IN ('SETTLED', 'CLOSED')) AND tombstone.cid = copy.cid AND tombstone.hop = copy.hop)"
    ),
    "deleted, and its gateway is never told": (
        "SELECT mid FROM copy WHERE custody = 'DEL' AND NOT EXISTS (SELECT 1 FROM journal WHERE state = 'DEL' "
        "AND journal.cid = copy.cid AND journal.hop = copy.hop) "
        "AND NOT EXISTS (SELECT 1 FROM told WHERE state = 'DEL' AND told.cid = copy.cid AND told.hop = copy.hop)"
    ),
    "its gateway is told of a deletion that is none": (
        "SELECT copy.mid FROM journal JOIN copy USING (cid, hop) WHERE state = 'DEL' AND custody IN ('HELD', 'REL')"
    ),
    "its manager is told of an end that has not come": (
        "SELECT copy.mid FROM journal JOIN copy USING (cid, hop) WHERE state = 'FIN' "
        "AND custody NOT IN ('SETTLED', 'DONE', 'X', 'DOUBT')"
    ),
    "its end is never told to the manager that released it": (
        "SELECT mid FROM copy WHERE custody = 'SETTLED' AND hop > 0 AND hop % 2 = 0 AND NOT EXISTS "
        "(SELECT 1 FROM journal WHERE journal.cid = copy.cid AND journal.hop = copy.hop) AND NOT EXISTS "
        "(SELECT 1 FROM delivery WHERE delivery.mid = copy.mid AND reply LIKE 'set back:%')"  # the manager knew it
    ),
}
_TAKEN = (
    "SELECT hex(cid), hop FROM tombstone WHERE kind = 'ACC' AND seal <> '-' AND NOT EXISTS "
    "(SELECT 1 FROM copy WHERE copy.cid = tombstone.cid AND copy.hop = tombstone.hop)"
)
_NUMBERS = (
    ("mid", "SELECT max(mid) FROM copy"),
    ("seq", "SELECT max(seq) FROM journal"),
    ("seq", "SELECT max(seq) FROM tombstone"),
    ("seq", "SELECT max(seq) FROM transfer"),
)


def transfers_of(role: str) -> dict[str, set[str]]:
    """Custody -> the states that the copy's transfer may be in, "" = it has none."""
    allowed = {state: set(transfers) for state, transfers in _BEGINS.items()}
    for (_, event), after in (GATEWAY if role == "gateway" else MANAGER).items():
        if event is Event.ACTOR_SENDS and role == "gateway":
            continue  # it goes on to ACTIVE in the same move
        allowed.setdefault(after.value, set()).update(LEFT_BY[event])
    for state, transfers in _RECOVERED.items():
        if state in allowed:
            allowed[state] |= transfers
    return allowed | {"DOUBT": _DOUBT}


def check(db: sqlite3.Connection, role: str) -> Iterator[Finding]:
    for what, statement in _RULES.items():
        for (mid,) in db.execute(statement):
            yield Finding(Kind.ROWS, what, mid)
    for cid, hop in db.execute(_TAKEN):
        yield Finding(Kind.ROWS, f"hop {cid.lower()}.{hop} was taken, and there is no such copy")
    for column, statement in _NUMBERS:
        highest, kept = (db.execute(s).fetchone()[0] for s in (statement, f"SELECT {column} FROM meta"))
        if (highest or 0) > kept:
            yield Finding(Kind.ROWS, f"the highest number given is said to be {kept}, a row has {highest}")
    yield from _transfers(db, role)


def _transfers(db: sqlite3.Connection, role: str) -> Iterator[Finding]:
    allowed = [(custody, state) for custody, states in transfers_of(role).items() for state in states]
    rows = db.execute(
        "SELECT copy.mid, custody, coalesce(transfer.state, '') FROM copy "
        "LEFT JOIN transfer ON transfer.cid = copy.cid AND transfer.hop > copy.hop AND transfer.mid = copy.mid "
        "WHERE (custody, coalesce(transfer.state, '')) NOT IN "
        f"(VALUES {','.join(['(?,?)'] * len(allowed))})",
        [value for pair in allowed for value in pair],
    )
    for mid, custody, state in rows:
        yield Finding(Kind.CUSTODY, f"it is {custody}, and its transfer is {state or 'missing'}", mid)
