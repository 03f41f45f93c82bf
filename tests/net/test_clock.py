"""The one clock and source of randomness."""

from pratique.net.clock import SystemClock


def test_the_clock_is_of_this_century_and_goes_forward() -> None:
    clock = SystemClock()
    assert 1_700_000_000_000 < clock.now_ms() < 4_000_000_000_000
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_randomness_has_its_length_and_does_not_repeat() -> None:
    clock = SystemClock()
    drawn = {clock.random(16) for _ in range(100)}
    assert len(drawn) == 100
    assert {len(d) for d in drawn} == {16}
