"""The values that a link and its session share."""

from pratique.runner.link_items import Ended, Health, Item
from pratique.transfer.messages import SealedGroup

GROUP = SealedGroup("ab" * 16 + ".1", b"", b"{}", "00" * 32, 5)


def test_an_item_may_be_sent_unless_it_says_that_its_intent_is_missing() -> None:
    assert Item("ab" * 16, 1, 7, (0,), GROUP, 12, b"hello").intended
    assert not Item("ab" * 16, 1, 7, (0,), GROUP, 12, None, intended=False).intended


def test_a_destination_that_was_never_tried_is_neither_up_nor_down() -> None:
    assert (Health().up, Health().next_attempt_ms) == (None, 0)


def test_an_end_is_no_refusal_unless_it_says_so() -> None:
    assert (Ended(good=False).refused, Ended(good=True).pause_seconds) == (False, 0.0)


def test_an_address_is_written_so_that_its_port_can_be_told_from_it() -> None:
    health = Health()
    health.attempt("192.0.2.1", 7025)
    assert health.address == "192.0.2.1:7025"
    health.attempt("2001:db8::1", 25)
    assert health.address == "[2001:db8::1]:25"
