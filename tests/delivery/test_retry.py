"""When the next attempt is made, and when a recipient is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.retry import (
    delivery_delay_ms,
    dial_delay_ms,
    next_attempt,
    refusal_delay_ms,
    transfer_delay_ms,
)
from pratique.delivery.routes import CPQ_HOST, RELEASE_HOST
from pratique.delivery.settings import RetrySettings

MIDDLE = 0.5
DAY = 86_400_000


def test_delivery_waits_double_up_to_an_hour() -> None:
    assert [delivery_delay_ms(n, MIDDLE) // 1000 for n in range(1, 9)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert delivery_delay_ms(10**9, MIDDLE) == 3_600_000


def test_transfers_wait_5_10_to_300_s() -> None:
    assert [transfer_delay_ms(n) // 1000 for n in range(1, 9)] == [5, 10, 20, 40, 80, 160, 300, 300]


def test_dialling_waits_1_2_4_to_60_s_and_a_refusal_60() -> None:
    assert [dial_delay_ms(n, MIDDLE) // 1000 for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert refusal_delay_ms(MIDDLE) == 60_000


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_jitter_strays_a_fifth_at_most(attempts: int, jitter: float) -> None:
    for delay in (delivery_delay_ms, dial_delay_ms):
        plain = delay(attempts, MIDDLE)
        assert 0.8 * plain - 1 <= delay(attempts, jitter) <= 1.2 * plain


def test_jitter_spreads_both_ways() -> None:
    assert delivery_delay_ms(1, 0.0) == 48_000
    assert delivery_delay_ms(1, 1.0) == 72_000


@pytest.mark.parametrize("host", ["example.org", CPQ_HOST])
def test_next_attempt_follows_the_wait(host: str) -> None:
    assert next_attempt(host, attempts=1, accepted_at=0, now=5_000, jitter=MIDDLE) == 65_000


def test_a_recipient_bounces_after_three_days_or_a_hundred_tries() -> None:
    def at(now: int, attempts: int) -> int | None:
        return next_attempt("example.org", attempts=attempts, accepted_at=0, now=now, jitter=MIDDLE)

    assert at(3 * DAY - 1, 99) is not None
    assert at(3 * DAY, 99) is None
    assert at(DAY, 100) is None


def test_the_last_attempt_falls_on_the_end_of_the_stay() -> None:
    last = next_attempt("example.org", attempts=50, accepted_at=0, now=3 * DAY - 1000, jitter=MIDDLE)
    assert last == 3 * DAY


@pytest.mark.parametrize("host", [CPQ_HOST, RELEASE_HOST])
def test_mail_for_the_quarantine_waits_for_ever(host: str) -> None:
    now = 400 * DAY
    assert next_attempt(host, attempts=10_000, accepted_at=0, now=now, jitter=MIDDLE) == now + 3_600_000


def test_options_are_obeyed() -> None:
    settings = RetrySettings(initial_s=10, ceiling_s=15, jitter_percent=0, tries_max=2, queue_s_max=100)
    assert delivery_delay_ms(2, 1.0, settings) == 15_000
    again = next_attempt("a.example", attempts=1, accepted_at=0, now=0, jitter=0.0, settings=settings)
    assert again == 10_000
    assert next_attempt("a.example", attempts=2, accepted_at=0, now=0, jitter=0.0, settings=settings) is None


def test_a_count_of_zero_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        delivery_delay_ms(0, MIDDLE)
    with pytest.raises(AssertionError):
        dial_delay_ms(1, 1.5)
