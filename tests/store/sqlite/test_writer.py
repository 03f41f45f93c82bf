"""The writer when things go wrong: a bad move harms itself alone, a full disk passes, a broken one ends the store."""

import asyncio
import os
import sqlite3
from typing import Any

import pytest

from pratique.store.moves import Accept, HelloFrom, LetGo, MoveRefused, PutSetting, Record, Settle, StoreFailed
from pratique.store.records import AuditEntry
from pratique.store.sqlite import SqliteStore
from tests.conformance.samples import Samples, entry


class Proxy:
    """The writer's connection, with one statement that fails."""

    def __init__(self, db: sqlite3.Connection, statement: str, code: int) -> None:
        self._db = db
        self._statement = statement
        self._code = code
        self.on = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if self.on and sql.startswith(self._statement):
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = self._code
            raise error
        return self._db.execute(sql, *values)


def failing(store: SqliteStore, statement: str, code: int) -> Proxy:
    proxy = Proxy(store._db, statement, code)
    store._writer._db = proxy  # type: ignore[assignment]
    return proxy


async def outcomes(store: SqliteStore, moves: list[Any]) -> list[Any]:
    return await asyncio.gather(*[store.submit(move) for move in moves], return_exceptions=True)


def accept(samples: Samples, **fields: Any) -> Accept:
    copy = samples.copy(**fields)
    return Accept((copy,), (entry("accept", copy.mid, copy.cid),))


async def test_a_batch_is_one_transaction(store: SqliteStore, samples: Samples) -> None:
    committed: list[str] = []
    store._db.set_trace_callback(committed.append)
    store._writer._queue.clear()
    moves = [accept(samples) for _ in range(50)]
    done = await outcomes(store, [moves[0]])  # while this commits, the others queue up
    done += await outcomes(store, moves[1:])
    store._db.set_trace_callback(None)
    assert done == [None] * 50
    assert 2 <= sum(sql == "COMMIT" for sql in committed) <= 12
    assert len(store.view.audit(0, 100)) == 50


async def test_a_bad_move_in_a_batch_harms_only_itself(store: SqliteStore, samples: Samples) -> None:
    moves = [accept(samples) for _ in range(6)]
    double = accept(samples, mid=moves[2].copies[0].mid)
    unknown = Settle(77, (), ())
    results = await outcomes(store, [*moves[:3], double, unknown, PutSetting("k", "v"), *moves[3:]])
    assert [type(result) for result in results] == [type(None)] * 3 + [MoveRefused] * 2 + [type(None)] * 4
    assert [row.mid for row in store.view.audit(0, 99)] == [move.copies[0].mid for move in moves]
    assert await store.verify_audit() is None
    assert store.view.counts() == {"copy.ACTIVE": 6, "host.example.com": 6}
    live = [extent for _, extent, _ in store.view.live_bodies()]
    assert live == [move.copies[0].extent for move in moves]
    assert store._view.live_in_segment(live[0].segment) == 6


async def test_a_full_disk_refuses_the_batch_and_passes(store: SqliteStore, samples: Samples) -> None:
    before = await outcomes(store, [accept(samples)])
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    large = [PutSetting(f"key {n}", "x" * 10_000) for n in range(20)]
    results = await outcomes(store, [PutSetting("small", "y"), *large])
    assert before == [None]
    assert {(type(result), result.full, result.fatal) for result in results[1:]} == {(StoreFailed, True, False)}
    store._db.execute("PRAGMA max_page_count = 1000000")
    assert await outcomes(store, [*large, accept(samples)]) == [None] * 21
    assert store.view.setting("key 19") == "x" * 10_000
    assert store.failed is None
    assert await store.verify_audit() is None


@pytest.mark.parametrize("code", [13, 7])
async def test_a_full_commit_is_no_commit(store: SqliteStore, samples: Samples, code: int) -> None:
    proxy = failing(store, "COMMIT", code)
    move = accept(samples)
    (result,) = await outcomes(store, [move])
    assert (type(result), result.full, result.fatal) == (StoreFailed, True, False)
    proxy.on = False
    assert await outcomes(store, [accept(samples)]) == [None]
    assert store.view.copy(move.copies[0].mid) is None
    assert len(store.view.audit(0, 9)) == 1


