"""The replay of the guide's transcripts finds what differs: it is a check that can fail."""

import pytest

from tests.e2e import guide
from tests.e2e.guide import Transcript, Walk, walking

TRANSCRIPT = Transcript(
    "gw1.example.org",
    "showmessage <mid>",
    ("MID   Size", "<mid>    <n>", "...", "<date> Info: MID <mid> to sma.example.org at 192.0.2.10"),
)
TOLD = """MID  Size
7     1,024
left out
Tue Nov  3 18:57:13 2026 Info: MID 7 to sma1.test at 127.0.0.1
"""


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Walk:
    monkeypatch.setattr(guide, "sections", lambda: {"One": [TRANSCRIPT]})
    found = Walk("One", {"sma.example.org": "sma1.test", "192.0.2.10": "127.0.0.1"}, {})
    found.meanings["mid"] = "7"
    return found


def told(walk: Walk, text: str) -> str:
    """What was asked, when the guide says the same."""
    asked: list[str] = []
    walk.ask["gw1.example.org"] = lambda line: asked.append(line) or text  # type: ignore[func-returns-value]
    walk.next("showmessage", seconds=0)
    return asked[0]


def test_names_placeholders_columns_and_lines_left_out(walk: Walk) -> None:
    assert told(walk, TOLD) == "showmessage 7"
    assert walk.over


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Info: MID", "Warning: MID"),
        ("MID 7 to", "MID 8 to"),
        ("sma1.test", "sma.example.org"),
        ("127.0.0.1", "127.0.0.11"),
        ("Tue Nov  3", "today"),
        ("1,024", "a few"),
        ("MID  Size\n", ""),
        ("MID  Size\n", "MID  Size  More\n"),
        (TOLD, TOLD + "one line more\n"),
    ],
)
def test_each_difference_is_found(walk: Walk, here: str, there: str) -> None:
    assert here in TOLD
    with pytest.raises(AssertionError, match="the program:"):
        told(walk, TOLD.replace(here, there))


def test_another_order_and_what_is_left_over_are_found(walk: Walk) -> None:
    with pytest.raises(AssertionError, match="the guide has"):
        walk.next("tophosts")
    with pytest.raises(AssertionError, match="not replayed"), walking("One", {}, {}):
        pass
