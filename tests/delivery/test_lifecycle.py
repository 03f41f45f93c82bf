"""One recipient on its way to a next hop."""

from itertools import product

import pytest

from pratique.delivery.lifecycle import TABLE, TERMINAL, Event, State, final_result, next_state


@pytest.mark.parametrize(("row", "after"), TABLE.items())
def test_the_table_is_followed(row: tuple[State, Event], after: State) -> None:
    assert next_state(*row) is after


def test_an_end_is_an_end() -> None:
    for state, event in product(TERMINAL, Event):
        with pytest.raises(KeyError):
            next_state(state, event)


def test_nothing_is_delivered_without_a_recorded_dot() -> None:
    """Else a crash could leave a duplicate that nobody can name."""
    before = {state for (state, _), after in TABLE.items() if after is State.DELIVERED}
    assert before == {State.DOT}


def test_after_a_crash_only_what_was_in_dot_is_in_doubt() -> None:
    assert next_state(State.DOT, Event.RECOVERED) is State.DUE
    with pytest.raises(KeyError):
        next_state(State.DUE, Event.RECOVERED)


def test_every_state_can_reach_an_end() -> None:
    good = set(TERMINAL)
    for _ in State:
        good |= {state for (state, _), after in TABLE.items() if after in good}
    assert good == set(State)


@pytest.mark.parametrize(
    ("states", "result"),
    [
        ([State.DELIVERED, State.FAILED, State.CANCELLED], "delivered"),
        ([State.FAILED, State.CANCELLED], "bounced"),
        ([State.CANCELLED], "dropped"),
        ([], "dropped"),
    ],
)
def test_final_result(states: list[State], result: str) -> None:
    assert final_result(states) == result


@pytest.mark.parametrize("state", [State.DUE, State.DOT])
def test_an_open_recipient_has_no_final_result(state: State) -> None:
    with pytest.raises(ValueError, match="still open"):
        final_result([State.DELIVERED, state])
