"""An option file with mistakes: each is told, with its line and its cure."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pratique.config.reading import Problem, line_in, load, loads
from tests.config.declared import FULL, Host, Limits, Listener, Net, Settings, Tls

GOOD = """\
serial = 'a "quoted" \\ one'
filters = "a: if (true) {\\n  drop();\\n}\\n"
[net]
address = "10.0.0.1"
source = "10.0.0.2"
ports = [3, 4]
checks = []
aliases = { "a b" = "c", d = "e" }
fast = false
[[listeners]]
[[listeners]]
name = "Out"
port = 2525
tls = "must"
hosts = [{}, {match = "10.0.0.0/8", action = "RELAY"}]
[listeners.limits]
errors_max = 3
seconds = 1.5
"""


def problems(text: str, cls: type = Settings) -> list[tuple[int, str, str, str]]:
    _, found = loads('serial = "x"\n' + text if cls is Settings else text, cls, file="p.toml")
    return [(p.line, p.key, p.why, p.cure) for p in found]


def test_a_good_file_is_read_to_frozen_values(tmp_path: Path) -> None:
    (tmp_path / "pratique.toml").write_text(GOOD)
    assert load(tmp_path / "pratique.toml", Settings) == (FULL, [])


def test_what_is_left_out_has_its_default() -> None:
    assert loads('serial = "x"\n', Settings) == (Settings("x"), [])


def test_whole_numbers_serve_where_a_number_is_wanted() -> None:
    value, found = loads("seconds = 3", Limits)
    assert (value.seconds, type(value.seconds), found) == (3.0, float, [])


@pytest.mark.parametrize(
    ("text", "line", "key", "why", "cure"),
    [
        ("[net]\nadress = 'x'", 3, "net.adress", "is no option", "did you mean address?"),
        ("[net]\nError-Max = 1", 3, "net.Error-Max", "is no option", "take it out, or see the list of options"),
        ("errors_max = 1", 2, "errors_max", "is no option", "did you mean listeners.limits.errors_max?"),
        ("[Net]", 2, "Net", "is no option", "did you mean net?"),
        ("[net]\nfast = 'yes'", 3, "net.fast", "is a text", "write true or false"),
        ("[net]\nfast = 1", 3, "net.fast", "is a whole number", "write true or false"),
        ("[net]\naddress = 10", 3, "net.address", "is a whole number", 'write text, in quotes: "10"'),
        ("[net]\naddress = 1979-05-27", 3, "net.address", "is a date or time", "write text"),
        ("[net]\nports = 3", 3, "net.ports", "is a whole number", "write list: whole number, 1 to 9, in brackets: [3]"),
        (
            "[net]\nchecks = 'spam'",
            3,
            "net.checks",
            "is a text",
            'write list: one of virus, spam, in brackets: ["spam"]',
        ),
        ("[net]\nports = [3,\n 'x', 11]", 4, "net.ports.1", "is a text", "write a whole number, 1 to 9"),
        ("[net]\nchecks = ['virsu']", 3, "net.checks.0", 'cannot be "virsu"', 'did you mean "virus"?'),
        ("[net]\naliases = { a = 1 }", 3, "net.aliases.a", "is a whole number", None),
        ("net = 3", 2, "net", "is a whole number", "write a table"),
        ("listeners = 3", 2, "listeners", "is a whole number", "write an array of tables, [[listeners]]"),
        ("[listeners]", 2, "listeners", "is a table", "write an array of tables, [[listeners]]"),
        ("listeners = [3]", 2, "listeners.0", "is a whole number", "write a table"),
        ("[[listeners]]\nport = 0", 3, "listeners.0.port", "cannot be 0", "write a whole number, 1 to 65535"),
        (
            "[[listeners]]\nport = '25'",
            3,
            "listeners.0.port",
            "is a text",
            "write a whole number, 1 to 65535, without quotes: 25",
        ),
        ("[[listeners]]\nport = true", 3, "listeners.0.port", "is true or false", "write a whole number, 1 to 65535"),
        ("[[listeners]]\ntls = 'maybe'", 3, "listeners.0.tls", 'cannot be "maybe"', 'did you mean "may"?'),
        ("[[listeners]]\ntls = 'xyz'", 3, "listeners.0.tls", 'cannot be "xyz"', "write one of no, may, must"),
        (
            "[[listeners]]\n[listeners.limits]\nseconds = 0",
            4,
            "listeners.0.limits.seconds",
            "cannot be 0.0",
            "write a number, 0.1 or more",
        ),
        (
            "[[listeners]]\n[listeners.limits]\nseconds = nan",
            4,
            "listeners.0.limits.seconds",
            "is a number",
            "write a number, 0.1 or more",
        ),
        (
            "[[listeners]]\n[[listeners]]\n[[listeners.hosts]]\naction = 'DROP'",
            5,
            "listeners.1.hosts.0.action",
            'cannot be "DROP"',
            None,
        ),
    ],
)
def test_one_mistake_is_told_with_line_and_cure(text: str, line: int, key: str, why: str, cure: str | None) -> None:
    first = problems(text)[0]
    assert first[:3] == (line, key, why)
    assert cure is None or first[3] == cure


def test_all_mistakes_are_told_in_one_pass_in_the_order_of_the_file() -> None:
    found = problems("[net]\nfast = 1\nadress = 'x'\n[[listeners]]\nport = 'a'\ntls = 'b'\nnme = 1\n")
    assert [(line, key) for line, key, _, _ in found] == [
        (3, "net.fast"),
        (4, "net.adress"),
        (6, "listeners.0.port"),
        (7, "listeners.0.tls"),
        (8, "listeners.0.nme"),
    ]


def test_the_rest_is_usable_beside_a_mistake() -> None:
    value, found = loads('serial = "x"\n[net]\nfast = 1\naddress = "y"\nports = [1, 99, 2]\n', Settings)
    assert value.net == Net(address="y", ports=(1, 2))
    assert len(found) == 2


def test_what_must_be_given_and_is_not() -> None:
    value, [problem] = loads("", Settings, file="p.toml")
    assert value == Settings("")
    assert str(problem) == "p.toml: serial is missing; add serial = ..., text"


def test_broken_toml_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "pratique.toml"
    path.write_text("serial = 'x'\n[net\nfast = 1\n")
    value, [problem] = load(path, Settings)
    assert (problem.line, problem.key) == (2, "")
    assert str(problem).startswith(f"{path}:2: is not TOML: expected ']'")
    assert value == Settings("")
    path.write_text("serial = 'x'\nfilters = '''open\n")
    assert load(path, Settings)[1][0].line >= 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert "No such file" in load(missing, Settings)[1][0].why
    (tmp_path / "latin.toml").write_bytes(b"serial = '\xe9'")
    _, [problem] = load(tmp_path / "latin.toml", Settings)
    assert "UTF-8" in problem.cure
    with (tmp_path / "huge.toml").open("wb") as huge:
        huge.truncate(20_000_000)
    assert "more than" in load(tmp_path / "huge.toml", Settings)[1][0].why


def test_a_class_may_refuse_values_together() -> None:
    @dataclass(frozen=True)
    class Range:
        low: int = 1
        high: int = 2

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    value, [problem] = loads("low = 5", Range, file="p.toml")
    assert value == Range()
    assert str(problem) == "p.toml: is not possible: low is above high; change one of its values"


def test_required_values_of_every_kind_have_a_stand_in() -> None:
    @dataclass(frozen=True)
    class Required:
        number: int
        tls: Tls
        words: tuple[str, ...]
        host: Host
        hosts: tuple[Host, ...]
        names: dict[str, int]

    value, found = loads("number = 'x'", Required)
    assert value == Required(0, Tls.NO, (), Host(), (), {})
    assert len(found) == 6


def test_line_in_serves_the_checks_of_roles(tmp_path: Path) -> None:
    path = tmp_path / "pratique.toml"
    path.write_text(GOOD)
    assert line_in(path.read_text(), "listeners.1.limits.seconds") == 18
    assert line_in(path.read_text(), "net.smtproutes") == 3
    path.write_text("broken")
    assert line_in(path.read_text(), "net") == 0


def test_problem_reads_as_a_compiler_s_message() -> None:
    assert str(Problem("p.toml", 3, "net.fast", "is a text", "write true or false")) == (
        "p.toml:3: net.fast is a text; write true or false"
    )


def test_listener_defaults_are_those_of_the_class() -> None:
    assert loads("", Listener) == (Listener(), [])
