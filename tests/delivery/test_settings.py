"""Every option of the queue says what it is for."""

from dataclasses import fields

import pytest

from pratique.delivery.settings import BounceSettings, FairnessSettings, RetrySettings


@pytest.mark.parametrize("settings", [RetrySettings, BounceSettings, FairnessSettings])
def test_options_are_documented(settings: type) -> None:
    for option in fields(settings):
        assert option.metadata["doc"].endswith("."), option.name


def test_defaults_are_those_of_the_field() -> None:
    retry = RetrySettings()
    assert (retry.initial_s, retry.ceiling_s, retry.tries_max, retry.queue_s_max) == (60, 3600, 100, 259_200)
    assert (FairnessSettings().per_destination_max, FairnessSettings().total_max) == (20, 200)
    assert BounceSettings().delay_warning is False
