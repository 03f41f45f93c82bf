import hashlib

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.transfer.group import parse_mail, parse_recipient
from pratique.transfer.seal import seal_of, sealed_group
from tests.transfer.support import xid


def test_the_seal_covers_command_lines_and_metadata() -> None:
    assert seal_of(b"MAIL\r\nRCPT\r\n", b"{}") == hashlib.sha256(b"MAIL\r\nRCPT\r\n{}").hexdigest()


def test_what_is_sealed_is_what_the_receiver_reads() -> None:
    envelope = Envelope(
        "\u00f6@example.org",
        (Recipient("b@example.com", "FAILURE", "rfc822;b@example.com"), Recipient("c@example.com")),
        eight_bit=True,
        smtputf8=True,
        ret="HDRS",
        envid="q1",
    )
    group = sealed_group(xid=xid(1), envelope=envelope, size=5, sha256="e" * 64, seq=9, metadata=b"{}")
    mail_line, *rcpts, rest = group.command_octets.split(b"\r\n")
    mail = parse_mail(mail_line)
    assert rest == b""
    assert mail is not None
    assert (mail.sender, mail.eight_bit, mail.smtputf8, mail.ret, mail.envid) == (
        envelope.sender,
        True,
        True,
        "HDRS",
        "q1",
    )
    assert tuple(parse_recipient(line, utf8=True) for line in rcpts) == envelope.recipients
    assert group.seal == seal_of(group.command_octets, b"{}")


def test_what_is_not_given_is_not_written() -> None:
    envelope = Envelope("", (Recipient("b@example.com"),))
    group = sealed_group(xid=xid(1), envelope=envelope, size=0, sha256="e" * 64, seq=9, metadata=b"")
    assert group.command_octets == (
        f"MAIL FROM:<> SIZE=0 XQXID={xid(1)} XQSHA256={'e' * 64} XQSEQ=9\r\nRCPT TO:<b@example.com>\r\n".encode()
    )


@pytest.mark.parametrize(
    ("recipient", "utf8"),
    [
        (Recipient('"a > b \\" c"@example.com'), False),
        (Recipient("b@[IPv6:2001:db8::1]", "DELAY,DELAY"), False),
        (Recipient("postmaster", "NEVER"), False),
        (Recipient("b@example.com", "", "x!y;a+2Bb"), False),
        (Recipient("b@example.com", "", "utf-8;a\\x{F6}@example.com"), False),
        (Recipient("\u00f6@example.com", "SUCCESS,FAILURE,DELAY", "utf-8;\u00f6@example.com"), True),
        (Recipient("b@example.com", "", "utf-8;" + "\U0001f600" * 400), True),
    ],
)
def test_whatever_smtp_takes_passes_unchanged(recipient: Recipient, utf8: bool) -> None:
    envelope = Envelope("", (recipient,), smtputf8=utf8)
    group = sealed_group(xid=xid(1), envelope=envelope, size=0, sha256="e" * 64, seq=9, metadata=b"")
    line = group.command_octets.split(b"\r\n")[1]
    assert parse_recipient(line, utf8=utf8) == recipient
    if not line.isascii():
        assert parse_recipient(line, utf8=False) is None


def test_a_line_end_in_the_envelope_cannot_become_a_command() -> None:
    for address in ("b@example.com>\r\nRCPT TO:<c@example.com", "b\n@example.com", "b\r@example.com"):
        with pytest.raises(ValueError, match="line end"):
            sealed_group(
                xid=xid(1),
                envelope=Envelope("", (Recipient(address),)),
                size=0,
                sha256="e" * 64,
                seq=9,
                metadata=b"",
            )
