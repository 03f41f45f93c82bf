import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.transfer import grammar
from tests.transfer.support import xid

TAIL = f"SIZE=5 XQXID={xid(7)} XQSHA256={'e' * 64} XQSEQ=1".encode()


@pytest.mark.parametrize(
    "head",
    [
        b"MAIL FROM:<> ",
        b"MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8 ",
        b'MAIL FROM:<"a > b"@b.example> SMTPUTF8 ',
        b'MAIL FROM:<"a\\"b"@b.example> ',
    ],
)
def test_mail_in_its_one_order_matches(head: bytes) -> None:
    assert grammar.MAIL.match(head + TAIL)


@pytest.mark.parametrize(
    "line",
    [
        b"mail FROM:<> " + TAIL,
        b"MAIL FROM:<>  " + TAIL,
        b"MAIL FROM: <> " + TAIL,
        b"MAIL FROM:<> " + TAIL + b" ",
        b"MAIL FROM:<> SMTPUTF8 BODY=8BITMIME " + TAIL,
        b"MAIL FROM:<> BODY=7BIT " + TAIL,
        b"MAIL FROM:<> " + TAIL.replace(b"SIZE=5", b"SIZE=05"),
        b"MAIL FROM:<> " + TAIL.replace(b".1", b".01"),
        b"MAIL FROM:<> " + TAIL.replace(b".1", b".1000"),
        b"MAIL FROM:<> " + TAIL.replace(b"e" * 64, b"E" * 64),
    ],
)
def test_anything_else_does_not(line: bytes) -> None:
    assert grammar.MAIL.match(line) is None


def test_a_number_over_what_stores_hold_is_refused() -> None:
    assert grammar.number(b"9223372036854775807") == 2**63 - 1
    with pytest.raises(ValueError, match="too large"):
        grammar.number(b"9223372036854775808")


def test_an_address_loses_its_brackets_and_must_fit_the_session() -> None:
    assert grammar.address(b"<a@b.example>", utf8=False, null_allowed=False) == "a@b.example"
    assert grammar.address(b"<>", utf8=False, null_allowed=True) == ""
    for path, utf8 in (
        (b"<>", False),
        (b"<\xc3\xb6@b.example>", False),
        (b"<\xff@b.example>", True),
        (b"<@x:a@b>", False),
    ):
        with pytest.raises(ValueError):
            grammar.address(path, utf8=utf8, null_allowed=False)


def test_a_line_that_does_not_parse_has_lost_the_framing_and_is_not_echoed() -> None:
    with pytest.raises(grammar.FramingLost) as caught:
        grammar.parsed(grammar.BDAT, b"BDAT secret")
    assert "secret" not in caught.value.why


@given(st.binary(max_size=2048))
def test_no_pattern_takes_line_ends_or_nul(line: bytes) -> None:
    for pattern in (grammar.MAIL_LOOSE, grammar.RCPT_LOOSE, grammar.COMMAND, grammar.HELLO, grammar.ROW, grammar.REPLY):
        for octet in (b"\r", b"\n", b"\0"):
            assert pattern.match(line + octet) is None
