from itertools import product

import pytest

from pratique.quarantine.lifecycle import Cause, Exit, Mark, exit_of

HELD, RELEASED, DELETED = Mark.HELD, Mark.RELEASED, Mark.DELETED


@pytest.mark.parametrize(
    ("marks", "exit_"),
    [
        ((), Exit.NONE),
        ((HELD,), Exit.NONE),
        ((RELEASED,), Exit.RELEASE),
        ((DELETED,), Exit.DELETE),
        ((RELEASED, HELD), Exit.NONE),
        ((DELETED, HELD), Exit.NONE),
        ((RELEASED, RELEASED), Exit.RELEASE),
        ((RELEASED, DELETED), Exit.DELETE),
        ((DELETED, RELEASED, RELEASED), Exit.DELETE),
    ],
)
def test_what_the_marks_mean_for_the_message(marks, exit_):
    assert exit_of(marks) is exit_


@pytest.mark.parametrize("marks", list(product(Mark, repeat=3)))
def test_over_all_marks_of_three_quarantines(marks):
    """Delivered only when released from all; never once deleted from one; undecided while one holds it."""
    found = exit_of(iter(marks))
    assert (found is Exit.RELEASE) == all(mark is RELEASED for mark in marks)
    assert (found is Exit.NONE) == (HELD in marks)
    assert found is not Exit.RELEASE or DELETED not in marks


def test_the_causes_are_the_words_of_the_log():
    assert [cause.value for cause in Cause] == ["manual", "expired", "queue full", "outbreak"]
