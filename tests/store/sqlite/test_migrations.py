"""An older store is copied, then brought up to date with every row; a newer or a strange one is refused with the cure.

`stores/` holds stores as earlier programs wrote them (make_stores.py): each is opened here as an upgrade would.
"""

import re
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pratique.store.moves import StoreFailed
from pratique.store.sqlite import SqliteStore, migrations
from pratique.store.sqlite.migrations import STEPS, VERSION
from pratique.store.sqlite.schema import APPLICATION_ID
from tests.conformance.samples import GATEWAY, MANAGER, MESSAGE, OTHER_GATEWAY, Samples
from tests.store.sqlite.conftest import Opener
from tests.store.sqlite.make_stores import STORES

OLD = sorted(STORES.glob("*.sql"))
Rows = dict[str, list[tuple[Any, ...]]]


def database(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(db: sqlite3.Connection) -> tuple[int, int]:
    return db.execute("PRAGMA user_version").fetchone()[0], db.execute("PRAGMA application_id").fetchone()[0]


def schema_of(db: sqlite3.Connection) -> dict[str, str]:
    """Name -> SQL of every table, index and trigger, without comments, quotes and spaces."""
    rows = db.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {name: re.sub(r'--.*|\s|"', "", sql) for name, sql in rows}


def rows_of(db: sqlite3.Connection) -> Rows:
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
    return {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}


def schema_number(text: Path) -> int:
    return int(text.name.split("-")[0])


def restore(text: Path, directory: Path) -> Path:
    """The store of `text` with its spool, as its program left it; the database's path."""
    path = directory / "store.db"
    (directory / "spool").mkdir(parents=True)
    with closing(database(path)) as db:
        db.executescript(text.read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version = {schema_number(text)}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        bodies = {sha256(body).digest(): body for body in (MESSAGE + b"%d\r\n" % n for n in range(1, 50))}
        for segment, offset, digest in db.execute("SELECT segment, offset, sha256 FROM copy").fetchall():
            with (directory / "spool" / f"{segment:08d}.seg").open("r+b" if offset else "ab") as file:
                file.seek(offset)
                file.write(bodies[digest])
                file.truncate(1 << 16)
    return path


# --- stores of earlier programs ----------------------------------------------------------------------------------
def test_there_is_a_store_of_every_schema_before_this_one() -> None:
    assert set(range(1, VERSION)) <= {schema_number(text) for text in OLD}
    assert all((STORES / text.name.replace("gateway", "manager")).exists() for text in OLD)


@pytest.mark.parametrize("text", OLD, ids=lambda text: text.stem)
async def test_a_store_of_an_earlier_program_keeps_every_row(text: Path, opener: Opener, tmp_path: Path) -> None:
    path = restore(text, tmp_path / "store")
    with closing(database(path)) as db:
        before, was = rows_of(db), version(db)
    role = text.stem.split("-")[-1]
    store = await opener(role)
    assert await store.verify_audit() is None
    assert _kept(before, rows_of(store._db)) == before
    bodies = list(store.view.live_bodies())
    assert len(bodies) >= 4
    for mid, extent, digest in bodies:
        assert store.spool.verify(extent, digest), f"MID {mid}"
    await _it_works(store, role)
    await store.close()
    await (await opener(role)).close()

    copies = list((tmp_path / "store").glob("*.before-*"))
    assert [copy.name for copy in copies] == ([f"{path.name}.before-{VERSION}"] if was[0] < VERSION else [])
    for copy in copies:
        with closing(database(copy)) as db:
            assert version(db) == was
            assert rows_of(db) == before
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _kept(before: Rows, after: Rows) -> Rows:
    """Of `after`, the tables and columns that were there before."""
    return {
        name: [new[: len(old)] for old, new in zip(rows, after[name], strict=True)] for name, rows in before.items()
    }


async def _it_works(store: SqliteStore, role: str) -> None:
    samples = Samples(store)
    if role == "manager":
        assert [peer.serial for peer in store.view.peers()] == [GATEWAY, OTHER_GATEWAY]
        assert not any(peer.set_back or peer.knows_seq for peer in store.view.peers())
        held = store.view.holds(2)
        assert [(hold.quarantine, hold.mark) for hold in held] == [("Policy", "HELD")]
        await store.submit(samples.exit_hold(2, "DELETED"))
        assert store.view.copy(2).custody == "DEL"  # type: ignore[union-attr]
        assert store.view.counts()["copy.DEL"] == 2
    else:
        assert [peer.serial for peer in store.view.peers()] == [MANAGER]
        states = {copy.custody for mid in range(1, 7) if (copy := store.view.copy(mid)) is not None}
        assert states == {"ACTIVE", "Q", "X", "DONE", "LOC"}
        await samples.accepted("X")


@pytest.mark.parametrize("text", OLD, ids=lambda text: text.stem)
def test_an_old_store_and_a_new_one_end_with_the_same_schema(text: Path, tmp_path: Path) -> None:
    path = restore(text, tmp_path / "old")
    with closing(database(path)) as old, closing(database(tmp_path / "new.db")) as new:
        migrations.migrate(old, str(path))
        migrations.migrate(new, str(tmp_path / "new.db"))
        assert version(old) == version(new) == (VERSION, APPLICATION_ID)
        assert schema_of(old) == schema_of(new)


@pytest.mark.parametrize("text", [t for t in OLD if "first" not in t.stem], ids=lambda text: text.stem)
def test_a_step_that_has_landed_is_not_changed(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the steps make for schema n is what the programs of schema n made."""
    path = restore(text, tmp_path / "old")
    monkeypatch.setattr(migrations, "STEPS", STEPS[: schema_number(text)])
    with closing(database(path)) as old, closing(database(tmp_path / "new.db")) as new:
        migrations.migrate(new, str(tmp_path / "new.db"))
        assert schema_of(new) == schema_of(old)


# --- the machinery -----------------------------------------------------------------------------------------------
def test_a_new_file_gets_the_tables_and_its_mark(tmp_path: Path) -> None:
    db = database(tmp_path / "store.db")
    assert migrations.migrate(db, str(tmp_path / "store.db"))
    assert version(db) == (VERSION, APPLICATION_ID)
    assert not migrations.migrate(db, str(tmp_path / "store.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]
    db.close()


@pytest.mark.parametrize("has_copy", [True, False])
async def test_a_newer_store_is_refused_with_the_cure(opener: Opener, tmp_path: Path, has_copy: bool) -> None:
    await (await opener()).close()
    path = tmp_path / "store" / "store.db"
    if has_copy:
        shutil.copy(path, f"{path}.before-{VERSION + 1}")
    with closing(database(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreFailed, match=r"newer Pratique .* install that version again") as refused:
        await opener()
    assert (f"store.db.before-{VERSION + 1}" in str(refused.value)) is has_copy
    assert ("--accept-setback" in str(refused.value)) is has_copy
    assert path.read_bytes() == before
    with closing(database(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION}")
    await (await opener()).close()  # the refusal left no lock behind


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    db = database(tmp_path / "store.db")
    db.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreFailed, match="not a Pratique store"):
        migrations.migrate(db, str(tmp_path / "store.db"))
    db.close()


def _with(monkeypatch: pytest.MonkeyPatch, *steps: migrations.Step) -> None:
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, *steps))


def test_an_older_store_is_copied_before_it_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    db.execute("INSERT INTO setting VALUES ('a', 'before')")
    _with(monkeypatch, "UPDATE setting SET value = 'after';", lambda db: "CREATE TABLE later (x);")
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
    """Also what the steps before it did: a copy that is made at the next try is one of the old store."""
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    _with(monkeypatch, "CREATE TABLE whole (x);", "CREATE TABLE half (x);\nSELECT no_such_function();")
    with pytest.raises(StoreFailed, match=rf"from schema {VERSION} to {VERSION + 2}: no such function.* as it was"):
        migrations.migrate(db, str(path))
    assert not db.in_transaction
    db.close()
    db = database(path)
    assert version(db)[0] == VERSION
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name IN ('whole', 'half')").fetchall()
    db.close()


def test_without_a_copy_nothing_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    db = database(path)
    migrations.migrate(db, str(path))
    _with(monkeypatch, "CREATE TABLE later (x);")
    (tmp_path / f"store.db.before-{VERSION + 1}.partial").mkdir()  # the copy cannot be written
    with pytest.raises(StoreFailed, match=r"nothing was changed\. The copy needs as much room as the store"):
        migrations.migrate(db, str(path))
    assert version(db)[0] == VERSION
    db.close()