@pytest.mark.parametrize("statement", ["COMMIT", "BEGIN", "INSERT INTO copy", "INSERT INTO audit", "UPDATE meta"])
async def test_an_io_error_ends_the_store(store: SqliteStore, samples: Samples, statement: str) -> None:
    told: list[StoreFailed] = []
    store.on_fatal = told.append
    proxy = failing(store, statement, 10)
    move = accept(samples)
    (result,) = await outcomes(store, [move])
    assert (type(result), result.fatal) == (StoreFailed, True)
    proxy.on = False
    (later,) = await outcomes(store, [PutSetting("k", "v")])
    assert later.fatal
    assert len(told) == 1
    assert store.view.copy(move.copies[0].mid) is None
    with pytest.raises(StoreFailed):
        store.spool.writer().write(b"no new mail")


async def test_a_rollback_that_fails_ends_the_store(store: SqliteStore, samples: Samples) -> None:
    proxy = failing(store, "COMMIT", 13)

    def execute(sql: str, *values: Any) -> Any:
        if sql in ("COMMIT", "ROLLBACK"):
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = 13
            raise error
        return store._db.execute(sql, *values)

    proxy.execute = execute  # type: ignore[method-assign]
    (result,) = await outcomes(store, [accept(samples)])
    assert result.fatal
    store._db.execute("ROLLBACK")


async def test_a_failed_sync_of_the_spool_ends_the_store(
    store: SqliteStore, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "injected")

    move = accept(samples)
    monkeypatch.setattr(os, "fdatasync", fail)
    (result,) = await outcomes(store, [move])
    assert result.fatal
    assert store.view.copy(move.copies[0].mid) is None
    monkeypatch.undo()
    (later,) = await outcomes(store, [PutSetting("k", "v")])
    assert later.fatal


async def test_nothing_is_acknowledged_before_body_and_rows_are_synced(
    store: SqliteStore, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        steps.append("body")
        real(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    store._db.set_trace_callback(lambda sql: steps.append(sql) if sql in ("BEGIN IMMEDIATE", "COMMIT") else None)
    future = store.submit(accept(samples))
    future.add_done_callback(lambda _: steps.append("told"))
    await future
    store._db.set_trace_callback(None)
    assert steps == ["BEGIN IMMEDIATE", "body", "COMMIT", "told"]


async def test_a_defect_in_a_move_is_told_and_ends_the_store(store: SqliteStore) -> None:
    (result, other) = await outcomes(store, [LetGo(None), PutSetting("k", "v")])  # type: ignore[arg-type]
    assert result.fatal
    assert "defect" in str(result)
    assert other.fatal


async def test_an_audit_entry_that_cannot_be_written_refuses_its_move(store: SqliteStore) -> None:
    bad = [
        Record((AuditEntry("system", "x", detail="\udcff"),)),
        Record((AuditEntry("system", "x", mid=1 << 64),)),
    ]
    good = Record((AuditEntry("system", "fine"),))
    results = await outcomes(store, [good, *bad, good])
    assert [type(result) for result in results] == [type(None), MoveRefused, MoveRefused, type(None)]
    assert [row.action for row in store.view.audit(0, 9)] == ["fine", "fine"]
    assert await store.verify_audit() is None


async def test_who_stops_waiting_does_not_stop_the_move(store: SqliteStore, samples: Samples) -> None:
    move = accept(samples)
    future = store.submit(move)
    future.cancel()
    await store.submit(PutSetting("k", "v"))
    assert store.view.copy(move.copies[0].mid) is not None


async def test_a_refused_hello_changes_nothing(store: SqliteStore) -> None:
    (result,) = await outcomes(store, [HelloFrom("stranger", "aa", 1, 1, "", 1)])
    assert isinstance(result, MoveRefused)
