"""The client core against servers of every kind: scripted replies in, what it says and what it reports out."""

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.smtp import client as c
from pratique.smtp import extensions
from pratique.smtp.client import ClientConnection
from pratique.smtp.events import BodyWanted, ClientEvent, MessageAnswered, Ready, SessionFailed, TlsWanted
from tests.smtp.scripted import BODY, CHUNKING, CLOSING, NO, OK, ONE, PIPELINING, PLAIN, STARTTLS, TWO, Client, failed


# --- opening ---------------------------------------------------------------------------------------------------
def test_ready_tells_what_the_server_offers() -> None:
    client = Client()
    client.hear(b"220-mx\r\n220 ESMTP\r\n")
    assert client.said() == b"EHLO gw.example\r\n"
    assert client.hear(b"250-mx\r\n250-size 10\r\n250 PIPELINING\r\n", piece=1) == [
        Ready(frozenset({"SIZE", "PIPELINING"}), tls=False)
    ]
    assert client.core.usable and client.said() == b""


def test_a_server_without_ehlo_is_greeted_with_helo() -> None:
    client = Client()
    client.hear(b"220 old\r\n")
    client.said()
    assert client.hear(b"502 what\r\n") == [] and client.said() == b"HELO gw.example\r\n"
    assert client.hear(b"250-mx\r\n250 SIZE 5\r\n") == [Ready(frozenset(), tls=False)]


@pytest.mark.parametrize(
    ("replies", "reply"),
    [
        (b"554 5.7.1 go away\r\n", Reply(554, "5.7.1", "go away")),
        (b"421 4.3.2 closing\r\n", CLOSING),
        (b"220 mx\r\n450 4.3.2 later\r\n", Reply(450, "4.3.2", "later")),
        (b"220 mx\r\n502 what\r\n502 5.5.1 what\r\n", Reply(502, "5.5.1", "what")),
    ],
)
def test_a_refused_opening_fails_the_session(replies: bytes, reply: Reply) -> None:
    client = Client()
    assert client.hear(replies) == [SessionFailed(reply, dot_sent=False)]
    assert client.said() == b"" and not client.core.usable
    assert client.hear(b"250 more\r\n") == []
    client.core.quit()
    assert client.said() == b""


def test_a_name_that_would_write_a_command_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        ClientConnection(helo="gw\r\nRSET")


# --- STARTTLS --------------------------------------------------------------------------------------------------
def opened(starttls: str, ehlo: bytes) -> tuple[Client, list[ClientEvent]]:
    client = Client(starttls)
    events = client.hear(b"220 mx\r\n" + ehlo)
    return client, events


@pytest.mark.parametrize("starttls", ["may", "must"])
def test_starttls_and_ehlo_anew(starttls: str) -> None:
    client, events = opened(starttls, STARTTLS)
    assert events == [] and client.said().endswith(b"STARTTLS\r\n")
    assert client.hear(b"220 go\r\n") == [TlsWanted()]
    client.core.tls_started()
    assert client.said() == b"EHLO gw.example\r\n"
    assert client.hear(STARTTLS) == [Ready(frozenset({"STARTTLS"}), tls=True)]
    assert client.said() == b""


def test_starttls_is_not_said_when_not_wanted() -> None:
    client, events = opened("no", STARTTLS)
    assert events == [Ready(frozenset({"STARTTLS"}), tls=False)] and b"STARTTLS" not in client.said()


def test_may_goes_on_in_clear() -> None:
    assert opened("may", PLAIN)[1] == [Ready(frozenset(), tls=False)]
    client, _ = opened("may", STARTTLS)
    assert client.hear(b"454 4.7.0 not now\r\n") == [Ready(frozenset({"STARTTLS"}), tls=False)]


def test_must_does_not_and_stays_temporary() -> None:
    _, events = opened("must", PLAIN)
    assert events == [SessionFailed(c.R451_TLS_NOT_OFFERED, dot_sent=False)]
    client, _ = opened("must", STARTTLS)
    reply = failed(client.hear(b"554 5.7.3 no\r\n")).reply
    assert reply.code == 451 and "554 5.7.3 no" in reply.text


