"""Content on the wire: the one end of data, dots both ways, and the screen that lets no bare CR, LF or NUL through."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pratique.mail.reply import R552_TOO_BIG
from pratique.smtp.data import CRLF, DotWriter, IncomingContent, Screen, find_stuffed, has_bare_newline, take_content
from pratique.smtp.replies import R550_BARE

# few kinds of octets, so that the sequences that matter are frequent
OCTETS = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"x", b"\0", b"\r\n."]), max_size=12).map(b"".join)


def bare(octets: bytes) -> bool:
    """The definition, octet by octet."""
    return re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is not None


@given(octets=OCTETS)
@example(octets=b"\rx\n")
@example(octets=b"\n")
@example(octets=b"\r")
@example(octets=b"\r\n\x85\x0b\x0c\x1c\xff")
def test_a_bare_newline_is_found_exactly(octets: bytes) -> None:
    assert has_bare_newline(octets) is bare(octets)


@given(pieces=st.lists(OCTETS, max_size=5))
@example(pieces=[b"a\r", b"b\n"])
@example(pieces=[b"\r", b"", b"\n"])
def test_the_screen_refuses_just_what_is_bare_or_nul(pieces: list[bytes]) -> None:
    screen, whole = Screen(), b"".join(pieces)
    out = b"".join([screen.take(piece) for piece in pieces] + [screen.finish()])
    assert screen.faulty is (bare(whole) or b"\0" in whole)
    assert screen.faulty or out == whole
    assert whole.startswith(out) and screen.size == len(out)
    assert not bare(out.removesuffix(b"\r")) and not out.endswith(b"\r")


@given(pieces=st.lists(OCTETS, max_size=5))
def test_the_screen_normalises_every_bare_newline_once(pieces: list[bytes]) -> None:
    screen, whole = Screen(normalise=True), b"".join(pieces)
    out = b"".join([screen.take(piece) for piece in pieces] + [screen.finish()])
    assert screen.faulty is (b"\0" in whole)
    if not screen.faulty:
        assert out == re.sub(rb"\r\n|\r|\n", CRLF, whole)
        assert screen.size == len(out)


@given(
    octets=st.lists(st.sampled_from([b".", b"x.", b"\r\n.", b"\n.", b"\r.", b"\r\n"]), max_size=30),
    start=st.integers(0, 70),
)
@example(octets=[b"x."] * 20 + [b"\r\n."], start=0)  # more dots than are tried one by one
@example(octets=[b"x."] * 7 + [b"\r\n."], start=0)
@example(octets=[b"x."] * 8 + [b"\r\n."], start=0)
def test_the_first_dot_of_a_line_is_found_behind_any_others(octets: list[bytes], start: int) -> None:
    whole = b"".join(octets)
    assert find_stuffed(whole, start) == whole.find(b"\r\n.", start)


@given(octets=OCTETS, cut=st.integers(0, 20))
def test_content_ends_at_the_first_true_end_only(octets: bytes, cut: int) -> None:
    wire = b"\r\n" + octets
    content, stop, ended = take_content(wire, 0)
    end = wire.find(b"\r\n.\r\n")
    assert ended is (end >= 0)
    if ended:
        assert stop == end + 5 and content == (wire[: end + 2]).replace(b"\r\n.", CRLF)
    else:
        assert len(wire) - stop <= 4 and content == wire[:stop].replace(b"\r\n.", CRLF)
        # what was left standing is enough to see an end in what comes next
        more, _, ends = take_content(wire[stop:] + b"\r\n.\r\n", 0)
        assert ends and (content + more).endswith(CRLF)
    first, kept, early = take_content(wire[: cut + 2], 0)
    if not early:
        rest, last, late = take_content(wire, kept)
        assert (first + rest, last, late) == (content, stop, ended)


@pytest.mark.parametrize(
    ("pieces", "wire"),
    [
        ([], b".\r\n"),
        ([b""], b".\r\n"),
        ([b"a\r\n"], b"a\r\n.\r\n"),
        ([b"a"], b"a\r\n.\r\n"),
        ([b".\r\n"], b"..\r\n.\r\n"),
        ([b".a\r\n..b\r\nc.\r\n"], b"..a\r\n...b\r\nc.\r\n.\r\n"),
        ([b"a\r\n", b".b\r\n", b"", b".", b".c\r\n"], b"a\r\n..b\r\n...c\r\n.\r\n"),
        ([b"a", b".b", b".\r\n"], b"a.b.\r\n.\r\n"),
    ],
)
def test_the_writer_stuffs_dots_at_line_starts_only(pieces: list[bytes], wire: bytes) -> None:
    writer = DotWriter()
    assert b"".join(writer.write(piece) for piece in pieces) + writer.end() == wire


@given(lines=st.lists(st.sampled_from([b"", b".", b"..", b"x", b".x", b"x."]), max_size=6))
def test_what_the_writer_wrote_is_read_as_it_was(lines: list[bytes]) -> None:
    body = b"".join(line + CRLF for line in lines)
    writer = DotWriter()
    wire = writer.write(body) + writer.end()
    incoming = IncomingContent(bytes_max=100, normalise=False)
    assert incoming.take_data(CRLF + wire, 0) == (body, len(wire) + 2, True)
    assert incoming.size == len(body) and incoming.fault() is None


def test_the_bare_newline_outweighs_the_size() -> None:
    content = IncomingContent(bytes_max=4, normalise=False)
    assert content.take(b"12345") == b"" and content.fault() == R552_TOO_BIG
    assert content.take(b"\0") == b"" and content.fault() == R550_BARE


def test_chunks_are_counted_before_they_come() -> None:
    content = IncomingContent(bytes_max=4, normalise=False)
    assert content.announce(4) and not content.announce(1)
