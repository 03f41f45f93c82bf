"""Decisions, fragments of the changelog, the glossary: in their form, and with the glossary's words."""

import re
from pathlib import Path

import pytest

from pratique.policy import actions, rules, variables
from pratique.policy.evaluate import Program
from pratique.policy.settings import PolicySettings
from pratique.store import moves
from pratique.store.sqlite.schema import TABLES
from tests.docs.pages import DOCS, OPERATE, PAGES, ROOT, blocks_of, text_of

DECISIONS = sorted((DOCS / "decisions").glob("*"))
FRAGMENTS = sorted(p for p in (ROOT / "newsfragments").iterdir() if p.name != "README.md")
KINDS = ("feature", "change", "fix", "removal", "security")


@pytest.mark.parametrize("path", DECISIONS, ids=lambda p: p.name)
def test_a_decision_has_its_number_and_three_headings(path: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name)
    assert text_of(path).startswith(f"# {path.name[:4]} ")
    assert re.findall(r"^## (.+)$", text_of(path), re.MULTILINE) == ["Context", "Decision", "Consequence"]


def test_numbers_of_decisions_run_without_a_gap() -> None:
    assert [int(p.name[:4]) for p in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda p: p.name)
def test_a_fragment_is_named_as_its_readme_says(path: Path) -> None:
    match = re.fullmatch(r"\d+(?:-[a-z0-9]+)?\.([a-z]+)\.md", path.name)
    assert match is not None and match[1] in KINDS
    assert 20 < len(text_of(path).strip()) < 500


def test_the_readme_of_the_fragments_lists_the_kinds() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", text_of(ROOT / "newsfragments" / "README.md"), re.MULTILINE) == list(KINDS)


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", text_of(DOCS / "glossary.md"), re.MULTILINE)
    words = [w for w in words if w not in ("word", "---")]
    assert len(words) > 40
    assert words == sorted(set(words), key=str.lower)


def test_the_pages_use_the_words_of_the_glossary() -> None:
    """One word for one thing: these are the other words that people use for the same."""
    others = re.compile(r"\b(unquarantin\w*|quarantine server|quarantine appliance|bodies store|re-?injection)\b", re.I)
    bad_verbs = re.compile(r"\b(approve[sd]?|purge[sd]?|discard a hold|unhold\w*|free the message)\b", re.IGNORECASE)
    pages = [p for p in PAGES if p.name not in ("cpq.md", "custody.md")]  # they have words of their own
    assert [(p.name, m) for p in pages for m in others.findall(text_of(p)) + bad_verbs.findall(text_of(p))] == []


def test_the_custody_states_of_the_internals_are_those_of_the_schema() -> None:
    page = text_of(DOCS / "internals.md")
    states = set()
    for listed in re.findall(r"(?:custody|state|mark|kind) IN \(([^)]*)\)", TABLES):
        states |= set(re.findall(r"'([A-Z]+)'", listed))
    assert {"RECEIVED", "HELD", "DOT", "STUCK", "CANC", "FIN"} <= states
    assert {s for s in states if not re.search(rf"\b{s}\b", page)} == set()


def test_the_moves_that_the_internals_name_exist() -> None:
    page = text_of(DOCS / "internals.md")
    known = {name for name in vars(moves) if name[0].isupper()}
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", page))
    assert len(named) > 12
    assert named - known == set()


def test_the_filter_language_of_the_page_is_that_of_the_program() -> None:
    text = next(block for block in blocks_of(OPERATE / "quarantine.md") if "quarantine(" in block)
    program = Program.compile(PolicySettings(filters=text), frozenset({"Policy"}))
    assert program.needs.attachments


def test_the_page_lists_every_condition_action_and_variable() -> None:
    text = text_of(OPERATE / "quarantine.md")
    listed = {w.lower() for w in re.findall(r"`\$?([A-Za-z-]+)", text)}
    found = [pair for m in (rules, actions, variables) for pair in vars(m).items()]
    tables = [t for name, t in found if isinstance(t, dict) and not name.startswith("__")]
    names = {k for t in tables for k in t if isinstance(k, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", k)}
    assert {"mail-from", "quarantine", "matchedcontent"} <= names
    assert names - listed == set()
