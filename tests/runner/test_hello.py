"""What two appliances conclude from a hello."""

from dataclasses import replace

import pytest

from pratique.runner.hello import (
    CLOCK_DIFFERENCE_MS_MAX,
    Compared,
    Memory,
    clocks_differ,
    compare,
    held_as,
    set_back_text,
)
from pratique.transfer.messages import Hello, Keyword
from tests.conformance.samples import peer

HELLO = Hello("GATEWAY0000000000001", "5c" * 16, inc=2, seq=50, peer_inc=3, peer_seq=70, at_ms=1_000_000)
ME = Memory(3, 70)
BEFORE = Memory(2, 50)


def _compare(**fields: int) -> Compared:
    return compare(me=ME, peer_before=BEFORE, hello=replace(HELLO, **fields))


def test_equal_memories_agree() -> None:
    assert _compare() == Compared(here=False, there=False)


def test_a_peer_that_went_on_is_no_matter() -> None:
    assert _compare(seq=51) == Compared(here=False, there=False)
    assert _compare(inc=3, seq=1) == Compared(here=False, there=False)


def test_whoever_knows_less_of_me_than_i_do_is_no_matter() -> None:
    assert _compare(peer_seq=0, peer_inc=0) == Compared(here=False, there=False)


@pytest.mark.parametrize("fields", [{"peer_seq": 71}, {"peer_inc": 4, "peer_seq": 0}])
def test_a_peer_that_remembers_more_of_me_than_i_know_says_that_i_was_set_back(fields: dict[str, int]) -> None:
    assert _compare(**fields) == Compared(here=True, there=False)


@pytest.mark.parametrize("fields", [{"seq": 49}, {"inc": 1, "seq": 9_999}])
def test_a_peer_that_states_less_than_i_remember_was_set_back(fields: dict[str, int]) -> None:
    assert _compare(**fields) == Compared(here=False, there=True)


def test_both_may_have_been_set_back() -> None:
    assert _compare(peer_seq=71, seq=49) == Compared(here=True, there=True)


def test_a_set_back_that_waits_is_named_in_every_hello_until_it_is_accepted() -> None:
    assert held_as(peer()) is None
    assert held_as(peer(set_back_there=True)) is Keyword.ROLLED
    assert held_as(peer(set_back_here=True)) is Keyword.RECON
    assert held_as(peer(set_back_here=True, set_back_there=True)) is Keyword.RECON


def test_the_alarm_gives_the_numbers_to_compare_and_the_cure() -> None:
    here = set_back_text(peer(set_back_here=True), HELLO, ME)
    assert "XQRECON" in here and "incarnation 3 number 70" in here and "--accept-setback" in here
    there = set_back_text(peer(set_back_there=True, inc=2, seq=99), HELLO, ME)
    assert "XQROLLED" in there and "number 99" in there and "says 2 number 50" in there and "--accept-setback" in there


def test_clocks_may_differ_by_five_minutes() -> None:
    at = HELLO.at_ms
    assert CLOCK_DIFFERENCE_MS_MAX == 300_000
    assert not clocks_differ(HELLO, at + 300_000)
    assert not clocks_differ(HELLO, at - 300_000)
    assert clocks_differ(HELLO, at + 300_001)
    assert clocks_differ(HELLO, at - 300_001)
