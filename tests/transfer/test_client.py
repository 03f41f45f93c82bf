"""Window, phases and ends of a client session; the dialogues stand in test_vectors."""

import pytest

from pratique.transfer import events
from pratique.transfer.client import WINDOW_MAX, ClientConnection
from pratique.transfer.messages import Keyword, Limits, Row, accepted
from tests.transfer.support import GW, SEAL, Pair, client_events, make_group, octets_of, server_events, xid

BODY = b"a\r\nbc"


def test_the_body_may_come_in_pieces_and_nothing_comes_between() -> None:
    pair = Pair()
    group = make_group(1)
    pair.client.begin_group("t", group)
    assert not pair.client.can_send(0)
    assert not pair.client.can_control
    with pytest.raises(AssertionError):
        pair.client.send_cancel("c", xid(2), SEAL)
    for piece in (b"a\r", b"\n", b"bc"):
        pair.client.send_body(piece)
    with pytest.raises(AssertionError):
        pair.client.send_body(b"x")
    assert pair.client.data_to_send() == octets_of(group)
    assert pair.client.can_send(0)


def test_less_body_than_declared_is_our_own_defect() -> None:
    pair = Pair()
    with pytest.raises(AssertionError):
        pair.client.send_group("t", make_group(1), (b"a",))


def test_the_window_counts_until_the_reply_is_read() -> None:
    pair = Pair(limits=Limits(window=2))
    for number in range(2):
        assert pair.client.fits(make_group(number))
        pair.client.send_group(number, make_group(number), (BODY,))
    assert not pair.client.can_send(1)
    assert not pair.client.can_control
    with pytest.raises(AssertionError):
        pair.client.send_confirm("c", 5)
    for event in pair.shuttle()[0]:
        if isinstance(event, events.GroupEnded):
            pair.server.answer(event.unit, accepted(3, 1))
    replies = pair.server.data_to_send()
    assert pair.client.unanswered == 2
    pair.client.receive_data(replies)
    assert pair.client.unanswered == 0
    assert pair.client.can_send(1)


def test_a_server_cannot_widen_the_window_beyond_our_own() -> None:
    pair = Pair(limits=Limits(window=10_000))
    for number in range(WINDOW_MAX):
        pair.client.send_cancel(number, xid(number), SEAL)
    assert not pair.client.can_control


def test_a_reply_before_the_body_was_sent_comes_from_a_broken_peer() -> None:
    pair = Pair()
    pair.client.begin_group("t", make_group(1))
    pair.client.receive_data(f"250 2.1.0\r\n250 2.1.5\r\n250 2.0.0\r\n250 2.0.0 XQACC {xid(1)} 3 9\r\n".encode())
    (ended,) = client_events(pair.client)
    assert isinstance(ended, events.ClientEnded)
    assert "last octet" in ended.reason


@pytest.mark.parametrize("keyword", [Keyword.SUSPENDED, Keyword.RECON, Keyword.ROLLED])
def test_no_group_goes_out_unless_ready(keyword: Keyword) -> None:
    pair = Pair(keyword=keyword)
    assert not pair.client.can_send(0)
    assert not pair.client.fits(make_group(1))
    assert pair.client.can_control
    pair.client.hello(GW)
    assert any(isinstance(event, events.HelloGiven) for event in pair.shuttle()[0])


def test_the_end_of_input_leaves_everything_in_doubt() -> None:
    pair = Pair()
    pair.client.send_group("t", make_group(1), (BODY,))
    pair.client.receive_eof()
    pair.client.receive_eof()
    assert client_events(pair.client) == [events.ClientEnded("closed by peer")]
    assert not pair.client.can_send(1)


def test_an_end_before_the_answer_in_tls_is_a_refusal() -> None:
    client = ClientConnection(hostname="gw1.example")
    client.receive_data(b"220 sma.example ESMTP\r\n250-sma.example\r\n250 STARTTLS\r\n220 2.0.0\r\n")
    client.tls_started()
    client.receive_eof()
    assert client_events(client) == [events.TlsWanted(), events.ClientEnded("closed by peer", refused=True)]


