"""The events are values; that each end tells the right ones is tested with the ends."""

from typing import get_args

import pytest

from pratique.transfer import events


@pytest.mark.parametrize("kind", [*get_args(events.ServerEvent), *get_args(events.ClientEvent)])
def test_every_event_is_a_slotted_value(kind: type) -> None:
    assert kind.__dataclass_params__.unsafe_hash  # type: ignore[attr-defined]
    assert "__slots__" in vars(kind)


def test_no_event_is_missing_from_the_unions() -> None:
    told = {*get_args(events.ServerEvent), *get_args(events.ClientEvent)}
    declared = {v for v in vars(events).values() if isinstance(v, type) and v.__module__ == events.__name__}
    assert told == declared


def test_an_end_is_no_refusal_unless_it_says_so() -> None:
    ended = events.ClientEnded("closed by peer")
    assert (ended.keyword, ended.refused) == ("", False)
    assert events.ServerEnded(clean=True) != events.ServerEnded(clean=False)
