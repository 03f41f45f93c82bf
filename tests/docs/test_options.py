"""docs/options.md says what the declarations say, and the examples in the pages are configurations that load."""

import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from pratique.config import describe, loads
from pratique.front.options import GatewayOptions, ManagerOptions
from tests.docs.pages import DOCS, PAGES, blocks_of, command_lines, generator, spans_of, text_of

KEYS = {row.key.replace("[]", "") for cls in (GatewayOptions, ManagerOptions) for row in describe(cls)}
TABLES = {key.partition(".")[0] for key in KEYS}


def test_the_page_is_what_the_declarations_give() -> None:
    assert text_of(DOCS / "options.md") == generator().options_page(), "run docs/generate.py"


@pytest.mark.parametrize("cls", [GatewayOptions, ManagerOptions])
def test_every_option_says_what_it_does(cls: type) -> None:
    silent = [row.key for row in describe(cls) if not row.doc.strip()]
    assert not silent


def test_configurations_in_the_pages_load() -> None:
    seen = 0
    for page in PAGES:
        for block in blocks_of(page, "toml"):
            seen += 1
            _, problems = loads(block, GatewayOptions, file=str(page))
            assert not problems, "\n".join(map(str, problems))
            assert tomllib.loads(block)
    assert seen >= 3


def _options_set(page: Path) -> list[str]:
    found = []
    for words in command_lines(page, "pratique"):
        found += [after.strip("'\"") for word, after in pairwise(words) if word == "--set"]
    return found


def test_every_option_that_a_command_of_the_pages_sets_exists() -> None:
    named = [(page.name, o.partition("=")[0]) for page in PAGES for o in _options_set(page) if o != "a.b=value"]
    unknown = [(page, key) for page, key in named if ".".join(p for p in key.split(".") if not p.isdigit()) not in KEYS]
    assert len(named) > 8
    assert not unknown


def test_every_option_that_a_page_names_exists() -> None:
    """`gateway.shadow_days` in a text is a promise."""
    wrong = []
    for page in PAGES:
        if page.name in ("cpq.md", "custody.md", "rest.md"):
            continue  # they speak of wire fields too
        for span in spans_of(page):
            name = span.replace("[]", "").partition(" ")[0].partition("=")[0]
            parts = name.split(".")
            is_option = len(parts) > 1 and parts[0] in TABLES and all(p.replace("_", "").isalnum() for p in parts)
            if is_option and "/" not in span and ".".join(p for p in parts if not p.isdigit()) not in KEYS:
                wrong.append((page.name, span))
    files = (".crt", ".db", ".key", ".lock", ".md", ".py", ".toml")
    assert not [w for w in wrong if not w[1].endswith(files)]
