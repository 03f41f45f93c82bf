"""Replies on the wire: one form, whatever the text."""

import pytest

from pratique.mail.reply import Reply
from pratique.smtp import replies
from pratique.smtp.replies import encode_reply


@pytest.mark.parametrize(
    "reply",
    [
        Reply(250, "2.0.0", "ok"),
        Reply(354, "", "go"),
        Reply(250, "", ""),
        Reply(250, "", "one\ntwo"),
        Reply(550, "5.7.1", "first\nsecond"),
        Reply(550, "5.7.1", "a\r\n250 injected"),
        Reply(451, "4.3.0", "\u00fc\x00"),
    ],
)
def test_the_short_way_writes_what_the_long_way_writes(reply: Reply) -> None:
    assert encode_reply(reply) == reply.encode()
    assert encode_reply(reply).isascii() and encode_reply(reply).endswith(b"\r\n")


def test_each_has_the_number_of_its_name_and_an_enhanced_code_of_its_class() -> None:
    named = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}
    assert len(named) > 30
    for name, reply in named.items():
        if name[1:4].isdigit():
            assert int(name[1:4]) == reply.code
        if reply.code != 354:
            assert reply.enhanced[0] == str(reply.code)[0]
        assert len(encode_reply(reply)) <= 512  # RFC 5321 §4.5.3.1.5
