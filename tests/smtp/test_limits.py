"""Limits: each has a default that works and a reason a person can read."""

from dataclasses import fields

from pratique.smtp.limits import Limits, ServerSettings


def test_every_limit_is_positive_and_explained() -> None:
    for limit in fields(Limits):
        assert limit.default > 0
        assert limit.metadata["doc"].endswith(".")


def test_the_minimum_of_the_standard_is_met() -> None:
    limits = Limits()
    assert limits.recipients_max >= 100  # RFC 5321 §4.5.3.1.8
    assert limits.command_bytes_max >= 512  # RFC 5321 §4.5.3.1.4
    assert limits.message_bytes_max >= 65_536  # RFC 5321 §4.5.3.1.7
    assert limits.command_seconds >= 300  # RFC 5321 §4.5.3.2.7
    assert limits.data_seconds >= 180  # RFC 5321 §4.5.3.2.5
    assert ServerSettings().bare_newlines == "refuse"
