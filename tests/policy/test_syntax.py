from contextlib import contextmanager

import pytest

from pratique.policy.syntax import ProgramError, Where


def test_an_error_says_filter_place_reason_and_cure():
    error = Where("hold_exe", 3, 7).error("there is no quarantine 'X'", "make it first")
    assert str(error) == "hold_exe: line 3, column 7: there is no quarantine 'X'; make it first"
    assert str(ProgramError("", 1, 2, "why", "cure")) == "line 1, column 2: why; cure"


def test_an_error_passes_through_a_context_manager():
    """contextlib sets __traceback__, which a frozen exception would refuse."""

    @contextmanager
    def around():
        yield

    with pytest.raises(ProgramError), around():
        raise ProgramError("f", 1, 1, "why", "cure")
