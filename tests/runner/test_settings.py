"""The options that both roles share."""

from dataclasses import fields

import pytest

from pratique.runner.settings import CpqSettings, DeliverySettings


@pytest.mark.parametrize("settings", [CpqSettings, DeliverySettings])
def test_every_option_says_what_it_is_for(settings: type) -> None:
    for option in fields(settings):
        assert len(option.metadata["doc"]) > 10, option.name


def test_defaults_are_those_of_the_contract() -> None:
    assert (CpqSettings().port, CpqSettings().address) == (7025, "0.0.0.0")
    delivery = DeliverySettings()
    assert (delivery.idle_seconds, delivery.tls, delivery.hops_max) == (5.0, "may", 100)
