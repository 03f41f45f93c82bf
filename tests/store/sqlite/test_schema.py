"""The rows themselves refuse a state that no table of ours knows."""

import sqlite3

import pytest

from pratique.delivery.custody import GatewayCopy, ManagerCopy
from pratique.delivery.lifecycle import State
from pratique.quarantine.lifecycle import Mark
from pratique.store.sqlite import copies, take, tx
from pratique.store.sqlite.schema import TABLES

CUSTODY = {*GatewayCopy, *ManagerCopy, "RECEIVED", "ACTIVE", "SETTLED"}
STATES = {
    ("copy", "custody"): CUSTODY,
    ("transfer", "state"): {"Q", "X", "DONE", "CANC", "STUCK", "DOUBT"},
    ("delivery", "state"): set(State),
    ("hold", "mark"): set(Mark),
}
ANY_CUSTODY = sorted({state for known in STATES.values() for state in known} | {"", "x", "HELD "})


@pytest.fixture
def db() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(TABLES)
    return made


def insert(db: sqlite3.Connection, table: str, column: str, state: str) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    row: dict[str, object] = dict.fromkeys(columns, 1)
    row |= {"cid": b"c" * 16} if "cid" in row else {}
    if table == "hold":
        row |= {"default_action": "release", "actor": "" if state == "HELD" else "a"}
    values = [*(row | {column: state}).values()]
    db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(columns))})", values)


@pytest.mark.parametrize(("table", "column"), STATES)
@pytest.mark.parametrize("state", ANY_CUSTODY)
def test_a_row_takes_the_states_we_know_and_no_other(
    db: sqlite3.Connection, table: str, column: str, state: str
) -> None:
    if str(state) in {str(known) for known in STATES[table, column]}:
        insert(db, table, column, state)
        assert db.execute(f"SELECT {column} FROM {table}").fetchall() == [(state,)]
    else:
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            insert(db, table, column, state)


@pytest.mark.parametrize("into", [copies._COPY, copies._HOLD, copies._DELIVERY, take._TOMB, tx._AUDIT])
def test_no_check_builds_a_table_while_rows_go_in(db: sqlite3.Connection, into: tx.Into) -> None:
    sql = into._head + into._row
    steps = {row[1] for row in db.execute("EXPLAIN " + sql, (None,) * sql.count("?"))}
    assert "Insert" in steps or "IdxInsert" in steps
    assert "OpenEphemeral" not in steps
