"""Client and server together: what goes in at one end comes out at the other, whatever is offered and however split."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import R250_OK, R451_LOCAL, R550_RECIPIENT_REFUSED, Reply
from pratique.smtp import server as server_module
from pratique.smtp.events import BodyEnded, ConnectionEnded, MessageAnswered, RcptGiven, Ready, ServerEvent
from pratique.smtp.limits import Limits
from pratique.smtp.server import ServerSettings
from tests.smtp.dialogue import accept
from tests.smtp.pair import ConnectionPair

ENVELOPE = Envelope("a@example.org", (Recipient("b@example.net"), Recipient("c@example.net")), eight_bit=True)
BODY = b"Subject: one\r\n\r\n.\r\n..two\r\n.three\r\nlast\r\n"


def without(monkeypatch: pytest.MonkeyPatch, *keywords: str) -> None:
    """The server offers less."""
    whole = server_module.ehlo_lines
    monkeypatch.setattr(
        server_module,
        "ehlo_lines",
        lambda **offer: [line for line in whole(**offer) if line.split(" ")[0] not in keywords],
    )


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("missing", [(), ("CHUNKING",), ("PIPELINING",), ("CHUNKING", "PIPELINING", "SIZE")])
def test_a_message_arrives_as_it_was(piece: int, missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, *missing)
    pair = ConnectionPair(piece=piece)
    pair.run()
    for _ in range(2):
        assert pair.send(ENVELOPE, BODY) == MessageAnswered((R250_OK, R250_OK), dot_sent=True)
    assert [m.body for m in pair.messages] == [BODY, BODY]
    assert [r.address for r in pair.messages[1].recipients] == ["b@example.net", "c@example.net"]
    assert pair.messages[1].mail.eight_bit
    assert pair.messages[1].mail.size == (None if "SIZE" in missing else len(BODY))
    assert (b"BDAT" in pair.wire) is ("CHUNKING" not in missing)
    pair.client.quit()
    pair.run()
    assert pair.server.ended == ConnectionEnded(clean=True, reason="QUIT")


LINE = st.one_of(st.sampled_from([b"", b".", b"..", b".x"]), st.binary(max_size=9)).map(
    lambda line: line.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINE, max_size=8), ended=st.booleans(), piece=st.integers(0, 5), chunking=st.booleans())
def test_any_clean_body_arrives_as_it_was(lines: list[bytes], ended: bool, piece: int, chunking: bool) -> None:
    body = b"\r\n".join(lines) + (b"\r\n" if ended else b"")
    with pytest.MonkeyPatch.context() as monkeypatch:
        if not chunking:
            without(monkeypatch, "CHUNKING")
        pair = ConnectionPair(piece=piece)
        pair.run()
        answer = pair.send(ENVELOPE, body)
    assert isinstance(answer, MessageAnswered) and answer.dot_sent
    # DATA cannot carry a last line without CRLF (RFC 5321 §4.1.1.4)
    whole = body if chunking or not body or body.endswith(b"\r\n") else body + b"\r\n"
    assert [m.body for m in pair.messages] == [whole]


def test_tls_comes_before_the_first_message() -> None:
    pair = ConnectionPair(settings=ServerSettings(starttls=True, tls_required=True), starttls="must")
    pair.run()
    assert isinstance(pair.events[-1], Ready) and pair.events[-1].tls
    assert "STARTTLS" not in pair.events[-1].extensions
    assert isinstance(pair.send(ENVELOPE, BODY), MessageAnswered)
    assert len(pair.messages) == 1


@pytest.mark.parametrize("missing", [(), ("CHUNKING",), ("PIPELINING",), ("CHUNKING", "PIPELINING")])
def test_each_recipient_has_its_own_answer(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(event: ServerEvent) -> Reply:
        refused = isinstance(event, RcptGiven) and event.address.startswith("b@")
        return R550_RECIPIENT_REFUSED if refused else accept(event)

    without(monkeypatch, *missing)
    pair = ConnectionPair(answer=answer)
    pair.run()
    assert pair.send(ENVELOPE, BODY) == MessageAnswered((R550_RECIPIENT_REFUSED, R250_OK), dot_sent=True)
    nobody = Envelope("a@example.org", (Recipient("b@example.net"),))
    assert pair.send(nobody, BODY) == MessageAnswered((R550_RECIPIENT_REFUSED,), dot_sent=False)
    # what the server still holds of the last envelope is reset before the next
    assert pair.send(ENVELOPE, BODY) == MessageAnswered((R550_RECIPIENT_REFUSED, R250_OK), dot_sent=True)
    assert len(pair.messages) == 2


@pytest.mark.parametrize("missing", [(), ("CHUNKING",)])
def test_a_refused_message_does_not_harm_the_next(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [R451_LOCAL]

    def answer(event: ServerEvent) -> Reply:
        return refusals.pop() if isinstance(event, BodyEnded) and refusals else accept(event)

    without(monkeypatch, *missing)
    pair = ConnectionPair(answer=answer)
    pair.run()
    assert pair.send(ENVELOPE, BODY) == MessageAnswered((R451_LOCAL, R451_LOCAL), dot_sent=True)
    assert pair.send(ENVELOPE, BODY) == MessageAnswered((R250_OK, R250_OK), dot_sent=True)
    assert [m.body for m in pair.messages] == [BODY]


def test_more_recipients_than_the_server_takes_get_452() -> None:
    pair = ConnectionPair(settings=ServerSettings(limits=Limits(recipients_max=2)))
    pair.run()
    many = Envelope("a@example.org", tuple(Recipient(f"r{n}@example.net") for n in range(40)))
    answer = pair.send(many, BODY)
    assert isinstance(answer, MessageAnswered)
    assert [reply.code for reply in answer.recipients] == [250, 250] + [452] * 38
    assert len(pair.messages[0].recipients) == 2


def test_dsn_parameters_and_utf8_addresses_travel() -> None:
    pair = ConnectionPair()
    pair.run()
    envelope = Envelope(
        "gr\u00fc\u00dfe@example.org",
        (Recipient("b@example.net", "SUCCESS,DELAY", "rfc822;b+2Bx@example.net"),),
        smtputf8=True,
        ret="HDRS",
        envid="id+2B1",
    )
    assert isinstance(pair.send(envelope, BODY), MessageAnswered)
    mail, rcpt = pair.messages[0].mail, pair.messages[0].recipients[0]
    assert (mail.sender, mail.smtputf8, mail.ret, mail.envid) == (envelope.sender, True, "HDRS", "id+2B1")
    assert (rcpt.notify, rcpt.orcpt) == ("SUCCESS,DELAY", "rfc822;b+2Bx@example.net")