@pytest.mark.parametrize("octets", [b"220 go\r\n250 injected\r\n", b"220 go\r\n2", b"220-go\r\n220 go\r\n\x16"])
def test_octets_behind_the_answer_to_starttls_are_never_read(octets: bytes) -> None:
    client, _ = opened("may", STARTTLS)
    assert client.hear(octets) == [SessionFailed(c.R451_STRAY_OCTETS, dot_sent=False)]
    late, _ = opened("may", STARTTLS)
    assert late.hear(b"220 go\r\n") == [TlsWanted()]
    assert late.hear(b"250 injected\r\n") == [SessionFailed(c.R451_STRAY_OCTETS, dot_sent=False)]
    late.core.tls_started()
    assert late.said() == b""


# --- one message -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("piece", [0, 1, 3])
def test_pipelining_says_the_envelope_at_once(piece: int) -> None:
    client = Client(ehlo=PIPELINING)
    assert client.start(TWO) == (
        b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n"
    )
    assert client.hear(b"250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n", piece) == [BodyWanted()]
    assert client.body(piece=piece) == b"Subject: x\r\n\r\n..dot\r\n"
    client.core.end_body()
    assert client.said() == b".\r\n" and not client.core.usable
    assert client.hear(b"250 2.0.0 ok\r\n", piece) == [MessageAnswered((NO, OK), dot_sent=True)]
    assert client.start(ONE).startswith(b"MAIL FROM")


def test_without_pipelining_one_command_at_a_time() -> None:
    client = Client(ehlo=PLAIN)
    assert client.start(TWO) == b"MAIL FROM:<a@x.example>\r\n"
    assert client.hear(b"250 ok\r\n") == [] and client.said() == b"RCPT TO:<b@y.example>\r\n"
    assert client.hear(b"251 forwards\r\n") == [] and client.said() == b"RCPT TO:<c@y.example>\r\n"
    assert client.hear(b"250 ok\r\n") == [] and client.said() == b"DATA\r\n"
    assert client.hear(b"354 go\r\n") == [BodyWanted()]


def test_chunking_sends_one_chunk_and_holds_its_end_back() -> None:
    client = Client(ehlo=CHUNKING)
    assert b"DATA" not in client.start(ONE)
    assert client.hear(b"250 ok\r\n250 ok\r\n") == [BodyWanted()]
    client.core.send_body(BODY[:5])
    client.core.send_body(BODY[5:])
    assert client.said() == b"BDAT %d LAST\r\n" % len(BODY) + BODY[:5]
    client.core.end_body()
    assert client.said() == BODY[5:]
    assert client.hear(b"250 2.0.0 ok\r\n") == [MessageAnswered((OK,), dot_sent=True)]
    empty = client.start(ONE, b"")
    assert empty.startswith(b"MAIL") and client.hear(b"250 ok\r\n250 ok\r\n") == [BodyWanted()]
    assert client.body(b"") == b""
    client.core.end_body()
    assert client.said() == b"BDAT 0 LAST\r\n"


@pytest.mark.parametrize("ehlo", [PLAIN, PIPELINING, CHUNKING])
def test_a_refused_sender_is_everybodys_answer(ehlo: bytes) -> None:
    client = Client(ehlo=ehlo)
    pipelined = ehlo is not PLAIN
    client.start(TWO)
    replies = b"450 4.1.8 who\r\n" + (b"503 mail first\r\n" * (3 if ehlo is PIPELINING else 2) if pipelined else b"")
    who = Reply(450, "4.1.8", "who")
    assert client.hear(replies) == [MessageAnswered((who, who), dot_sent=False)]
    assert client.start(ONE).startswith(b"MAIL")


