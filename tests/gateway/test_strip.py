"""Attachments are taken out part by part; what is kept is kept octet for octet; what is doubtful is not touched."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.gateway.strip import STRIP_BYTES_MAX, CannotStrip, strip_attachments
from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts

PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\nthere.  \r\n"
HTML = b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Hello=20</p>"
BARE = b"\r\nno header at all"
PDF = b'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment\r\n\r\nAAAA'
PICTURE = b"Content-Type: image/png\r\nContent-ID: <1>\r\nContent-Disposition: inline\r\n\r\nAAAA"
NOTE = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nx"
NAMED = b"Content-Type: text/html; name=invoice.html\r\n\r\n<script>"
FORWARDED = b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n"
TEXTS, ATTACHMENTS = (PLAIN, HTML, BARE), (PDF, PICTURE, NOTE, NAMED, FORWARDED)
REPORT = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;x.example\r\n"


def multipart(
    *parts: bytes, kind: str = "mixed", mark: str = "b1", preamble: bytes = b"", epilogue: bytes = b""
) -> bytes:
    """An entity: header and parts."""
    head = f'Content-Type: multipart/{kind}; boundary="{mark}"\r\n\r\n'.encode()
    line = f"--{mark}".encode()
    return head + preamble + b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n" + epilogue


def message(entity: bytes) -> bytes:
    return b"From: a@example.org\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nX-Odd:   kept \r\n" + entity


@pytest.mark.parametrize("attachment", ATTACHMENTS)
@pytest.mark.parametrize("text", TEXTS)
def test_an_attachment_goes_and_every_other_octet_stays(text: bytes, attachment: bytes) -> None:
    wanted = message(multipart(text, HTML, preamble=b"old readers\r\n", epilogue=b"behind\r\n"))
    for place in range(3):
        parts = [text, HTML]
        parts.insert(place, attachment)
        sent = message(multipart(*parts, preamble=b"old readers\r\n", epilogue=b"behind\r\n"))
        assert strip_attachments(sent) == wanted


def test_every_mixture_of_three_parts() -> None:
    for parts in product((PLAIN, HTML, PDF, FORWARDED), repeat=3):
        texts = [part for part in parts if part in TEXTS]
        if texts:
            assert strip_attachments(message(multipart(*parts))) == message(multipart(*texts))


def test_an_alternative_beside_an_attachment_is_kept_whole() -> None:
    inner = multipart(PLAIN, HTML, kind="alternative", mark="in")
    assert strip_attachments(message(multipart(inner, PDF))) == message(multipart(inner))


def test_pictures_inside_go_and_an_emptied_group_goes_as_a_whole() -> None:
    related = multipart(HTML, PICTURE, kind="related", mark="in")
    pictures = multipart(PICTURE, PICTURE, kind="related", mark="in")
    assert strip_attachments(message(multipart(related, PDF))) == message(
        multipart(multipart(HTML, kind="related", mark="in"))
    )
    assert strip_attachments(message(multipart(PLAIN, pictures))) == message(multipart(PLAIN))


def test_a_message_of_attachments_alone_says_what_happened() -> None:
    stripped = strip_attachments(message(multipart(PDF, PICTURE, epilogue=b"behind\r\n")))
    (part,) = read_parts(stripped, read_headers(stripped)).parts
    assert (part.mime_type, part.text(100)) == ("text/plain", "The attachments of this message were removed.\r\n")
    assert stripped.endswith(b"--b1--\r\nbehind\r\n")


def test_a_report_of_a_mail_system_is_no_attachment() -> None:
    report = message(multipart(PLAIN, REPORT, FORWARDED, kind="report"))
    assert strip_attachments(report) == message(multipart(PLAIN, REPORT, kind="report"))


@pytest.mark.parametrize(
    "octets",
    [message(b"\r\nHello.\r\n"), message(PLAIN), message(multipart(PLAIN, HTML, kind="alternative")), b"", b"\r\n"],
)
def test_a_message_without_attachments_is_the_very_same(octets: bytes) -> None:
    assert strip_attachments(octets) is octets


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (message(PDF), "one attachment"),
        (message(FORWARDED), "one attachment"),
        (message(multipart(PLAIN, PDF))[: -len(b"--b1--\r\n")], "not closed"),
        (message(multipart(PLAIN, PDF)).replace(b'boundary="b1"', b'boundary="b1"; boundary="b2"'), "differ|boundary"),
        (message(multipart(PLAIN, PDF)).replace(b'; boundary="b1"', b""), "differ"),
        (message(multipart(PLAIN, PDF) + b"--b1\r\n\r\nbehind the end\r\n"), "differ"),
        (message(b"Content-Transfer-Encoding: base64\r\n" + multipart(PLAIN, PDF)), "differ"),
        (message(multipart(b"\r\nbegin 644 a.exe\r\n#0V%T\r\n`\r\nend", PDF)), "differ"),
        (message(multipart(*[PDF] * 1100)), "differ"),
        (b"Content-Type: text/plain\r\n" + message(multipart(PLAIN, PDF)), "differ"),
    ],
)
def test_what_readers_may_take_differently_is_not_touched(octets: bytes, why: str) -> None:
    with pytest.raises(CannotStrip, match=why):
        strip_attachments(octets)


def test_nesting_beyond_all_sense_is_not_touched() -> None:
    entity = multipart(PLAIN, PDF, mark="b0")
    for depth in range(1, 40):
        entity = multipart(entity, mark=f"b{depth}")
    with pytest.raises(CannotStrip):
        strip_attachments(message(entity))


def test_more_than_can_be_looked_at_is_not_touched() -> None:
    with pytest.raises(CannotStrip, match="looked at as a whole"):
        strip_attachments(b"x" * (STRIP_BYTES_MAX + 1))


LINES = (
    b"--b1\r\n",
    b"--b1--\r\n",
    b"--b1",
    b"\r\n",
    b"--b2\r\n",
    b"--b2--\r\n",
    b"begin 644 x\r\n",
    b" \r\n",
    b"text",
)
INNER = multipart(PLAIN, PICTURE, mark="b2")
FRAGMENTS = st.sampled_from((*LINES, PLAIN, PDF, FORWARDED, BARE, INNER, b"Content-Type: text/plain\r\n"))


@given(st.lists(FRAGMENTS, max_size=12))
@settings(max_examples=400, deadline=None)
def test_whatever_comes_no_attachment_is_left_or_nothing_is_done(fragments: list[bytes]) -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n' + b"".join(fragments)
    try:
        stripped = strip_attachments(octets)
    except CannotStrip:
        return
    parts = read_parts(stripped, read_headers(stripped)).parts
    assert all(not p.filename and p.disposition != "attachment" for p in parts)
    assert all(p.mime_type.startswith("text/") for p in parts)
