"""Events are values: equal when they say the same, and not to be changed on their way."""

import inspect
from dataclasses import fields, is_dataclass
from typing import get_args

from pratique.smtp import events


def test_the_two_unions_name_every_event_once() -> None:
    classes = {
        value for value in vars(events).values() if inspect.isclass(value) and value.__module__ == events.__name__
    }
    server, client = get_args(events.ServerEvent), get_args(events.ClientEvent)
    assert {*server, *client} == classes
    assert not {*server} & {*client}


def test_events_are_slotted_values() -> None:
    for event in (*get_args(events.ServerEvent), *get_args(events.ClientEvent)):
        assert is_dataclass(event) and not hasattr(event(*([None] * len(fields(event)))), "__dict__")
    assert len({events.BodyEnded(1), events.BodyEnded(1)}) == 1
