"""An older store is copied, then brought up to date; a newer or a strange one is refused with the cure."""

import sqlite3
from pathlib import Path

import pytest

from pratique.store.moves import StoreFailed
from pratique.store.sqlite import migrations
from pratique.store.sqlite.schema import APPLICATION_ID, VERSION


def database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(db: sqlite3.Connection) -> tuple[int, int]:
    return db.execute("PRAGMA user_version").fetchone()[0], db.execute("PRAGMA application_id").fetchone()[0]


def test_a_new_file_gets_the_tables_and_its_mark(tmp_path: Path) -> None:
    db = database(tmp_path / "store.db")
    assert migrations.migrate(db, str(tmp_path / "store.db"))
    assert version(db) == (VERSION, APPLICATION_ID)
    assert not migrations.migrate(db, str(tmp_path / "store.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]
    db.close()


def test_a_newer_store_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreFailed, match=rf"newer Pratique.*store\.db\.before-{VERSION + 1}"):
        migrations.migrate(db, str(path))
    db.close()


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    db = database(tmp_path / "store.db")
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreFailed, match="not a Pratique store"):
        migrations.migrate(db, str(tmp_path / "store.db"))
    db.close()


def test_an_older_store_is_copied_before_it_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    db.execute("INSERT INTO setting VALUES ('a', 'before')")
    monkeypatch.setattr(migrations, "VERSION", VERSION + 2)
    monkeypatch.setitem(migrations.MIGRATIONS, VERSION, "UPDATE setting SET value = 'after'")
    monkeypatch.setitem(migrations.MIGRATIONS, VERSION + 1, "CREATE TABLE later (x)")
    copy = Path(f"{path}.before-{VERSION + 2}")
    copy.with_name(copy.name + ".partial").write_bytes(b"left by a crash")
    assert not migrations.migrate(db, str(path))
    assert version(db) == (VERSION + 2, APPLICATION_ID)
    assert db.execute("SELECT value FROM setting").fetchone() == ("after",)
    assert db.execute("SELECT count(*) FROM later").fetchone() == (0,)
    old = database(copy)
    assert version(old) == (VERSION, APPLICATION_ID)
    assert old.execute("SELECT value FROM setting").fetchone() == ("before",)
    assert not list(tmp_path.glob("*.partial"))
    old.close()
    db.close()


def test_a_step_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    monkeypatch.setattr(migrations, "VERSION", VERSION + 1)
    monkeypatch.setitem(migrations.MIGRATIONS, VERSION, "CREATE TABLE half (x); SELECT no_such_function()")
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(db, str(path))
    db.close()
    db = database(path)
    assert version(db)[0] == VERSION
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchall()
    db.close()
