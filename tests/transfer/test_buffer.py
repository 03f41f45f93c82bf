import pytest

from pratique.transfer.buffer import Input, LineTooLong


def test_lines_and_counted_octets_come_out_as_they_went_in_whatever_the_fragments() -> None:
    source = Input()
    for octet in b"one\r\ntw\r\no":
        source.feed(bytes([octet]))
    assert source.line(10) == b"one"
    assert source.take(2) == b"tw"
    assert source.line(10) == b""
    assert source.line(10) is None
    source.feed(b"!\r")
    assert source.line(10) is None
    source.feed(b"\n")
    assert source.line(10) == b"o!"
    assert source.waiting == 0
    assert source.take(5) == b""


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    source = Input()
    source.feed(b"12345678\r\n")
    assert source.line(10) == b"12345678"
    source.feed(b"123456789\r\n")
    with pytest.raises(LineTooLong):
        source.line(10)


def test_clear_forgets_everything() -> None:
    source = Input()
    source.feed(b"abc")
    source.clear()
    assert source.waiting == 0
