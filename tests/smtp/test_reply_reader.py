"""Replies of a server: whole ones come out, in any split; what is none is named; nothing grows without bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.reply import Reply
from pratique.smtp.reply_reader import LINE_BYTES_MAX, LINES_MAX, ReplyGarbage, ReplyReader


def read(octets: bytes, piece: int = 0) -> list[Reply | str]:
    reader, found = ReplyReader(), []
    step = piece or len(octets) or 1
    try:
        for start in range(0, len(octets), step):
            reader.receive(octets[start : start + step])
            while (reply := reader.next()) is not None:
                found.append(reply)
    except ReplyGarbage as garbage:
        found.append(str(garbage))
    return found


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"250 ok\r\n", [Reply(250, "", "ok")]),
        (b"250\r\n", [Reply(250, "", "")]),
        (b"250 2.1.0 ok\r\n250 2.1.5\r\n", [Reply(250, "2.1.0", "ok"), Reply(250, "2.1.5", "")]),
        (b"250-mx\r\n250-SIZE 5\r\n250 DSN\r\n", [Reply(250, "", "mx\nSIZE 5\nDSN")]),
        (b"550-5.7.1 no\r\n550 5.7.1 never\r\n", [Reply(550, "5.7.1", "no\nnever")]),
        (b"550-5.7.1 no\r\n550-5.7.2 other\r\n550 none\r\n", [Reply(550, "5.7.1", "no\n5.7.2 other\nnone")]),
        (b"450 5.7.1 not its class\r\n", [Reply(450, "", "5.7.1 not its class")]),
        (b"250 2.1.0.7 version\r\n", [Reply(250, "", "2.1.0.7 version")]),
        (b"250 \xff\x1b[31m \xc3\xbc\r\n", [Reply(250, "", "\ufffd?[31m \u00fc")]),
        (b"250 half", []),
        (b"250-half\r\n", []),
        (b"250 ok\n", ["not an SMTP reply line"]),
        (b"hello\r\n", ["not an SMTP reply line"]),
        (b"25\r\n", ["not an SMTP reply line"]),
        (b"250_ok\r\n", ["not an SMTP reply line"]),
        (b"150 ok\r\n", ["not an SMTP reply line"]),
        (b"650 ok\r\n", ["not an SMTP reply line"]),
        (b"\r\n", ["not an SMTP reply line"]),
        (b"250-a\r\n251 b\r\n", ["reply code changes within one reply"]),
        (b"250-a\r\n" * LINES_MAX + b"250 b\r\n", ["too many lines in one reply"]),
        (b"250 " + b"x" * (LINE_BYTES_MAX - 6) + b"\r\n", [Reply(250, "", "x" * (LINE_BYTES_MAX - 6))]),
        (b"250 " + b"x" * (LINE_BYTES_MAX - 5) + b"\r\n", ["reply line too long"]),
        (b"x" * LINE_BYTES_MAX, ["reply line too long"]),
    ],
)
def test_replies(octets: bytes, found: list[Reply | str], piece: int) -> None:
    assert read(octets, piece) == found


def test_empty_says_whether_octets_came_behind() -> None:
    reader = ReplyReader()
    assert reader.empty
    reader.receive(b"220 go\r\n")
    assert not reader.empty
    reader.next()
    assert reader.empty
    reader.receive(b"220-go\r\n")
    assert reader.next() is None and not reader.empty


@given(octets=st.binary(max_size=60), codes=st.lists(st.sampled_from([b"250-", b"250 ", b"421 ", b"\r\n", b"5.1.1 "])))
def test_any_octets_in_any_split_read_the_same(octets: bytes, codes: list[bytes]) -> None:
    wire = b"".join(codes) + octets + b"\r\n"
    assert read(wire) == read(wire, 1)
