"""Both tallies count alike; the shared one counts over processes."""

import os
from collections.abc import Callable, Iterator

import pytest

from pratique.gateway.tally import OwnTally, SharedTally, Tally, clear_row, make_shared, open_connections


@pytest.fixture
def table() -> Iterator[int]:
    fd = make_shared(2)
    yield fd
    os.close(fd)


def shared(fd: int, row: int = 0) -> SharedTally:
    return SharedTally(fd, row=row, rows=2)


@pytest.fixture(params=["own", "shared"])
def tally(request: pytest.FixtureRequest, table: int) -> Tally:
    makes: dict[str, Callable[[], Tally]] = {"own": OwnTally, "shared": lambda: shared(table)}
    return makes[request.param]()


def test_connections_are_counted_by_address_and_in_all(tally: Tally) -> None:
    assert tally.enter("192.0.2.1") == (1, 1)
    assert tally.enter("192.0.2.1") == (2, 2)
    assert tally.enter("2001:db8::1") == (3, 1)
    tally.leave("192.0.2.1")
    assert tally.enter("192.0.2.1") == (3, 2)
    assert tally.connections() == 3


def test_recipients_are_counted_by_the_hour(tally: Tally) -> None:
    assert [tally.recipient("192.0.2.1", 7) for _ in range(3)] == [1, 2, 3]
    assert tally.recipient("192.0.2.2", 7) == 1
    assert tally.recipient("192.0.2.1", 8) == 1


def test_processes_see_each_other(table: int) -> None:
    one, other = shared(table, 0), shared(table, 1)
    one.enter("192.0.2.1")
    assert other.enter("192.0.2.1") == (2, 2)
    assert one.connections() == 2
    one.recipient("192.0.2.1", 7)
    assert other.recipient("192.0.2.1", 7) == 2


def test_what_another_process_counted_an_hour_ago_does_not_count(table: int) -> None:
    one, other = shared(table, 0), shared(table, 1)
    one.recipient("192.0.2.1", 7)
    assert other.recipient("192.0.2.1", 8) == 1


def test_the_row_of_a_dead_process_is_cleared(table: int) -> None:
    dead, living = shared(table, 0), shared(table, 1)
    dead.enter("192.0.2.1")
    clear_row(table, 0)
    assert living.enter("192.0.2.1") == (1, 1)


def test_a_process_without_a_row_sees_all_connections(table: int) -> None:
    shared(table, 0).enter("192.0.2.1")
    shared(table, 1).enter("192.0.2.2")
    assert open_connections(table, 2) == 2
