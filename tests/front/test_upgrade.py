"""A program meets a store of an older one, and of a newer one, as a person sees it."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pratique.front.command import run_command
from pratique.front.files import read_options
from pratique.store.sqlite.migrations import VERSION
from tests.front.local_world import made
from tests.store.sqlite.make_stores import STORES
from tests.store.sqlite.test_migrations import restore


def _manager(directory: Path) -> Path:
    """A manager whose store is one of schema 1; the database."""
    asyncio.run(made("manager", directory))
    shutil.rmtree(directory / "store", ignore_errors=True)
    shutil.rmtree(directory / "spool", ignore_errors=True)
    path = restore(STORES / "1-first-manager.sql", directory / "store")
    (directory / "store" / "spool").rename(directory / "spool")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE meta SET serial = ?", (read_options(directory).appliance.serial,))
    return path


def test_an_older_store_is_copied_migrated_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _manager(tmp_path / "sma")
    capsys.readouterr()
    assert run_command(["list", str(tmp_path / "sma"), "--json"]) == 0
    assert {row["mid"] for row in json.loads(capsys.readouterr().out)["data"]} == {1, 2}
    assert path.with_name(f"store.db.before-{VERSION}").is_file()
    assert run_command(["delete", str(tmp_path / "sma"), "1", "2"]) == 0
    assert capsys.readouterr().out == "2 deleted\n"


def test_a_newer_store_is_refused_by_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _manager(tmp_path / "sma")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 7}")
    capsys.readouterr()
    for command in ("list", "run"):
        assert run_command([command, str(tmp_path / "sma")]) == 1
        said = capsys.readouterr().err
        assert f"newer Pratique (schema {VERSION + 7}, this one knows {VERSION}); install that version again" in said
    assert not list(path.parent.glob("*.before-*"))
