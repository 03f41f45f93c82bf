import email.utils
import re

from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.received import received_line, rfc5322_date

DATE = "Mon, 24 Nov 2025 04:00:00 +0000"
GIVEN = {
    "from_helo": "mail.example.com",
    "from_ip": "192.0.2.1",
    "rdns": "out.example.com",
    "by": "mx.example.org",
    "with_": "ESMTPS",
    "id": "17",
    "date": DATE,
}


def test_a_trace_field():
    assert received_line(**GIVEN, for_address="a@b.example") == (
        b"Received: from mail.example.com (out.example.com [192.0.2.1])\r\n"
        b"\tby mx.example.org with ESMTPS id 17\r\n"
        b"\tfor <a@b.example>;\r\n"
        b"\tMon, 24 Nov 2025 04:00:00 +0000\r\n"
    )


def test_without_recipient_rdns_or_helo():
    line = received_line(**{**GIVEN, "rdns": "", "from_helo": "", "from_ip": "2001:db8::1"})
    assert line.startswith(b"Received: from unknown (unknown [IPv6:2001:db8::1])\r\n\tby mx.example.org")
    assert b" for " not in line


@given(st.text(), st.text(), st.text(), st.text())
def test_no_value_adds_a_line_a_comment_or_a_clause(helo, address, rdns, whom):
    line = received_line(**{**GIVEN, "from_helo": helo, "from_ip": address, "rdns": rdns}, for_address=whom)
    shape = rb"Received: from \S+ \(\S+ \[\S*\]\)\r\n\tby \S+ with \S+ id \S+\r\n\tfor <\S*>;\r\n\t[^\r\n]+\r\n"
    assert re.fullmatch(shape, line)
    assert line.isascii()
    assert line.count(b"(") == line.count(b")") == 1
    assert line.count(b";") == 1
    assert max(map(len, line.split(b"\r\n"))) < 998


def test_a_hostile_greeting_is_defused():
    line = received_line(**{**GIVEN, "from_helo": "x)\r\nSubject: owned\r\n\r\n"})
    assert line.startswith(b"Received: from x???Subject:?owned???? (")


@given(st.integers(0, 4_102_444_800_000))
def test_the_date_is_the_moment_in_utc(at_ms):
    shown = rfc5322_date(at_ms)
    assert int(email.utils.parsedate_to_datetime(shown).timestamp()) == at_ms // 1000
    assert shown == email.utils.formatdate(at_ms // 1000).replace("-0000", "+0000")
