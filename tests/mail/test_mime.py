"""The union of readings: whatever a reader could see of a message, some part shows it."""

import base64
import binascii
import email
import email.policy
import time
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.mail import mime
from pratique.mail.headers import read_headers
from pratique.mail.mime import DEPTH_MAX, PARTS_MAX, VIEWS_MAX, read_parts

PAYLOAD = b"MZ-this-is-the-payload-no-reader-may-miss-\x00\xff\xfe" * 3
BASE64 = base64.encodebytes(PAYLOAD).replace(b"\n", b"\r\n")
QUOTED = binascii.b2a_qp(PAYLOAD).replace(b"=\n", b"=\r\n")
UU = b"begin 644 evil.exe\r\n" + b"".join(
    binascii.b2a_uu(PAYLOAD[at : at + 45]).rstrip(b"\n") + b"\r\n" for at in range(0, len(PAYLOAD), 45)
) + b"`\r\nend\r\n"  # fmt: skip
ATTACHED = b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + BASE64
TEXT = b"Content-Type: text/plain\r\n\r\nhello\r\n"


def read(octets):
    return read_parts(octets, read_headers(octets))


def multipart(*parts, head=b'Content-Type: multipart/mixed; boundary="b"\r\n', boundary=b"b", end=b"--b--\r\n"):
    return head + b"\r\n" + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + end


def seen(found):
    return any(PAYLOAD in part.decoded(1 << 20) for part in found.parts)


def shape(found):
    return [(part.path, part.mime_type) for part in found.parts]


# --- honest mail ----------------------------------------------------------------------------------------------------
def test_a_plain_message_is_one_part():
    found = read(b"Subject: x\r\nContent-Type: Text/Plain; charset=utf-8\r\n\r\nhi")
    assert shape(found) == [("1", "text/plain")]
    part = found.parts[0]
    assert (part.charset, part.encoding, part.disposition, part.filename) == ("utf-8", "", "", "")
    assert (part.text(10), part.encoded_size, part.view) == ("hi", 2, "")
    assert (found.ambiguous, found.truncated) == ("", "")


def test_a_message_without_a_type_is_text():
    assert shape(read(b"Subject: x\r\n\r\nhi")) == [("1", "text/plain")]
    assert shape(read(b"")) == [("1", "text/plain")]


def test_parts_are_numbered_as_imap_does():
    inner = multipart(
        TEXT, TEXT, head=b"Content-Type: multipart/alternative; boundary=i\r\n", boundary=b"i", end=b"--i--"
    )
    mail = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhi"
    several = b"Content-Type: message/rfc822\r\n\r\n" + inner
    found = read(multipart(inner, ATTACHED, mail, several))
    assert shape(found) == [
        ("1.1", "text/plain"),
        ("1.2", "text/plain"),
        ("2", "application/zip"),
        ("3", "message/rfc822"),
        ("3.1", "text/plain"),
        ("4", "message/rfc822"),
        ("4.1", "text/plain"),
        ("4.2", "text/plain"),
    ]
    assert (found.ambiguous, found.truncated) == ("", "")
    assert found.parts[2].decoded(1000) == PAYLOAD
    assert found.parts[2].filename == "a.zip"


def test_in_a_digest_a_part_without_a_type_is_a_message():
    found = read(multipart(b"\r\nSubject: in\r\n\r\nhi", head=b"Content-Type: multipart/digest; boundary=b\r\n"))
    assert shape(found) == [("1", "message/rfc822"), ("1.1", "text/plain")]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            # A semicolon in a name, though quoted, ends it for careless readers: that is a doubt, and is told.
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters=";"), max_size=30),
            st.binary(max_size=200),
        ),
        max_size=4,
    )
)
def test_what_a_mail_program_writes_is_read_back_without_doubt(attachments):
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "x"
    message.set_content("Grüße\n")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="pdf", filename=f"a{name.strip()}.pdf")
    found = read(message.as_bytes())
    assert (found.ambiguous, found.truncated) == ("", "")
    assert found.parts[0].text(100) == "Grüße\r\n"
    assert [part.decoded(1000) for part in found.parts[1:]] == [content for _, content in attachments]
    assert all(part.disposition == "attachment" and part.filename.endswith(".pdf") for part in found.parts[1:])


