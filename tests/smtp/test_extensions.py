"""The extensions as a client says them: only what was offered, and no line that could hold another."""

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.smtp import extensions
from pratique.smtp.extensions import (
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    Offer,
    ehlo_lines,
    envelope_fault,
    mail_line,
    rcpt_line,
    recipient_fault,
)

ALL = Offer(dict.fromkeys(["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"], "") | {"SIZE": "1000"})
NONE = Offer({})
FULL = Envelope(
    "a@x.example",
    (Recipient("b@y.example", "NEVER", "rfc822;b@y.example"),),
    eight_bit=True,
    smtputf8=True,
    ret="FULL",
    envid="e1",
)


def test_what_ehlo_lists() -> None:
    assert ehlo_lines(size_max=7, starttls=False, smtputf8=False) == [
        "PIPELINING",
        "SIZE 7",
        "8BITMIME",
        "CHUNKING",
        "DSN",
        "ENHANCEDSTATUSCODES",
    ]
    assert ehlo_lines(size_max=7, starttls=True, smtputf8=True)[-2:] == ["SMTPUTF8", "STARTTLS"]


def test_every_parameter_checks_its_value() -> None:
    for check in (*MAIL_PARAMETERS.values(), *RCPT_PARAMETERS.values()):
        with pytest.raises(ValueError, match=" "):
            check("\x00")


def test_an_offer_is_read_from_the_ehlo_reply() -> None:
    offer = Offer.from_ehlo(Reply(250, "", "mx PIPELINING\npipelining\nSIZE 1000\nAUTH LOGIN PLAIN\n=bad\n\nSTARTTLS "))
    assert offer.keywords == {"PIPELINING", "SIZE", "AUTH", "STARTTLS"}
    assert offer.pipelining and offer.starttls and not offer.chunking and offer.size_max == 1000
    assert Offer({"SIZE": ""}).size_max == Offer({"SIZE": "x"}).size_max == NONE.size_max == 0


def test_lines_say_what_was_offered_and_nothing_else() -> None:
    assert mail_line(FULL, 9, ALL) == (b"MAIL FROM:<a@x.example> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=e1\r\n")
    assert rcpt_line(FULL.recipients[0], ALL) == b"RCPT TO:<b@y.example> NOTIFY=NEVER ORCPT=rfc822;b@y.example\r\n"
    plain = Envelope("", FULL.recipients, eight_bit=True, ret="FULL", envid="e1")
    assert mail_line(plain, 9, NONE) == b"MAIL FROM:<>\r\n"
    assert mail_line(Envelope("", ()), 9, ALL) == b"MAIL FROM:<> SIZE=9\r\n"
    assert rcpt_line(FULL.recipients[0], NONE) == b"RCPT TO:<b@y.example>\r\n"
    assert rcpt_line(Recipient("\u00fc@y.example"), ALL) == "RCPT TO:<\u00fc@y.example>\r\n".encode()


def test_what_the_server_cannot_take_is_known_beforehand() -> None:
    assert envelope_fault(FULL, 1000, ALL) is None
    assert envelope_fault(FULL, 1001, ALL) == extensions.R552_SIZE
    assert envelope_fault(FULL, 10**12, Offer({"SIZE": "0", "SMTPUTF8": ""})) is None
    assert envelope_fault(FULL, 1, NONE) == extensions.R553_UTF8


@pytest.mark.parametrize(
    "bad", ["a\r\nRCPT TO:<x@y.example>", "a@x> SIZE=1", "a b@x", "a\0@x", 'a"b@x', "\u00fc@x.example"]
)
def test_an_address_that_would_write_a_command_is_not_said(bad: str) -> None:
    assert envelope_fault(Envelope(bad, ()), 1, ALL) == extensions.R553_SENDER
    assert recipient_fault(Recipient(bad), smtputf8=False) in (extensions.R553_RECIPIENT, extensions.R553_UTF8)


def test_dsn_values_that_would_write_a_command_are_not_said() -> None:
    assert envelope_fault(Envelope("", (), envid="a b"), 1, ALL) == extensions.R553_SENDER
    for bad in (Recipient("b@y.example", "NEVER\r\n"), Recipient("b@y.example", "", "rfc822;a b"), Recipient("")):
        assert recipient_fault(bad, smtputf8=True) == extensions.R553_RECIPIENT
    assert recipient_fault(Recipient('"b c"@y.example'), smtputf8=False) is None
    assert recipient_fault(Recipient("\u00fc@y.example"), smtputf8=True) is None
