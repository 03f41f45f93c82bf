"""What the server core makes of message content: DATA and BDAT, dots, faults, sizes."""

import pytest

from pratique.mail.reply import R421_SHUTTING_DOWN, R552_TOO_BIG
from pratique.smtp.events import BodyChunk, BodyEnded, ConnectionEnded, MessageAborted
from pratique.smtp.limits import Limits
from pratique.smtp.replies import R550_BARE
from pratique.smtp.server import ServerSettings
from tests.smtp.dialogue import Server, codes

ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
AGAIN = ENVELOPE[8:]
SMALL = ServerSettings(limits=Limits(message_bytes_max=10))
NORMALISE = ServerSettings(bare_newlines="normalise")


def begin(settings: ServerSettings | None = None) -> Server:
    server = Server(settings)
    server.say(ENVELOPE)
    return server


@pytest.mark.parametrize("piece", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"one\r\n.\r\n", b"one\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..one\r\n...\r\n..two..\r\n.\r\n", b".one\r\n..\r\n.two..\r\n"),
        (b".one\r\n.two\r\n.\r\n", b"one\r\ntwo\r\n"),
        (b"x.\r\n.\r\n", b"x.\r\n"),
        (b"x\r\n\r\n\r\n.\r\n", b"x\r\n\r\n\r\n"),
        (b"\xff\xfe\x80 \x01\t\r\n.\r\n", b"\xff\xfe\x80 \x01\t\r\n"),
    ],
)
def test_data_takes_the_dots_away(wire: bytes, body: bytes, piece: int) -> None:
    server = begin()
    assert codes(server.say(b"DATA\r\n" + wire + b"NOOP\r\n", piece=piece)) == ["354", "250 2.0.0", "250 2.0.0"]
    assert [m.body for m in server.messages] == [body]


@pytest.mark.parametrize("piece", [0, 1, 4])
@pytest.mark.parametrize("fault", [b"\n", b"\r", b"\0", b"\r\r\n", b"\n.\n", b"a\nb"])
@pytest.mark.parametrize("place", [b"%s\r\n", b"x%s\r\nmore\r\n", b"x\r\n%sy\r\n"])
def test_bare_newlines_and_nul_are_refused_at_the_true_end(place: bytes, fault: bytes, piece: int) -> None:
    server = begin()
    wire = place % fault + b"tail\r\n.\r\n"
    assert codes(server.say(b"DATA\r\n" + wire + b"NOOP\r\n", piece=piece)) == ["354", "550 5.6.0", "250 2.0.0"]
    assert server.messages == []
    assert server.events[-1] == MessageAborted(R550_BARE.text, R550_BARE)
    assert codes(server.say(AGAIN + b"DATA\r\nok\r\n.\r\n", piece=piece))[-1] == "250 2.0.0"
    assert [m.body for m in server.messages] == [b"ok\r\n"]


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("command", [b"DATA\r\n%s.\r\n", b"BDAT %d LAST\r\n%s"])
@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"a\nb\r\n", b"a\r\nb\r\n"),
        (b"a\rb\r\n", b"a\r\nb\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\n\rb\n\r\n", b"a\r\n\r\nb\r\n\r\n"),
        (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
    ],
)
def test_normalising_keeps_no_bare_newline(command: bytes, body: bytes, kept: bytes, piece: int) -> None:
    server = begin(NORMALISE)
    wire = command % ((len(body), body) if b"%d" in command else (body,))
    assert codes(server.say(wire, piece=piece))[-1] == "250 2.0.0"
    assert [m.body for m in server.messages] == [kept]


def test_normalising_still_refuses_nul_and_mends_a_cr_at_the_very_end() -> None:
    assert codes(begin(NORMALISE).say(b"DATA\r\na\0\r\n.\r\n"))[-1] == "550 5.6.0"
    server = begin(NORMALISE)
    server.say(b"BDAT 2\r\nx\rBDAT 0 LAST\r\n")
    assert [m.body for m in server.messages] == [b"x\r\n"]


@pytest.mark.parametrize("piece", [0, 1])
def test_a_message_over_the_limit_is_read_to_its_end(piece: int) -> None:
    server = begin(SMALL)
    assert codes(server.say(b"DATA\r\n" + b"x" * 8 + b"\r\n.\r\n", piece=piece)) == ["354", "250 2.0.0"]
    assert codes(server.say(AGAIN + b"DATA\r\n" + b"x" * 9 + b"\r\n.\r\nNOOP\r\n", piece=piece))[-2:] == [
        "552 5.3.4",
        "250 2.0.0",
    ]
    assert server.events[-1] == MessageAborted(R552_TOO_BIG.text, R552_TOO_BIG)
    assert len(server.messages) == 1


def test_content_is_passed_on_as_it_comes_and_never_kept() -> None:
    server = begin()
    server.say(b"DATA\r\n")
    line = b"x" * 98 + b"\r\n"
    piece = line * 100
    for _ in range(20):
        server.say(piece)
        assert len(server.core._octets) - server.core._pos <= 4
        assert server.core.in_message
    chunks = [e for e in server.events if isinstance(e, BodyChunk)]
    assert len(chunks) == 20 and all(len(chunk.data) >= len(piece) - 2 for chunk in chunks)
    server.say(b".\r\n")
    assert server.events[-1] == BodyEnded(20 * len(piece))
    assert not server.core.in_message


def test_a_piece_without_anything_special_is_passed_on_uncopied() -> None:
    server = begin()
    server.say(b"DATA\r\n")
    server.say(b"first")
    piece = b"y" * 1000
    server.say(piece)
    last = server.events[-1]
    assert isinstance(last, BodyChunk) and last.data is piece


