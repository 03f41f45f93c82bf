"""The simulated disk: what a sync covers is found, the rest may be lost, and nothing else is there."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from proof.durable.disk import SECTOR, Disk, Mode
from proof.durable.shim import Entry, Fault, Op

TRIES = 200


def call(op: Op, path: str, *, second: str = "", at: int = 0, data: bytes = b"", fault: Fault = Fault.NONE) -> Entry:
    return Entry(op, fault, -1 if fault else 0, 0, path, second, at, len(data), data)


def synced(op: Op, path: str) -> list[Entry]:
    return [call(op, path), call(Op.SYNCED, path)]


def states(disk: Disk) -> list[dict[str, bytes]]:
    return [disk.found(random.Random(n)) for n in range(TRIES)]


def made(mode: Mode = Mode.STRICT) -> Disk:
    disk = Disk({}, mode)
    disk.play([call(Op.CREATE, "d/a"), *synced(Op.SYNCDIR, "d")])
    return disk


def test_what_was_synced_is_in_every_state() -> None:
    disk = made()
    disk.play(
        [call(Op.WRITE, "d/a", data=b"kept"), *synced(Op.FDATASYNC, "d/a"), call(Op.WRITE, "d/a", at=4, data=b"?")]
    )
    assert {state["d/a"] for state in states(disk)} == {b"kept", b"kept?"}


def test_a_write_during_a_sync_is_not_covered_by_it() -> None:
    disk = made()
    disk.play([call(Op.FSYNC, "d/a"), call(Op.WRITE, "d/a", data=b"late"), call(Op.SYNCED, "d/a")])
    assert b"" in {state["d/a"] for state in states(disk)}


def test_a_failed_sync_loses_what_it_should_have_kept_and_a_second_one_does_not_bring_it_back() -> None:
    disk = made()
    disk.play(
        [call(Op.WRITE, "d/a", data=b"gone"), call(Op.FDATASYNC, "d/a", fault=Fault.EIO), *synced(Op.FSYNC, "d/a")]
    )
    assert {state["d/a"] for state in states(disk)} == {b""}


def test_a_name_needs_the_sync_of_its_directory() -> None:
    for mode, lost in ((Mode.STRICT, True), (Mode.ORDERED, False)):
        disk = Disk({}, mode)
        disk.play([call(Op.CREATE, "d/a"), call(Op.WRITE, "d/a", data=b"x"), *synced(Op.FDATASYNC, "d/a")])
        assert any("d/a" not in state for state in states(disk)) is lost, mode


def test_a_rename_and_a_removal_may_be_undone() -> None:
    disk = made()
    disk.play([call(Op.RENAME, "d/a", second="d/b"), call(Op.CREATE, "d/c"), call(Op.UNLINK, "d/b")])
    assert {tuple(sorted(state)) for state in states(disk)} >= {("d/a",), ("d/b",), (), ("d/a", "d/c")}
    disk.play(synced(Op.SYNCDIR, "d"))
    assert {tuple(sorted(state)) for state in states(disk)} == {("d/c",)}


def test_a_directory_keeps_no_names_of_another() -> None:
    disk = Disk({}, Mode.STRICT)
    disk.play([call(Op.CREATE, "d/a"), call(Op.CREATE, "e/b"), *synced(Op.SYNCDIR, "e")])
    assert all("e/b" in state for state in states(disk))
    assert any("d/a" not in state for state in states(disk))


def test_a_write_is_torn_at_sectors() -> None:
    disk = made()
    disk.play([call(Op.ALLOCATE, "d/a", at=4 * SECTOR), *synced(Op.FSYNC, "d/a")])
    disk.step(call(Op.WRITE, "d/a", at=SECTOR // 2, data=b"x" * (2 * SECTOR)))
    seen = {state["d/a"] for state in states(disk)}
    torn = b"x" * SECTOR
    assert bytes(SECTOR) + torn + bytes(2 * SECTOR) in seen
    assert all(len(octets) == 4 * SECTOR for octets in seen)


def test_an_allocation_makes_no_file_shorter_and_a_truncation_does() -> None:
    disk = made()
    disk.play([call(Op.WRITE, "d/a", data=b"123456"), call(Op.ALLOCATE, "d/a", at=3), *synced(Op.FSYNC, "d/a")])
    assert states(disk)[0]["d/a"] == b"123456"
    disk.play([call(Op.TRUNCATE, "d/a", at=3), *synced(Op.FSYNC, "d/a")])
    assert states(disk)[0]["d/a"] == b"123"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=1500)), max_size=8),
    st.integers(0, 8),
    st.integers(0, 10_000),
)
def test_every_octet_found_is_one_that_was_there(writes: list[tuple[int, bytes]], sync_after: int, seed: int) -> None:
    disk, history = made(), [bytearray()]
    for number, (at, data) in enumerate(writes):
        if number == sync_after:
            disk.play(synced(Op.FSYNC, "d/a"))
            history = [bytearray(history[-1])]
        disk.step(call(Op.WRITE, "d/a", at=at, data=data))
        octets = bytearray(history[-1])
        octets.extend(bytes(max(0, at + len(data) - len(octets))))
        octets[at : at + len(data)] = data
        history.append(octets)
    found = disk.found(random.Random(seed))["d/a"]
    for index, octet in enumerate(found):
        assert any(octet == (past[index] if index < len(past) else 0) for past in history)
