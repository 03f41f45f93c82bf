"""Reading alone, in this process; the pool is test_pool's and test_content's."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.checks.content_worker import Wanted, read_batch, read_content, unread
from pratique.mail.headers import read_headers
from pratique.policy.facts import Attachment, Unknown

HEAD = b"From: Ann <ann@partner.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'


def read(octets, *, size=None, attachments=True, texts=True, text_bytes_max=1_000_000):
    wanted = Wanted(
        attachments=attachments,
        texts=texts,
        size=len(octets) if size is None else size,
        text_bytes_max=text_bytes_max,
    )
    return read_content(octets, read_headers(octets), wanted)


def mixed(*parts):
    return MIXED + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def attached(name, content, mime_type=b"application/zip"):
    return (
        b"Content-Type: %b\r\nContent-Disposition: attachment; filename=%b\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n%b"
    ) % (mime_type, name, base64.encodebytes(content).replace(b"\n", b"\r\n").rstrip())


def test_headers_alone():
    found = read(HEAD + b"\r\nbody", attachments=False, texts=False)
    assert (found.subject, found.from_header, found.message_id) == ("Grüße", "Ann <ann@partner.example>", "<1@x>")
    assert found.headers[1] == ("Subject", "Grüße")
    assert (found.texts, found.attachments, found.size, found.incomplete) == ((), (), len(HEAD) + 6, "")


@pytest.mark.parametrize(
    ("fields", "body", "text"),
    [
        (b"", b"plain\r\ntext\r\n", "plain\ntext\n"),
        (b"Content-Transfer-Encoding: 7bit\r\n", b"plain", "plain"),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "grün".encode(), "grün"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\n", "grün".encode("latin-1"), "grün"),
        (b"Content-Type: text/plain; charset=nonsense\r\n", b"gr\xfcn", "grün"),
        (b"Content-Type: text/plain; charset=utf-8\r\n", b"gr\xfcn", "gr\ufffdn"),
        (
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n",
            b"gr=C3=BCn sec=\r\nret\r\n",
            "grün secret\n",
        ),
        (b"Content-Transfer-Encoding: base64\r\n", base64.b64encode(b"the\r\nsecret\ris"), "the\nsecret\ris"),
        (
            b"Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n",
            base64.b64encode("ab\r\ncd\u0d0d".encode("utf-16")),
            "ab\ncd\u0d0d",
        ),
        (b"Content-Type: text/plain; charset=utf-16-be\r\n", "\u0d0dx".encode("utf-16-be"), "\u0d0dx"),
        (b"Content-Type: text/html\r\n", b"<p>sec<b>ret</b></p>", "<p>sec<b>ret</b></p>"),
        (b"Content-Type: application/json\r\n", b'{"a": 1}', '{"a": 1}'),
        (b"Content-Type: text\r\n", b"no subtype", "no subtype"),
    ],
)
def test_the_text_of_a_single_part(fields, body, text):
    assert read(HEAD + fields + b"\r\n" + body).texts == (("1", text),)


def test_parts_texts_and_attachments():
    found = read(
        mixed(
            b"Content-Type: text/plain\r\n\r\nhello",
            attached(b"a.zip", b"x" * 100),
            attached(b"note.txt", b"the secret", b"text/plain"),
            b"Content-Type: image/png\r\n\r\nPNG",
        )
    )
    assert found.texts == (("1", "hello"), ("3", "the secret"))
    assert found.attachments == (
        Attachment("a.zip", "application/zip", 100, 138, "2"),
        Attachment("note.txt", "text/plain", 10, 16, "3"),
        Attachment("", "image/png", 3, 4, "4"),
    )
    assert (found.ambiguous, found.incomplete, found.headers_cut) == (False, "", False)


def test_an_attachment_is_known_even_when_only_texts_are_wanted():
    """What belongs to the body can be told only beside what is attached."""
    octets = mixed(b"\r\nhello", attached(b"a.zip", b"x"))
    assert [one.filename for one in read(octets, attachments=False).attachments] == ["a.zip"]
    assert read(octets, texts=False).texts == ()


def test_a_text_with_attachment_disposition_is_an_attachment_without_a_name():
    found = read(mixed(b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nhello"))
    assert [(one.filename, one.mime_type) for one in found.attachments] == [("", "text/plain")]


def test_an_enclosed_mail_is_an_attachment_and_its_text_is_read():
    found = read(mixed(b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nthe secret"))
    assert [one.mime_type for one in found.attachments] == ["message/rfc822"]
    assert [text for _, text in found.texts] == ["the secret"]


def test_sizes_of_what_is_not_base64():
    found = read(mixed(b"Content-Type: image/png\r\n\r\n" + b"x" * 1000))
    (one,) = found.attachments
    assert one.size == 1000
    assert one.encoded_size == len(base64.encodebytes(b"x" * 1000).replace(b"\n", b"\r\n")) - 2


def test_every_reading_of_broken_mime_is_searched():
    octets = HEAD + b"Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    found = read(octets + base64.b64encode(b"the secret"))
    assert found.ambiguous
    assert any("the secret" in text for _, text in found.texts)


# --- limits --------------------------------------------------------------------------------------------------------
def test_a_cut_message_says_so():
    octets = mixed(b"\r\nhello", attached(b"a.zip", b"x" * 600))
    found = read(octets[:-300], size=len(octets))
    assert "larger than what is read" in found.incomplete
    assert (found.size, found.ambiguous) == (len(octets), False)
    assert [(one.filename, one.cut) for one in found.attachments] == [("a.zip", True)]
    assert found.attachments[0].size < 600
    assert found.texts == (("1", "hello"),)


def test_what_ended_before_the_cut_is_whole():
    octets = mixed(attached(b"a.zip", b"x"), b"Content-Type: image/png\r\n\r\n" + b"y" * 500)
    found = read(octets[:-200], size=len(octets))
    assert [(one.mime_type, one.cut) for one in found.attachments] == [("application/zip", False), ("image/png", True)]


@pytest.mark.parametrize(
    ("limit", "texts", "complete"),
    [(10, ["12345", "67890"], True), (9, ["12345", "6789"], False), (5, ["12345", ""], False), (3, ["123"], False)],
)
def test_the_limit_on_texts_is_over_all_of_them(limit, texts, complete):
    found = read(mixed(b"\r\n12345", b"\r\n67890"), text_bytes_max=limit)
    assert [text for _, text in found.texts] == texts
    assert (found.incomplete == "") == complete


@pytest.mark.parametrize(
    ("octets", "named"),
    [
        (mixed(*[b"\r\nx"] * 1100), "parts"),
        (b"Content-Type: message/rfc822\r\n\r\n" * 300 + b"x", "depth"),
    ],
)
def test_structure_beyond_the_limits(octets, named):
    assert named in read(octets).incomplete


def test_too_many_headers_are_told():
    octets = b"X-A: b\r\n" * 1100 + b"Subject: late\r\n\r\nbody"
    found = read(octets, attachments=False, texts=False)
    assert found.headers_cut
    assert found.subject == ""


def test_an_unread_message_still_has_its_headers():
    found = unread(HEAD + b"\r\nbody", 77, "took too long")
    assert (found.subject, found.size, found.headers_cut) == ("Grüße", 77, False)
    assert found.texts == found.attachments == Unknown("took too long")


def test_without_a_single_octet_nothing_is_known_of_the_headers():
    assert unread(b"", 77, "the disk failed").headers_cut


def test_a_batch_is_read_in_order():
    wanted = Wanted(attachments=True, texts=True, size=9, text_bytes_max=100)
    found = read_batch([(b"\r\nfirst", wanted), (b"\r\nsecond", wanted)])
    assert [message.texts[0][1] for message in found] == ["first", "second"]


def test_too_little_memory_is_unknown(monkeypatch):
    def fail(octets, headers, wanted):
        raise MemoryError

    monkeypatch.setattr("pratique.checks.content_worker.read_content", fail)
    (found,) = read_batch([(HEAD + b"\r\n", Wanted(attachments=True, texts=True, size=1, text_bytes_max=1))])
    assert "memory" in found.texts.why
    assert found.subject == "Grüße"


_LINES = st.sampled_from(
    [b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: text/plain; charset=utf-16", b"--b", b"--b--", b"",
     b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"c2VjcmV0", b"=3D=", b" x",
     b"Content-Disposition: attachment; filename=\"a.exe\"", b"Content-Type: message/rfc822", b"begin 644 a.exe",
     b"\xff"]
)  # fmt: skip


@given(st.lists(_LINES | st.binary(max_size=12), max_size=20).map(b"\r\n".join), st.integers(0, 40))
@settings(max_examples=150, deadline=None)
def test_any_octets_are_read_within_the_limit(octets, limit):
    found = read(octets, text_bytes_max=limit)
    assert sum(len(text) for _, text in found.texts) <= limit
    assert all(one.size >= 0 for one in found.attachments)
    assert all(not any("\ud800" <= sign <= "\udfff" for sign in text) for _, text in found.texts)
