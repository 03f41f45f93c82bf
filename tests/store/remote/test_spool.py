"""The spool of an edge: bodies lie in lent segments, and a segment goes back when nothing in it is unsettled."""

import os
from pathlib import Path

import pytest

from pratique.store.interface import Stored
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent
from pratique.store.remote.spool import LentSpool
from pratique.store.segment import Handle, Segment

CAPACITY = 1 << 12


class Custody:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.given_back: list[int] = []
        self.own: list[int] = []
        self._number = 0
        self.full = False

    def lease(self, own: bool) -> Segment:
        if self.full:
            raise StoreFailed("the disk is full", full=True)
        self._number += 1
        path = self.directory / str(self._number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        if own:
            self.own.append(self._number)
        return Segment(self._number, "", 0 if own else CAPACITY, shared=not own, handle=Handle(fd))


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    return Custody(tmp_path)


@pytest.fixture
def spool(custody: Custody) -> LentSpool:
    made = LentSpool(custody.lease, custody.given_back.append, monotonic=lambda: 0.0, reserve_bytes=0)
    made.memory_bytes = CAPACITY
    return made


def put(spool: LentSpool, octets: bytes) -> Stored:
    writer = spool.writer()
    writer.write(octets)
    return writer.finish()


def test_what_was_written_is_read(spool: LentSpool) -> None:
    first, second = put(spool, b"one"), put(spool, b"two")
    assert first.extent == Extent(1, 0, 3) and second.extent == Extent(1, 3, 3)
    assert b"".join(spool.open(second.extent, second.sha256).pieces()) == b"two"
    assert spool.read(first.extent, 1, 100) == b"ne"


def test_an_empty_body_has_a_place_of_its_own(spool: LentSpool) -> None:
    empty, following = put(spool, b""), put(spool, b"more")
    assert empty.extent.offset != following.extent.offset


def test_a_full_segment_goes_back_when_its_last_body_is_settled(spool: LentSpool, custody: Custody) -> None:
    first, second = put(spool, b"x" * 3000), put(spool, b"y" * 3000)
    assert second.extent.segment == 2 and custody.given_back == []
    spool.drop([first.extent, first.extent])
    spool.drop([first.extent])  # settled by custody, and dropped by who was refused: once
    assert custody.given_back == [1]
    spool.drop([second.extent])
    assert custody.given_back == [1]  # it is still written to
    with pytest.raises(OSError, match="given back"):
        spool.read(first.extent, 0, 1)


def test_a_full_segment_of_settled_bodies_goes_back_at_once(spool: LentSpool, custody: Custody) -> None:
    spool.drop([put(spool, b"x" * 3000).extent])
    put(spool, b"y" * 3000)
    assert custody.given_back == [1]


def test_a_large_body_gets_a_file_of_its_own(spool: LentSpool, custody: Custody) -> None:
    large = put(spool, b"z" * (CAPACITY + 1))
    assert large.extent == Extent(custody.own[0], 0, CAPACITY + 1)
    assert spool.read(large.extent, CAPACITY, 10) == b"z"
    spool.drop([large.extent])
    assert custody.given_back == custody.own


def test_an_aborted_body_leaves_nothing(spool: LentSpool, custody: Custody) -> None:
    writer = spool.writer()
    writer.write(b"z" * (CAPACITY + 1))
    writer.abort()
    assert custody.given_back == custody.own


def test_without_room_the_body_is_refused(spool: LentSpool, custody: Custody) -> None:
    put(spool, b"x" * 3000)
    custody.full = True
    with pytest.raises(StoreFailed) as refused:
        put(spool, b"y" * 3000)
    assert refused.value.full


def test_below_the_reserve_nothing_is_begun(custody: Custody) -> None:
    spool = LentSpool(custody.lease, custody.given_back.append, monotonic=lambda: 0.0, reserve_bytes=1 << 60)
    assert spool.free_bytes() < 0
    with pytest.raises(StoreFailed) as refused:
        spool.writer().write(b"x")
    assert refused.value.full


def test_a_disk_that_is_full_at_the_start_refuses_until_there_is_space(custody: Custody) -> None:
    custody.full = True
    spool = LentSpool(custody.lease, custody.given_back.append, monotonic=lambda: 0.0, reserve_bytes=0)
    assert spool.free_bytes() == 0
    with pytest.raises(StoreFailed) as refused:
        spool.writer().write(b"x")
    assert refused.value.full
    custody.full = False
    assert spool.free_bytes() > 0
    assert put(spool, b"one").extent == Extent(1, 0, 3)
