"""The options of the gateway role."""

from dataclasses import fields

import pytest

from pratique.gateway.settings import GatewaySettings, HostAccess, Listener, RecipientAccess, VirusSettings


@pytest.mark.parametrize("settings", [GatewaySettings, HostAccess, Listener, RecipientAccess, VirusSettings])
def test_every_option_says_what_it_is_for(settings: type) -> None:
    for option in fields(settings):
        assert len(option.metadata["doc"]) > 5, option.name


def test_defaults_are_safe() -> None:
    listener = Listener()
    assert (listener.kind, listener.bare_newlines, listener.tls, listener.recipients) == ("public", "refuse", "may", ())
    assert GatewaySettings().judge_deadline_seconds == 5.0
    assert VirusSettings().builtin
