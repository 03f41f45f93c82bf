"""Leases: numbers come in blocks and once, segments as files, refusals as what they are."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pratique.store.moves import StoreFailed
from pratique.store.remote import lease
from pratique.store.remote.lease import CONNECTIONS, MIDS, OWN, SEGMENT, Leases, Lessor

Grant = Callable[[], tuple[int, int, int | None]]


class Custody:
    """Answers in a thread, as custody's loop does in its process."""

    def __init__(self, **grants: Grant) -> None:
        mine, theirs = lease.pair()
        kinds = {"segment": SEGMENT, "own": OWN, "mids": MIDS, "connections": CONNECTIONS}
        self.lessor = Lessor(mine, {kinds[name]: grant for name, grant in grants.items()})
        mine.setblocking(True)
        self.leases = Leases(theirs)
        self._theirs = theirs
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self.lessor.answer():
            pass
        self.lessor.close()

    def close(self) -> None:
        self._theirs.close()
        self._thread.join(10)


@pytest.fixture
def custody() -> Iterator[Callable[..., Custody]]:
    made: list[Custody] = []

    def make(**grants: Grant) -> Custody:
        made.append(Custody(**grants))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_numbers_come_in_blocks_and_each_once(custody: Any) -> None:
    blocks = iter([(5, 3, None), (20, 2, None), (40, 2, None)])
    leases = custody(mids=lambda: next(blocks)).leases
    assert list(islice(leases.numbers(MIDS), 6)) == [5, 6, 7, 20, 21, 40]


def test_a_segment_is_an_open_file(custody: Any, tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(b"\0" * 100)
    fd = os.open(path, os.O_RDWR)
    leases = custody(segment=lambda: (7, 100, fd), own=lambda: (8, 0, fd)).leases
    segment, own = leases.segment(own=False), leases.segment(own=True)
    os.close(fd)
    assert (segment.number, segment.capacity, segment.shared) == (7, 100, True)
    assert (own.number, own.shared) == (8, False)
    assert segment.handle is not None
    os.pwrite(segment.handle.fd, b"body", 10)
    assert path.read_bytes()[10:14] == b"body"


@pytest.mark.parametrize("full", [True, False])
def test_a_refusal_says_why(custody: Any, full: bool) -> None:
    def refuse() -> tuple[int, int, None]:
        raise StoreFailed("no room in the spool", full=full)

    leases = custody(segment=refuse).leases
    with pytest.raises(StoreFailed, match="no room in the spool") as refused:
        leases.segment(own=False)
    assert refused.value.full is full and not refused.value.fatal


def test_a_request_for_what_there_is_not_ends_it(custody: Any) -> None:
    leases = custody(mids=lambda: (1, 1, None)).leases
    with pytest.raises(StoreFailed) as gone:
        leases.segment(own=False)
    assert gone.value.fatal


def test_custody_that_is_gone_is_fatal() -> None:
    mine, theirs = lease.pair()
    mine.close()
    with pytest.raises(StoreFailed) as gone:
        next(Leases(theirs).numbers(MIDS))
    assert gone.value.fatal
    theirs.close()


def test_custody_that_is_silent_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "WAIT_SECONDS", 0.01)
    mine, theirs = lease.pair()
    with pytest.raises(StoreFailed) as silent:
        next(Leases(theirs).numbers(MIDS))
    assert silent.value.fatal
    assert isinstance(silent.value.__cause__, socket.timeout)
    mine.close()
    theirs.close()
