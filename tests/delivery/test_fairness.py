"""Who gets the next connection."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.fairness import Fairness
from pratique.delivery.settings import FairnessSettings


def test_a_small_domain_does_not_wait_behind_a_large_one() -> None:
    fairness = Fairness()
    fairness.due("large.example", 1_000_000)
    fairness.due("small.example", 1)
    assert [fairness.take() for _ in range(3)] == ["large.example", "small.example", "large.example"]


def test_turns_go_round_by_who_was_served_longest_ago() -> None:
    fairness = Fairness()
    for name in ("a", "b", "c"):
        fairness.due(name, 100)
    taken = [fairness.take() for _ in range(9)]
    assert taken == ["a", "b", "c"] * 3


def test_no_more_connections_than_due_recipients() -> None:
    fairness = Fairness()
    fairness.due("a", 2)
    assert [fairness.take(), fairness.take(), fairness.take()] == ["a", "a", None]


def test_a_destination_may_have_a_limit_of_its_own() -> None:
    own = {"a": 1}
    fairness = Fairness(FairnessSettings(per_destination_max=3, total_max=9), lambda name: own.get(name, 0))
    fairness.due("a", 100)
    fairness.due("b", 100)
    assert Counter(fairness.take() for _ in range(5)) == {"a": 1, "b": 3, None: 1}
    own["a"] = 2  # another configuration: from the next turn on
    fairness.due("a", 100)
    assert fairness.take() == "a"


def test_limits_hold_per_destination_and_in_total() -> None:
    fairness = Fairness(FairnessSettings(per_destination_max=3, total_max=5))
    fairness.due("a", 100)
    fairness.due("b", 100)
    taken = Counter(fairness.take() for _ in range(6))
    assert taken == {"a": 3, "b": 2, None: 1}
    assert fairness.open_total == 5


def test_a_closed_connection_makes_room() -> None:
    fairness = Fairness(FairnessSettings(per_destination_max=1, total_max=1))
    fairness.due("a", 5)
    assert fairness.take() == "a"
    assert fairness.take() is None
    fairness.closed("a")
    assert fairness.take() == "a"


def test_a_destination_with_nothing_due_is_forgotten() -> None:
    fairness = Fairness(FairnessSettings(destinations_max=1))
    assert fairness.due("a", 1)
    assert not fairness.due("b", 1)  # no room: the caller asks again later
    fairness.take()
    fairness.due("a", 0)
    assert not fairness.due("b", 1)  # "a" still has a connection
    fairness.closed("a")
    assert fairness.due("b", 1)
    assert fairness.take() == "b"


def test_nothing_due_needs_no_room() -> None:
    fairness = Fairness(FairnessSettings(destinations_max=0))
    assert fairness.due("a", 0)
    assert fairness.take() is None


def test_closing_what_was_never_opened_is_our_bug() -> None:
    fairness = Fairness()
    fairness.due("a", 1)
    with pytest.raises(AssertionError):
        fairness.closed("a")


steps = st.lists(st.tuples(st.sampled_from(["due", "take", "close"]), st.sampled_from("abc"), st.integers(0, 4)))


@given(steps)
def test_limits_hold_whatever_happens(history: list[tuple[str, str, int]]) -> None:
    settings = FairnessSettings(per_destination_max=2, total_max=4)
    fairness = Fairness(settings)
    open_: Counter[str] = Counter()
    due: Counter[str] = Counter()
    for what, name, count in history:
        if what == "due":
            fairness.due(name, count)
            due[name] = count
        elif what == "take":
            taken = fairness.take()
            wanting = [n for n in "abc" if open_[n] < min(due[n], 2)]
            assert (taken in wanting) if wanting and sum(open_.values()) < 4 else taken is None
            if taken is not None:
                open_[taken] += 1
        elif open_[name]:
            fairness.closed(name)
            open_[name] -= 1
        assert fairness.open_total == sum(open_.values())
