"""The latest alerts survive a restart, and a value that nobody can read stops nothing."""

import pytest

from pratique.runner.alerts.latest import KEPT_MAX, Raised, read, written

ONE = Raised(5, "System", "Warning", "Warning <System> gw: é", "é", 2, True, 9, ("a@b.example",), True)


def test_they_come_back_as_they_were() -> None:
    assert read(written([ONE])) == [ONE]
    assert ONE.sort == "System/Warning"


@pytest.mark.parametrize("text", ["", "[]", "{", "[1]", '[{"at": 1}]', '{"a": 1}', '[{"at": 1, "to": [], "new": 1}]'])
def test_what_cannot_be_read_is_none(text: str) -> None:
    assert read(text) == []


def test_no_more_than_are_kept() -> None:
    assert len(read(written([ONE] * (KEPT_MAX + 3)))) == KEPT_MAX
