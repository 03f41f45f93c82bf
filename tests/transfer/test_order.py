import pytest

from pratique.transfer.order import ReplyOrder


def test_replies_leave_in_unit_order_and_plain_ones_wait_behind_an_undecided_unit() -> None:
    order = ReplyOrder()
    first, second = order.open("a", 10), order.open("b", 20)
    order.say(b"plain b\r\n")
    order.decide(second, b"B\r\n")
    assert order.take() == b""
    order.decide(first, b"A\r\n")
    assert order.take() == b"A\r\nplain b\r\nB\r\n"
    assert (order.open_units, order.octets) == (0, 0)


def test_plain_replies_of_the_oldest_unit_leave_at_once() -> None:
    order = ReplyOrder()
    order.open("a", 1)
    order.say(b"plain\r\n")
    assert order.take() == b"plain\r\n"


def test_octets_of_open_units_are_counted() -> None:
    order = ReplyOrder()
    first = order.open("a", 10)
    order.grow(5)
    order.open("b", 7)
    assert order.octets == 22
    order.decide(first, b"")
    assert order.octets == 7


def test_nothing_follows_a_reply_that_ends_the_session() -> None:
    order = ReplyOrder()
    first, second, third = order.open("a", 1), order.open("b", 1), order.open("c", 1)
    order.decide(third, b"C\r\n")
    order.decide(second, b"421\r\n", ends=True)
    order.decide(first, b"A\r\n")
    assert order.take() == b"A\r\n421\r\n"
    assert order.ended
    assert order.xid_of(third) is None
    order.end(b"again\r\n")
    assert order.take() == b""


def test_a_unit_is_known_by_its_id_while_it_is_open() -> None:
    order = ReplyOrder()
    unit = order.open("a", 1)
    assert order.xid_of(unit) == "a"
    order.decide(unit, b"A")
    assert order.xid_of(unit) is None


def test_answering_twice_is_our_own_defect() -> None:
    order = ReplyOrder()
    order.open("a", 1)
    second = order.open("b", 1)
    order.decide(second, b"B")
    with pytest.raises(AssertionError):
        order.decide(second, b"B")
