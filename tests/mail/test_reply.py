from hypothesis import given
from hypothesis import strategies as st

from pratique.mail import reply
from pratique.mail.reply import Reply


def test_one_line():
    assert Reply(250, "2.0.0", "ok").encode() == b"250 2.0.0 ok\r\n"
    assert Reply(220, "", "mx.example ESMTP").encode() == b"220 mx.example ESMTP\r\n"


def test_every_line_of_several_carries_the_codes():
    assert Reply(550, "5.1.1", "no\nsuch").encode() == b"550-5.1.1 no\r\n550 5.1.1 such\r\n"


@given(st.text())
def test_no_text_adds_a_line_or_an_octet_outside_printable_ascii(text):
    octets = Reply(451, "4.3.0", text).encode()
    lines = octets.split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) == text.count("\n") + 1
    assert all(line[:3] == b"451" and all(32 <= octet <= 126 for octet in line) for line in lines)


def test_classes_and_the_form_for_logs():
    assert Reply(354, "").ok
    assert Reply(451, "4.3.0").temporary
    assert not Reply(550, "5.1.1").temporary
    assert str(Reply(220, "", "hi")) == "220 hi"
    assert str(Reply(250, "2.0.0", "ok")) == "250 2.0.0 ok"


def test_a_named_reply_keeps_its_number_and_class():
    named = {name: value for name, value in vars(reply).items() if isinstance(value, Reply)}
    assert len(named) > 10
    for name, value in named.items():
        assert name[1:4] == str(value.code)
        assert value.enhanced[0] == str(value.code)[0]
