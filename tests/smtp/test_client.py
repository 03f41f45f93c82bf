"""The client core against servers of every kind: scripted replies in, what it says and what it reports out."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.smtp import client as c
from pratique.smtp import extensions
from pratique.smtp.client import ClientConnection
from pratique.smtp.events import BodyWanted, ClientEvent, MessageAnswered, Ready, SessionFailed, TlsWanted

ONE = Envelope("a@x.example", (Recipient("b@y.example"),))
TWO = Envelope("a@x.example", (Recipient("b@y.example"), Recipient("c@y.example")))
BODY = b"Subject: x\r\n\r\n.dot\r\n"
OK = Reply(250, "2.0.0", "ok")
NO = Reply(550, "5.1.1", "no such user")
CLOSING = Reply(421, "4.3.2", "closing")
PLAIN = b"250 mx\r\n"
PIPELINING = b"250-mx\r\n250 PIPELINING\r\n"
CHUNKING = b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
STARTTLS = b"250-mx\r\n250 STARTTLS\r\n"


class Client:
    def __init__(self, starttls: str = "no", ehlo: bytes = b"") -> None:
        self.core = ClientConnection(helo="gw.example", starttls=starttls)
        if ehlo:
            assert self.hear(b"220 mx\r\n") == [] and self.said() == b"EHLO gw.example\r\n"
            (event,) = self.hear(ehlo)
            assert isinstance(event, Ready)

    def hear(self, octets: bytes, piece: int = 0) -> list[ClientEvent]:
        step = piece or len(octets) or 1
        for start in range(0, len(octets), step):
            self.core.receive_data(octets[start : start + step])
        return self.heard()

    def heard(self) -> list[ClientEvent]:
        events = []
        while (event := self.core.next_event()) is not None:
            events.append(event)
        return events

    def said(self) -> bytes:
        return self.core.data_to_send()

    def start(self, envelope: Envelope = ONE, body: bytes = BODY) -> bytes:
        self.core.start_message(envelope, len(body))
        return self.said()

    def body(self, body: bytes = BODY, piece: int = 0) -> bytes:
        step = piece or len(body) or 1
        for start in range(0, len(body), step):
            self.core.send_body(body[start : start + step])
        return self.said()


def failed(events: list[ClientEvent]) -> SessionFailed:
    (event,) = [e for e in events if isinstance(e, SessionFailed)]
    return event


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


# --- the body --------------------------------------------------------------------------------------------------
def wanting(ehlo: bytes, body: bytes) -> Client:
    client = Client(ehlo=ehlo)
    client.start(ONE, body)
    client.hear(b"250 ok\r\n250 ok\r\n" + (b"354 go\r\n" if ehlo is PIPELINING else b""))
    return client


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize(
    "bad", [b"a\nb\r\n", b"a\rb\r\n", b"a\0\r\n", b"\r\n.\nMAIL\r\n", b"a\r", b"\n.\r\n", b"\r.\r\n"]
)
def test_no_bare_newline_leaves(bad: bytes, ehlo: bytes, piece: int) -> None:
    body = b"Subject: x\r\n" + bad
    client = wanting(ehlo, body)
    said = client.body(body, piece)
    client.core.end_body()
    said += client.said()
    assert client.heard() == [
        MessageAnswered((c.R554_BARE,), dot_sent=False),
        SessionFailed(c.R554_BARE, dot_sent=False),
    ]
    assert b"\r\n.\r\n" not in said and not said.endswith(body)
    assert b"\n" not in said.replace(b"\r\n", b"") and b"\r" not in said.replace(b"\r\n", b"")


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize("sent", [BODY[:-2], BODY + b"x\r\n", b""])
def test_a_body_of_another_length_is_never_ended(ehlo: bytes, sent: bytes) -> None:
    client = wanting(ehlo, BODY)
    said = client.body(sent)
    client.core.end_body()
    said += client.said()
    assert client.heard() == [
        MessageAnswered((c.R451_BODY_SIZE,), dot_sent=False),
        SessionFailed(c.R451_BODY_SIZE, dot_sent=False),
    ]
    assert not said.endswith(b".\r\n") and BODY not in said


def test_a_server_that_answers_before_the_end_ends_the_session() -> None:
    client = wanting(PIPELINING, BODY)
    client.body()
    full = Reply(452, "4.3.1", "disk full")
    assert client.hear(b"452 4.3.1 disk full\r\n") == [
        MessageAnswered((full,), dot_sent=False),
        SessionFailed(full, dot_sent=False),
    ]
    client.core.send_body(b"more")
    client.core.end_body()
    assert client.said() == b""


def test_a_body_that_nobody_wants_is_our_bug() -> None:
    client = Client(ehlo=PIPELINING)
    for call in (lambda: client.core.send_body(b"x"), client.core.end_body, client.core.tls_started):
        with pytest.raises(AssertionError):
            call()


# --- 421, garbage, lost connections ----------------------------------------------------------------------------
def idle() -> Client:
    return Client(ehlo=PIPELINING)


def in_envelope() -> Client:
    client = idle()
    client.start(TWO)
    client.hear(b"250 ok\r\n550 5.1.1 no such user\r\n")
    return client


def in_body() -> Client:
    client = in_envelope()
    client.hear(b"250 ok\r\n354 go\r\n")
    return client


def in_doubt() -> Client:
    client = in_body()
    client.body()
    client.core.end_body()
    return client


@pytest.mark.parametrize("stage", [in_envelope, in_body, in_doubt])
def test_421_answers_the_message_and_ends_the_session(stage: Callable[[], Client]) -> None:
    client = stage()
    assert client.hear(b"421 4.3.2 closing\r\n250 more\r\n") == [
        MessageAnswered((NO, CLOSING), dot_sent=stage is in_doubt),
        SessionFailed(CLOSING, dot_sent=False),
    ]


def test_421_while_idle() -> None:
    client = idle()
    assert client.hear(b"421 4.3.2 closing\r\n") == [SessionFailed(CLOSING, dot_sent=False)]
    assert client.start(ONE) == b""
    assert client.heard() == [SessionFailed(CLOSING, dot_sent=False)]


def test_a_failure_that_was_not_heard_yet_is_not_told_twice() -> None:
    client = idle()
    client.core.receive_data(b"421 4.3.2 closing\r\n")
    client.start(ONE)
    assert client.heard() == [SessionFailed(CLOSING, dot_sent=False)]


@pytest.mark.parametrize("stage", [idle, in_envelope, in_body, in_doubt])
@pytest.mark.parametrize("end", ["eof", "garbage", "300", "nothing asked"])
def test_doubt_is_told_exactly_where_it_is(stage: Callable[[], Client], end: str) -> None:
    client = stage()
    client.said()
    if end == "eof":
        client.core.receive_eof()
        client.core.receive_eof()
    else:
        client.core.receive_data({"garbage": b"what?\r\n", "300": b"334 go on\r\n"}.get(end, b"250 ok\r\n" * 9))
    failure = [e for e in client.heard() if isinstance(e, SessionFailed)]
    assert len(failure) == 1
    assert failure[0].reply.temporary and failure[0].reply.enhanced == ("4.4.2" if end == "eof" else "4.5.0")
    # nine replies to one dot: the first is the answer, the second ends the session
    assert failure[0].dot_sent is (stage is in_doubt and end != "nothing asked")
    assert client.said() == b""


def test_250_to_data_is_no_answer() -> None:
    client = in_envelope()
    assert failed(client.hear(b"250 ok\r\n250 ok\r\n")).reply.enhanced == "4.5.0"


def test_quit_ends_quietly() -> None:
    client = idle()
    client.core.quit()
    assert client.said() == b"QUIT\r\n"
    assert client.hear(b"221 bye\r\nnonsense") == []
    client.core.receive_eof()
    client.core.receive_eof()
    client.core.quit()
    assert client.heard() == [] and client.said() == b""


def test_quit_and_new_messages_wait_for_the_answer() -> None:
    client = in_doubt()
    for call in (client.core.quit, lambda: client.core.start_message(ONE, 1)):
        with pytest.raises(AssertionError):
            call()


SOME = [
    b"220 mx\r\n",
    b"250 ok\r\n",
    CHUNKING,
    PIPELINING,
    PLAIN,
    STARTTLS,
    b"354 go\r\n",
    b"550 no\r\n",
    b"450 no\r\n",
]
ODD = [b"421 bye\r\n", b"250-half\r\n", b"334 x\r\n", b"junk\r\n", b"25", b"\n"]
REPLIES = st.lists(st.sampled_from(SOME + ODD), max_size=14).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(
    opening=st.sampled_from([b"", PIPELINING, CHUNKING, PLAIN]),
    rest=REPLIES,
    starttls=st.sampled_from(["may", "must", "no"]),
)
def test_any_server_gives_events_and_never_an_exception(opening: bytes, rest: bytes, starttls: str) -> None:
    told: list[list[ClientEvent]] = []
    for piece in (0, 1):
        client = Client(starttls)
        events: list[ClientEvent] = []
        octets = (b"220 mx\r\n" + opening if opening else b"") + rest
        for start in range(0, len(octets), piece or len(octets) or 1):
            client.core.receive_data(octets[start : start + (piece or len(octets))])
            events += client.heard()
            if client.core.usable and not any(isinstance(e, MessageAnswered) for e in events):
                client.start(TWO)
            if events and events[-1] == BodyWanted():
                client.body()
                client.core.end_body()
                events.append(Ready(frozenset(), tls=False))
        client.core.receive_eof()
        events += client.heard()
        told.append(events)
        assert sum(isinstance(e, SessionFailed) for e in events) == 1
        assert sum(isinstance(e, MessageAnswered) for e in events) <= 1
        for event in events:
            assert not isinstance(event, MessageAnswered) or len(event.recipients) == 2
    assert all(told)
