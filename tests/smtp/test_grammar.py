"""Grammar that has no test elsewhere: where a path stops, and that no line takes long to refuse."""

import re
from time import perf_counter

import pytest

from pratique.smtp import grammar


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("FROM:<a@x>", "<a@x>"),
        ('FROM:<"> SIZE=1"@x> SIZE=2', '<"> SIZE=1"@x>'),
        ('FROM:<"a\\">"@x>', '<"a\\">"@x>'),
        ("FROM:<>", "<>"),
    ],
)
def test_where_a_path_stops(line: str, path: str) -> None:
    match = grammar.MAIL_ARGUMENT.fullmatch(line)
    assert match is not None and match.group(1) == path


HOSTILE = ["FROM:<" + '"' * 2000, "FROM:<" + '"\\' * 1000, "TO:<" + "a" * 2000, "FROM:<a> " + "X=" * 1000, "a" * 2040]
HOSTILE += ["rfc822;" + "+" * 2000, "2" * 2000, "SUCCESS," * 250, "\\x{" * 600]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_no_regex_is_slow(text: str) -> None:
    patterns = [value for value in vars(grammar).values() if isinstance(value, re.Pattern)]
    assert len(patterns) > 10
    start = perf_counter()
    for pattern in patterns:
        pattern.fullmatch(text)
    assert perf_counter() - start < 1.0  # quadratic would pass, exponential never