def test_octets_in_clear_behind_the_220_end_the_session() -> None:
    client = ClientConnection(hostname="gw1.example")
    client.receive_data(b"220 sma.example ESMTP\r\n250-sma.example\r\n250 STARTTLS\r\n220 2.0.0\r\n")
    client.receive_data(b"250 XCPQ 1\r\n")
    assert isinstance(client_events(client)[-1], events.ClientEnded)
    client.tls_started()
    assert client.data_to_send() == b""


@pytest.mark.parametrize(
    "replies",
    [
        b"554 5.7.1 go away\r\n",
        b"hello\r\n",
        b"220 a\r\n250-a\r\n250 SIZE\r\n",
        b"220 a\r\n250-a\r\n251 STARTTLS\r\n",
        b"220 a\r\n" + b"250-a\r\n" * 200,
        b"220 a\r\n250-a\r\n250 STARTTLS\r\n454 4.7.0 no TLS\r\n",
    ],
)
def test_a_server_that_does_not_lead_to_tls_is_refused(replies: bytes) -> None:
    client = ClientConnection(hostname="gw1.example")
    client.receive_data(replies)
    (ended,) = client_events(client)
    assert isinstance(ended, events.ClientEnded)
    assert ended.refused


@pytest.mark.parametrize(
    "reply",
    [
        b"250 2.0.0 XQREADY\r\n",
        b"250 2.0.0 XQMAYBE\r\n",
        b"451 4.3.0 XQREADY\r\n",
        b"555 5.5.4 XQPARAM -\r\n",
        b"250-2.0.0 XQREADY\r\n451 2.0.0 XQMARK\r\n",
        b"250-2.0.0 XQREADY\r\n" * 1100,
    ],
)
def test_a_hello_reply_that_is_none_ends_the_session(reply: bytes) -> None:
    pair = Pair()
    pair.client.hello(GW)
    pair.client.receive_data(reply)
    (ended,) = client_events(pair.client)
    assert isinstance(ended, events.ClientEnded)
    assert not ended.refused


@pytest.mark.parametrize("reply", [b"502 5.5.1\r\n", b"250 2.0.0 XQSELF V=1\r\n"])
def test_a_stat_reply_that_is_none_ends_the_session(reply: bytes) -> None:
    pair = Pair()
    pair.client.send_stat(())
    pair.client.receive_data(reply)
    assert isinstance(client_events(pair.client)[0], events.ClientEnded)


def test_stat_and_groups_are_answered_in_their_order() -> None:
    pair = Pair()
    pair.client.send_cancel("a", xid(1), SEAL)
    pair.client.send_stat(("GATEWAY0000000000001",))
    pair.client.send_group("b", make_group(2), (BODY,))
    told = pair.shuttle()[0]
    assert [type(e).__name__ for e in told] == ["CancelGiven", "StatGiven", "GroupBegun", "BodyChunk", "GroupEnded"]


def test_a_session_that_has_ended_takes_no_more() -> None:
    pair = Pair()
    pair.client.receive_data(b"421 4.3.2 XQCLOSING -\r\n250 2.0.0 XQOK\r\n")
    pair.client.receive_data(b"250 2.0.0 XQOK\r\n")
    pair.client.hello(GW)
    pair.client.send_group("t", make_group(1), (BODY,))
    pair.client.send_cancel("c", xid(1), SEAL)
    pair.client.quit()
    assert client_events(pair.client) == [events.ClientEnded("421 XQCLOSING -", "XQCLOSING")]
    assert pair.client.data_to_send() == b""


def test_more_rows_than_one_journal_takes_are_refused() -> None:
    pair = Pair()
    rows = tuple(Row(n, "FIN", xid(n, 2), SEAL, 5) for n in range(10_000))
    with pytest.raises(ValueError, match="too many rows"):
        pair.client.send_journal("t", 0, rows, 10_000)


def test_quit_alone_at_the_end() -> None:
    pair = Pair()
    pair.client.quit()
    at_server, at_client = pair.shuttle()
    assert at_server == [events.ServerEnded(clean=True, reason="QUIT")]
    assert at_client == [events.ClientEnded("QUIT")]
    assert server_events(pair.server) == []
