"""What the server's reading of units tells and bounds; the dialogues stand in test_vectors."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.transfer import events
from pratique.transfer.messages import Keyword, Limits, Row, accepted
from tests.transfer.support import Pair, make_group, octets_of, server_events, xid

ACTS = st.sampled_from(
    [
        octets_of(make_group(1)),
        octets_of(make_group(2))[:-9],
        b"MAIL FROM:<> X=1\r\n",
        b"RCPT TO:<b@example.com>\r\n",
        b"XQMETA 1 2 " + b"0" * 64 + b"\r\n{}",
        b"BDAT 3\r\nabc",
        b"BDAT 0 LAST\r\n",
        b"NOOP\r\n",
        b"XQSTAT\r\n",
        b"XQCONFIRM 5\r\n",
        f"XQCANCEL {xid(3)} {'0' * 64}\r\n".encode(),
        b"XQJRNL 1 2 3 " + b"0" * 64 + b"\r\nabc",
        b"VRFY x\r\n",
        b"QUIT\r\n",
        b"\r\n",
    ]
) | st.binary(max_size=40)


def test_the_body_is_told_as_it_comes_and_never_for_a_refused_group() -> None:
    pair = Pair()
    pair.server.receive_data(octets_of(make_group(1))[:-3])
    told = server_events(pair.server)
    assert [type(e).__name__ for e in told] == ["GroupBegun", "BodyChunk"]
    assert told[0] == events.GroupBegun(0, xid(1), 5)
    assert told[1] == events.BodyChunk(0, b"a\r")
    pair.server.receive_data(
        b"\nbc" + octets_of(make_group(2)).replace(b"BODY", b"NOBODY").replace(b" SIZE", b" X=1 SIZE")
    )
    told = server_events(pair.server)
    assert [type(e).__name__ for e in told] == ["BodyChunk", "GroupEnded", "GroupRefused"]


def test_a_group_larger_than_the_window_may_go_alone_and_only_alone() -> None:
    body = b"x" * 3000
    limits = Limits(window_bytes=1000, metadata_bytes=1000, recipients=1)
    pair = Pair(limits=limits)
    assert pair.client.fits(make_group(1, body))
    pair.client.send_group(1, make_group(1, body), (body,))
    assert not pair.client.can_send(0)
    assert not pair.client.can_control
    ended = [e for e in pair.shuttle()[0] if isinstance(e, events.GroupEnded)]
    assert len(ended) == 1
    pair.server.receive_data(b"NOOP\r\n")
    pair.server.answer(ended[0].unit, accepted(3, 1))
    assert pair.server.data_to_send().endswith(b"500 5.5.2 XQFRAME - over WBYTES\r\n")


def test_a_journal_arrives_whole_whatever_the_fragments() -> None:
    rows = tuple(Row(n, "FIN", xid(n, 2), "-", 5, (("R", "delivered"),)) for n in range(1, 40))
    pair = Pair()
    pair.client.send_journal("t", 0, rows, 39)
    data = pair.client.data_to_send()
    for place in range(0, len(data), 7):
        pair.server.receive_data(data[place : place + 7])
    assert server_events(pair.server) == [events.JournalGiven(0, 0, 39, rows)]
    pair.server.answer_journal(0, 39, gap=False)
    answered = pair.shuttle()[1]
    assert isinstance(answered[0], events.UnitAnswered)
    assert answered[0].verdict.words == ("39",)


def test_an_empty_journal_is_read_at_once() -> None:
    pair = Pair()
    pair.server.receive_data(b"XQJRNL 1 2 0 %b\r\n" % hashlib.sha256(b"").hexdigest().encode())
    assert server_events(pair.server) == [events.JournalGiven(0, 1, 2, ())]


@pytest.mark.parametrize("keyword", [Keyword.RECON, Keyword.ROLLED])
def test_reconciling_takes_rows_and_questions_only(keyword: Keyword) -> None:
    pair = Pair(keyword=keyword)
    pair.server.receive_data(b"XQCONFIRM 5\r\nXQSTAT\r\nNOOP\r\n")
    assert server_events(pair.server) == [events.StatGiven(1, ())]
    assert pair.server.data_to_send() == b"451 4.3.0 XQRECON -\r\n"


def test_a_confirmed_number_that_no_store_holds_is_refused() -> None:
    pair = Pair()
    pair.server.receive_data(b"XQCONFIRM 9999999999999999999\r\n")
    assert pair.server.data_to_send() == b"555 5.5.4 XQPARAM -\r\n"


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTS, max_size=12), st.booleans())
def test_hostile_input_is_answered_within_bounds_and_octet_by_octet_as_in_one(acts: list[bytes], ready: bool) -> None:
    data, outputs = b"".join(acts), []
    for step in (max(1, len(data)), 1):
        pair = Pair(limits=Limits(window=4), keyword=Keyword.READY if ready else Keyword.SUSPENDED)
        for place in range(0, len(data), step):
            pair.server.receive_data(data[place : place + step])
        told = [e for e in server_events(pair.server) if not isinstance(e, events.BodyChunk)]
        pair.server.receive_eof()
        outputs.append((pair.server.data_to_send(), told))
    assert outputs[0] == outputs[1]
    assert len(outputs[0][0]) <= 200 + 80 * len(data)
