"""The client core when things go wrong: dirty bodies, early answers, 421, garbage, lost connections."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail.reply import Reply
from pratique.smtp import client as c
from pratique.smtp.events import BodyWanted, ClientEvent, MessageAnswered, Ready, SessionFailed
from tests.smtp.scripted import BODY, CHUNKING, CLOSING, NO, ONE, PIPELINING, PLAIN, STARTTLS, TWO, Client, failed


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
