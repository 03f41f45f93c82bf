"""What an event must have before it can be one."""

import pytest

from pratique.telemetry import events as e
from pratique.telemetry.event import Event, rid_list


def test_an_event_without_a_text_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="the event Silent has no text"):

        class Silent(Event, frozen=True, kw_only=True):
            mid: int

    class Loud(e.Note, frozen=True, kw_only=True):  # one that is inherited will do
        pass

    assert Loud(message="x").text() == "x"


def _subclasses(cls: type) -> set[type]:
    return {cls for one in cls.__subclasses__() for cls in (one, *_subclasses(one))}


def test_all_events_can_be_had_from_one_module() -> None:
    ours = {cls for cls in _subclasses(Event) if cls.__module__.startswith("pratique.")}
    assert ours == {getattr(e, name) for name in e.__all__} - {Event, e.Condition}


def test_recipients_are_listed_as_the_contract_has_it() -> None:
    assert rid_list((0, 1)) == "[0, 1]"
