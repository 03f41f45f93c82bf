"""The server core under any octets in any split: the same events and replies, no exception, nothing dirty accepted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail.reply import R451_LOCAL, Reply
from pratique.smtp.events import BodyEnded, ServerEvent
from pratique.smtp.limits import Limits, ServerSettings
from tests.smtp.dialogue import Server, accept

EHLO = b"EHLO client.example\r\n"
MAIL = b"MAIL FROM:<a@example.org>\r\n"
RCPT = b"RCPT TO:<b@example.net>\r\n"

COMMANDS = st.sampled_from(
    [
        EHLO,
        MAIL,
        RCPT,
        b"DATA\r\n",
        b"hello\r\n",
        b".\r\n",
        b"..x\r\n",
        b"\r\n.\r\n",
        b"\n.\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"BDAT 5\r\n",
        b"BDAT 7 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT x\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"FOO\r\n",
        b"a" * 60,
        b"RCPT TO:<b@example.net> NOTIFY=NEVER\r\n",
        b"MAIL FROM:<a@example.org> BODY=8BITMIME SIZE=10\r\n",
    ]
)
INPUT = st.lists(st.one_of(COMMANDS, COMMANDS, st.binary(max_size=6)), max_size=30).map(b"".join)
SMALL = Limits(message_bytes_max=20, recipients_max=2, command_bytes_max=50, errors_max=8, messages_max=4)


@pytest.mark.parametrize("bare_newlines", ["refuse", "normalise"])
@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from([b"", EHLO, EHLO + MAIL + RCPT, EHLO + MAIL + RCPT + b"DATA\r\n"]), rest=INPUT, data=st.data()
)
def test_any_split_gives_the_same_events_and_replies(
    bare_newlines: str, start: bytes, rest: bytes, data: st.DataObject
) -> None:
    octets = start + rest
    offer = ServerSettings(limits=SMALL, bare_newlines=bare_newlines)
    whole, single, split = Server(offer), Server(offer), Server(offer)
    replies = whole.say(octets) + whole.end()
    assert single.say(octets, piece=1) + single.end() == replies
    cuts = sorted(data.draw(st.sets(st.integers(0, len(octets)), max_size=8)))
    parts = [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    assert b"".join(split.say(part) for part in parts) + split.end() == replies
    assert whole.story() == single.story() == split.story()
    assert whole.messages == single.messages == split.messages
    assert all(len(m.body) <= SMALL.message_bytes_max for m in whole.messages)
    assert all(is_clean(m.body) for m in whole.messages)
    assert whole.ended is not None


def is_clean(body: bytes) -> bool:
    rest = body.replace(b"\r\n", b"")
    return not any(octet in rest for octet in (b"\r", b"\n", b"\0"))


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=80), starttls=st.booleans(), answers=st.lists(st.booleans(), max_size=20))
def test_any_octets_give_replies_and_never_an_exception(octets: bytes, starttls: bool, answers: list[bool]) -> None:
    def answer(event: ServerEvent) -> Reply:
        return R451_LOCAL if answers and answers.pop() else accept(event)

    server = Server(ServerSettings(starttls=starttls, limits=SMALL), answer=answer)
    replies = server.say(EHLO + octets.replace(b"~", MAIL).replace(b"}", RCPT) + b"\r\n") + server.end()
    assert server.ended is not None
    assert replies.endswith(b"\r\n") and replies.isascii()
    assert [m for m in server.messages if not m.recipients] == []
    assert len([e for e in server.events if isinstance(e, BodyEnded)]) >= len(server.messages)
