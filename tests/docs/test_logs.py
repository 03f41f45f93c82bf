"""docs/operate/logs.md shows every line that the mail log can hold, as the code writes it."""

import re

from pratique.telemetry import events
from tests.docs.pages import OPERATE, blocks_of, generator, text_of

LOGS = OPERATE / "logs.md"


def _classes() -> list[str]:
    return [
        name
        for name, value in vars(events).items()
        if isinstance(value, type) and issubclass(value, events.Event) and value is not events.Event
    ]


def test_every_event_has_a_row() -> None:
    page = text_of(LOGS)
    assert [name for name in _classes() if f"\n| {name} | " not in page] == []


def test_the_table_is_what_the_code_gives() -> None:
    page = text_of(LOGS)
    assert page == generator().with_log_table(page), "run docs/generate.py"


def test_a_meaning_without_an_event_is_noticed() -> None:
    assert set(generator().MEANINGS) == set(_classes())


def test_the_table_shows_the_levels_that_people_search_for() -> None:
    levels = dict(re.findall(r"^\| (\w+) \| (\w+) \|", text_of(LOGS), re.MULTILINE))
    assert levels["Alarm"] == "Critical"
    assert levels["Fault"] == "Warning"
    assert levels["MessageDone"] == "Info"


def test_the_searches_of_the_page_find_their_lines() -> None:
    """The patterns between quotes, run over the lines of the table."""
    page = text_of(LOGS)
    lines = re.findall(r"^\| \w+ \| (\w+) \| `(.*?)` \|", page, re.MULTILINE)
    log = "\n".join(f"Mon Nov 24 05:02:44 2026 {level}: {text}" for level, text in lines)
    searches = [m for block in blocks_of(LOGS) for m in re.findall(r'grep (?:-E )?"([^"]+)" mail', block)]
    assert len(searches) >= 5
    assert [s for s in searches if not re.search(s, log)] == []
