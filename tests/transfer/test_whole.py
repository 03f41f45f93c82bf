"""A group read in one go is told and answered as one that is read by commands."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.transfer import events, units
from pratique.transfer.messages import Keyword, Limits
from pratique.transfer.whole import RECIPIENTS_MAX
from tests.transfer.support import Pair, make_group, octets_of, server_events

BODY = b"From: a\r\n\r\nhello\r\n"


def whole(number: int = 1, body: bytes = BODY, *, rcpts: int = 1, hop: int = 1, metadata: bytes = b"{}") -> bytes:
    return octets_of(make_group(number, body, rcpts=rcpts, hop=hop, metadata=metadata), body)


GROUPS = {
    "usual": whole(),
    "two recipients": whole(2, rcpts=2),
    "as many recipients as go": whole(3, rcpts=RECIPIENTS_MAX),
    "more recipients": whole(4, rcpts=RECIPIENTS_MAX + 1),
    "no body": whole(5, b""),
    "a body that looks like commands": whole(6, whole(1)),
    "metadata that looks like commands": whole(7, metadata=b"\r\nBDAT 3 LAST\r\nabc"),
    "no recipient": whole(8, rcpts=0),
    "an even hop": whole(9, hop=2),
    "a bare line feed": whole(10, b"a\nb"),
    "a bare CR at the end": whole(11, b"ab\r"),
    "NUL": whole(12, b"a\0b"),
    "another digest": whole(13).replace(hashlib.sha256(BODY).hexdigest().encode(), b"0" * 64),
    "another seal": whole(14).replace(b"r0@example.com", b"r1@example.com"),
    "another size": whole(15).replace(b" SIZE=", b" SIZE=1"),
    "version 0": whole(16).replace(b"XQMETA 1", b"XQMETA 0"),
    "two chunks": whole(17)
    .replace(b"BDAT 18 LAST\r\n", b"BDAT 1\r\nFBDAT 17 LAST\r\n")
    .replace(b"\r\nFrom", b"\r\nrom"),
    "an unknown parameter": whole(18).replace(b" SIZE", b" X=1 SIZE"),
    "an unknown parameter of RCPT": whole(19).replace(b"@example.com>", b"@example.com> X=1"),
    "another verb": whole(20).replace(b"XQMETA 1", b"XQMETA X"),
    "RCPT that is none": whole(21).replace(b"RCPT TO", b"RCPT OF"),
    "a long line": whole(22).replace(b"RCPT TO", b"RCPT " + b"x" * 3000),
    "too much metadata": whole(23, metadata=b"{" + b" " * 300 + b"}"),
    "a control command": b"NOOP\r\n",
    "cut": whole(24)[:-5],
}
LIMITS = Limits(window=5, window_bytes=2_000, metadata_bytes=200, message_bytes=500, recipients=RECIPIENTS_MAX)


def outcome(data: bytes, *, keyword: Keyword) -> tuple[bytes, list[events.ServerEvent]]:
    pair = Pair(limits=LIMITS, keyword=keyword)
    pair.server.receive_data(data)
    told = server_events(pair.server)
    pair.server.receive_eof()
    return pair.server.data_to_send(), told


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(GROUPS)), max_size=7), st.sampled_from([Keyword.READY, Keyword.SUSPENDED]))
def test_in_one_go_is_as_by_commands(names: list[str], keyword: Keyword) -> None:
    data = b"".join(GROUPS[name] for name in names)
    at_once = outcome(data, keyword=keyword)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(units, "read_whole", lambda source, **_: None)
        assert outcome(data, keyword=keyword) == at_once


@pytest.mark.parametrize("name", GROUPS)
def test_each_alone_and_behind_a_usual_one(name: str) -> None:
    for data in (GROUPS[name], GROUPS["usual"] + GROUPS[name] + GROUPS["usual"]):
        at_once = outcome(data, keyword=Keyword.READY)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(units, "read_whole", lambda source, **_: None)
            assert outcome(data, keyword=Keyword.READY) == at_once


@pytest.mark.parametrize("name", ["usual", "two recipients", "as many recipients as go", "no body"])
def test_the_usual_group_is_read_in_one_go(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units.UnitReader, "_on_mail", lambda *_: pytest.fail("read by commands"))
    told = outcome(GROUPS[name], keyword=Keyword.READY)[1]
    assert isinstance(told[-1], events.GroupEnded)
