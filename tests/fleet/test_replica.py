"""Texts that are changed apart and come together: laws of the merge, and what people see."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.fleet.replica import Replica, StateUnreadable, dumps, loads, merge

MEMBERS = ("A", "B", "C")
CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from(MEMBERS),
            st.sampled_from(("cluster/text/policy", "g-1/text/policy", "m-1/contact", "m-1/group")),
            st.sampled_from(("x", "y", None)),
            st.integers(0, 3),
        ),
        st.tuples(st.just("remove"), st.sampled_from(MEMBERS), st.sampled_from(("g-1", "m-1"))),
        st.tuples(st.just("hear"), st.sampled_from(MEMBERS), st.sampled_from(MEMBERS)),
    ),
    max_size=25,
)


def history(changes: list[tuple[object, ...]]) -> dict[str, Replica]:
    """Three members that change texts and now and then hear of each other."""
    states = dict.fromkeys(MEMBERS, Replica("one"))
    for change in changes:
        match change:
            case ("put", str(who), str(name), value, int(at)):
                assert value is None or isinstance(value, str)
                states[who] = states[who].put(name, value, member=who, by="", at_ms=at)
            case ("remove", str(who), str(owner)):
                states[who] = states[who].remove(owner)
            case ("hear", str(who), str(other)):
                states[who] = merge(states[who], states[other])
    return states


@given(CHANGES)
def test_the_order_in_which_states_come_together_does_not_matter(changes: list[tuple[object, ...]]) -> None:
    a, b, c = history(changes).values()
    assert merge(a, b) == merge(b, a)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)
    assert merge(merge(a, b), c).digest() == merge(c, merge(b, a)).digest()


@given(CHANGES)
def test_a_state_is_itself_again_after_a_journey(changes: list[tuple[object, ...]]) -> None:
    for state in history(changes).values():
        assert loads(dumps(state)) == state


@given(CHANGES)
def test_a_change_that_knows_all_others_ends_every_conflict(changes: list[tuple[object, ...]]) -> None:
    a, b, c = history(changes).values()
    whole = merge(merge(a, b), c)
    for name in whole.conflicts():
        whole = whole.put(name, "chosen", member="B", by="admin", at_ms=0)
        assert whole.get(name) == "chosen"
    assert whole.conflicts() == []
    for older in (a, b, c):
        assert merge(whole, older) == whole


def put(state: Replica, member: str, value: str | None, at_ms: int = 5) -> Replica:
    return state.put("cluster/text/policy", value, member=member, by="p", at_ms=at_ms)


def test_changes_made_apart_are_both_kept_and_the_later_one_is_in_force_everywhere() -> None:
    base = put(Replica("one"), "A", "base")
    left, right = put(base, "A", "left", 7), put(base, "B", "right", 6)
    for both in (merge(left, right), merge(right, left)):
        assert both.conflicts() == ["cluster/text/policy"]
        assert both.get("cluster/text/policy") == "left"
        assert {v.value for v in both.registers["cluster/text/policy"]} == {"left", "right"}


def test_a_change_that_follows_another_replaces_it_without_a_word_whatever_the_clocks_say() -> None:
    base = put(Replica("one"), "A", "base", 9_000)
    assert merge(base, put(base, "B", "new", 1)).get("cluster/text/policy") == "new"
    assert merge(base, put(base, "B", "new", 1)).conflicts() == []


def test_two_who_write_the_same_apart_have_no_conflict() -> None:
    base = put(Replica("one"), "A", "base")
    assert merge(put(base, "A", "same"), put(base, "B", "same", 7)).conflicts() == []


def test_changes_of_different_texts_come_together_without_a_word() -> None:
    base = Replica("one")
    left, right = put(base, "A", "left"), base.put("cluster/name", "n", member="B", by="", at_ms=1)
    both = merge(left, right)
    assert (both.get("cluster/text/policy"), both.get("cluster/name"), both.conflicts()) == ("left", "n", [])


def test_what_was_removed_stays_so_whoever_changed_it_meanwhile() -> None:
    base = Replica("one").put("m-1/group", "g-1", member="A", by="", at_ms=1)
    base = base.put("m-1/contact", "c", member="A", by="", at_ms=1)
    both = merge(base.remove("m-1"), base.put("m-1/group", "g-2", member="B", by="", at_ms=99))
    assert both.get("m-1/group") is None
    assert both.get("m-1/contact") == "c", "the others must still know whom they turn away"


def test_a_member_that_was_set_back_does_not_make_an_old_number_again() -> None:
    """Its new change would else count as one that the others have seen and replaced."""
    base = put(Replica("one"), "A", "base", 10)
    replaced = put(put(base, "A", "lost", 20), "B", "after", 30)
    assert {v.value for v in merge(replaced, put(base, "A", "again", 40)).registers["cluster/text/policy"]} == {
        "after",
        "again",
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole.pop("gone"),
        lambda whole: whole.update(format=2),
        lambda whole: whole.update(gone=[1]),
        lambda whole: whole.update(registers=[]),
        lambda whole: whole["registers"].update(x=[]),
        lambda whole: whole["registers"].update(x=[[[["A", 0]], "v", "", 1]]),
        lambda whole: whole["registers"].update(x=[[[["A", True]], "v", "", 1]]),
        lambda whole: whole["registers"].update(x=[[[["A", 1]], 3, "", 1]]),
        lambda whole: whole["registers"].update(x=[[[["A", 1]], "v", "", -1]]),
        lambda whole: whole["registers"].update(x=["", 1, 2]),
    ],
)
def test_octets_that_are_no_state_are_refused(change: Callable[[dict[str, object]], object]) -> None:
    whole = json.loads(dumps(put(Replica("one"), "A", "x")))
    change(whole)
    with pytest.raises(StateUnreadable):
        loads(json.dumps(whole))


def test_text_that_is_not_json_and_states_of_two_clusters_are_refused() -> None:
    for text in ("", "{", "[" * 100_000, "null"):
        with pytest.raises(StateUnreadable):
            loads(text)
    with pytest.raises(StateUnreadable, match="another cluster"):
        merge(Replica("one"), Replica("two"))
