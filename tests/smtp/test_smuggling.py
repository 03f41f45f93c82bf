"""No sequence but CR LF "." CR LF ends a message, however it is cut, whatever the listener does about bare newlines.

The sequences are those published in 2023 (SMTP smuggling) and what follows from them: every mix of CR, LF and NUL
around a dot, and other characters that some reader takes for a line end.
"""

import pytest

from pratique.mail.reply import R250_OK
from pratique.smtp.events import MailGiven
from pratique.smtp.limits import ServerSettings
from tests.smtp.dialogue import Server, codes

ENDS = [b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n", b"\n\r", b"\r\r", b"\r\n\r", b"\0", b"\r\n\0", b"\0\r\n"]
LINE_ENDS_OF_OTHERS = [
    b"\x85",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1e",
    b"\x1a",
]
SEQUENCES = sorted(
    {before + b"." + after for before in ENDS for after in ENDS}
    | {end + b"." + end for end in LINE_ENDS_OF_OTHERS}
    | {b"\r\n." + end for end in LINE_ENDS_OF_OTHERS}
    | {b"\r\n.%s\r\n" % filler for filler in (b" ", b"\t", b".", b"\x00", b"\x08", b"\r", b"\x7f", b"\xa0", b"\\r")}
    | {b"\r\n\\.\r\n", b"\r\n%2e\r\n", b"\r\n..\r\n", b"\r\n=2E\r\n", b"\r\n .\r\n"}
)
# these two do end a message, by RFC 5321 §4.1.1.4: what precedes or follows the five octets is another matter
TRUE_ENDS = [sequence for sequence in SEQUENCES if b"\r\n.\r\n" in sequence]
FALSE_ENDS = [sequence for sequence in SEQUENCES if b"\r\n.\r\n" not in sequence]
ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\n"
SMUGGLED = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"


def test_there_are_enough_of_them() -> None:
    assert len(FALSE_ENDS) >= 100
    assert len(TRUE_ENDS) < 20


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("bare_newlines", ["refuse", "normalise"])
@pytest.mark.parametrize("sequence", FALSE_ENDS, ids=repr)
def test_a_false_end_makes_no_second_message(sequence: bytes, bare_newlines: str, piece: int) -> None:
    server = Server(ServerSettings(bare_newlines=bare_newlines))
    server.say(ENVELOPE + b"DATA\r\n")
    replies = codes(server.say(b"Subject: one\r\n\r\nbody" + sequence + SMUGGLED + b"QUIT\r\n", piece=piece))
    assert len([e for e in server.events if isinstance(e, MailGiven)]) == 1
    assert len(replies) == 2 and replies[0] in ("250 2.0.0", "550 5.6.0") and replies[1] == "221 2.0.0"
    for message in server.messages:
        assert b"smuggled" in message.body
        rest = message.body.replace(b"\r\n", b"")
        assert b"\r" not in rest and b"\n" not in rest and b"\0" not in rest
    dirty = sequence.replace(b"\r\n", b"")
    if bare_newlines == "refuse" and (b"\r" in dirty or b"\n" in dirty or b"\0" in dirty):
        assert server.messages == []


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("sequence", FALSE_ENDS, ids=repr)
def test_bdat_counts_octets_and_looks_at_nothing(sequence: bytes, piece: int) -> None:
    body = b"Subject: one\r\n\r\nbody" + sequence + SMUGGLED
    server = Server()
    server.say(ENVELOPE)
    replies = codes(server.say(b"BDAT %d LAST\r\n" % len(body) + body + b"QUIT\r\n", piece=piece))
    assert len(replies) == 2 and replies[0] in ("250 2.0.0", "550 5.6.0")
    assert [m.body for m in server.messages] in ([], [body])


@pytest.mark.parametrize("piece", [0, 1, 3])
@pytest.mark.parametrize("sequence", TRUE_ENDS, ids=repr)
def test_a_true_end_among_odd_octets_ends_one_message(sequence: bytes, piece: int) -> None:
    server = Server()
    server.say(ENVELOPE + b"DATA\r\n")
    replies = codes(server.say(b"x" + sequence, piece=piece))
    assert replies[:1] in ([str(R250_OK)[:9]], ["550 5.6.0"])
    assert len(server.messages) <= 1
