"""`--set`: one option changes, all else in the file stays as it was."""

import pytest

from pratique.config.overrides import OverrideRefused, apply_overrides
from pratique.config.reading import loads
from pratique.config.writing import render
from tests.config.declared import FULL, Host, Limits, Listener, Net, Settings, Tls

PLAIN = render(Settings("x", listeners=(Listener(),)))


def read(text: str) -> Settings:
    value, problems = loads(text, Settings)
    assert problems == []
    return value


def changed(before: str, after: str) -> list[str]:
    return [line for line in after.split("\n") if line not in before.split("\n")]


def test_a_commented_default_is_changed_in_its_place() -> None:
    text = apply_overrides(PLAIN, {"net.address": "10.0.0.9", "listeners.0.limits.errors_max": "7"}, Settings)
    assert changed(PLAIN, text) == ['address = "10.0.0.9"', "errors_max = 7"]
    assert len(text.split("\n")) == len(PLAIN.split("\n"))
    assert read(text) == Settings("x", net=Net(address="10.0.0.9"), listeners=(Listener(limits=Limits(errors_max=7)),))


def test_a_written_value_is_changed_and_its_comment_stays() -> None:
    text = 'serial = "x" # the box\n[net]\nports = [1,\n 2] # two\nfast = true\n'
    assert apply_overrides(text, {"net.ports": "[5]", "serial": "y"}, Settings) == (
        'serial = "y" # the box\n[net]\nports = [5] # two\nfast = true\n'
    )


def test_an_option_that_does_not_stand_in_the_file_follows_its_table_s_last() -> None:
    text = 'serial = "x"\n\n[net]\nfast = true\n\n# about listeners\n[[listeners]]\nname = "a"\n'
    assert apply_overrides(text, {"net.address": "1.2.3.4"}, Settings) == (
        'serial = "x"\n\n[net]\nfast = true\n\naddress = "1.2.3.4"\n\n# about listeners\n[[listeners]]\nname = "a"\n'
    )


def test_lists_are_reached_by_index_and_by_name() -> None:
    text = render(FULL)
    value = read(
        apply_overrides(
            text,
            {"listeners.1.port": "26", "listeners.In.tls": "no", "listeners.Out.hosts.1.match": "10.1.0.0/16"},
            Settings,
        )
    )
    assert value.listeners[0] == Listener(tls=Tls.NO)
    assert value.listeners[1].port == 26
    assert value.listeners[1].hosts == (Host(), Host("10.1.0.0/16", "RELAY"))


def test_the_index_behind_the_last_adds_a_table_beside_its_sisters() -> None:
    text = apply_overrides(
        PLAIN,
        {
            "listeners.1.name": "Second",
            "listeners.Second.port": "2525",
            "listeners.In.hosts.0.action": "RELAY",
            "listeners.Second.limits.errors_max": "9",
        },
        Settings,
    )
    assert read(text).listeners == (
        Listener(hosts=(Host(action="RELAY"),)),
        Listener(name="Second", port=2525, limits=Limits(errors_max=9)),
    )


def test_an_empty_file_grows_what_it_needs() -> None:
    text = apply_overrides("", {"serial": "x", "net.fast": "false", "listeners.0.port": "26"}, Settings)
    assert read(text) == Settings("x", net=Net(fast=False), listeners=(Listener(port=26),))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("serial", "123", "123"),
        ("serial", '"quoted"', "quoted"),
        ("serial", "[1]", "[1]"),
        ("serial", "a = 1", "a = 1"),
        ("serial", 'x"\ny = 2', 'x"\ny = 2'),
        ("net.ports", "3, 4", (3, 4)),
        ("net.ports", "[3, 4]", (3, 4)),
        ("net.checks", "virus,spam", ("virus", "spam")),
        ("net.checks", "", ()),
        ("net.fast", "false", False),
        ("net.aliases", '{ a = "b" }', {"a": "b"}),
        ("net.aliases.x", "1", {"x": "1"}),
        ("filters", "a: if (true) { drop(); }", "a: if (true) { drop(); }"),
    ],
)
def test_values_take_the_option_s_type(key: str, value: str, expected: object) -> None:
    found: object = read(apply_overrides(PLAIN, {key: value}, Settings))
    for part in key.split("."):
        if part != "x":
            found = getattr(found, part)
    assert found == expected


def test_without_a_declaration_a_value_is_toml_or_else_a_text() -> None:
    text = apply_overrides("", {"a.b": "1", "a.c": "x y", "d": "true", "e": "[1]"})
    assert [line for line in text.split("\n") if line] == ["d = true", "e = [1]", "[a]", "b = 1", 'c = "x y"']


def test_a_wrong_type_or_name_is_left_for_load_to_report_with_its_line() -> None:
    text = apply_overrides(PLAIN, {"net.fast": "perhaps", "net.adress": "x"}, Settings)
    _, problems = loads(text, Settings)
    assert {p.key: p.why for p in problems} == {"net.fast": "is a text", "net.adress": "is no option"}
    assert all(p.line for p in problems)


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "is no option"),
        ("net..fast", "is no option"),
        ("serial.x", "single value"),
        ("net.fast.x.y", "single value"),
        ("listeners.5.port", "write an index from 0 to 1 or a name (In)"),
        ("listeners.Nobody.port", "there is no 'Nobody'"),
        ("listeners.0", "name one of its options"),
        ("listeners", "name one of its options"),
        ("net", "name one of its options"),
    ],
)
def test_keys_that_lead_nowhere_are_refused(key: str, why: str) -> None:
    text = PLAIN.replace("#fast = true", "fast = true")
    with pytest.raises(OverrideRefused) as refused:
        apply_overrides(text, {key: "1"}, Settings)
    assert why in str(refused.value)


def test_inline_tables_are_changed_but_not_grown() -> None:
    text = 'serial = "x"\nnet = { fast = true }\n'
    assert apply_overrides(text, {"net.fast": "false"}, Settings) == 'serial = "x"\nnet = { fast = false }\n'
    with pytest.raises(OverrideRefused, match="by hand"):
        apply_overrides(text, {"net.address": "x"}, Settings)


def test_line_ends_stay_as_they_were() -> None:
    text = 'serial = "x"\r\n[net]\r\nfast = true\r\n'
    assert apply_overrides(text, {"net.fast": "false"}, Settings) == text.replace("true", "false")
