import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.multipart import NEAR_MISSES_MAX, cut, guess_boundary, stray_part


def parts(octets, boundary=b"b", *, most=1000, loose=False):
    found = cut(octets, boundary, start=0, end=len(octets), most=most, loose=loose)
    return [octets[start:end] for start, end in found.regions]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
        (b"pre\r\n--b\r\none\r\n--b--\r\npost", [b"one"]),
        (b"--b \t\r\none\r\n--b-- \r\n", [b"one"]),
        (b"--b\r\n--b\r\n\r\n--b--", [b"", b""]),
        (b"--b\r\nopen end\r\n", [b"open end\r\n"]),
        (b"--b", [b""]),
        (b"--b--\r\n", []),
        (b"", []),
        (b"nothing", []),
        (b"x--b\r\none", []),
        (b"--b\r\none\n--b\ntwo\r\n--b--", [b"one\n--b\ntwo"]),
        (b"--b\r\none\r\n--bb\r\ntwo\r\n--b--", [b"one\r\n--bb\r\ntwo"]),
        (b"--b\r\none\r\n--b--\r\n--b\r\ntwo", [b"one"]),
    ],
)
def test_a_delimiter_is_a_whole_line(octets, expected):
    assert parts(octets) == expected


@pytest.mark.parametrize(
    ("octets", "strict", "loose"),
    [
        (b"--b\r\none\r\n--bb\r\ntwo\r\n--b--", [b"one\r\n--bb\r\ntwo"], [b"one", b"two", b""]),
        (b"--b\r\none\r\n--b--\r\nx\r\n--b\r\ntwo", [b"one"], [b"one", b"x", b"two"]),
        (b"--b\r\none\r\n--b--x\r\n--b\r\ntwo", [b"one\r\n--b--x", b"two"], [b"one", b"", b"two"]),
        (b"--b\r\n--b--\r\nx", [b""], [b"", b"x"]),
        (b"--bb\r\none", [], [b"one"]),
    ],
)
def test_where_loose_readers_cut_elsewhere_it_is_told(octets, strict, loose):
    assert parts(octets) == strict
    assert parts(octets, loose=True) == loose
    assert cut(octets, b"b", start=0, end=len(octets), most=10).odd


def test_what_lies_outside_the_parts():
    octets = b"pre\r\n--b\r\none\r\n--b--\r\npost"
    found = cut(octets, b"b", start=0, end=len(octets), most=10)
    assert octets[: found.preamble_end] == b"pre"
    assert octets[found.epilogue_start :] == b"post"
    assert found.odd == ""


def test_no_more_parts_than_asked_for():
    octets = b"--b\r\nx\r\n" * 50
    found = cut(octets, b"b", start=0, end=len(octets), most=10)
    assert len(found.regions) == 10
    assert found.more
    assert not cut(octets, b"b", start=0, end=len(octets), most=50).more
    exact = b"--b\r\nx\r\n--b--\r\n"
    assert not cut(exact, b"b", start=0, end=len(exact), most=1).more
    assert cut(exact, b"b", start=0, end=len(exact), most=0).more
    assert cut(b"--b\r\nx", b"b", start=0, end=6, most=0).more


def test_a_flood_of_lines_like_boundaries_is_left_and_told():
    octets = b"--b\r\n" + b"--bb\r\n" * (NEAR_MISSES_MAX + 1) + b"--b\r\nx"
    found = cut(octets, b"b", start=0, end=len(octets), most=10)
    assert found.more
    assert found.regions == ((5, len(octets)),)


@given(st.lists(st.sampled_from([b"--b", b"--b--", b"--bb", b"x", b"", b"--"]), max_size=12), st.booleans())
def test_parts_are_in_order_and_inside(lines, loose):
    octets = b"A: b\r\n\r\n" + b"\r\n".join(lines) + b"tail"
    end = len(octets) - 4
    found = cut(octets, b"b", start=8, end=end, most=100, loose=loose)
    at = 8
    for start, stop in found.regions:
        assert at <= start <= stop <= end
        at = stop
    assert 8 <= found.preamble_end <= end
    assert 8 <= found.epilogue_start <= end


def test_a_boundary_that_was_not_announced_is_the_first_line_with_hyphens():
    octets = b"xx\r\ntext\r\n--found \r\n--other\r\n"
    assert guess_boundary(octets, start=2, end=len(octets)) == b"found"
    assert guess_boundary(b"--a--\r\n", start=0, end=7) == b"a"
    assert guess_boundary(b"text", start=0, end=4) == b""


def test_headers_of_a_part_outside_all_parts():
    octets = b"text\r\ncontent-TYPE : x/y\r\n\r\nz"
    assert stray_part(octets, start=0, end=len(octets)) == 6
    assert stray_part(octets, start=6, end=len(octets)) == 6
    assert stray_part(octets, start=7, end=len(octets)) == -1
    assert stray_part(b"x", start=0, end=1) == -1
