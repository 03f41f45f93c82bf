"""Numbers beside the rows: each kind of wrong one is named, and made anew."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pratique.store.fsck import counts
from pratique.store.moves import Accept, LetGo, Outcome, Settle
from tests.conformance.samples import Samples, entry
from tests.store.fsck.conftest import Place

WRONG = {
    "segment live": ("UPDATE segment SET live = 0", "counts 0 bodies, rows name"),
    "segment too many": ("UPDATE segment SET live = live + 1", "bodies, rows name"),
    "segment missing": ("DELETE FROM segment", "counts 0 bodies, rows name"),
    "segment of nothing": ("INSERT INTO segment VALUES (77, 1, 10)", "segment 77 counts 1 bodies, rows name 0"),
    "segment end": ("UPDATE segment SET used = 10", "is said to end at 10, its last body ends at"),
    "shared too few": ("DELETE FROM shared_body", "counts 1 copies, 2 rows name it"),
    "shared too many": ("UPDATE shared_body SET rows = 3", "counts 3 copies, 2 rows name it"),
    "shared nothing": ("INSERT INTO shared_body VALUES (77, 5, 2)", "counts 2 copies, 0 rows name it"),
    "custody": ("UPDATE tally SET count = 9 WHERE key = 'copy.ACTIVE'", "copy.ACTIVE counts 9"),
    "custody of nothing": (
        "INSERT INTO tally VALUES ('copy.DOUBT', 2, 0)",
        "copy.DOUBT counts 2 (0 B), the rows say 0",
    ),
    "missing": ("DELETE FROM tally WHERE key = 'copy.ACTIVE'", "copy.ACTIVE counts 0"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_each_wrong_number_is_named_and_made_anew(gateway: Place, name: str) -> None:
    statement, what = WRONG[name]
    gateway.sql(statement)
    found = gateway.found()
    assert found
    assert {kind for kind, _, _ in found} == {"count"}
    assert any(what in text for _, _, text in found), found
    with closing(sqlite3.connect(gateway.directory / "store.db")) as db:
        counts.repair(db)
        db.commit()
    assert gateway.found() == []


async def test_what_a_quarantine_holds_is_counted_by_number_and_octets(manager: Place) -> None:
    manager.sql("UPDATE tally SET octets = octets + 1 WHERE key = 'quarantine.Policy'")
    ((kind, _, what),) = manager.found()
    assert kind == "count"
    assert what.startswith("quarantine.Policy counts 2 (")


async def test_an_end_that_is_higher_than_the_last_body_is_no_fault_and_stays(gateway: Place) -> None:
    gateway.sql("UPDATE segment SET used = used + 500 WHERE used < 9000")
    before = gateway.rows("SELECT number, used FROM segment ORDER BY number")
    assert gateway.found() == []
    with closing(sqlite3.connect(gateway.directory / "store.db")) as db:
        counts.repair(db)
        db.commit()
    assert gateway.rows("SELECT number, used FROM segment ORDER BY number") == before


async def test_an_empty_body_is_counted_apart_from_the_next_one(tmp_path: Path) -> None:
    """RFC 5321 lets a message be empty. Its extent must not be mistaken for that of the body behind it."""
    place = Place(tmp_path / "gateway", "gateway")
    store = await place.open()
    samples = Samples(store)
    copies = []
    for octets in (b"", b"Subject: x\r\n\r\nx\r\n"):
        body = samples.body(octets)
        copies += [samples.copy("ACTIVE", body=body), samples.copy("ACTIVE", body=body)]
        await store.submit(Accept(tuple(copies[-2:]), (entry("accept"),)))
    await store.close()
    assert place.found() == []
    assert place.rows("SELECT rows FROM shared_body") == [(2,), (2,)]
    store = await place.open()
    for copy in copies:
        done = tuple(Outcome(d.rid, "DELIVERED", "250 ok") for d in copy.deliveries)
        await store.submit(Settle(copy.mid, done, (entry("deliver", copy.mid, copy.cid),)))
    gone = [await store.submit(LetGo((copy.mid,))) for copy in copies]
    assert [len(extents) for extents in gone] == [0, 1, 0, 1]
    await store.close()
    assert place.rows("SELECT * FROM shared_body") == []
    assert place.rows("SELECT live FROM segment WHERE live <> 0") == []
