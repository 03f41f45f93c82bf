"""The names and sizes of a held message's parts."""

import json

from pratique.mail.headers import read_headers
from pratique.manager.attachments import LIST_MAX, list_attachments


def _listed(octets: bytes) -> list[list[object]]:
    return list(json.loads(list_attachments(octets, read_headers(octets))))


def _multipart(*parts: str) -> bytes:
    body = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return f"Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b--\r\n".encode()


def test_plain_text_has_none() -> None:
    assert _listed(b"Subject: x\r\n\r\nhello\r\n") == []
    assert _listed(b"Content-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n") == []


def test_parts_with_a_name_are_listed_with_the_size_of_their_base64_form() -> None:
    attached = (
        'Content-Disposition: attachment; filename="a.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + "QUJD" * 25
    )
    name, size = _listed(_multipart("\r\ntext", attached))[0]
    assert name == "a.bin"
    assert isinstance(size, int) and 100 <= size <= 104


def test_a_single_part_message_may_be_an_attachment_itself() -> None:
    assert [n for n, _ in _listed(b'Content-Type: application/pdf; name="x.pdf"\r\n\r\nPDF\r\n')] == ["x.pdf"]
    assert [n for n, _ in _listed(b'Content-Disposition: attachment; filename="y"\r\n\r\nz\r\n')] == ["y"]


def test_the_list_is_bounded() -> None:
    parts = [f'Content-Disposition: attachment; filename="{n}.txt"\r\n\r\nx' for n in range(LIST_MAX + 50)]
    assert len(_listed(_multipart(*parts))) == LIST_MAX


def test_broken_mime_is_no_error() -> None:
    assert _listed(b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n") == []
    assert isinstance(
        _listed(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: ;;;\r\n"), list
    )
