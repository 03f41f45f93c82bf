"""Counters over a reset, over lives, and as rates."""

import json

import pytest

from pratique.telemetry.lives import Lives, Totals

START = 1_795_490_000_000


def test_what_was_counted_before_a_start_belongs_to_the_lifetime() -> None:
    values = {"received": 5.0}
    first = Lives(lambda: values, "", now_ms=START)
    assert first.totals("received") == Totals(5, 5, 5)
    second = Lives(lambda: {"received": 2.0}, first.text(), now_ms=START + 9)
    assert second.totals("received") == Totals(7, 2, 7)
    assert second.totals("never heard of") == Totals(0, 0, 0)


def test_a_reset_lasts_over_a_start() -> None:
    values = {"received": 5.0}
    first = Lives(lambda: values, "", now_ms=START)
    assert first.reset_ms == 0
    first.reset(START + 1_000)
    values["received"] = 8.0
    assert first.totals("received") == Totals(3, 8, 8)
    second = Lives(lambda: {"received": 1.0}, first.text(), now_ms=START + 9)
    assert second.totals("received") == Totals(4, 1, 9)
    assert second.reset_ms == START + 1_000


@pytest.mark.parametrize(
    "kept", ["no json", "[]", '{"lifetime": 7}', '{"lifetime": {"received": "x"}, "reset_ms": "x"}']
)
def test_what_cannot_be_read_counts_as_nothing(kept: str) -> None:
    lives = Lives(lambda: {"received": 1.0}, kept, now_ms=START)
    assert (lives.totals("received"), lives.reset_ms) == (Totals(1, 1, 1), 0)
    assert json.loads(lives.text())["lifetime"] == {"received": 1}


def test_rates_are_extrapolated_to_an_hour() -> None:
    """The example of the reference manual: 100 recipients in one minute."""
    values = {"delivered": 0.0}
    lives = Lives(lambda: values, "", now_ms=START)
    now = START
    for _ in range(100):
        now += 10_000
        lives.sample(now)
    values["delivered"] = 100.0
    assert lives.rates("delivered", now) == (6000, 1200, 400)
    for _ in range(7):
        now += 10_000
        lives.sample(now)
    assert lives.rates("delivered", now) == (0, 1200, 400)
    for _ in range(90):
        now += 10_000
        lives.sample(now)
    assert lives.rates("delivered", now) == (0, 0, 0)


def test_a_young_life_counts_whole() -> None:
    lives = Lives(lambda: {"delivered": 10.0}, "", now_ms=START)
    assert lives.rates("delivered", START + 30_000) == (600, 120, 40)
