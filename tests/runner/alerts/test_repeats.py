"""Nobody is flooded, and nobody is left in the dark."""

import pytest

from pratique.runner.alerts.repeats import KEYS_MAX, TABLE, Act, Input, Repeats, State, Told


def test_the_table_has_an_answer_for_everything() -> None:
    assert set(TABLE) == {(state, said) for state in State for said in Input}
    assert {act for _, act in TABLE.values()} == set(Act)


def test_the_first_is_told_at_once_and_the_rest_when_the_interval_is_over() -> None:
    repeats = Repeats(300, 3600)
    assert repeats.raised("disk:", 0) == Told("disk:", over=False, more=0)
    assert [repeats.raised("disk:", at) for at in (1, 2, 299)] == [None, None, None]
    assert repeats.due(299.9) == []
    assert repeats.next_at() == 300
    assert repeats.due(300) == [Told("disk:", over=False, more=3)]
    assert repeats.due(301) == []


def test_intervals_double_up_to_the_longest() -> None:
    repeats, now, waits = Repeats(300, 3600), 0.0, []
    repeats.raised("x:", now)
    for _ in range(6):
        repeats.raised("x:", now + 1)
        after = repeats.next_at()
        assert after is not None
        waits.append(after - now)
        now = after
        assert repeats.due(now) == [Told("x:", over=False, more=1)]
    assert waits == [300, 600, 1200, 2400, 3600, 3600]


def test_what_was_quiet_for_long_begins_anew() -> None:
    repeats = Repeats(300, 3600)
    repeats.raised("x:", 0)
    repeats.due(300)
    assert repeats.raised("x:", 400) is not None  # told at once, its interval is over; the next one is doubled
    assert repeats.next_at() == 1000
    repeats.due(1000)
    assert repeats.raised("x:", 1000 + 3600) is not None
    assert repeats.next_at() == 4600 + 300


def test_an_end_is_told_once_and_only_when_the_trouble_was() -> None:
    repeats = Repeats(300, 3600)
    assert repeats.ended("x:", 0) is None
    repeats.raised("x:", 1)
    assert repeats.holds("x:")
    assert repeats.ended("x:", 2) == Told("x:", over=True, more=0)
    assert repeats.ended("x:", 3) is None
    assert not repeats.holds("x:")


@pytest.mark.parametrize("hours", [1, 5])
def test_flapping_is_bounded(hours: int) -> None:
    repeats, told = Repeats(300, 3600), 0
    for second in range(hours * 3600):
        said = repeats.raised("x:", second) if second % 2 else repeats.ended("x:", second)
        told += (said is not None) + len(repeats.due(second))
    assert 4 <= told <= 8 + 2 * hours


def test_one_trouble_does_not_hide_another() -> None:
    repeats = Repeats(300, 3600)
    repeats.raised("link:A", 0)
    assert repeats.raised("link:B", 1) is not None


def test_memory_is_bounded() -> None:
    repeats = Repeats(300, 3600)
    for number in range(KEYS_MAX + 50):
        repeats.raised(f"k:{number}", number)
    assert len(repeats._known) == KEYS_MAX
    assert not repeats.holds("k:0")
    assert repeats.holds(f"k:{KEYS_MAX + 49}")


def test_new_intervals_hold_from_the_next_one_on() -> None:
    repeats = Repeats(300, 3600)
    repeats.raised("x:", 0)
    repeats.use(10, 20)
    assert repeats.next_at() == 300
    repeats.raised("y:", 0)
    assert repeats.next_at() == 10
