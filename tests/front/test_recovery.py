"""What a start says: how the last end was, what waits, what is corrupt."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pratique.front import recovery
from pratique.front.check import State
from pratique.front.doctor_machine import check_audit
from pratique.store.corrupt import cleared, corrupt_copies
from tests.front.pair import Pair, pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def _crash(both: Pair) -> None:
    """The gateway ends as a kill ends it, as far as its files show: the witness says "not clean"."""
    gateway = both.gateway
    before = (gateway.directory / "store" / "witness").read_bytes()
    await gateway.stop()
    (gateway.directory / "store" / "witness").write_bytes(before)


def _damage(both: Pair, mid: int) -> None:
    copy = both.gateway.view.copy(mid)
    path = both.gateway.directory / "spool" / f"{copy.extent.segment:08d}.seg"
    with path.open("r+b") as file:
        file.seek(copy.extent.offset + 5)
        octet = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([octet[0] ^ 1]))


async def test_a_start_says_how_the_last_end_was(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await gateway.stop()
        assert gateway.grep("Info: started for the first time")
        await gateway.start()
        assert gateway.grep("Info: started after a clean end")
        await _crash(both)
        assert not gateway.grep("not clean")
        await gateway.start()
        assert gateway.grep("Warning: started after an end that was not clean")
        await until(lambda: gateway.grep(r"the newest \d+ bodies \(\d+ B\) are what was accepted"))


async def test_a_check_that_a_stop_cut_short_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: the second life, too, ends before it has looked at the bodies of the first."""
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await both.send("good", "bad")
        mids = [mid for mid, _, _ in gateway.view.live_bodies()]
        _damage(both, mids[1])
        await _crash(both)
        go_on = threading.Event()
        with monkeypatch.context() as slow:
            slow.setattr(recovery, "_prove", lambda verify, chunk: go_on.wait(60) and {})
            for count in (1, 2):
                await gateway.start()
                await gateway.stop()
                assert len(gateway.grep("the bodies of the life before were not all checked; the next start")) == count
            go_on.set()
        assert not gateway.grep("CORRUPT")
        await gateway.start()
        assert len(gateway.grep("Warning: started after an end that was not clean")) == 3
        await until(lambda: gateway.grep(f"Critical: MID {mids[1]} is CORRUPT: its stored body does not match"))
        await until(lambda: corrupt_copies(gateway.view))
        await until(lambda: gateway.appliance.proof is not None and gateway.appliance.proof.done())
        await gateway.stop()
        await gateway.start()
        assert gateway.grep("started after a clean end")


async def test_a_changed_audit_row_is_named_at_the_start_and_by_the_doctor(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await both.send("one")
        await gateway.stop()
        path = gateway.directory / "store" / "store.db"
        assert check_audit(path, lambda what, done, total: None).state is State.OK
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("DROP TRIGGER audit_is_final_1")
            db.execute("UPDATE audit SET actor = 'mallory' WHERE number = 2")
        await gateway.start()
        await until(lambda: gateway.grep("Critical: the audit chain is broken: audit row 2 does not follow.*fsck"))
        found = check_audit(path, lambda what, done, total: None)
        assert (found.failed, "audit row 2" in found.found, "copy of the store" in found.cure) == (True, True, True)


async def test_a_body_that_the_disk_lost_is_named_kept_and_never_sent(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()  # the manager is away: mail waits here
        await both.send("good", "bad")
        mids = [mid for mid, _, _ in gateway.view.live_bodies()]
        _damage(both, mids[1])
        await _crash(both)
        await gateway.start()
        await until(lambda: gateway.grep(f"Critical: MID {mids[1]} is CORRUPT: its stored body does not match"))
        await until(lambda: corrupt_copies(gateway.view))
        assert list(corrupt_copies(gateway.view)) == [mids[1]]
        assert [row.mid for row in gateway.view.audit(0, 1000) if row.action == "corrupt"] == [mids[1]]
        await both.manager.start()
        await both.held(1)
        assert both.manager.view.copy(both.mid_of("good")).subject == "good"
        await gateway.stop()
        await gateway.start()
        assert gateway.grep(f"Critical: known to be CORRUPT, kept and never delivered: MID {mids[1]};")
        await gateway.appliance.store.submit(cleared(gateway.view, [mids[1]], "carol"))
        assert corrupt_copies(gateway.view) == {}


async def test_a_body_that_was_put_back_leaves_the_list_at_the_next_start(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await both.send("good", "bad", "worse")
        mids = [mid for mid, _, _ in gateway.view.live_bodies()]
        for mid in mids[1:]:
            _damage(both, mid)
        await _crash(both)
        await gateway.start()
        await until(lambda: sorted(corrupt_copies(gateway.view)) == mids[1:])
        _damage(both, mids[1])  # once more: the octet is as it was
        await gateway.stop()
        await gateway.start()
        await until(lambda: gateway.grep(f"proved good again, no longer CORRUPT: MID {mids[1]}$"))
        assert list(corrupt_copies(gateway.view)) == mids[2:]
        rows = [(row.actor, row.mid) for row in gateway.view.audit(0, 1000) if row.action == "not-corrupt"]
        assert rows == [("system", mids[1])]


async def test_a_start_names_what_waits(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        manager, gateway = both.manager, both.gateway
        await both.start()
        await both.send("one", "two")
        await both.held(2)
        await manager.stop()
        await both.send("three")
        await gateway.stop()
        await manager.start()
        assert manager.grep("Info: 2 messages are held; 0 scheduled exits have passed")
        await gateway.start()
        assert gateway.grep("Info: [123] transfers to manager.test are open, in doubt or not yet offered")


async def test_no_more_is_read_than_the_limit_and_the_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await both.send(*"abcde")
        size = gateway.view.copy(next(mid for mid, _, _ in gateway.view.live_bodies())).size
        monkeypatch.setattr(recovery, "VERIFY_BYTES_MAX", size * 2 + 1)
        monkeypatch.setattr(recovery, "CHUNK_BYTES", 1)
        first, *_, newest = [mid for mid, _, _ in gateway.view.live_bodies()]
        for mid in (first, newest):
            _damage(both, mid)
        appliance = gateway.appliance
        assert list(await recovery.verify_newest(appliance.services, appliance.store)) == [newest]


async def test_a_body_that_was_let_go_meanwhile_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair(tmp_path) as both:
        gateway = both.gateway
        await gateway.start()
        await both.send("one")
        (mid,) = [mid for mid, _, _ in gateway.view.live_bodies()]
        _damage(both, mid)
        appliance = gateway.appliance
        copy = appliance.store.view.copy(mid)
        monkeypatch.setattr(type(appliance.store.view), "copy", lambda self, mid: None)
        assert copy is not None
        assert await recovery.verify_newest(appliance.services, appliance.store) == {}
        monkeypatch.undo()
        await asyncio.sleep(0)
