"""The whole check: sound stores are sound, what may be written is written under the lock, and a start goes well."""

from contextlib import closing
from pathlib import Path

import pytest

from pratique.store.corrupt import corrupt_copies
from pratique.store.fsck.findings import LISTED_MAX, Finding, Kind, Report
from pratique.store.fsck.run import Checked
from pratique.store.moves import StoreFailed
from tests.store.fsck.conftest import Made, Place, silent


@pytest.mark.parametrize("role", ["gateway", "manager"])
async def test_a_sound_store_has_no_fault_in_any_state(made: Made, role: str) -> None:
    place = await made(role)
    report = place.check()
    assert report.found == []
    assert report.left == 0
    assert report.copies == len(place.mids)
    assert report.read_bodies
    assert report.audit_rows > 0


async def test_beside_a_running_store_it_reads_and_does_not_write(gateway: Place) -> None:
    gateway.flip("queued")
    store = await gateway.open()
    with closing(gateway.checked()) as checked:
        assert not checked.stopped
        report = checked.examine(progress=silent)
        with pytest.raises(AssertionError):
            checked.write(report, repair=True, actor="carol", now=1)
    assert report.corrupt.keys() == {gateway.mids["queued"]}
    assert corrupt_copies(store.view) == {}
    await store.close()


async def test_a_body_that_is_let_go_while_it_is_checked_is_not_missed(gateway: Place) -> None:
    path, _, _ = gateway.place_of("large")
    path.unlink()
    seen = []

    def gone(what: str, done: int, total: int) -> None:
        if not seen:
            seen.append(what)
            return
        gateway.sql("UPDATE copy SET segment = NULL, offset = NULL WHERE mid = ?", gateway.mids["large"])

    with closing(gateway.checked()) as checked:
        report = checked.examine(progress=gone)
    assert report.corrupt == {}


async def test_corrupt_bodies_come_on_the_list_with_an_audit_row_and_leave_it_when_proved(gateway: Place) -> None:
    mid = gateway.mids["queued"]
    for _ in range(2):  # a second time adds nothing
        gateway.flip("queued")
        _write(gateway)
        gateway.flip("queued")
    path, offset, _ = gateway.place_of("queued")
    gateway.flip("queued")
    _write(gateway)
    store = await gateway.open()
    assert list(corrupt_copies(store.view)) == [mid]
    assert [row.mid for row in store.view.audit(0, 1_000) if row.action == "corrupt"] == [mid]
    assert await store.verify_audit() is None
    await store.close()
    assert path.exists()
    gateway.flip("queued")  # the disk was restored
    assert _write(gateway).proved == (mid,)
    store = await gateway.open()
    assert corrupt_copies(store.view) == {}
    assert [row.actor for row in store.view.audit(0, 1_000) if row.action == "not-corrupt"] == ["carol"]
    assert store.view.copy(mid).extent.offset == offset  # type: ignore[union-attr]
    await store.close()


def _write(place: Place, *, repair: bool = False) -> Report:
    with closing(place.checked()) as checked:
        report = checked.examine(progress=silent)
        checked.write(report, repair=repair, actor="carol", now=1_795_490_000_001)
    return report


async def test_repair_saves_bodies_that_the_next_start_would_have_freed(gateway: Place) -> None:
    """The reason to check before a start: counts decide what is freed."""
    gateway.sql("UPDATE segment SET live = 0")
    gateway.sql("UPDATE tally SET count = count + 5")
    report = _write(gateway, repair=True)
    assert report.repaired
    assert report.left == 0
    assert report.counted.keys() == {Kind.COUNT}
    assert gateway.found() == []
    store = await gateway.open()
    assert await store.verify_audit() is None
    rows = [row for row in store.view.audit(0, 1_000) if row.action == "repair"]
    assert [(row.actor, "count" in row.detail) for row in rows] == [("carol", True)]
    for mid, extent, sha256 in list(store.view.live_bodies()):
        assert store.spool.verify(extent, sha256), mid
    await store.close()


async def test_without_repair_nothing_but_the_list_is_written(gateway: Place) -> None:
    gateway.sql("UPDATE tally SET count = count + 5")
    before = gateway.rows("SELECT * FROM tally ORDER BY key")
    report = _write(gateway)
    assert not report.repaired
    assert report.left > 0
    assert gateway.rows("SELECT * FROM tally ORDER BY key") == before
    assert gateway.rows("SELECT count(*) FROM audit WHERE action = 'repair'") == [(0,)]


async def test_repair_does_not_touch_what_is_not_derived(gateway: Place) -> None:
    gateway.flip("queued")
    gateway.sql("UPDATE transfer SET state = 'CANC' WHERE mid = ?", gateway.mids["done"])
    gateway.sql("UPDATE tally SET count = count + 5")
    report = _write(gateway, repair=True)
    assert report.repaired
    assert {found.kind for found in gateway.check().found} == {Kind.CORRUPT, Kind.CUSTODY}
    assert report.left == 2


async def test_a_damaged_search_index_is_removed_and_made_anew_by_the_next_start(manager: Place) -> None:
    search = manager.directory / "search.db"
    search.write_bytes(b"nonsense" * 1000)
    assert _write(manager, repair=True).left == 0
    assert not search.exists()
    store = await manager.open()
    await store.close()
    assert manager.found() == []


def test_what_is_no_store_of_ours_is_refused_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="there is no store"):
        Checked(str(tmp_path), str(tmp_path / "spool"), role="gateway")
    (tmp_path / "store.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(StoreFailed, match="it is damaged: keep the file"):
        Checked(str(tmp_path), str(tmp_path / "spool"), role="gateway")
    (tmp_path / "store.db").write_bytes(b"")
    with pytest.raises(StoreFailed, match="not a store of this version"):
        Checked(str(tmp_path), str(tmp_path / "spool"), role="gateway")


async def test_a_store_of_the_other_role_is_refused(gateway: Place) -> None:
    with pytest.raises(StoreFailed, match="not the store of a manager"):
        Checked(str(gateway.directory), str(gateway.directory / "spool"), role="manager")


def test_a_disaster_is_counted_whole_and_listed_in_part() -> None:
    report = Report()
    for mid in range(1, LISTED_MAX + 501):
        report.add(Finding(Kind.CORRUPT, "lost", mid))
    assert len(report.found) == LISTED_MAX
    assert report.left == LISTED_MAX + 500
    assert len(report.corrupt) == LISTED_MAX + 500
