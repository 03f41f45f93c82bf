"""What the next process finds after a close, an abandoned store, a torn log and a kill: the acknowledged moves.

A kill in the middle may leave moves that were committed and not yet acknowledged: a prefix of what was submitted,
never a part of a move.
"""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pratique.store.audit import broken_at
from pratique.store.moves import Accept, MoveRefused, StoreFailed
from tests.conformance.conftest import SqliteHarness
from tests.conformance.samples import GATEWAY, MANAGER, Samples, entry
from tests.conformance.snapshot import snapshot


@asynccontextmanager
async def opened(harness: Any, role: str = "gateway") -> AsyncIterator[Any]:
    store = await harness.open(role, MANAGER if role == "manager" else GATEWAY)
    try:
        yield store
    finally:
        await store.close()


def elsewhere(harness: SqliteHarness, tmp_path: Path, name: str) -> SqliteHarness:
    """The disk as it is now, copied: the first store never learns of it."""
    other = SqliteHarness(tmp_path / name)
    other.clock.salt = name
    shutil.copytree(harness.directory, other.directory)
    return other


async def test_an_abandoned_store_shows_each_acknowledged_move(tmp_path: Path) -> None:
    harness = SqliteHarness(tmp_path / "live")
    async with opened(harness) as store:
        samples = Samples(store)
        copies = []
        for step in range(4):
            copies.append(await samples.accepted("Q" if step % 2 else "ACTIVE"))
            async with opened(elsewhere(harness, tmp_path, f"crash{step}")) as after:
                assert snapshot(after, samples) == snapshot(store, samples)
                assert after.identity.nonce != store.identity.nonce
                for copy in copies:
                    body = after.spool.open(copy.extent, copy.sha256)
                    assert b"".join(body.pieces()) == store.spool.read(copy.extent, 0, 9999)


async def test_a_refused_move_is_not_found_after_a_crash(tmp_path: Path) -> None:
    harness = SqliteHarness(tmp_path / "live")
    async with opened(harness) as store:
        samples = Samples(store)
        copy = await samples.accepted()
        with pytest.raises(MoveRefused):
            await store.submit(Accept((samples.copy(), samples.copy(mid=copy.mid)), (entry("accept"),)))
        async with opened(elsewhere(harness, tmp_path, "crash")) as after:
            assert snapshot(after, samples) == snapshot(store, samples)


async def test_a_body_without_a_row_is_free_space_after_a_crash(tmp_path: Path) -> None:
    harness = SqliteHarness(tmp_path / "live")
    async with opened(harness) as store:
        samples = Samples(store)
        kept = await samples.accepted()
        orphan = samples.body(b"nobody answered 250 for this")
        async with opened(elsewhere(harness, tmp_path, "crash")) as after:
            assert [extent for _, extent, _ in after.view.live_bodies()] == [kept.extent]
            reused = Samples(after).body(b"the next message")
            later = samples.store.spool.read(orphan.extent, 0, 99)
            assert later == b"nobody answered 250 for this"
            assert after.spool.read(reused.extent, 0, 99) == b"the next message"
            assert after.spool.read(kept.extent, 0, 5) == b"From:"


async def test_a_body_that_cannot_be_synced_fails_its_move_and_ends_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = SqliteHarness(tmp_path / "live")
    async with opened(harness) as store:
        samples = Samples(store)
        kept, lost = await samples.accepted(), samples.copy()

        def refuse(segments: object) -> None:
            raise StoreFailed("the disk gave an I/O error", fatal=True)

        with monkeypatch.context() as patch:
            patch.setattr(store.spool, "sync", refuse)
            with pytest.raises(StoreFailed) as failed:
                await store.submit(Accept((lost,), (entry("accept"),)))
            assert failed.value.fatal
        with pytest.raises(StoreFailed):  # what failed once is not tried again (custody.md §0.5)
            await store.submit(Accept((lost,), (entry("accept"),)))
    async with opened(harness) as after:
        assert after.view.copy(kept.mid).cid == kept.cid
        assert after.view.copy(lost.mid) is None


@pytest.mark.parametrize("left", [0.0, 0.3, 0.6, 0.9, 0.999])
async def test_a_torn_log_shows_whole_moves_in_order(tmp_path: Path, left: float) -> None:
    """Power is lost and the end of the write-ahead log with it: an earlier state, never half of one."""
    harness = SqliteHarness(tmp_path / "live")
    async with opened(harness) as store:
        samples = Samples(store)
        copies = [await samples.accepted("Q") for _ in range(12)]
        crashed = elsewhere(harness, tmp_path, "crash")
    (log,) = crashed.directory.glob("*-wal")
    with log.open("r+b") as file:
        file.truncate(int(log.stat().st_size * left))
    async with opened(crashed) as after:
        found = [copy.mid for copy in copies if after.view.copy(copy.mid) is not None]
        assert found == [copy.mid for copy in copies][: len(found)]
        rows = after.view.audit(0, 99)
        assert broken_at(rows) is None
        assert [row.mid for row in rows] == found
        assert [transfer.mid for transfer in after.view.open_transfers(MANAGER, 0, 99)] == found
        assert after.view.counts().get("copy.Q", 0) == len(found)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.conformance.conftest import SqliteHarness
from tests.conformance.samples import GATEWAY, Samples, entry
from pratique.store.moves import Accept

async def main():
    store = await SqliteHarness(Path(sys.argv[1])).open("gateway", GATEWAY)
    samples = Samples(store)
    waiting = set()
    while True:
        copy = samples.copy("Q")
        future = store.submit(Accept((copy,), (entry("accept", copy.mid),)))
        future.add_done_callback(lambda _, mid=copy.mid: sys.stdout.write(f"{mid}\\n"))
        waiting.add(future)
        if len(waiting) == 20:
            await asyncio.gather(*waiting)
            waiting.clear()
            sys.stdout.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("heard", [1, 40, 200])
async def test_a_killed_process_has_kept_every_move_that_it_acknowledged(tmp_path: Path, heard: int) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    lines = [await asyncio.wait_for(child.stdout.readline(), 30) for _ in range(heard)]
    child.send_signal(signal.SIGKILL)
    lines += (await child.stdout.read()).splitlines()
    await child.wait()
    acknowledged = [int(line) for line in lines if line.strip()]
    async with opened(SqliteHarness(tmp_path)) as after:
        rows = after.view.audit(0, 1_000_000)
        assert broken_at(rows) is None
        kept = [row.mid for row in rows]
        assert kept == list(range(1, len(kept) + 1))
        assert set(acknowledged) <= set(kept)
        for mid in kept:
            copy = after.view.copy(mid)
            assert after.spool.read(copy.extent, 0, 5) == b"From:"
            assert after.view.transfer(copy.cid, 1).state == "Q"
