"""Events are values: equal when they say the same, and not to be changed on their way."""

import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest

from pratique.smtp import events


def test_the_two_unions_name_every_event_once() -> None:
    classes = {
        value for value in vars(events).values() if inspect.isclass(value) and value.__module__ == events.__name__
    }
    server, client = get_args(events.ServerEvent), get_args(events.ClientEvent)
    assert {*server, *client} == classes
    assert not {*server} & {*client}


def test_events_are_frozen_values() -> None:
    for event in (*get_args(events.ServerEvent), *get_args(events.ClientEvent)):
        assert is_dataclass(event) and not hasattr(event(*([None] * len(fields(event)))), "__dict__")
    with pytest.raises(FrozenInstanceError):
        events.BodyEnded(1).size = 2  # type: ignore[misc]
