"""The trigram index: it takes what is held, late comers too, and is made anew when it is not the store's own."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pratique.store.interface import Search, TextTest
from pratique.store.moves import Accept, Record
from pratique.store.sqlite import SqliteStore, index
from tests.conformance.samples import Samples, entry
from tests.store.sqlite.conftest import Opener


def indexed(store: SqliteStore) -> list[int]:
    """The MIDs that the index holds, by a text that all samples have."""
    assert store._index is not None
    rows = store._index._db.execute("SELECT rowid FROM found WHERE found MATCH 'sender : \"alice\"' ORDER BY rowid")
    return [row[0] for row in rows]


def catch_up(store: SqliteStore) -> None:
    assert store._index is not None
    while store._index.advance():
        pass


def found(store: SqliteStore, text: str) -> list[int]:
    query = Search(("Policy",), subject=TextTest("contains", text), order_by="size", descending=False)
    return sorted(copy.mid for copy, _ in store.view.search(query).copies)


@pytest.fixture
async def store(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    """A store whose index goes on only when it is told to."""
    monkeypatch.setattr(index.SearchIndex, "note", lambda self, count: None)
    return await opener()


async def test_what_is_held_is_indexed_once(store: SqliteStore, samples: Samples, monkeypatch: Any) -> None:
    monkeypatch.setattr(index, "BATCH_ROWS", 3)
    copies = [await samples.accepted("HELD", subject=f"number {n}") for n in range(8)]
    await samples.accepted("ACTIVE")
    assert found(store, "number 7") == [copies[7].mid]  # not indexed yet
    catch_up(store)
    assert indexed(store) == [copy.mid for copy in copies]
    catch_up(store)
    assert indexed(store) == [copy.mid for copy in copies]
    assert found(store, "number 7") == [copies[7].mid]


async def test_a_copy_that_came_late_is_indexed_and_found(store: SqliteStore, samples: Samples) -> None:
    early = samples.copy("HELD", subject="committed last")
    later = [samples.copy("HELD", subject="in order") for _ in range(3)]
    for copy in later[:2]:
        await store.submit(Accept((copy,), ()))
    catch_up(store)
    await store.submit(Accept((early,), ()))
    await store.submit(Accept((later[2],), ()))
    assert found(store, "committed last") == [early.mid]
    catch_up(store)
    assert indexed(store) == [copy.mid for copy in (early, *later)]
    assert found(store, "committed last") == [early.mid]
    assert found(store, "in order") == [copy.mid for copy in later]


async def test_late_ones_in_the_first_batch_are_not_taken_twice(store: SqliteStore, samples: Samples) -> None:
    early, later = samples.copy("HELD"), samples.copy("HELD")
    await store.submit(Accept((later,), ()))
    await store.submit(Accept((early,), ()))
    catch_up(store)
    assert indexed(store) == [early.mid, later.mid]


async def test_the_next_process_goes_on_where_the_index_stood(opener: Opener) -> None:
    store = await opener()
    samples = Samples(store)
    first = await samples.accepted("HELD")
    catch_up(store)
    await store.close()
    store = await opener()
    second = await Samples(store).accepted("HELD")
    catch_up(store)
    assert indexed(store) == [first.mid, second.mid]


async def test_an_index_of_another_history_is_made_anew(opener: Opener, tmp_path: Path) -> None:
    """The store was put back from a copy: MIDs above it will name other messages."""
    store = await opener()
    await store.submit(Record((entry("start"),)))
    await store.close()
    for name in ("store.db", "store.db-wal"):
        if (tmp_path / "store" / name).exists():
            shutil.copy(tmp_path / "store" / name, tmp_path / name)
    store = await opener()
    await Samples(store).accepted("HELD", subject="undone by the restore")
    catch_up(store)
    await store.close()
    shutil.copy(tmp_path / "store.db", tmp_path / "store" / "store.db")
    store = await opener()
    samples = Samples(store)
    copy = await samples.accepted("HELD", subject="afterwards")
    catch_up(store)
    assert indexed(store) == [copy.mid]
    assert found(store, "undone") == []
    assert found(store, "afterwards") == [copy.mid]


async def test_a_damaged_index_is_made_anew(opener: Opener, tmp_path: Path) -> None:
    store = await opener()
    copy = await Samples(store).accepted("HELD")
    catch_up(store)
    await store.close()
    (tmp_path / "store" / "search.db").write_bytes(b"no database at all" * 99)
    store = await opener()
    catch_up(store)
    assert indexed(store) == [copy.mid]


async def test_messages_that_left_are_not_found_and_go_in_time(
    store: SqliteStore, samples: Samples, monkeypatch: Any
) -> None:
    monkeypatch.setattr(index, "STALE_SLACK", 2)
    copies = [await samples.accepted("HELD") for _ in range(6)]
    catch_up(store)
    for copy in copies[:5]:
        await store.submit(samples.exit_hold(copy.mid, "DELETED"))
    assert found(store, "Offer") == [copies[5].mid]
    catch_up(store)
    catch_up(store)
    assert indexed(store) == [copies[5].mid]
    assert found(store, "Offer") == [copies[5].mid]


async def test_an_index_that_cannot_be_written_only_lags(
    store: SqliteStore, samples: Samples, monkeypatch: Any
) -> None:
    copy = await samples.accepted("HELD")
    with monkeypatch.context() as broken:
        broken.setattr(index, "_TAKE", "INSERT INTO nowhere SELECT")
        with pytest.raises(sqlite3.OperationalError):
            catch_up(store)
    assert found(store, "Offer") == [copy.mid]
    catch_up(store)
    assert indexed(store) == [copy.mid]


async def test_it_follows_by_itself(opener: Opener) -> None:
    store = await opener()
    samples = Samples(store)
    await samples.enrolled()
    for _ in range(3):
        await store.submit(samples.receive(samples.copy("HELD")))
    assert store._index is not None
    store._index.note(index.WAKE_ROWS)
    await store.close()  # the thread ends after what it was at
    store = await opener()
    deadline = 200
    while len(indexed(store)) < 3 and deadline:
        deadline -= 1
        await store.read(lambda view: view.counts())
    catch_up(store)
    assert len(indexed(store)) == 3


async def test_a_gateway_has_no_index(opener: Opener, tmp_path: Path) -> None:
    store = await opener("gateway")
    assert store._index is None
    assert store.view.search(Search(("Policy",), subject=TextTest("contains", "offer"))).total == 0
    assert not (tmp_path / "store" / "search.db").exists()
