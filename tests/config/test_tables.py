"""Tables added and taken out, options set back: what else stands in the file stays."""

import tomllib

import pytest

from pratique.config.overrides import OverrideRefused
from pratique.config.reading import loads
from pratique.config.tables import add_table, remove
from pratique.config.writing import render
from tests.config.declared import FULL, Host, Listener, Settings

TEXT = """\
serial = "x"

# listeners of this house
[[listeners]]
name = "In"
port = 25
[listeners.limits]
errors_max = 7

# only the applications
[[listeners]]
name = "Out"

# who may
[[listeners.hosts]]
match = "10.0.0.0/8"

[net]
# the fast line
fast = true  # since May
ports = [1,
  2]
"""


def read(text: str) -> Settings:
    value, problems = loads(text, Settings)
    assert problems == []
    return value


def test_a_table_is_added_behind_its_sisters() -> None:
    text = add_table(TEXT, ("listeners",), (("name", "New"), ("port", 27)), Settings)
    assert [one.name for one in read(text).listeners] == ["In", "Out", "New"]
    assert text.replace('\n[[listeners]]\nname = "New"\nport = 27\n', "") == TEXT


def test_a_table_of_a_table_is_added_to_the_one_that_is_named() -> None:
    text = add_table(TEXT, ("listeners", "In", "hosts"), (("match", "1.2.3.4"),), Settings)
    assert read(text).listeners[0].hosts == (Host("1.2.3.4"),)
    text = add_table(text, ("listeners", "Out", "hosts"), (("match", "5.6.7.8"),), Settings)
    assert [one.match for one in read(text).listeners[1].hosts] == ["10.0.0.0/8", "5.6.7.8"]


def test_the_first_table_of_an_array_comes_at_the_end_of_a_file_as_init_writes_it() -> None:
    text = add_table(render(Settings("x")), ("listeners",), (("name", "First"),), Settings)
    assert read(text) == Settings("x", listeners=(Listener(name="First"),))


def test_a_table_is_taken_out_with_what_is_below_it_and_its_own_comment() -> None:
    text = remove(TEXT, ("listeners", "Out"), Settings)
    assert [one.name for one in read(text).listeners] == ["In"]
    assert "only the applications" not in text and "who may" not in text
    assert "# listeners of this house" in text and "# the fast line" in text
    text = remove(TEXT, ("listeners", "0"), Settings)
    assert [one.name for one in read(text).listeners] == ["Out"]
    assert "# listeners of this house" in text and "errors_max" not in text


def test_the_last_table_of_an_array_may_go() -> None:
    text = remove(TEXT, ("listeners", "Out", "hosts", "0"), Settings)
    assert read(text).listeners[1].hosts == ()
    text = remove(remove(text, ("listeners", "1"), Settings), ("listeners", "0"), Settings)
    assert read(text).listeners == ()


def test_an_option_is_set_back_to_its_default() -> None:
    text = remove(TEXT, ("net", "fast"), Settings)
    assert "# the fast line\n#fast = " in text
    assert "fast" not in tomllib.loads(text)["net"]
    text = remove(TEXT, ("net", "ports"), Settings)
    assert "ports" not in tomllib.loads(text)["net"] and "  2]" not in text


def test_every_table_and_option_of_a_full_file_can_be_taken_out() -> None:
    text = render(FULL)
    for parts in (("listeners", "Out"), ("listeners", "0"), ("listeners", "Out", "hosts", "0")):
        remove(text, parts, Settings)


@pytest.mark.parametrize(
    ("text", "parts", "why"),
    [
        (TEXT, ("net", "address"), "does not stand in the configuration"),
        (TEXT, ("listeners", "Third"), "there is no 'Third'"),
        ('listeners = [{ name = "a" }, { name = "b" }]', ("listeners", "a"), "edit it by hand"),
        ("net = { fast = true }", ("net", "fast"), "edit it by hand"),
    ],
)
def test_what_cannot_be_taken_out_is_told(text: str, parts: tuple[str, ...], why: str) -> None:
    with pytest.raises(OverrideRefused, match=why):
        remove(text, parts, Settings)


def test_what_cannot_be_added_is_told() -> None:
    with pytest.raises(OverrideRefused, match="no array of tables"):
        add_table(TEXT, ("net",), (("fast", True),), Settings)
    with pytest.raises(OverrideRefused, match="at least one option"):
        add_table(TEXT, ("listeners",), (), Settings)
    with pytest.raises(OverrideRefused, match="write its tables with"):
        add_table('serial = "x"\nlisteners = [{ name = "a" }]\n', ("listeners",), (("name", "b"),), Settings)
