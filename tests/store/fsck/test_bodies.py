"""Bodies that are not where the rows say, or not what was accepted; and space that nobody names."""

import os

from pratique.store.fsck.bodies import MISMATCH, look
from tests.store.fsck.conftest import Place


async def test_one_wrong_octet_is_found_and_only_by_reading(gateway: Place) -> None:
    gateway.flip("queued")
    gateway.flip("large")
    assert gateway.found() == [
        ("corrupt", gateway.mids["queued"], MISMATCH),
        ("corrupt", gateway.mids["large"], MISMATCH),
    ]
    assert gateway.found(read_bodies=False) == []


async def test_every_copy_of_a_corrupt_body_is_named(gateway: Place) -> None:
    gateway.flip("split")
    assert {mid for _, mid, _ in gateway.found()} == {gateway.mids["split"], gateway.mids["split too"]}


async def test_a_segment_that_is_gone_or_cut_short_is_a_loss_of_its_bodies(gateway: Place) -> None:
    path, _, length = gateway.place_of("large")
    os.truncate(path, length - 1)
    assert gateway.found() == [
        ("corrupt", gateway.mids["large"], f"its body is lost: segment {int(path.stem)} ends before it does")
    ]
    path.unlink()
    assert gateway.found(read_bodies=False) == [
        ("corrupt", gateway.mids["large"], f"its body is lost: there is no segment {int(path.stem)}")
    ]


async def test_two_bodies_in_the_same_octets(gateway: Place) -> None:
    _, offset, length = gateway.place_of("active")
    gateway.sql("UPDATE copy SET offset = ?, length = ? WHERE mid = ?", offset + 1, length - 1, gateway.mids["queued"])
    found = gateway.found()
    mid, other = gateway.mids["queued"], gateway.mids["active"]
    assert any(k == "overlap" and m == mid and f"overlaps that of MID {other}" in what for k, m, what in found)
    assert ("corrupt", mid, MISMATCH) in found


async def test_a_body_that_nobody_may_read_is_named(gateway: Place) -> None:
    path, _, _ = gateway.place_of("large")
    path.unlink()
    path.mkdir()
    assert ("corrupt", gateway.mids["large"]) in {(kind, mid) for kind, mid, _ in gateway.found()}


async def test_space_that_no_row_names_is_told_and_is_no_fault(gateway: Place) -> None:
    (gateway.directory / "spool" / "00000099.seg").write_bytes(b"x" * 1_000)
    (gateway.directory / "spool" / "notes.txt").write_bytes(b"mine")
    report = gateway.check()
    assert report.found == []
    assert (report.space.unnamed_files, report.space.unnamed_bytes) == (1, 1_000)
    assert report.space.foreign == ("notes.txt",)
    # the body of the copy that is gone lies between those that are not
    ((length,),) = gateway.rows("SELECT length FROM copy WHERE mid = ?", gateway.mids["gone"])
    assert report.space.let_go_bytes == length
    assert 99 in look(str(gateway.directory / "spool")).sizes
