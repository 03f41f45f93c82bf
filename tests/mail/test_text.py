import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.text import LOG_CHARS_MAX, log_text

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@pytest.mark.parametrize("text", ["", "plain", "Grüße 日本 😀", "'\"<>&"])
def test_readable_text_stays_as_it_is(text):
    assert log_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x1b[2J\x9b1m\x7f\0", "\\x1b[2J\\x9b1m\\x7f\\x00"),
        ("\x85\u2028\u2029", "\\x85\\u2028\\u2029"),
        ("exe.\u202egpj", "exe.\\u202egpj"),
        ("\u2066\u2069\u061c\u200f\ufeff\xad", "\\u2066\\u2069\\u061c\\u200f\\ufeff\\xad"),
        ("\ud800x\udfff", "\\ud800x\\udfff"),
        ("\U000e0041", "\\U000e0041"),
        ("\\n", "\\\\n"),
    ],
)
def test_what_would_move_hide_or_turn_text_is_shown(text, shown):
    assert log_text(text) == shown


def test_long_text_is_cut_and_says_so():
    assert log_text("x" * LOG_CHARS_MAX) == "x" * LOG_CHARS_MAX
    assert log_text("x" * (LOG_CHARS_MAX + 1)) == "x" * LOG_CHARS_MAX + "..."
    assert log_text("\n" * 10_000) == "\\n" * LOG_CHARS_MAX + "..."


@given(any_text)
def test_the_result_is_one_visible_line_any_file_can_hold(text):
    shown = log_text(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in shown)
    assert not any(
        unicodedata.bidirectional(c) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI") for c in shown
    )


@given(any_text, any_text)
def test_different_texts_are_shown_differently(one, other):
    if len(one) <= LOG_CHARS_MAX and len(other) <= LOG_CHARS_MAX:
        assert (log_text(one) == log_text(other)) == (one == other)
