"""A mapped file reads as bytes do: the same parts, the same contents."""

import mmap
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.headers import read_headers
from pratique.mail.mime import read_parts
from pratique.mail.octets import starts_with

LINES = st.sampled_from(
    [
        b"From: a@b.example",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"Content-Type: message/rfc822",
        b"Content-Type: text/plain; name=a.txt",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"no field",
        b"",
        b"--b",
        b"--b--",
        b"aGVsbG8=",
        b"aGVsbG8gd29ybGQ",
        b"caf=E9=",
        b"begin 644 a.bin",
        b"#0V%T",
        b"end",
    ]
)


@given(st.lists(LINES, min_size=1, max_size=40))
def test_a_mapped_message_reads_as_one_in_memory(lines: list[bytes]) -> None:
    octets = b"\r\n".join(lines) + b"\r\n"
    with tempfile.TemporaryFile() as file:
        file.write(octets)
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    there, here = read_parts(mapped, read_headers(mapped)), read_parts(octets, read_headers(octets))
    assert there == here
    for one, other in zip(there.parts, here.parts, strict=True):
        assert one.decoded(1_000) == other.decoded(1_000)
        assert b"".join(one.pieces()) == other.decoded(len(octets))


def test_starts_with_looks_no_further_than_its_end() -> None:
    assert starts_with(b"abc", b"bc", 1, 3)
    assert not starts_with(b"abc", b"bc", 1, 2)
    assert not starts_with(b"abc", b"bc", 2, 3)
