"""The log's pages are carried over in time; when that fails the rows stay in the log, and nothing syncs again."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pratique.store.moves import PutSetting, StoreFailed
from pratique.store.sqlite import SqliteStore, carrying
from tests.store.sqlite.conftest import Opener
from tests.store.sqlite.lost_pages import ROWS
from tests.store.sqlite.test_writer import Proxy

PAGE_IN_LOG = 4096 + 24
IOERR_FSYNC = 10 | 4 << 8
FULL = 13


def put(number: int) -> PutSetting:
    return PutSetting(f"number {number}", "x" * 3000)


def log_bytes(directory: Path) -> int:
    """0 when there is none."""
    return sum(log.stat().st_size for log in directory.rglob("store.db-wal"))


def on_disk(directory: Path) -> tuple[bytes, bytes]:
    """Database and log."""
    (database,) = directory.rglob("store.db")
    return database.read_bytes(), database.with_name("store.db-wal").read_bytes()


async def fill(store: SqliteStore, count: int) -> None:
    for number in range(count):
        await store.submit(put(number))


def failing(store: SqliteStore, code: int) -> Proxy:
    proxy = Proxy(store._db, "PRAGMA wal_checkpoint", code)
    store._writer._log._db = proxy  # type: ignore[assignment]
    return proxy


async def test_the_log_begins_anew_once_it_is_carried_over(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "CHECKPOINT_PAGES", 24)
    await fill(store, 300)
    assert log_bytes(tmp_path) < 4 * 24 * PAGE_IN_LOG  # 300 commits of two pages and more would be 25 times that


async def test_a_sync_that_fails_while_pages_are_carried_over_ends_the_store_and_is_not_tried_again(
    opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "CHECKPOINT_PAGES", 24)
    store = await opener()
    told: list[StoreFailed] = []
    store.on_fatal = told.append
    failing(store, IOERR_FSYNC)
    with pytest.raises(StoreFailed, match=r"could not be carried over .* restart, what is committed is whole"):
        await fill(store, 100)
    assert [failure.fatal for failure in told] == [True]
    settled = sum(store.view.setting(f"number {number}") is not None for number in range(100))
    assert settled > 5
    before = on_disk(tmp_path)
    await store.close()
    assert on_disk(tmp_path) == before


async def test_what_was_committed_when_it_failed_was_answered_so(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch stands: a refusal would be a phantom when the next start shows it."""
    monkeypatch.setattr(carrying, "CHECKPOINT_PAGES", 0)
    store = await opener()
    failing(store, IOERR_FSYNC)
    await store.submit(put(1))
    assert store.failed is not None and store.failed.fatal
    assert store.view.setting("number 1") is not None
    await store.close()


async def test_a_commit_whose_sync_failed_leaves_nothing_that_the_next_start_could_take_for_accepted(
    opener: Opener, tmp_path: Path
) -> None:
    """Its moves were refused; the log, in which they may stand, goes with the store's end."""
    store = await opener()
    await store.submit(put(1))
    proxy = Proxy(store._db, "COMMIT", IOERR_FSYNC)
    store._writer._db = proxy  # type: ignore[assignment]
    with pytest.raises(StoreFailed):
        await store.submit(put(2))
    await store.close()
    assert log_bytes(tmp_path) == 0
    again = await opener()
    assert again.view.setting("number 1") and not again.view.setting("number 2")


async def test_without_room_for_its_pages_the_log_waits(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "CHECKPOINT_PAGES", 0)
    store = await opener()
    proxy = failing(store, FULL)
    await store.submit(put(1))
    assert store.failed is None
    proxy.on = False
    await store.submit(put(2))
    assert store.failed is None
    await store.close()


def rows_after(directory: Path, how: str) -> int:
    """Of a store whose pages were lost in a failed sync, as the next process reads it. Raises sqlite3.DatabaseError."""
    program = [sys.executable, "-m", "tests.store.sqlite.lost_pages", str(directory), how]
    subprocess.run(program, check=False, capture_output=True, timeout=60)
    with closing(sqlite3.connect(directory / "store.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(db.execute("SELECT count(*) FROM fact").fetchone()[0])


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler: apt-get install gcc libc6-dev")
def test_pages_that_a_failed_sync_lost_are_still_in_the_log_for_the_next_process(tmp_path: Path) -> None:
    for how in ("again", "never"):
        (tmp_path / how).mkdir()
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        rows_after(tmp_path / "again", "again")  # what this guards against
    assert rows_after(tmp_path / "never", "never") == ROWS
