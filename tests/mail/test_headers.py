import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail import headers as room
from pratique.mail.headers import (
    ENCODED_WORDS_MAX,
    HEADER_BLOCK_BYTES_MAX,
    HEADER_VALUE_BYTES_MAX,
    HEADERS_MAX,
    decode_value,
    garbage_at,
    read_headers,
    received_count,
)

MESSAGE = (
    b"Received: from a\r\n\tby b;\r\n  today\r\n"
    b"received: from c\r\n"
    b"Subject:hello\r\n"
    b"X-Odd!name: \t x \t\r\n"
    b"Empty:\r\n"
    b"\r\n"
    b"body: no field\r\n"
)


def test_fields_in_order_unfolded_with_names_as_written():
    headers = read_headers(MESSAGE)
    assert headers.fields == (
        ("Received", b"from a\tby b;  today"),
        ("received", b"from c"),
        ("Subject", b"hello"),
        ("X-Odd!name", b"x"),
        ("Empty", b""),
    )
    assert MESSAGE[headers.body_start :] == b"body: no field\r\n"
    assert not headers.malformed
    assert not headers.truncated


def test_names_are_found_in_any_case():
    headers = read_headers(MESSAGE)
    assert headers.get("SUBJECT") == b"hello"
    assert headers.get("Missing") is None
    assert headers.all("Received") == (b"from a\tby b;  today", b"from c")
    assert headers.all("missing") == ()
    assert received_count(headers) == 2


@pytest.mark.parametrize("octets", [b"", b"\r\n", b"\r\nA: b\r\n\r\n"])
def test_a_message_without_header(octets):
    headers = read_headers(octets)
    assert headers.fields == ()
    assert headers.body_start == min(2, len(octets))
    assert not headers.malformed


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_without_a_blank_line_all_is_header(end):
    headers = read_headers(b"A: b\r\nC: d" + end)
    assert headers.fields == (("A", b"b"), ("C", b"d"))
    assert headers.body_start == len(b"A: b\r\nC: d" + end)
    assert not headers.malformed


def test_a_region_of_larger_octets():
    octets = b"X: 1\r\n\r\nA: b\r\n\r\nbody"
    headers = read_headers(octets, start=8, end=len(octets) - 4)
    assert headers.fields == (("A", b"b"),)
    assert headers.body_start == len(octets) - 4


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b"From someone Mon Nov 24",
        b"Two words: x",
        b": no name",
        b"N\0L: x",
        b"\xc3\xbc: x",
        b"Subject",
    ],
)
def test_a_line_that_is_no_field_is_passed_over_and_told(line):
    octets = b"A: b\r\n" + line + b"\r\nC: d\r\n\r\n"
    headers = read_headers(octets)
    assert [name for name, _ in headers.fields] == ["A", "C"]
    assert headers.malformed
    assert garbage_at(octets, start=0, end=headers.body_start) == 6


@pytest.mark.parametrize("octets", [b" first: x\r\nA: b\r\n\r\n", b"A: b\r\n  \r\nC: d\r\n\r\n", b"A: b\r\n\t"])
def test_odd_folding_is_told(octets):
    headers = read_headers(octets)
    assert headers.get("A") == b"b"
    assert headers.garbage
    assert garbage_at(octets, start=0, end=len(octets)) in (0, 6)


def test_nothing_is_garbage_in_an_honest_header():
    assert garbage_at(b"A: b\r\n c\r\nD: e", start=0, end=15) == 15
    assert garbage_at(b"A: b\r\n", start=0, end=6) == 6


def test_a_blank_before_the_colon_is_dropped_and_told():
    headers = read_headers(b"Content-Type : text/html\r\nA: b\r\n\r\n")
    assert headers.get("content-type") == b"text/html"
    assert headers.spaced == {"content-type"}
    assert headers.malformed
    assert not headers.garbage


def test_a_structural_field_with_a_broken_name_is_found_but_not_listed():
    headers = read_headers(b"Content-\0Type: text/html\r\nX\0Y: z\r\n\r\n")
    assert headers.fields == ()
    assert headers.get("content-type") == b"text/html"
    assert headers.get("xy") is None
    assert headers.garbage


