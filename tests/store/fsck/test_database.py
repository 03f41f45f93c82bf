"""SQLite's files and the audit chain."""

import sqlite3
from contextlib import closing

import pytest

from pratique.store.fsck.database import newest_audit
from tests.store.fsck.conftest import Place, silent


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE number = 3", "audit row 3 does not follow"),
        ("DELETE FROM audit WHERE number = 3", "audit row 3 does not follow"),
        ("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)", "the newest audit row is"),
        ("UPDATE meta SET audit_hash = zeroblob(32)", "the newest audit row is"),
    ],
)
async def test_a_chain_that_was_changed_is_named_at_its_row(gateway: Place, statement: str, what: str) -> None:
    for trigger in ("audit_is_final_1", "audit_is_final_2"):
        gateway.sql(f"DROP TRIGGER {trigger}")
    gateway.sql(statement)
    ((kind, _, text),) = gateway.found()
    assert kind == "audit"
    assert what in text


async def test_the_newest_rows_are_walked_alone(gateway: Place) -> None:
    for trigger in ("audit_is_final_1", "audit_is_final_2"):
        gateway.sql(f"DROP TRIGGER {trigger}")
    path = str(gateway.directory / "store.db")
    ((newest,),) = gateway.rows("SELECT max(number) FROM audit")
    gateway.sql("UPDATE audit SET actor = 'nobody' WHERE number = 3")
    seen: list[tuple[int, int]] = []
    assert newest_audit(path, rows=newest - 3, progress=lambda what, done, total: seen.append((done, total))) == ""
    assert seen == [(newest - 3, newest - 3)]
    assert "audit row 3 does not follow" in newest_audit(path, rows=newest - 2, progress=silent)
    assert "audit row 3 does not follow" in newest_audit(path, rows=newest * 2, progress=silent)
    gateway.sql("DELETE FROM audit WHERE number = ?", newest - 1)  # what the walk begins at
    assert f"audit row {newest} does not follow" in newest_audit(path, rows=1, progress=silent)


async def test_an_index_that_lacks_a_row_is_named(gateway: Place) -> None:
    """The index forgets: its entry in the schema is changed while a row goes in."""
    ((definition,),) = gateway.rows("SELECT sql FROM sqlite_schema WHERE name = 'copy_idle'")
    _schema(gateway, str(definition).replace("IS NOT NULL", "= 12345"))
    gateway.sql("UPDATE copy SET idle_since = -1 WHERE mid = ?", gateway.mids["gone"])
    _schema(gateway, str(definition))
    assert any(kind == "index" and "copy_idle" in what for kind, _, what in gateway.found())
    with closing(gateway.checked()) as checked:
        report = checked.examine(progress=silent)
        checked.write(report, repair=True, actor="carol", now=1)
    assert not any(kind == "index" for kind, _, _ in gateway.found())


def _schema(place: Place, definition: str) -> None:
    with closing(sqlite3.connect(place.directory / "store.db", isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'copy_idle'", (definition,))
        db.execute("PRAGMA writable_schema = RESET")


async def test_a_damaged_page_is_named_and_what_follows_is_not_called_sound(gateway: Place) -> None:
    path = gateway.directory / "store.db"
    octets = bytearray(path.read_bytes())
    pages = range(len(octets) // 4096 // 3, len(octets) // 4096)
    for at in (page * 4096 for page in pages):
        if octets[at] == 13 and b"CREATE " not in octets[at : at + 4096]:  # leaves of tables, but not the schema's
            octets[at : at + 64] = b"\xff" * 64
    path.write_bytes(octets)
    found = gateway.found()
    assert found
    assert {kind for kind, _, _ in found} <= {"database", "index"}


async def test_a_search_index_that_is_no_index_or_another_store_s(manager: Place) -> None:
    search = manager.directory / "search.db"
    whole = search.read_bytes()
    search.write_bytes(b"nonsense" * 1000)
    ((kind, _, what),) = manager.found()
    assert (kind, "search index" in what) == ("index", True)
    search.write_bytes(whole)
    assert manager.found() == []
