"""Statements for many rows: every size gives the same rows as one by one, and none scans a table."""

import sqlite3
from collections.abc import Iterator

import pytest

from pratique.store.sqlite import copies, holds, mail, offer, take
from pratique.store.sqlite.schema import TABLES
from pratique.store.sqlite.tx import CHUNK_MAX, Among, Into, Tx

SIZES = [0, 1, 2, 3, 5, 20, CHUNK_MAX - 1, CHUNK_MAX, CHUNK_MAX + 1, 2 * CHUNK_MAX + 77]
STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (copies, holds, mail, offer, take)
    for name, value in vars(module).items()
    if isinstance(value, Among)
}


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(TABLES)
    yield made
    made.close()


@pytest.mark.parametrize("size", SIZES)
def test_rows_of_any_number_go_in(db: sqlite3.Connection, size: int) -> None:
    rows = [(f"key {n}", f"value {n}") for n in range(size)]
    Into("setting", "key, value").put(db, rows)
    assert sorted(db.execute("SELECT key, value FROM setting").fetchall()) == sorted(rows)


@pytest.mark.parametrize("size", SIZES)
def test_any_number_of_keys_is_found_and_changed(db: sqlite3.Connection, size: int) -> None:
    Into("setting", "key, value").put(db, [(f"{n}", "before") for n in range(1000)])
    keys = [(f"{n}",) for n in range(size)]
    found = Among("SELECT key FROM setting WHERE key IN ({})").run(db, keys)
    assert set(found) == set(keys)
    update = Among("UPDATE setting SET value = v.column2 FROM (VALUES {}) AS v WHERE key = v.column1", "(?,?)")
    assert update.update(db, [(key, f"after {key}") for (key,) in keys]) == size
    assert db.execute("SELECT count(*) FROM setting WHERE value = 'after ' || key").fetchone() == (size,)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_for_many_keys_scans_a_table(db: sqlite3.Connection, name: str) -> None:
    statement = STATEMENTS[name]
    sql = statement._statement.format(",".join([statement._entry] * 4))
    plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, (1,) * sql.count("?"))]
    assert any(step.startswith("SEARCH") for step in plan)
    assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN v" and "CONSTANT" not in step]


def test_counts_of_a_batch_are_added_up(db: sqlite3.Connection) -> None:
    for _ in range(2):
        tx = Tx(db, role="manager", inc=1, now=1)
        tx.count("copy.HELD", 2)
        tx.count("copy.HELD", 1)
        tx.count("quarantine.A", 1, 100)
        tx.count("copy.Q", 1)
        tx.count("copy.Q", -1)
        tx.body(7, 1)
        mark = tx.mark()
        tx.count("copy.HELD", 50)
        tx.body(7, 50)
        tx.rewind(mark)
        tx.flush(0, "00" * 32, lambda number: number * 10)
    assert db.execute("SELECT * FROM tally ORDER BY key").fetchall() == [("copy.HELD", 6, 0), ("quarantine.A", 2, 200)]
    assert db.execute("SELECT * FROM segment").fetchall() == [(7, 2, 70)]