def test_a_semicolon_in_a_quoted_name_is_two_names_to_some():
    found = read(OCTETS + b'Content-Disposition: attachment; filename="a;.pdf"\r\n\r\nx')
    assert found.ambiguous == "two file names"


# --- mail that readers disagree on ------------------------------------------------------------------------------------
MULTI = b"Content-Type: multipart/mixed; "
MESSAGE = b"Content-Type: message/rfc822\r\n"
QP_COMMENT = b"Content-Transfer-Encoding: quoted-printable (c)\r\n"
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n"
B64 = b"Content-Transfer-Encoding: base64\r\n"
OCTETS = b"Content-Type: application/octet-stream\r\n"

AMBIGUOUS = {
    "two types, text first": b"Content-Type: text/plain\r\n" + multipart(ATTACHED),
    "two types, text last": MIXED + multipart(ATTACHED, head=b"Content-Type: text/plain\r\n"),
    "two boundaries in two types": MIXED + multipart(ATTACHED, head=b"Content-Type: multipart/mixed; boundary=c\r\n"),
    "two boundaries in one type, first": multipart(ATTACHED, head=MULTI + b"boundary=b; boundary=c\r\n"),
    "two boundaries in one type, last": multipart(ATTACHED, head=MULTI + b"boundary=c; boundary=b\r\n"),
    "two boundaries, both used": multipart(
        TEXT + b"--c\r\n" + ATTACHED + b"\r\n--c--\r\n", head=MULTI + b"boundary=b; boundary=c\r\n"
    ),
    "two encodings, base64 first": B64 + OCTETS + b"Content-Transfer-Encoding: 7bit\r\n\r\n" + BASE64,
    "two encodings, base64 last": b"Content-Transfer-Encoding: 7bit\r\n" + B64 + OCTETS + b"\r\n" + BASE64,
    "unknown encoding": b"Content-Transfer-Encoding: x-foo\r\n" + OCTETS + b"\r\n" + BASE64,
    "unknown encoding, quoted": b"Content-Transfer-Encoding: x-foo\r\n" + OCTETS + b"\r\n" + QUOTED,
    "encoding with a semicolon": b"Content-Transfer-Encoding: base64;\r\n" + OCTETS + b"\r\n" + BASE64,
    "encoding with a comment": b"Content-Transfer-Encoding: (c) base64\r\n" + OCTETS + b"\r\n" + BASE64,
    "encoding in quotes": b'Content-Transfer-Encoding: "base64"\r\n' + OCTETS + b"\r\n" + BASE64,
    "encoding misspelt": b"Content-Transfer-Encoding: base-64\r\n" + OCTETS + b"\r\n" + BASE64,
    "quoted-printable with a comment": QP_COMMENT + OCTETS + b"\r\n" + QUOTED,
    "uuencode misspelt": b"Content-Transfer-Encoding: uuenc\r\n" + OCTETS + b"\r\n" + UU,
    "a part behind the end": multipart(TEXT) + b"--b\r\n" + ATTACHED + b"\r\n--b--\r\n",
    "headers of a part behind the end": multipart(TEXT) + b"\r\n" + ATTACHED,
    "headers of a part in front": MIXED + b"\r\ntext\r\n" + ATTACHED + b"\r\n--b\r\n" + TEXT + b"\r\n--b--\r\n",
    "a line that begins like a boundary": multipart(TEXT + b"\r\n--bb\r\n" + ATTACHED),
    "an end with something behind it": multipart(TEXT + b"\r\n--b--x\r\n--b\r\n" + ATTACHED),
    "blank before the colon": b"Content-Type : multipart/mixed; boundary=b\r\n" + multipart(ATTACHED, head=b"A: b\r\n"),
    "NUL in the type": multipart(ATTACHED, head=b"Content-Type: multi\0part/mixed; boundary=b\r\n"),
    "NUL in the name": multipart(ATTACHED, head=b"Content-\0Type: multipart/mixed; boundary=b\r\n"),
    "blank in front of the name": multipart(ATTACHED, head=b" Content-Type: multipart/mixed; boundary=b\r\n"),
    "a message in base64": MESSAGE + B64 + b"\r\n" + base64.encodebytes(multipart(ATTACHED)),
    "a message in base64 with bare newlines": MESSAGE
    + B64 + b"\r\n" + base64.encodebytes(multipart(ATTACHED).replace(b"\r\n", b"\n")),
    "a message said to be in base64": MESSAGE + B64 + B64[:-2] + b"; x\r\n\r\n" + multipart(ATTACHED),
    "a multipart in base64": MIXED + B64 + b"\r\n" + base64.encodebytes(multipart(ATTACHED)[len(MIXED) + 4 :]),
    "a multipart said to be in base64": multipart(ATTACHED, head=MIXED + B64),
    "message/partial": b"Content-Type: message/partial; number=1; total=2; id=x\r\n\r\n" + PAYLOAD,
    "message/external-body": b"Content-Type: message/external-body; access-type=url\r\n\r\n" + PAYLOAD,
    "no boundary": multipart(ATTACHED, head=b"Content-Type: multipart/mixed\r\n"),
    "no subtype": multipart(ATTACHED, head=b"Content-Type: multipart; boundary=b\r\n"),
    "a boundary that does not occur": multipart(ATTACHED, head=b"Content-Type: multipart/mixed; boundary=zz\r\n"),
    "an empty boundary": multipart(ATTACHED, head=b'Content-Type: multipart/mixed; boundary=""\r\n'),
    "a boundary in pieces": multipart(
        ATTACHED, head=b"Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n", boundary=b"bc", end=b"--bc--"
    ),
    "a boundary with a quoted pair": multipart(ATTACHED, head=b'Content-Type: multipart/mixed; boundary="\\b"\r\n'),
    "a boundary with a comment": multipart(ATTACHED, head=b"Content-Type: multipart/mixed; boundary=b(c)\r\n"),
    "a boundary in a comment": multipart(ATTACHED, head=MULTI[:-2] + b" (; boundary=c;) ; boundary=b\r\n"),
    "a boundary on text": multipart(ATTACHED, head=b"Content-Type: text/plain; boundary=b\r\n"),
    "no semicolon behind the type": multipart(ATTACHED, head=b"Content-Type: multipart/mixed boundary=b\r\n"),
    "garbage in front of the type": b"garbage\r\n" + multipart(ATTACHED),
    "garbage behind the type": multipart(ATTACHED, head=MIXED + b"garbage\r\n"),
    "the body begins without a blank line": MIXED + b"garbage\r\n--b\r\n" + ATTACHED + b"--b--\r\n",
    "a line of blanks in the header": MIXED + b" \r\n--b\r\n" + ATTACHED + b"--b--\r\n",
    "base64 behind its padding, anew": OCTETS + B64 + b"\r\nAA==\r\n" + BASE64,
    "base64 behind its padding, joined": OCTETS + B64 + b"\r\n" + BASE64[:6] + b"=" + BASE64[6:],
    "uuencode in the text": b"Content-Type: text/plain\r\n\r\nhello\r\n" + UU,
    "uuencode at the start of the text": b"A: b\r\n\r\n" + UU,
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_where_readers_differ_every_reading_is_there_and_the_doubt_is_told(name):
    found = read(AMBIGUOUS[name])
    assert seen(found), [(part.path, part.mime_type, part.encoding, part.view) for part in found.parts]
    assert found.ambiguous


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_the_same_inside_a_multipart(name):
    found = read(
        multipart(
            TEXT,
            AMBIGUOUS[name],
            head=b"Content-Type: multipart/mixed; boundary=outer\r\n",
            boundary=b"outer",
            end=b"--outer--",
        )
    )
    assert seen(found)
    assert found.ambiguous


@pytest.mark.parametrize("octets", [
    b"Content-Type: text/plain\r\n" + multipart(ATTACHED),
    B64 + OCTETS + b"Content-Transfer-Encoding: 7bit\r\n\r\n" + BASE64,
])  # fmt: skip
def test_the_other_readings_are_marked(octets):
    views = [part.view for part in read(octets).parts]
    assert views[0] == ""
    assert all(views[1:])
    assert len(views) > 1


def test_two_names_with_different_extensions_are_both_shown():
    found = read(b"Content-Type: a/b; name=a.exe\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx")
    assert [part.filename for part in found.parts] == ["a.txt", "a.exe"]
    assert found.ambiguous == "two file names"


def test_two_names_with_one_extension_are_no_matter():
    found = read(b"Content-Type: a/b; name=a.TXT\r\nContent-Disposition: attachment; filename=b.txt\r\n\r\nx")
    assert [part.filename for part in found.parts] == ["b.txt"]
    assert found.ambiguous == ""


def test_the_same_field_twice_is_no_matter():
    field = b"Content-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n"
    found = read(field + field + b"\r\nx")
    assert (shape(found), found.ambiguous) == ([("1", "text/html")], "")


def test_text_in_a_header_without_an_end_is_text_to_some():
    found = read(b"Subject: x\r\nbuy now\r\n\r\nx")
    assert [part.text(100) for part in found.parts] == ["x", "buy now\r\n\r\nx"]
    assert found.ambiguous


def test_an_unknown_type_without_a_slash_is_text():
    found = read(b"Content-Type: text\r\n\r\nx")
    assert (shape(found), found.ambiguous) == ([("1", "text/plain")], "Content-Type without a subtype")


def test_an_empty_multipart_hides_nothing():
    found = read(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n")
    assert (found.parts, found.ambiguous) == ((), "")


def test_ordinary_text_around_the_parts_is_no_matter():
    found = read(MIXED + b"\r\nThis is MIME.\r\n--b\r\n" + TEXT + b"\r\n--b--\r\n\r\nSent by a list\r\n")
    assert (shape(found), found.ambiguous) == ([("1", "text/plain")], "")


# --- bombs -----------------------------------------------------------------------------------------------------------
BOMBS = {
    "semicolons": (b"Content-Type: text/plain" + b";" * 20_000 + b"\r\n\r\nx", ""),
    "parameters": (b"Content-Type: text/plain" + b"; a=b" * 5000 + b"\r\n\r\nx", "parameters"),
    "pieces": (b"Content-Type: a/b" + b"".join(b"; n*%d=x" % i for i in range(5000)) + b"\r\n\r\nx", "parameters"),
    "empty parts": (b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\n\r\n" * 200_000, "parts"),
    "nested multiparts": (
        b"".join(b'Content-Type: multipart/mixed; boundary="=%04d"\r\n\r\n--=%04d\r\n' % (i, i) for i in range(3000)),
        "depth",
    ),
    "nested multiparts with prefixes": (
        b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (i, i) for i in range(3000)),
        "parts",
    ),
    "nested messages": (b"Content-Type: message/rfc822\r\n\r\n" * 2000 + b"x", "depth"),
    "fields": (b"X-A: b\r\n" * 300_000 + b"\r\nx", "headers"),
    "types": (b"".join(b"Content-Type: text/x%d\r\n" % i for i in range(900)) + b"\r\nx", "views"),
    "types and prefixes": (
        b"".join(b"Content-Type: multipart/mixed; boundary=a%d\r\n" % i for i in range(900))
        + b"\r\n" + b"--a0x\r\n\r\nx\r\n" * 20_000,
        "parts",
    ),
    "uuencoded files": (b"A: b\r\n" + b"\r\nbegin 644 a\r\n" * 20_000, "views"),
    "encodings": (b"".join(b"Content-Transfer-Encoding: x%d\r\n" % i for i in range(900)) + b"\r\nx", "views"),
    "names": (
        b"".join(b"Content-Disposition: attachment; filename=a.%d\r\n" % i for i in range(900)) + b"\r\nx",
        "views",
    ),
    "padding": (b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A=A=" * 100_000, ""),
    "parentheses": (b"Content-Type: text/plain; x=" + b"(" * 60_000 + b"\r\n\r\nx", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_soon_and_what_was_left_out_is_told(name):
    octets, truncated = BOMBS[name]
    started = time.process_time()
    found = read(octets)
    for part in found.parts:
        part.decoded(1000)
    assert time.process_time() - started < 0.5
    assert found.truncated == truncated
    assert len(found.parts) <= PARTS_MAX


def test_depth_is_counted_over_messages_and_multiparts():
    levels = [b'Content-Type: multipart/mixed; boundary="=%02d"\r\n\r\n--=%02d\r\n' % (n, n) for n in range(DEPTH_MAX)]
    found = read(b"".join(levels) + TEXT)
    assert (len(found.parts), found.truncated) == (1, "")
    found = read(b"Content-Type: message/rfc822\r\n\r\n" + b"".join(levels) + ATTACHED)
    assert found.truncated == "depth"
    assert any(BASE64 in part.raw for part in found.parts)


def test_messages_encoded_in_messages_stop_at_the_allowance(monkeypatch):
    monkeypatch.setattr(mime, "EMBEDDED_BYTES_MAX", 100)
    inner = b"Content-Type: message/rfc822\r\n" + B64 + b"\r\n" + base64.encodebytes(b"A: b\r\n\r\n" + b"x" * 200)
    found = read(multipart(inner, inner))
    assert found.truncated == "embedded"
    assert max(len(part.source) for part in found.parts if part.view) <= len(multipart(inner, inner))
    assert sum(part.source is not found.parts[0].source for part in found.parts) == 1


def test_extra_readings_stop_at_the_allowance():
    found = read(b"A: b\r\n\r\n" + UU * (VIEWS_MAX + 5))
    assert found.truncated == "views"
    assert len(found.parts) == VIEWS_MAX + 1


NO_ALLOWANCE = {
    "types": b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\nx",
    "encodings": B64 + b"Content-Transfer-Encoding: 7bit\r\n\r\nx",
    "garbage": b"garbage\r\n\r\nx",
    "names": b"Content-Type: a/b; name=a.b\r\nContent-Disposition: attachment; filename=a.c\r\n\r\nx",
    "padding": B64 + b"\r\nAA==BB==",
    "uuencode": b"A: b\r\n\r\n" + UU,
    "boundaries": AMBIGUOUS["two boundaries, both used"],
    "prefix": AMBIGUOUS["a line that begins like a boundary"],
    "strays": AMBIGUOUS["headers of a part behind the end"],
    "guess": AMBIGUOUS["no boundary"],
    "encoded multipart": AMBIGUOUS["a multipart in base64"],
    "encoded message": AMBIGUOUS["a message in base64"],
    "boundary on text": AMBIGUOUS["a boundary on text"],
}


@pytest.mark.parametrize("name", NO_ALLOWANCE)
def test_without_any_allowance_nothing_more_is_read(name, monkeypatch):
    monkeypatch.setattr(mime, "VIEWS_MAX", 0)
    monkeypatch.setattr(mime._Walk, "_some", lambda self, values: values)
    found = read(NO_ALLOWANCE[name])
    assert found.truncated == "views"
    assert found.ambiguous
    assert all(part.view == "" for part in found.parts)


def test_no_more_parts_than_the_cap(monkeypatch):
    monkeypatch.setattr(mime, "PARTS_MAX", 1)
    found = read(NO_ALLOWANCE["names"])
    assert (len(found.parts), found.truncated) == (1, "parts")


def test_of_the_boundaries_on_text_only_those_that_occur_count():
    octets = multipart(ATTACHED, head=b"Content-Type: text/plain; boundary=zz; boundary=b\r\n")
    found = read(octets)
    assert [(part.path, part.view == "") for part in found.parts] == [("1", True), ("1", False)]
    assert seen(found)


# --- anything ---------------------------------------------------------------------------------------------------------
PIECES = [
    MIXED[:-2], b"Content-Type: multipart/digest; boundary=bb", MESSAGE[:-2], b"Content-Type: text/plain; name=a.b",
    b"content-type : multipart/mixed;", b" boundary=b", B64[:-2], b"Content-Transfer-Encoding: x", QP_COMMENT[:-6],
    b"Content-Disposition: attachment; filename=c.d", b"--b", b"--b--", b"--bb", b"--bb--", b"", b"", b"", b"text",
    b"garbage\0", b"AAAA====AAAA", b"begin 644 x", b"\xff",
    base64.b64encode(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--"),
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_message_is_read_within_the_limits(lines):
    octets = b"\r\n".join(lines)
    found = read(octets)
    assert len(found.parts) <= PARTS_MAX
    for part in found.parts:
        assert 0 <= part.start <= part.end <= len(part.source)
        assert part.encoded_size == part.end - part.start
        assert len(part.decoded(50)) <= 50
        part.text(50).encode("utf-8")
        part.filename.encode("utf-8")
        assert not part.view or found.ambiguous


@given(st.binary(max_size=300))
def test_any_octets_are_read(octets):
    assert len(read(octets).parts) >= 1 or b"multipart" in octets.lower()


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_what_the_standard_library_sees_is_seen(lines):
    octets = b"A: b\r\n" + b"\r\n".join(lines)
    found = read(octets)
    if found.truncated:
        return  # it is told that there is more
    ours = {part.decoded(1 << 20).strip() for part in found.parts}
    ours |= {b"".join(part.raw.splitlines()) for part in found.parts}  # what it shows when it cannot decode base64
    for part in email.message_from_bytes(octets).walk():
        if part.is_multipart() or part.get_content_maintype() == "multipart":
            continue
        content = (part.get_payload(decode=True) or b"").strip()
        assert any(content in one for one in ours), content


# --- the short way for the usual message ------------------------------------------------------------------------------
USUAL_HEADS = [
    b"",
    b"Subject: x\r\n",
    b"Content-Type: text/plain\r\n",
    b"Content-Type: TEXT/html; charset=utf-8\r\n",
    b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n",
    b'Content-Type: text/plain; charset="iso-8859-1"; charset=utf-8\r\n',
    b"Content-Type: text/plain; charset*=utf-8''us-ascii\r\n",
    b"Content-Type: text/plain (c); charset=utf-8\r\n",
    b"Content-Type: text/plain; name=a.exe\r\n",
    b"Content-Type: text/plain; name*0=a.e; name*1=xe\r\n",
    b"Content-Type: text/plain; boundary=b\r\n",
    b"Content-Type: text/plain; boundary*0=b\r\n",
    b"Content-Type: text/\r\n",
    b"Content-Type: text\r\n",
    b"Content-Type:\r\n",
    b"Content-Type: application/zip\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Type : text/plain\r\n",
    b"Con\x01tent-Type: text/html\r\n",
    b"Content-Type: text/plain; charset=" + b"u" * 100 + b"\r\n",
    b"Content-Transfer-Encoding: 7Bit\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n",
    b"Content-Transfer-Encoding: binary\r\n",
    b"Content-Transfer-Encoding: 8-bit\r\n",
    b"Content-Transfer-Encoding:\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: 8bit;\r\n",
    b"Content-Disposition: inline\r\n",
    b"Content-Disposition: attachment; filename=a.exe\r\n",
    b"no field\r\n",
    b" folded\r\n",
]
USUAL_BODIES = [b"", b"hello\r\n", TEXT, UU, b"\r\n" + UU, b"begin it\r\n", b"--b\r\n" + TEXT + b"--b--\r\n", BASE64]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from(USUAL_HEADS), max_size=4), st.sampled_from([b"\r\n", b""]), st.sampled_from(USUAL_BODIES)
)
def test_the_short_way_gives_what_the_walk_gives(fields, blank, body):
    octets = b"".join(fields) + blank + body
    short = read(octets)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mime, "read_plain", lambda octets, headers: None)
        walked = read(octets)
    assert short == walked
    assert [(part.start, part.end) for part in short.parts] == [(part.start, part.end) for part in walked.parts]


def test_the_usual_message_goes_the_short_way(monkeypatch):
    monkeypatch.setattr(mime._Walk, "run", lambda *_: pytest.fail("walked"))
    for fields in (
        b"Subject: x\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
    ):
        assert read(fields + b"\r\nhello\r\n").parts[0].raw == b"hello\r\n"
