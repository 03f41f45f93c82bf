"""Where keys stand, however the file is written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config.lines import Path, find_places
from pratique.config.writing import toml_value

TEXT = '''\
top = 1 # one
"quoted key" = "a # no comment"

[a]   # a table
#commented = 5
# words = not an option
b.c = 'x'
long = """
[not.a.header]
c = "\\"""
"""
literal = \'\'\'
d = ''1\'\'\'
list = [ 1, # first
  [2, 3],
  "four",
]
after = 1979-05-27 07:32:00

[[a.rows]]
n = 1
sub = { x = 1, y = { z = [ {w = 1},
  {w = 2} ] } }
[a.rows.deep]
k = true
[[a.rows.more]]
m = 1
[[ a . "rows" ]]
n = 2
[[a.rows.more]]
m = 2
[[a.rows.more]]
m = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1),
        (("quoted key",), 2),
        (("a",), 4),
        (("a", "b", "c"), 7),
        (("a", "long"), 8),
        (("a", "literal"), 12),
        (("a", "list", 0), 14),
        (("a", "list", 1, 1), 15),
        (("a", "list", 2), 16),
        (("a", "after"), 18),
        (("a", "rows"), 20),
        (("a", "rows", 0, "n"), 21),
        (("a", "rows", 0, "sub", "y", "z", 1, "w"), 23),
        (("a", "rows", 0, "deep", "k"), 25),
        (("a", "rows", 0, "more", 0, "m"), 27),
        (("a", "rows", 1), 28),
        (("a", "rows", 1, "more", 1, "m"), 33),
        (("a", "rows", 1, "missing"), 28),
        (("nowhere",), 0),
    ],
)
def test_line(path: Path, line: int) -> None:
    tomllib.loads(TEXT)
    assert find_places(TEXT).line_of(path) == line


def test_places_count_the_same_with_carriage_returns() -> None:
    assert find_places(TEXT.replace("\n", "\r\n")).lines == find_places(TEXT).lines


def test_commented_options_are_found_and_prose_is_not() -> None:
    assert find_places(TEXT).commented == {("a", "commented"): 5}


def test_value_offsets_cover_the_value() -> None:
    values = find_places(TEXT).values
    shown = {path: TEXT[start:end] for path, (start, end) in values.items()}
    assert shown["top",] == "1"
    assert shown["quoted key",] == '"a # no comment"'
    assert shown["a", "list"].startswith("[ 1,")
    assert shown["a", "list"].endswith(",\n]")
    assert shown["a", "after"] == "1979-05-27 07:32:00"
    assert shown["a", "rows", 0, "sub", "x"] == "1"


def test_escaped_keys() -> None:
    assert find_places('"a\\u0041\\t\\"b" = 1\n').lines == {('aA\t"b',): 1}


_scalars = st.one_of(st.integers(-(2**60), 2**60), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=12))
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc -", min_size=1), inner, max_size=3)
    ),
    max_leaves=6,
)


def _paths(value: object, path: Path) -> list[Path]:
    if isinstance(value, dict):
        return [path, *(p for key, one in value.items() for p in _paths(one, (*path, key)))]
    if isinstance(value, list):
        return [path, *(p for number, one in enumerate(value) for p in _paths(one, (*path, number)))]
    return [path]


@given(st.dictionaries(st.text("abcdef", min_size=1), _values, max_size=4))
def test_every_key_of_any_file_is_found(data: dict[str, object]) -> None:
    text = "".join(f"{key} = {toml_value(value)}\n" for key, value in data.items())
    assert tomllib.loads(text) == data
    known = find_places(text).lines
    assert set(known) == {path for key, value in data.items() for path in _paths(value, (key,))}
