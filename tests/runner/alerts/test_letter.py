"""The mail of an alert."""

from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.runner.alerts.conditions import Sort
from pratique.runner.alerts.letter import Letter
from pratique.runner.alerts.settings import AlertClass, Severity

AT = 1_398_703_059_000  # 28 Apr 2014 16:37:39 UTC
LETTER = Letter(
    host="gw1.example.org",
    serial="0123456789ABCDEF0123",
    version="0.1.0",
    sender="alert@gw1.example.org",
    sort=Sort(AlertClass.HARDWARE, Severity.CRITICAL),
    text="the disk is full up to its reserve",
    at=AT,
)
ID = "<alert.1@gw1.example.org>"


def test_it_reads_as_one_of_the_reference_system() -> None:
    lines = LETTER.octets(ID).decode("ascii").split("\r\n")
    assert "Subject: Critical <Hardware> gw1.example.org: the disk is full up to its reserve" in lines
    assert lines[-6:] == [
        "the disk is full up to its reserve",
        "",
        "Version: 0.1.0",
        "Serial Number: 0123456789ABCDEF0123",
        "Timestamp: 28 Apr 2014 16:37:39 +0000",
        "",
    ]


def test_no_machine_answers_it() -> None:
    message = message_from_bytes(LETTER.octets(ID), policy=SMTP)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == ID


def test_it_says_what_came_beside_and_what_is_over() -> None:
    more = replace(LETTER, more=4).octets(ID).decode()
    assert "It was raised 4 times more since the last mail about it" in more
    over = replace(LETTER, over=True)
    assert over.subject == "Critical <Hardware> gw1.example.org: over: the disk is full up to its reserve"
    assert "This is over:" in over.octets(ID).decode()


@pytest.mark.parametrize("text", ["a\r\nBcc: x@y.example\r\n\r\nbody", "\x1b[2Jé\u202e\ud800", ".", "", "x" * 5000])
def test_no_text_makes_a_header_or_a_line(text: str) -> None:
    _proved(replace(LETTER, text=text))


@given(st.text(max_size=700))
def test_whatever_the_text_is_the_mail_is_one(text: str) -> None:
    _proved(replace(LETTER, text=text))


def _proved(letter: Letter) -> None:
    octets = letter.octets(ID)
    head, _, body = octets.partition(b"\r\n\r\n")
    assert len(head.split(b"\r\n")) == 10
    for line in octets.split(b"\r\n"):
        assert len(line) <= 998
        assert all(32 <= octet < 127 for octet in line)
    assert b"Serial Number: " in body