def test_the_content_timer_stops_while_the_answer_is_decided() -> None:
    core = begin().core
    core.receive_data(b"DATA\r\nx\r\n")
    assert isinstance(core.next_event(), BodyChunk) and core.in_message
    core.receive_data(b".\r\n")
    assert isinstance(core.next_event(), BodyChunk)
    assert isinstance(core.next_event(), BodyEnded)
    assert core.asking and not core.in_message


def test_shut_down_inside_a_message_says_421() -> None:
    server = begin()
    server.say(b"DATA\r\nhalf a mess")
    server.core.shut_down(R421_SHUTTING_DOWN)
    assert codes(server.run()) == ["421 4.3.2"]
    assert MessageAborted(R421_SHUTTING_DOWN.text) in server.events and server.messages == []


# --- BDAT ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("piece", [0, 1, 5])
@pytest.mark.parametrize(
    ("wire", "replies", "bodies"),
    [
        (b"BDAT 4 LAST\r\nab\r\n", ["250 2.0.0"], [b"ab\r\n"]),
        (b"bdat 0 last\r\n", ["250 2.0.0"], [b""]),
        (b"BDAT 3\r\nab\rBDAT 1\r\n\nBDAT 0 LAST\r\n", ["250 2.0.0"] * 3, [b"ab\r\n"]),
        (b"BDAT 5\r\n.\r\n.\rBDAT 3 LAST\r\n\n.x", ["250 2.0.0"] * 2, [b".\r\n.\r\n.x"]),
        (b"BDAT 6 LAST\r\nRSET\r\nNOOP\r\n", ["250 2.0.0"] * 2, [b"RSET\r\n"]),
        # a fault is answered at its chunk, what follows of the message is read and answered 503
        (
            b"BDAT 3\r\na\nbBDAT 2\r\n\r\nBDAT 1 LAST\r\nxNOOP\r\n",
            ["550 5.6.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"],
            [],
        ),
        (b"BDAT 2\r\na\rBDAT 1 LAST\r\nb", ["250 2.0.0", "550 5.6.0"], []),
        (b"BDAT 2 LAST\r\na\r", ["550 5.6.0"], []),
        (b"BDAT 1 LAST\r\n\0", ["550 5.6.0"], []),
        # between chunks
        (b"BDAT 1\r\naNOOP\r\nRSET\r\nBDAT 1 LAST\r\nb", ["250 2.0.0"] * 3 + ["503 5.5.1"], []),
        (b"BDAT 1\r\naDATA\r\nBDAT 1 LAST\r\nb", ["250 2.0.0", "503 5.5.1", "250 2.0.0"], [b"ab"]),
        (b"BDAT 1\r\na" + AGAIN + b"BDAT 0 LAST\r\n", ["250 2.0.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"], [b"a"]),
        # cannot be read: what follows cannot be told from commands
        (b"BDAT\r\nNOOP\r\n", ["501 5.5.4"], []),
        (b"BDAT x LAST\r\nNOOP\r\n", ["501 5.5.4"], []),
        (b"BDAT 1 FIRST\r\nNOOP\r\n", ["501 5.5.4"], []),
        (b"BDAT -1\r\nNOOP\r\n", ["501 5.5.4"], []),
        (b"BDAT 100000000000000000000\r\nNOOP\r\n", ["501 5.5.4"], []),
    ],
)
def test_bdat(wire: bytes, replies: list[str], bodies: list[bytes], piece: int) -> None:
    server = begin()
    assert codes(server.say(wire, piece=piece)) == replies
    assert [m.body for m in server.messages] == bodies
    assert (server.ended is not None) is (replies[-1] == "501 5.5.4")


@pytest.mark.parametrize("piece", [0, 1])
def test_a_chunk_that_makes_the_message_too_big_is_swallowed(piece: int) -> None:
    server = begin(SMALL)
    wire = b"BDAT 6\r\nNOOP\r\nBDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nNOOP\r\nNOOP\r\n"
    assert codes(server.say(wire, piece=piece)) == ["250 2.0.0", "552 5.3.4", "503 5.5.1", "250 2.0.0"]
    assert server.messages == []
    assert MessageAborted(R552_TOO_BIG.text, R552_TOO_BIG) in server.events
    assert codes(server.say(AGAIN + b"BDAT 6 LAST\r\nNOOP\r\n", piece=piece))[-1] == "250 2.0.0"


def test_a_message_that_grows_too_big_by_normalising_is_refused() -> None:
    settings = ServerSettings(bare_newlines="normalise", limits=Limits(message_bytes_max=10))
    assert codes(begin(settings).say(b"BDAT 10 LAST\r\n" + b"\n" * 10)) == ["552 5.3.4"]
    assert codes(begin(settings).say(b"BDAT 10\r\n" + b"\n" * 10)) == ["552 5.3.4"]


def test_a_wrong_length_never_makes_a_second_message() -> None:
    short = begin()
    assert codes(short.say(b"BDAT 3 LAST\r\nabcdef\r\nMAIL FROM:<e@example.org>\r\n"))[:2] == ["250 2.0.0", "500 5.5.2"]
    long = begin()
    assert long.say(b"BDAT 999 LAST\r\nabc\r\nQUIT\r\n") == b""
    assert long.core.in_message
    long.end()
    assert long.messages == []
    assert long.events[-2:] == [MessageAborted("connection lost"), ConnectionEnded(False, "connection lost")]
