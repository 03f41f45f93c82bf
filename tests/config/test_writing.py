"""The written file: complete, explained, and equal when it is read back."""

import tomllib
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config.reading import loads
from pratique.config.writing import render, toml_value
from pratique.policy.settings import MailPolicy, OutbreakRule, PolicySettings, VirusPolicy
from tests.config.declared import FULL, Listener, Net, Settings, option


@pytest.mark.parametrize(
    "settings",
    [
        Settings(""),
        FULL,
        replace(FULL, filters="line\r\nwith ''' and \"\"\" and \\ \x07"),
        replace(FULL, listeners=(Listener(name="a.b"),)),
        PolicySettings(),
        PolicySettings(
            policies=(MailPolicy(name="VIP", senders=("a@b.example",), virus=VirusPolicy(enabled=False)), MailPolicy()),
            outbreak_rules=(OutbreakRule(id="r1"),),
        ),
    ],
)
def test_what_is_written_reads_back_equal(settings: object) -> None:
    assert loads(render(settings), type(settings)) == (settings, [])


def test_file_of_defaults_has_every_option_explained_and_commented_out() -> None:
    assert render(Net()) == (
        "# Options of this appliance. A line that begins with # and no blank is an option at its default:\n"
        "# take the # away to change it. `pratique check-config` checks the file.\n"
        "\n# Address.\n"
        '#address = "0.0.0.0"\n'
        "\n# Source address.\n"
        '#source = ""\n'
        "\n# Ports. (list: whole number, 1 to 9)\n"
        "#ports = [1, 2]\n"
        "\n# Checks. (list: one of virus, spam)\n"
        '#checks = ["virus"]\n'
        "\n# Names.\n"
        "#aliases = {}\n"
        "\n# Go fast.\n"
        "#fast = true\n"
    )


def test_what_differs_is_written_and_tables_follow_values() -> None:
    text = render(FULL)
    data = tomllib.loads(text)
    assert data["net"]["fast"] is False
    assert data["listeners"][0] == {"name": "In", "limits": {}}  # a table's name always stands
    assert data["listeners"][1]["hosts"] == [{}, {"match": "10.0.0.0/8", "action": "RELAY"}]
    assert "# The network.\n[net]\n" in text
    assert "filters = '''\na: if (true) {\n  drop();\n}\n'''" in text


def test_taking_every_mark_away_gives_a_file_without_problems() -> None:
    lines = render(Settings("x", listeners=(Listener(),))).split("\n")
    bare = "\n".join(
        line[1:] if (line.startswith("#") and line[1:2] != " ") or line.startswith("#   ") else line for line in lines
    )
    value, problems = loads(bare, Settings)
    assert problems == []
    assert len(value.listeners[0].hosts) == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", '"plain"'),
        (r"\.exe$", r"'\.exe$'"),
        (r"it's \.exe$", r'"it\'s \\.exe$"'.replace("\\'", "'")),
        ("a\n\\b", "'''\na\n\\b'''"),
        ("a\n'", '"""\na\n\'"""'),
    ],
)
def test_backslashes_stand_as_they_are_where_they_can(value: str, written: str) -> None:
    assert toml_value(value, long=True) == written
    assert tomllib.loads(f"v = {written}") == {"v": value}


def test_long_texts_are_wrapped() -> None:
    @dataclass(frozen=True)
    class Wordy:
        value: int = option(1, "word " * 60)

    assert max(map(len, render(Wordy()).split("\n"))) <= 100


@given(
    st.recursive(
        st.one_of(
            st.integers(-(2**60), 2**60),
            st.booleans(),
            st.floats(allow_nan=False),
            st.text(st.characters(codec="utf-8")),
        ),
        lambda inner: st.one_of(
            st.lists(inner), st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner)
        ),
        max_leaves=5,
    ),
    st.booleans(),
)
def test_any_value_is_written_so_that_toml_reads_it(value: object, long: bool) -> None:
    assert tomllib.loads(f"value = {toml_value(value, long=long)}") == {"value": value} or "\r" in repr(value)
