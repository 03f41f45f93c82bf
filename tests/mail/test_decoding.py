import base64
import binascii
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail import decoding
from pratique.mail.decoding import (
    codec_of,
    decode_base64,
    decode_octets,
    decode_quoted_printable,
    decode_uuencode,
    loose_base64,
)


def whole(decode, octets, limit=1 << 30):
    return decode(octets, start=0, end=len(octets), limit=limit)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UTF-8", "utf_8"),
        ("utf8", "utf_8"),
        ("us-ascii", "ascii"),
        ("ISO-8859-1", "latin_1"),
        ("iso8859-15", "iso8859_15"),
        ("Windows-1252", "cp1252"),
        ("windows-874", "cp874"),
        ("KOI8-R", "koi8_r"),
        ("gb2312", "gb18030"),
        ("GBK", "gb18030"),
        ("Big5", "big5"),
        ("EUC-JP", "euc_jp"),
        ("ISO-2022-JP", "iso2022_jp"),
        ("Shift_JIS", "cp932"),
        ("ks_c_5601-1987", "cp949"),
        ("UTF-16LE", "utf_16_le"),
    ],
)
def test_charsets_that_mail_uses(charset, codec):
    assert codec_of(charset) == codec


@pytest.mark.parametrize(
    "charset", ["", "hex", "zlib", "rot13", "idna", "punycode", "unicode_escape", "undefined", "x" * 81]
)
def test_codecs_that_are_no_charsets_are_never_used(charset):
    assert codec_of(charset) == ""


@pytest.mark.parametrize("codec", sorted(set(decoding._NAMES.values())))
def test_every_codec_reads_any_octets_into_text_a_file_can_hold(codec):
    octets = bytes(range(256)) + b"+2AA-" + b"\x1b$B~~{"
    decode_octets(octets, codec).encode("utf-8")


@given(st.binary(), st.sampled_from(["", "utf-8", "ascii", "utf-7", "iso-2022-kr", "x-nonsense", "latin1", "hz"]))
def test_no_octets_fail(octets, charset):
    decode_octets(octets, charset).encode("utf-8")


def test_what_is_not_ascii_though_it_says_so_is_still_shown():
    assert decode_octets(b"\xc3\xbc", "us-ascii") == "ü"
    assert decode_octets(b"\xfc", "us-ascii") == "ü"
    assert decode_octets(b"\xfc", "utf-8") == "\ufffd"


@given(st.binary())
def test_base64_comes_back(octets):
    encoded = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    assert whole(decode_base64, encoded) == octets
    assert loose_base64(encoded) == octets


def test_base64_over_many_pieces(monkeypatch):
    octets = bytes(range(256)) * 5
    encoded = base64.encodebytes(octets)
    for size in range(1, 80):
        monkeypatch.setattr(decoding, "PIECE_BYTES", size)
        assert whole(decode_base64, encoded) == octets
        assert whole(decode_base64, encoded, limit=100) == octets[:100]


@pytest.mark.parametrize(
    ("encoded", "content"),
    [
        (b"aGVs!!bG8", b"hello"),
        (b"aGVsbG8=aGVsbG8=", b"hellohello"),
        (b"aGVsbG8==\r\n==aGVsbG8", b"hellohello"),
        (b"aGVsb", b"hel"),
        (b"a", b""),
        (b"====", b""),
        (b"", b""),
        (b"aGVsbG8\xff\0=", b"hello"),
    ],
)
def test_damaged_base64_shows_what_is_there(encoded, content):
    assert whole(decode_base64, encoded) == content


def test_padding_can_be_passed_over():
    assert loose_base64(b"aGVs=bG8=") == b"hello"


def test_base64_of_padding_alone_costs_little():
    encoded = b"A=A=" * 1_000_000
    started = time.process_time()
    assert whole(decode_base64, encoded) == b""
    assert whole(decode_base64, b"AA=" * 2000, limit=5) == b"\0" * 5
    assert time.process_time() - started < 0.5


@given(st.binary())
def test_any_octets_can_be_decoded(octets):
    for decode in (decode_base64, decode_quoted_printable, decode_uuencode):
        content = whole(decode, octets)
        assert len(content) <= len(octets)
        assert whole(decode, octets, limit=3) == content[:3]
        assert whole(decode, b"begin 644 x\n" + octets, limit=3) is not None


@given(st.binary())
def test_quoted_printable_comes_back(octets):
    assert whole(decode_quoted_printable, quopri.encodestring(octets, quotetabs=True)) == octets


def test_quoted_printable_over_many_pieces(monkeypatch):
    encoded = quopri.encodestring("Grüße, Jürgen ".encode() * 30)
    expected = whole(decode_quoted_printable, encoded)
    for size in range(4, 90):
        monkeypatch.setattr(decoding, "PIECE_BYTES", size)
        assert whole(decode_quoted_printable, encoded) == expected
        assert whole(decode_quoted_printable, encoded, limit=50) == expected[:50]


def test_an_equals_sign_that_introduces_nothing_stands_for_itself():
    assert whole(decode_quoted_printable, b"a=ZZ=").startswith(b"a=ZZ")


def _uuencoded(octets):
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    return b"begin 644 x.bin\n" + b"".join(lines) + b"`\nend\n"


@given(st.binary(max_size=300))
def test_uuencode_comes_back(octets):
    encoded = _uuencoded(octets)
    assert whole(decode_uuencode, encoded) == octets
    assert whole(decode_uuencode, encoded.replace(b"\n", b"\r\n") + b"text") == octets
    assert whole(decode_uuencode, b"text before\r\n" + encoded) == octets


def test_uuencode_in_base64_form():
    assert whole(decode_uuencode, b"begin-base64 644 x\r\naGVsbG8=\r\n====\r\nAAAA") == b"hello"
    assert whole(decode_uuencode, b"begin-base64 644 x\r\naGVsbG8=\r\n") == b"hello"


def test_uuencode_with_characters_to_spare_and_lines_that_are_none():
    line = binascii.b2a_uu(b"hello").rstrip()
    octets = b"begin 644 x\r\n" + line + b"zz\r\n\r\n~~ no ~~\r\n" + line + b"\r\nend\r\n"
    assert whole(decode_uuencode, octets) == b"hellohello"
    assert whole(decode_uuencode, b"no file here") == b""


def test_text_that_only_begins_like_a_file_is_left():
    octets = b"begin 644 x\r\n" + b"~~ no ~~\r\n" * 1_000_000
    started = time.process_time()
    assert whole(decode_uuencode, octets) == b""
    assert time.process_time() - started < 0.1
