import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.envelope import Recipient
from pratique.transfer.grammar import FramingLost
from pratique.transfer.group import CHUNKS_MAX, BareOctets, GroupReader, parse_mail, parse_recipient
from pratique.transfer.messages import V_BARE, V_DIGEST, V_PARAMETER, Limits
from tests.transfer.support import make_group, xid

BODY = b"a\r\nbc"


def read(body: bytes = BODY, *, limits: Limits | None = None) -> GroupReader:
    """A group read up to its metadata."""
    sealed = make_group(1, body)
    group = GroupReader(limits=limits or Limits())
    mail, rcpt, _ = sealed.command_octets.split(b"\r\n")
    group.mail(mail, odd_hops=True, not_now=None)
    group.recipient(rcpt)
    group.metadata(sealed.metadata, version=1, seal=sealed.seal)
    return group


def test_mail_gives_the_whole_envelope() -> None:
    line = (
        f"MAIL FROM:<a@b.example> BODY=8BITMIME SMTPUTF8 SIZE=5 RET=HDRS ENVID=q+2B1 XQXID={xid(1)} "
        f"XQSHA256={'e' * 64} XQSEQ=9"
    ).encode()
    mail = parse_mail(line)
    assert mail is not None
    assert (mail.sender, mail.eight_bit, mail.smtputf8, mail.ret, mail.envid, mail.seq, mail.size) == (
        "a@b.example",
        True,
        True,
        "HDRS",
        "q+2B1",
        9,
        5,
    )


def test_rcpt_keeps_its_dsn_parameters_as_they_stood() -> None:
    line = b"RCPT TO:<b@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2B@example.com"
    assert parse_recipient(line, utf8=False) == Recipient("b@example.com", "SUCCESS,DELAY", "rfc822;b+2B@example.com")
    assert parse_recipient(b"RCPT TO:<b@example.com> NOTIFY=NEVER,DELAY", utf8=False) is None


def test_a_whole_group_gives_what_was_sealed() -> None:
    group = read()
    group.chunk_begins(5)
    assert group.body(BODY[:2])
    assert group.body(BODY[2:])
    group.last_chunk_ended()
    sealed, found = make_group(1, BODY), group.finished()
    assert (found.command_octets, found.metadata, found.seal) == (
        sealed.command_octets,
        sealed.metadata,
        sealed.seal,
    )
    assert found.envelope.recipients == (Recipient("r0@example.com"),)


def test_the_first_fault_stays() -> None:
    group = read(b"a\nb")
    group.chunk_begins(4)
    assert group.fault is V_DIGEST  # over SIZE
    assert not group.body(b"a\nb\n")
    group.last_chunk_ended()
    assert group.fault is V_DIGEST
    spoilt = GroupReader(limits=Limits())
    spoilt.mail(b"MAIL FROM:<> X=1", odd_hops=True, not_now=None)
    spoilt.recipient(b"RCPT TO:<b@example.com>")
    spoilt.metadata(b"", version=1, seal="0" * 64)
    spoilt.chunk_begins(9)
    assert (spoilt.fault, spoilt.xid) == (V_PARAMETER, "-")


def test_a_carriage_return_at_the_very_end_is_bare() -> None:
    group = read(b"a\r")
    group.chunk_begins(2)
    assert group.body(b"a\r")  # a LF might follow
    group.last_chunk_ended()
    assert group.fault is V_BARE


def test_what_a_refused_group_may_still_send_is_bounded() -> None:
    group = read(limits=Limits(message_bytes=10))
    with pytest.raises(FramingLost, match="twice"):
        group.chunk_begins(21)
    group = read()
    with pytest.raises(FramingLost, match="too many BDAT"):
        for _ in range(CHUNKS_MAX + 1):
            group.chunk_begins(0)
    group = GroupReader(limits=Limits(recipients=2))
    group.mail(b"MAIL FROM:<> X=1", odd_hops=True, not_now=None)
    with pytest.raises(FramingLost, match="too many RCPT"):
        for _ in range(5):
            group.recipient(b"RCPT TO:<b@example.com>")


def is_bare(body: bytes) -> bool:
    rest = body.replace(b"\r\n", b"")
    return any(octet in rest for octet in b"\r\n\0")


@given(st.lists(st.binary(max_size=6) | st.text("\r\n\0ax", max_size=8).map(str.encode), max_size=8))
def test_bare_octets_are_found_wherever_the_chunks_end(chunks: list[bytes]) -> None:
    bare = BareOctets()
    found = any(bare.found_in(chunk) for chunk in chunks) or bare.found_at_end()
    assert found == is_bare(b"".join(chunks))
