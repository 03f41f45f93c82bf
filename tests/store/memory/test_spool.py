"""Bodies in memory: two layers, room, damage on demand."""

from contextlib import nullcontext
from hashlib import sha256

import pytest

from pratique.store.memory import MemorySpool
from pratique.store.moves import StoreFailed


def test_only_what_a_commit_names_survives() -> None:
    spool = MemorySpool()
    named, unnamed = spool.put(b"named"), spool.put(b"unnamed")
    spool.sync([named.extent])
    left = spool.crashed()
    assert left.read(named.extent, 0, 9) == b"named"
    with pytest.raises(FileNotFoundError):
        left.read(unnamed.extent, 0, 1)
    assert left.free_bytes() == left.capacity - 5
    # What is written next never lies where an older body lay.
    assert left.put(b"next").extent.offset > unnamed.extent.offset


def test_a_full_spool_refuses_and_a_dropped_or_aborted_body_makes_room() -> None:
    spool = MemorySpool(capacity=10)
    first = spool.put(b"12345678")
    writer = spool.writer()
    writer.write(b"9")
    with pytest.raises(StoreFailed) as full:
        writer.write(b"too much")
    assert full.value.full
    writer.abort()
    assert spool.free_bytes() == 2
    spool.drop([first.extent, first.extent])
    assert spool.free_bytes() == 10
    assert spool.put(b"1234567890").size == 10
    assert spool.free_bytes() == 0


def test_a_dropped_body_is_not_read_again() -> None:
    spool = MemorySpool()
    stored = spool.put(b"secret")
    body = spool.open(stored.extent, stored.sha256)
    spool.drop([stored.extent])
    with pytest.raises(OSError):
        list(body.pieces())
    with pytest.raises(OSError):
        spool.open(stored.extent, stored.sha256)


def test_a_body_may_be_damaged_or_unreadable() -> None:
    spool = MemorySpool()
    stored = spool.put(b"good")
    spool.damage(stored.extent, b"evil")
    assert b"".join(spool.open(stored.extent, stored.sha256).pieces()) == b"evil"
    spool.damage(stored.extent, None)
    with pytest.raises(OSError):
        spool.read(stored.extent, 0, 1)


def test_a_long_body_is_not_handed_out_whole() -> None:
    spool = MemorySpool(inline_max=4)
    writer = spool.writer()
    writer.write(b"1234")
    assert writer.octets() == b"1234"
    writer.write(b"5")
    assert writer.octets() is None
    assert spool.open(writer.finish().extent, "").size == 5


def test_the_callers_digest_must_be_that_of_the_octets() -> None:
    spool = MemorySpool()
    known = sha256(b"onetwo").hexdigest()
    for octets, fails in ((b"onetwo", False), (b"other", True)):
        writer = spool.writer(digest=False)
        writer.write(octets)
        with pytest.raises(AssertionError) if fails else nullcontext():
            assert writer.finish(known).sha256 == known
