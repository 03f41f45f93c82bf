"""Opening: one process at a time, the right file, the right owner, and a witness that knows an old copy."""

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from pratique.store.moves import AcceptSetback, StoreFailed
from pratique.store.sqlite.opening import Files, Reached
from tests.conformance.samples import GATEWAY, OTHER_GATEWAY, SampleClock, Samples
from tests.store.sqlite.conftest import Opener


async def test_two_processes_never_write_one_store(opener: Opener) -> None:
    store = await opener()
    with pytest.raises(StoreFailed, match="another process"):
        await opener()
    await store.close()
    await (await opener()).close()


async def test_durability_is_never_relaxed(opener: Opener) -> None:
    """WAL with synchronous NORMAL lost every row since the last checkpoint when the power failed (custody.md §0.6)."""
    store = await opener()
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    with pytest.raises(sqlite3.OperationalError):
        store.view._db.execute("DELETE FROM meta")


async def test_a_store_belongs_to_one_appliance(opener: Opener) -> None:
    await (await opener("manager")).close()
    with pytest.raises(StoreFailed, match="belongs to the manager 564DAAAA00000000MG07"):
        await opener("gateway")
    await (await opener("manager")).close()  # the refusal left no lock behind


async def test_a_file_that_is_no_database_is_named(opener: Opener, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.db").write_bytes(b"something else entirely, " * 200)
    with pytest.raises(StoreFailed, match="it is damaged: keep the file"):
        await opener()


async def test_each_start_is_another_instance(opener: Opener) -> None:
    first = await opener()
    await first.close()
    second = await opener()
    assert first.identity.nonce != second.identity.nonce
    assert len(bytes.fromhex(second.identity.nonce)) == 16
    assert (second.identity.inc, second.identity.role) == (1, "manager")


async def test_a_store_put_back_from_a_copy_is_known(opener: Opener, tmp_path: Path) -> None:
    store = await opener()
    assert not store.possibly_old
    await store.close()
    for name in ("store.db", "store.db-wal"):
        if (tmp_path / "store" / name).exists():
            shutil.copy(tmp_path / "store" / name, tmp_path / name)
    store = await opener()
    await Samples(store).accepted("X")
    await store.close()
    store = await opener()
    assert not store.possibly_old
    await store.close()
    shutil.copy(tmp_path / "store.db", tmp_path / "store" / "store.db")
    for _ in range(2):  # and it is not forgotten by starting once more
        store = await opener()
        assert store.possibly_old
        await store.close()


async def test_mids_that_were_drawn_before_a_crash_are_not_drawn_again(opener: Opener, tmp_path: Path) -> None:
    store = await opener("gateway")
    copy = await Samples(store).accepted()
    drawn = store.next_mid()  # logged, never committed
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "store", crashed)
    after = await opener("gateway", crashed)
    assert after.next_mid() > drawn
    await store.close()
    again = await opener("gateway")
    assert again.next_mid() == drawn  # a clean end leaves no gap
    assert copy.mid < drawn


def test_the_witness_never_goes_back(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    assert files.witness() is None
    files.testify(Reached(2, 10), "aa")
    files.testify(Reached(1, 99), "bb")
    assert files.witness() == Reached(2, 10)
    files.testify(Reached(2, 11, clean=True), "cc")
    assert files.witness() == Reached(2, 11, clean=True)
    assert json.loads((tmp_path / "witness").read_bytes())["nonce"] == "cc"
    files.unlock()


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"7", b'{"inc": 1}', b'{"inc": "x", "seq": 1, "clean": true}'])
def test_a_witness_that_cannot_be_read_tells_nothing(tmp_path: Path, octets: bytes) -> None:
    files = Files(str(tmp_path))
    (tmp_path / "witness").write_bytes(octets)
    assert files.witness() is None
    files.unlock()


async def test_the_loop_may_be_handed_in(tmp_path: Path, clock: SampleClock) -> None:
    from pratique.store.spool import FileSpool
    from pratique.store.sqlite import SqliteStore

    spool = FileSpool(tmp_path / "spool", monotonic=clock.monotonic, reserve_bytes=0, segment_bytes=4096)
    loop = asyncio.get_running_loop()
    store = await SqliteStore.open(tmp_path, spool=spool, role="gateway", serial="S", clock=clock, loop=loop)
    await store.close()
    await store.close()


async def _put_back(opener: Opener, tmp_path: Path) -> None:
    """A manager's store as it was when two peers were enrolled, beside a witness that has seen more."""
    store = await opener()
    samples = Samples(store)
    await samples.enrolled()
    await samples.enrolled(OTHER_GATEWAY)
    await store.close()
    shutil.copy(tmp_path / "store" / "store.db", tmp_path / "store.db")
    store = await opener()
    for _ in range(3):
        await Samples(store).accepted("HELD")
    copy = await Samples(store).accepted("HELD")
    await store.submit(Samples(store).cancel(copy.cid, 3))  # takes a number
    await store.close()
    shutil.copy(tmp_path / "store.db", tmp_path / "store" / "store.db")


async def test_a_store_behind_its_witness_holds_every_peer_until_each_is_accepted(
    opener: Opener, tmp_path: Path
) -> None:
    await _put_back(opener, tmp_path)
    for _ in range(2):
        store = await opener()
        assert store.possibly_old
        assert [peer.set_back_here for peer in store.view.peers()] == [True, True]
        assert [row.action for row in store.view.audit(0, 100)].count("set-back") == 1
        await store.close()
    store = await opener()
    seen = store.view.peers()[0].knows_seq
    await store.submit(AcceptSetback(GATEWAY, ()))
    assert store.identity.inc == 2
    assert store.next_seq() > seen > 0
    told = json.loads((tmp_path / "store" / "witness").read_bytes())
    assert (told["inc"], told["clean"]) == (2, False)
    await store.close()
    store = await opener()
    assert not store.possibly_old
    assert [peer.set_back_here for peer in store.view.peers()] == [False, True]


async def test_mids_that_the_newer_store_had_drawn_are_not_drawn_again(opener: Opener, tmp_path: Path) -> None:
    await _put_back(opener, tmp_path)
    store = await opener()
    assert store.view.copy(4) is None
    assert store.next_mid() > 4


async def test_the_spool_beside_an_old_store_is_not_touched(opener: Opener, tmp_path: Path) -> None:
    await _put_back(opener, tmp_path)
    files = {path: path.read_bytes() for path in (tmp_path / "store" / "spool").glob("*.seg")}
    store = await opener()
    await Samples(store).accepted("HELD")
    await store.close()
    assert files
    assert all(path.read_bytes() == octets for path, octets in files.items())


async def test_a_start_knows_how_the_last_end_was_and_where_it_began(opener: Opener, tmp_path: Path) -> None:
    store = await opener("gateway")
    assert (store.clean, store.mid_before) == (True, 0)
    first = await Samples(store).accepted()
    await store.close()
    store = await opener("gateway")
    assert (store.clean, store.mid_before) == (True, first.mid)
    await Samples(store).accepted()
    shutil.copytree(tmp_path / "store", tmp_path / "crashed")
    after = await opener("gateway", tmp_path / "crashed")
    assert (after.clean, after.mid_before) == (False, first.mid)
