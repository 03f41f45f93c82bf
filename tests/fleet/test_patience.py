"""When the next exchange is due."""

from pratique.fleet.patience import LONGEST_SECONDS, PERIOD_SECONDS, Patience


def test_a_peer_that_does_not_answer_is_asked_later_and_later_but_not_later_than_that() -> None:
    patience, waits = Patience(), []
    for _ in range(8):
        patience.failed(100.0)
        waits.append(patience.due - 100.0)
    assert waits == [1, 2, 4, 8, 16, LONGEST_SECONDS, LONGEST_SECONDS, LONGEST_SECONDS]


def test_without_a_change_there_is_a_period_and_a_change_ends_it() -> None:
    patience = Patience()
    patience.succeeded(100.0)
    assert patience.due == 100.0 + PERIOD_SECONDS
    patience.hurry(101.0)
    assert patience.due == 101.0


def test_a_change_does_not_hurry_a_peer_that_does_not_answer_but_its_own_word_does() -> None:
    patience = Patience()
    patience.failed(100.0)
    patience.failed(100.0)
    patience.hurry(100.5)
    assert patience.due == 102.0
    patience.back(100.5)
    assert (patience.due, patience.failures) == (100.5, 0)