@pytest.mark.parametrize("ehlo", [PLAIN, CHUNKING])
def test_all_recipients_refused_and_the_envelope_is_reset_before_the_next(ehlo: bytes) -> None:
    client = Client(ehlo=ehlo)
    client.start(ONE)
    client.hear(b"250 ok\r\n")
    assert client.hear(b"550 5.1.1 no such user\r\n") == [MessageAnswered((NO,), dot_sent=False)]
    client.said()
    said = client.start(ONE)
    assert said.startswith(b"RSET\r\n")
    assert (b"MAIL" in said) is (ehlo is CHUNKING)
    assert client.hear(b"250 reset\r\n") == []
    assert (said + client.said()).startswith(b"RSET\r\nMAIL")


def test_data_pipelined_for_nobody_is_ended_with_a_lone_dot() -> None:
    client = Client(ehlo=PIPELINING)
    client.start(TWO)
    assert client.hear(b"250 ok\r\n" + b"550 5.1.1 no such user\r\n" * 2 + b"354 go\r\n") == []
    assert client.said() == b".\r\n"
    assert client.hear(b"554 no valid recipients\r\n") == [MessageAnswered((NO, NO), dot_sent=False)]
    assert client.start(ONE).startswith(b"MAIL")


@pytest.mark.parametrize("ehlo", [PLAIN, PIPELINING])
def test_data_refused_is_the_answer_of_those_who_had_none(ehlo: bytes) -> None:
    client = Client(ehlo=ehlo)
    client.start(TWO)
    events = client.hear(b"250 ok\r\n") + client.hear(b"550 5.1.1 no such user\r\n") + client.hear(b"250 ok\r\n")
    assert events == []
    later = Reply(451, "4.3.0", "later")
    assert client.hear(b"451 4.3.0 later\r\n") == [MessageAnswered((NO, later), dot_sent=False)]
    client.said()
    assert client.start(ONE).startswith(b"RSET\r\n")


def test_a_chunk_refused_is_followed_by_rset() -> None:
    client = Client(ehlo=CHUNKING)
    client.start(ONE)
    client.hear(b"250 ok\r\n250 ok\r\n")
    client.body()
    client.core.end_body()
    client.said()
    assert client.hear(b"552 5.3.4 too big\r\n") == [MessageAnswered((Reply(552, "5.3.4", "too big"),), dot_sent=True)]
    assert client.start(ONE).startswith(b"RSET\r\n")


@pytest.mark.parametrize(
    ("reply", "code"),
    [(b"552 too many", 452), (b"552 5.5.3 too many", 452), (b"552 5.2.2 mailbox full", 552), (b"452 4.5.3 x", 452)],
)
def test_552_to_a_recipient_means_too_many(reply: bytes, code: int) -> None:
    client = Client(ehlo=PIPELINING)
    client.start(TWO)
    (event,) = client.hear(b"250 ok\r\n" + reply + b"\r\n550 5.1.1 no such user\r\n554 none\r\n")
    assert isinstance(event, MessageAnswered)
    assert [answer.code for answer in event.recipients] == [code, 550]


def test_what_the_server_cannot_take_is_answered_here_and_at_once() -> None:
    client = Client(ehlo=b"250-mx\r\n250 SIZE 10\r\n")
    assert client.start(TWO) == b""
    assert client.heard() == [MessageAnswered((extensions.R552_SIZE,) * 2, dot_sent=False)]
    assert client.start(Envelope("\u00fc@x.example", ONE.recipients, smtputf8=True), b"") == b""
    assert client.heard() == [MessageAnswered((extensions.R553_UTF8,), dot_sent=False)]


def test_a_recipient_that_cannot_be_written_does_not_stop_the_others() -> None:
    client = Client(ehlo=PIPELINING)
    mixed = Envelope("", (Recipient("b c@y.example"), Recipient("c@y.example")))
    assert client.start(mixed) == b"MAIL FROM:<>\r\nRCPT TO:<c@y.example>\r\nDATA\r\n"
    assert client.hear(b"250 ok\r\n250 ok\r\n354 go\r\n") == [BodyWanted()]
    client.body()
    client.core.end_body()
    assert client.hear(b"250 2.0.0 ok\r\n") == [MessageAnswered((extensions.R553_RECIPIENT, OK), dot_sent=True)]