def test_too_many_fields_are_cut():
    octets = b"A: b\r\n" * (HEADERS_MAX + 1) + b"\r\nbody"
    headers = read_headers(octets)
    assert len(headers.fields) == HEADERS_MAX
    assert headers.truncated
    assert octets[headers.body_start :] == b"body"
    assert not read_headers(b"A: b\r\n" * HEADERS_MAX + b"\r\nbody").truncated
    assert not read_headers(b"A: b\r\n" * HEADERS_MAX).truncated


def test_a_long_value_is_cut():
    headers = read_headers(b"A: " + b"x" * (HEADER_VALUE_BYTES_MAX + 1) + b"\r\nB: c\r\n\r\n")
    assert headers.get("A") == b"x" * HEADER_VALUE_BYTES_MAX
    assert headers.get("B") == b"c"
    assert headers.truncated


def test_a_large_block_is_cut_and_the_body_still_found():
    line = b"X: " + b"y" * 1000 + b"\r\n"
    octets = line * (HEADER_BLOCK_BYTES_MAX // len(line) + 10) + b"\r\nbody"
    headers = read_headers(octets)
    assert headers.truncated
    assert len(headers.fields) == HEADER_BLOCK_BYTES_MAX // len(line)
    assert octets[headers.body_start :] == b"body"
    assert read_headers(b"y" * (HEADER_BLOCK_BYTES_MAX + 1)).truncated


@given(st.binary(max_size=400))
def test_any_octets_can_be_read(octets):
    headers = read_headers(octets)
    assert 0 <= headers.body_start <= len(octets)
    for name, value in headers.fields:
        assert name.isascii()
        assert b"\r\n" not in value
        assert value in headers.all(name)
        assert decode_value(value).encode("utf-8") is not None


@given(st.lists(st.sampled_from([b"A: b", b" c", b"\t", b"", b"garbage", b"Content-Type: x", b"X : y"]), max_size=8))
def test_garbage_is_found_wherever_the_block_is_malformed_by_it(lines):
    octets = b"\r\n".join(lines)
    headers = read_headers(octets)
    at = garbage_at(octets, start=0, end=headers.body_start)
    assert headers.malformed == (at < headers.body_start and octets[at : at + 2] != b"\r\n")
    assert not read_headers(octets, end=at).malformed


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        ("Grüße".encode(), "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe_x?=", "Grüße x"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        (b"=?utf-8?b?R3L!DvMOfZ?=", "Grüß"),
        (b"=?iso-8859-1*de?q?=FC?=", "ü"),
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\t =?iso-8859-1?q?=FC?= c", "aü c"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        (b"=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", "üü"),
        (b"=?utf-8?q?=FF?=", "\ufffd"),
        (b"=?x-unknown?q?=C3=BC?=", "ü"),
        (b"=?x-unknown?q?=FC?=", "ü"),
        (b"=?idna?q?xn--?=", "xn--"),
        (b"=?utf-7?q?+2AA-?=", "\ufffd"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?gb2312?b?1tC5+g==?=", "中国"),
        (b"=?utf-8?q?a", "=?utf-8?q?a"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?utf-8?q??=", ""),
        (b"\xfc =?utf-8?q?a?= \xfc", "ü a ü"),
    ],
)
def test_values_as_a_reader_sees_them(raw, text):
    assert decode_value(raw) == text


def test_words_beyond_the_cap_stay_as_they_are():
    shown = decode_value(b"=?utf-8?q?a?= " * (ENCODED_WORDS_MAX + 1))
    assert shown.startswith("a" * ENCODED_WORDS_MAX)
    assert shown.rstrip().endswith("=?utf-8?q?a?=")


@pytest.mark.parametrize(
    "value",
    [b"=?utf-8?q?a?= ", b"=?", b"=?a?q?", b"=?a?q?x", b"?", b"=?utf-8?b?AAAA", b"=?utf-8?q?=", b"=?utf-7?q?+?= "],
)
def test_hostile_values_cost_little(value):
    raw = value * (HEADER_VALUE_BYTES_MAX // len(value))
    started = time.process_time()
    decode_value(raw)
    assert time.process_time() - started < 0.2


def test_the_common_names_are_field_names():
    assert len(room._KNOWN) > 30
    for raw, (name, lower) in room._KNOWN.items():
        assert raw.decode() == name
        assert name.lower() == lower
