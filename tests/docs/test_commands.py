"""Every command and option of the program is in the pages, and the pages name no command that is not there."""

import re
from pathlib import Path

import pytest
from cyclopts import App

from pratique.front.command import app
from tests.docs.pages import OPERATE, PAGES, ROOT, command_lines, text_of

INSTALL = OPERATE / "install.md"
META = {"--help", "-h", "--version"}


def _commands() -> dict[str, App]:
    return {name: app[name] for name in app if not name.startswith("-")}


def _options(command: App) -> set[str]:
    """Of a command, or of all its commands."""
    if command.default_command is None:
        return set().union(*(_options(command[name]) for name in command if not name.startswith("-")))
    arguments = command.assemble_argument_collection()
    made = ("--no-", "--empty-")  # cyclopts makes them beside the declared ones
    return {n for a in arguments for n in a.names if n.startswith("--") and not n.startswith(made)}


def test_the_table_of_commands_is_whole() -> None:
    listed = set(re.findall(r"^\| `pratique ([a-z-]+)", text_of(INSTALL), re.MULTILINE))
    assert listed == set(_commands())


@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_option_of_a_command_is_documented(name: str) -> None:
    row = re.search(rf"^\| `pratique {name}\b.*$", text_of(INSTALL), re.MULTILINE)
    assert row is not None
    missing = {o for o in _options(_commands()[name]) if not re.search(rf"`{o}\b", row[0])}
    assert not missing


def _calls() -> list[tuple[Path, list[str]]]:
    return [(page, words) for page in PAGES for words in command_lines(page, "pratique") if words]


def test_the_pages_name_real_commands_and_options() -> None:
    commands = _commands()
    wrong = []
    for page, (name, *rest) in _calls():
        if name.startswith("-") or "|" in name:
            continue
        known = _options(commands[name]) | META if name in commands else set()
        unknown = [w for w in rest if w.startswith("--") and w.partition("=")[0] not in known]
        if name not in commands or unknown:
            wrong.append((page.name, name, unknown))
    assert len(_calls()) > 30
    assert not wrong


def test_the_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    named = {words[0] for page in PAGES for words in command_lines(page, "make") if words}
    assert {"demo", "test", "check", "bench", "model"} <= named
    assert named <= targets


def test_the_readme_gives_the_two_commands_first() -> None:
    readme = text_of(ROOT / "README.md")
    first = readme.index("```")
    assert readme[first:].startswith("```\nmake demo ")
    assert "\nmake test " in readme[first : readme.index("```", first + 3)]
    heads = re.findall(r"^## (.+)$", readme, re.MULTILINE)
    assert heads[:3] == ["Two commands", "The path of one message", "Beside an existing Postfix"]
    opening = " ".join(readme.split("## Two commands")[0].split("\n")[1:])
    assert len(re.findall(r"\.(?= [A-Z]|\s*$)", opening)) == 3, "what it is for, in three sentences"


def test_the_picture_fits_on_a_terminal() -> None:
    lines = [line for line in text_of(ROOT / "README.md").splitlines() if re.search("[│┌└]", line)]
    assert len(lines) > 15
    assert max(map(len, lines)) <= 100
