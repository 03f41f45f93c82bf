import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail.dsn import ORIGINAL_BYTES_MAX, RETURNED_HEADER_BYTES_MAX, FailedRecipient, bounce
from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts

HEADERS = b"From: a@b.example\r\nSubject: hello\r\n"
ORIGINAL = HEADERS + b"\r\nhi\r\n"
FAILED = FailedRecipient(
    "x@y.example",
    status="5.1.1",
    orcpt="rfc822;X+2Bz@y.example",
    diagnostic="550 5.1.1 <x@y.example>: user unknown",
    remote_mta="mx.y.example",
)
DELAYED = FailedRecipient("z@y.example", action="delayed", diagnostic="connection timed out")


def report(recipients=(FAILED,), **given_):
    values = {
        "reporting_mta": "gw1.example",
        "from_address": "MAILER-DAEMON@gw1.example",
        "to": "a@b.example",
        "recipients": recipients,
        "original_headers": HEADERS,
        "original": ORIGINAL,
        "boundary": "=_report",
        "message_id": "<1@gw1.example>",
        "date": "Mon, 24 Nov 2025 04:00:00 +0000",
    }
    return bounce(**{**values, **given_})


def parsed(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def status_fields(octets):
    """One list of (name, value) for the message and one for each recipient."""
    found = read_parts(octets, read_headers(octets))
    raw = found.parts[1].raw
    return [read_headers(group).fields for group in raw.split(b"\r\n\r\n")]


def test_a_report_is_what_rfc_3464_asks_for():
    octets = report()
    message = parsed(octets)
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@gw1.example>"
    assert message["To"] == "a@b.example"
    assert message["Message-ID"] == "<1@gw1.example>"
    assert message["Date"] == "Mon, 24 Nov 2025 04:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    types = [part.get_content_type() for part in message.iter_parts()]
    assert types == ["text/plain", "message/delivery-status", "message/rfc822"]
    assert octets.isascii()
    assert b"\n" not in octets.replace(b"\r\n", b"")
    found = read_parts(octets, read_headers(octets))
    assert (found.ambiguous, found.truncated) == ("", "")


def test_people_are_told_who_and_why_in_plain_words():
    text = read_parts(octets := report(), read_headers(octets)).parts[0].text(10_000)
    assert text.startswith("This is the mail system at gw1.example.\r\n")
    assert "Your message could not be delivered to:\r\n\r\n  x@y.example\r\n" in text
    assert "mx.y.example said: 550 5.1.1" in text
    assert "It will not be tried again." in text
    assert "Your message is attached." in text


def test_machines_are_told_in_fields():
    first, second = status_fields(report(envid="QQ+2B1", arrival_date="Mon, 24 Nov 2025 03:00:00 +0000"))
    assert first == (
        ("Original-Envelope-Id", b"QQ+1"),
        ("Reporting-MTA", b"dns; gw1.example"),
        ("Arrival-Date", b"Mon, 24 Nov 2025 03:00:00 +0000"),
    )
    assert second == (
        ("Original-Recipient", b"rfc822; X+z@y.example"),
        ("Final-Recipient", b"rfc822; x@y.example"),
        ("Action", b"failed"),
        ("Status", b"5.1.1"),
        ("Remote-MTA", b"dns; mx.y.example"),
        ("Diagnostic-Code", b"smtp; 550 5.1.1 <x@y.example>: user unknown"),
    )


def test_each_line_of_an_answer_is_a_line_and_none_is_a_field():
    answer = "550 5.1.1 no such user\n\n  see https://example.com/\nSubject: x\x00"
    octets = report((FailedRecipient("x@y.example", diagnostic=answer),))
    text, status = (part.raw for part in read_parts(octets, read_headers(octets)).parts[:2])
    assert b"    because: 550 5.1.1 no such user\r\n      see https://example.com/\r\n      Subject: x?\r\n" in text
    assert b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\tsee https://example.com/\r\n\tSubject: x?\r\n" in status
    assert [name for name, _ in status_fields(octets)[1]] == ["Final-Recipient", "Action", "Status", "Diagnostic-Code"]


def test_a_delay_says_so_and_until_when():
    octets = report((DELAYED,), retry_until="Thu, 27 Nov 2025 04:00:00 +0000")
    assert parsed(octets)["Subject"] == "Your message is delayed"
    assert b"we keep trying" in octets
    assert b"will not be tried" not in octets
    fields = dict(status_fields(octets)[1])
    assert fields["Action"] == b"delayed"
    assert fields["Status"] == b"4.0.0"
    assert fields["Will-Retry-Until"] == b"Thu, 27 Nov 2025 04:00:00 +0000"
    assert "because: connection timed out" in read_parts(octets, read_headers(octets)).parts[0].text(9999)


def test_a_message_handed_on_says_so():
    octets = report((FailedRecipient("z@y.example", action="relayed"),), retry_until="never")
    assert parsed(octets)["Subject"] == "Your message was handed on"
    fields = dict(status_fields(octets)[1])
    assert fields == {"Final-Recipient": b"rfc822; z@y.example", "Action": b"relayed", "Status": b"2.0.0"}


def test_failures_and_delays_go_into_one_report_failures_first():
    octets = report((DELAYED, FAILED))
    assert parsed(octets)["Subject"] == "Your message could not be delivered"
    text = read_parts(octets, read_headers(octets)).parts[0].text(9999)
    assert text.index("x@y.example") < text.index("z@y.example")
    assert [dict(group)["Action"] for group in status_fields(octets)[1:]] == [b"delayed", b"failed"]


@pytest.mark.parametrize(
    ("given_", "whole"),
    [
        ({}, True),
        ({"ret": "FULL"}, True),
        ({"ret": "HDRS"}, False),
        ({"ret": "hdrs"}, False),
        ({"original": None}, False),
        ({"original": HEADERS + b"\r\n" + b"x" * ORIGINAL_BYTES_MAX}, False),
        ({"original": HEADERS + b"\r\n" + b"x" * ORIGINAL_BYTES_MAX, "original_bytes_max": 1 << 20}, True),
        ({"recipients": (DELAYED,)}, False),
    ],
)
def test_what_comes_back_of_the_original(given_, whole):
    octets = report(**given_)
    last = read_parts(octets, read_headers(octets)).parts[2]
    assert last.mime_type == ("message/rfc822" if whole else "text/rfc822-headers")
    assert (b"Your message is attached." in octets) is whole
    if not whole:
        assert last.raw.rstrip() == HEADERS.rstrip()


def test_a_whole_original_comes_back_octet_for_octet():
    original = HEADERS + "\r\nGrüße\r\n".encode() + b"\xff\r\n"
    octets = report(original=original)
    assert original in octets
    head = read_headers(octets)
    assert head.get("content-transfer-encoding") == b"8bit"
    assert octets.count(b"Content-Transfer-Encoding: 8bit") == 2


def test_a_large_header_block_is_cut_at_a_line():
    headers = b"X-Line: " + b"y" * 90 + b"\r\n"
    octets = report(original=None, original_headers=headers * 2000)
    last = read_parts(octets, read_headers(octets)).parts[2]
    assert RETURNED_HEADER_BYTES_MAX - 200 < len(last.raw) <= RETURNED_HEADER_BYTES_MAX
    assert set(last.raw.strip().split(b"\r\n")) == {headers.strip()}


def test_addresses_in_utf8():
    octets = report((FailedRecipient("ü@y.example", orcpt="utf-8;+C3+BC@y.example"),), to="用户@b.example")
    fields = dict(status_fields(octets)[1])
    assert fields["Final-Recipient"] == rb"utf-8; \x{FC}@y.example"
    assert fields["Original-Recipient"] == rb"utf-8; \x{FC}@y.example"
    assert "To: <用户@b.example>\r\n".encode() in octets
    assert "  ü@y.example\r\n".encode() in octets


@pytest.mark.parametrize("orcpt", ["", "rfc822", "rfc822;a b", "rfc822;+GG"])
def test_a_broken_orcpt_is_left_out(orcpt):
    octets = report((FailedRecipient("x@y.example", orcpt=orcpt),), envid="not xtext")
    assert b"Original-Recipient" not in octets
    assert b"Original-Envelope-Id" not in octets


def test_a_broken_status_becomes_the_general_one():
    assert dict(status_fields(report((FailedRecipient("x@y", status="5.1"),)))[1])["Status"] == b"5.0.0"


def test_the_boundary_gives_way_to_what_is_returned():
    original = HEADERS + b"\r\n--=_report--\r\n--=_report_1\r\nContent-Type: text/html\r\n\r\nx\r\n"
    octets = report(original=original)
    assert b'boundary="=_report_2"' in octets
    found = read_parts(octets, read_headers(octets))
    assert [part.path for part in found.parts] == ["1", "2", "3", "3.1"]
    assert b'boundary="report"' in report(boundary="")
    assert b'boundary="a_b"' in report(boundary='a"b')


hostile = st.text(st.sampled_from('\r\n\t \0;:<>()"@ab.ü\u2028\u202e\x1b\\=+0A\ud800'), max_size=60)


@settings(max_examples=150)
@given(hostile, hostile, hostile, hostile, hostile, hostile)
def test_no_value_adds_a_field_a_line_or_a_part(address, diagnostic, remote, orcpt, to, name):
    recipient = FailedRecipient(address, status=name, orcpt=orcpt, diagnostic=diagnostic, remote_mta=remote)
    octets = report(
        (recipient, FAILED), to=to, reporting_mta=name, message_id=name, date=name, envid=orcpt, arrival_date=name
    )
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert not any(octet < 32 and octet not in b"\r\n\t" for octet in octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    headers = read_headers(octets)
    names = [name for name, _ in headers.fields if name != "Content-Transfer-Encoding"]
    assert names == ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    found = read_parts(octets, headers)
    assert [part.path for part in found.parts] == ["1", "2", "3", "3.1"]
    groups = status_fields(octets)
    assert len(groups) == 3
    known = {"Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code"}
    assert all({name for name, _ in group} <= known for group in groups[1:])


@pytest.mark.parametrize("word", ["x" * 5000, "word " * 1000, " " * 3000, "x" * 70 + " y" * 900])
def test_long_values_are_cut_and_folded(word):
    octets = report((FailedRecipient("x@y.example", diagnostic=word),))
    assert max(map(len, octets.split(b"\r\n"))) <= 600
    assert len(status_fields(octets)) == 2
