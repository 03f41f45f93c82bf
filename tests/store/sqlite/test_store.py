"""The store as its callers see it: numbers in order, reads on a snapshot, an audit chain that shows tampering."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pratique.store.interface import View
from pratique.store.moves import Accept, PutSetting, Record, StoreFailed
from pratique.store.sqlite import SqliteStore
from tests.conformance.samples import GATEWAY, Samples, entry
from tests.store.sqlite.conftest import Opener


async def test_numbers_commit_in_the_order_in_which_they_were_drawn(store: SqliteStore, samples: Samples) -> None:
    await samples.enrolled()
    drawn: list[int] = []
    futures = []
    for step in range(60):
        if step % 3:
            copy = samples.copy("HELD")
            futures.append(store.submit(samples.receive(copy)))
        else:
            futures.append(store.submit(samples.cancel(f"{step:032x}", 1)))
        futures[-1].add_done_callback(lambda future: drawn.append(future.result().seq))
    await asyncio.gather(*futures)
    assert drawn == sorted(drawn)
    assert len(set(drawn)) == 60
    assert store.committed_seq() == drawn[-1]


async def test_a_drawn_number_is_not_drawn_again_by_the_next_process(opener: Opener) -> None:
    store = await opener("gateway")
    copy = await Samples(store).accepted("X")
    await store.close()
    store = await opener("gateway")
    assert copy.transfer is not None
    assert store.next_seq() > copy.transfer.seq
    assert store.next_mid() > copy.mid


async def test_a_long_read_sees_one_state(store: SqliteStore) -> None:
    await store.submit(PutSetting("k", "1"))
    loop = asyncio.get_running_loop()

    def read(view: View) -> list[str]:
        first = view.setting("k")
        asyncio.run_coroutine_threadsafe(write(), loop).result(10)
        return [first, view.setting("k")]

    async def write() -> None:
        await store.submit(PutSetting("k", "2"))

    assert await store.read(read) == ["1", "1"]
    assert await store.read(lambda view: view.setting("k")) == "2"
    assert store.view.setting("k") == "2"


async def test_an_error_in_a_read_is_the_readers_own(store: SqliteStore) -> None:
    def read(view: View) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await store.read(read)
    assert await store.read(lambda view: view.setting("k", "none")) == "none"


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE audit SET actor = 'somebody else' WHERE number = 3",
        "UPDATE audit SET detail = '{}', action = 'delete' WHERE number = 3",
        "DELETE FROM audit WHERE number = 3",
        "UPDATE audit SET number = number + 100 WHERE number = 3",
        "UPDATE audit SET hash = zeroblob(32) WHERE number = 3",
    ],
)
async def test_a_changed_audit_row_is_found(opener: Opener, tmp_path: Path, tamper: str) -> None:
    store = await opener()
    for number in range(6):
        await store.submit(Record((entry(f"step {number}", detail='{"n": 1}'),)))
    assert await store.verify_audit() is None
    await store.close()
    db = sqlite3.connect(tmp_path / "store" / "store.db", isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="final"):
        db.execute(tamper)
    db.execute("DROP TRIGGER audit_is_final_1")
    db.execute("DROP TRIGGER audit_is_final_2")
    db.execute(tamper)
    db.close()
    store = await opener()
    assert await store.verify_audit() == 3


async def test_the_chain_goes_on_after_a_restart(opener: Opener) -> None:
    store = await opener()
    await store.submit(Record((entry("one"), entry("two"))))
    head = store.audit_head()
    await store.close()
    store = await opener()
    assert store.audit_head() == head
    await store.submit(Record((entry("three"),)))
    assert store.audit_head() != head
    assert await store.verify_audit() is None
    assert [row.number for row in store.view.audit(1, 9)] == [2, 3]


async def test_closing_commits_what_was_submitted(opener: Opener) -> None:
    store = await opener()
    futures = [store.submit(PutSetting(f"{n}", "v")) for n in range(40)]
    await store.close()
    assert [future.result() for future in futures] == [None] * 40
    with pytest.raises(StoreFailed, match="closed"):
        await store.submit(PutSetting("late", "v"))
    store = await opener()
    assert [store.view.setting(f"{n}") for n in range(40)] == ["v"] * 40
    assert store.view.setting("late") == ""


async def test_a_body_is_kept_while_one_of_its_copies_needs_it(store: SqliteStore, samples: Samples) -> None:
    from pratique.store.moves import LetGo

    body = samples.body(b"for two groups of recipients")
    pair = samples.copy("SETTLED", body=body), samples.copy("SETTLED", body=body)
    await store.submit(Accept(pair, (entry("accept"),)))
    assert await store.submit(LetGo((pair[0].mid,))) == ()
    assert store.spool.verify(body.extent, body.sha256)
    assert await store.submit(LetGo((pair[1].mid,))) == (body.extent,)
    assert store._view.live_in_segment(body.extent.segment) == 0
    assert await store.submit(LetGo((pair[1].mid,))) == ()


async def test_a_count_that_is_too_low_frees_no_body(opener: Opener, tmp_path: Path) -> None:
    store = await opener("gateway")
    copy = await Samples(store).accepted("X")
    await store.close()
    with sqlite3.connect(tmp_path / "store" / "store.db") as db:
        db.execute("UPDATE segment SET live = 0")
    store = await opener("gateway")
    assert b"".join(store.spool.open(copy.extent, copy.sha256).pieces())
    assert store.view.live_in_segment(copy.extent.segment) == 1


async def test_a_group_that_came_twice_takes_its_space_once(store: SqliteStore, samples: Samples) -> None:
    await samples.enrolled()
    copy = samples.copy("HELD")
    again = samples.copy("HELD", cid=copy.cid)
    first = await store.submit(samples.receive(copy))
    second = await store.submit(samples.receive(again))
    assert (first.answer, second.answer) == ("commit ACC", "ACC again")
    assert (first.inc, first.seq) == (second.inc, second.seq)
    store.spool.drop([again.extent])  # the caller lets its body go, too
    assert store.spool.verify(copy.extent, copy.sha256)
    assert store._view.live_in_segment(copy.extent.segment) == 1
    assert store.view.copy(again.mid) is None


async def test_a_change_of_a_peer_does_not_undo_a_hello(store: SqliteStore, samples: Samples) -> None:
    """An administrator's page was loaded before the newer instance said hello, and is sent after."""
    from dataclasses import replace

    from pratique.store.moves import HelloFrom, PutPeer

    stale = await samples.enrolled()
    await store.submit(HelloFrom(GATEWAY, "d1" * 16, 2, 50, "192.0.2.9:7025", 1))
    await store.submit(PutPeer(replace(stale, name="renamed", locked="clone"), ()))
    now = store.view.peer(GATEWAY)
    assert now is not None
    assert (now.name, now.locked) == ("renamed", "clone")
    assert (now.nonce, now.inc, now.seq, now.endpoint) == ("d1" * 16, 2, 50, "192.0.2.9:7025")
