import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.transfer.strict_json import depth, read_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text('ab"\\{[', max_size=4), VALUES, max_size=4))
def test_what_keeps_the_rules_is_read_as_it_is(value: dict[str, object]) -> None:
    octets = json.dumps(value).encode()
    if depth(octets) <= 8:
        assert read_object(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"a":\xff}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"a":' + b"[" * 50000,
    ],
)
def test_what_breaks_a_rule_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):
        read_object(octets)


def test_depth_counts_brackets_outside_strings() -> None:
    assert depth(b'{"a":[{"b":"]]{{\\"["}]}') == 3
    assert depth(b"1") == 0
