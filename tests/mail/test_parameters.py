import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.parameters import BOUNDARIES_MAX, PARAMETERS_MAX, parse_structured


def test_a_type_and_its_parameters():
    structured = parse_structured(b'Text/HTML; Charset="UTF-8"; format=flowed;')
    assert structured.main == "text/html"
    assert structured.text("charset") == "UTF-8"
    assert structured.text("format") == "flowed"
    assert structured.text("missing") == ""
    assert structured.odd == ""
    assert not structured.truncated


def test_nothing_is_an_empty_value():
    assert parse_structured(None).main == ""
    assert parse_structured(b"").main == ""
    assert parse_structured(b"; a=b").main == ""
    assert parse_structured(b"; a=b").text("a") == "b"
    assert parse_structured(b'""; a=b').text("a") == "b"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b'attachment; filename="a b.pdf"', "a b.pdf"),
        (b"attachment; filename=a b.pdf", "a b.pdf"),
        (b"attachment; filename=report (1).pdf", "report (1).pdf"),
        (b'attachment; filename="a\\"b.pdf"', 'a"b.pdf'),
        (b'attachment; filename="a;b.pdf"', "a;b.pdf"),
        (b'attachment; filename="open', "open"),
        (b"attachment; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        (b"attachment; filename*=iso-8859-1'en'%fc.txt; filename=x.txt", "ü.txt"),
        (b"attachment; filename*0=a; filename*1=b.txt", "ab.txt"),
        (b"attachment; filename*1=b.txt; filename*0=a", "ab.txt"),
        (b"attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=%41", "€%41"),
        (b"attachment; filename*0=a; filename*0=x; filename*1=b", "ab"),
        (b"attachment; filename*=plain.txt", "plain.txt"),
        (b"attachment; filename**=x; filename*x=y; filename=z", "z"),
        (b'attachment; filename="=?utf-8?q?=E2=82=AC.txt?="', "€.txt"),
        (b"attachment; filename=\xe2\x82\xac.txt", "€.txt"),
    ],
)
def test_file_names_in_all_their_forms(value, name):
    assert parse_structured(value).text("filename") == name


def test_a_name_given_twice_has_two_texts():
    structured = parse_structured(b"attachment; filename=a.txt; filename*=''b.exe; filename=a.txt")
    assert structured.texts("filename") == ("b.exe", "a.txt")


@pytest.mark.parametrize(
    ("value", "boundaries"),
    [
        (b'multipart/mixed; boundary="=_a b"', [b"=_a b"]),
        (b'multipart/mixed; boundary="a "', [b"a"]),
        (b"multipart/mixed; boundary=a", [b"a"]),
        (b"multipart/mixed", []),
        (b'multipart/mixed; boundary=""', []),
        (b"multipart/mixed; boundary=", []),
        (b"multipart/mixed; boundary=a; boundary=b", [b"a", b"b"]),
        (b"multipart/mixed; boundary=a b", [b"a b", b"a"]),
        (b"multipart/mixed; boundary=a(c)", [b"a(c)", b"a"]),
        (b'multipart/mixed; boundary="a"b', [b"a", b"ab"]),
        (b'multipart/mixed; boundary="a" (c)', [b"a"]),
        (b'multipart/mixed; boundary=a"b"', [b'a"b"', b"ab"]),
        (b'multipart/mixed; boundary="a\\b"', [b"ab", b"a\\b"]),
        (b"multipart/mixed; boundary=a\0b", [b"a\0b", b"a"]),
        (b"multipart/mixed (; boundary=a; x=(); ) ; boundary=b", [b"a", b"b"]),
        (b'multipart/mixed; x="; boundary=a; y="; boundary=b', [b"b", b"a"]),
        (b'multipart/mixed; x=\\"; boundary=a', [b"a"]),
        (b"multipart/mixed; boundary*0=a; boundary*1=b", [b"ab"]),
        (b"multipart/mixed; boundary*=''%61", [b"a"]),
        (b"multipart/mixed boundary=a", [b"a"]),
    ],
)
def test_every_boundary_some_reader_would_use(value, boundaries):
    assert list(parse_structured(value).boundaries()) == boundaries


def test_no_more_boundaries_than_the_cap():
    value = b"multipart/mixed" + b"".join(b"; boundary=%d" % number for number in range(50))
    assert len(parse_structured(value).boundaries()) == BOUNDARIES_MAX


@pytest.mark.parametrize(
    ("value", "main"),
    [
        (b"text/pl\0ain", "text/plain"),
        (b"text/plain charset=utf-8", "text/plain"),
        (b"text/plain (comment); charset=utf-8", "text/plain"),
        (b"boundary=x", ""),
        (b"=text/plain", "text/plain"),
        (b"(c) text/plain", "c"),
        (b"\0", ""),
    ],
)
def test_odd_types_are_told(value, main):
    structured = parse_structured(value)
    assert structured.main == main
    assert structured.odd


def test_comments_hide_nothing():
    structured = parse_structured(b"text/plain; charset=(x(y)z)utf-8 ) (\\) \\")
    assert "utf-8" in next(raw.decode() for _, raw in structured.shadows)


@pytest.mark.parametrize(
    "filler",
    [b";", b"; a=b", b"(", b"()", b'"', b'"\\', b"\\", b'"a";', b"(;", b"; a*0=b", b"; boundary=a", b"=", b" ", b"\0"],
)
def test_hostile_values_cost_little(filler):
    value = b"multipart/mixed" + filler * (65_000 // len(filler))
    started = time.process_time()
    structured = parse_structured(value)
    structured.boundaries()
    structured.texts("a")
    assert time.process_time() - started < 0.2
    assert len(structured.parameters) <= PARAMETERS_MAX


def test_too_many_parameters_are_cut_and_told():
    assert parse_structured(b"a/b" + b"; c=d" * (PARAMETERS_MAX + 1)).truncated
    assert not parse_structured(b"a/b" + b"; c=d" * PARAMETERS_MAX).truncated


@given(st.text(alphabet="ab;=\"\\()* '%0\0\xfc/", max_size=60))
def test_any_value_can_be_read(text):
    structured = parse_structured(text.encode())
    for name in ("a", "b", "boundary"):
        assert "" not in structured.texts(name)
    assert all(structured.boundaries())
    "".join(structured.texts("a")).encode("utf-8")


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3), st.text(st.characters(codec="utf-8"), max_size=20), max_size=5
    )
)
def test_quoted_values_come_back(parameters):
    value = b"a/b"
    for name, text in parameters.items():
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        value += f'; {name}="{quoted}"'.encode()
    structured = parse_structured(value)
    for name, text in parameters.items():
        if text and "=?" not in text:
            assert structured.text(name) == text
