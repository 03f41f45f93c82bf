"""The configuration file: found, read, checked, every problem with its line and cure."""

import asyncio
import shutil
from pathlib import Path

import pytest

from pratique.config import Problem
from pratique.front.files import BadConfiguration, compile_program, read_options
from pratique.front.init import initialise
from pratique.front.options import FILE, GatewayOptions, ManagerOptions
from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.facts import Facts, Message


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("made") / "gw"
    overrides = {"cpq.address": '"127.0.0.9"', "gateway.listeners.0.port": "2525", "web.port": "8443"}
    asyncio.run(initialise("gateway", directory, name="gw.test", overrides=overrides, password="x"))
    return directory


@pytest.fixture
def gateway(made: Path, tmp_path: Path) -> Path:
    """Only the file is read here."""
    directory = tmp_path / "gw"
    directory.mkdir()
    shutil.copy(made / FILE, directory / FILE)
    return directory


def _with(directory: Path, section: str, line: str) -> list[Problem]:
    """Put the lines first into the section, in the place of what it says of these options; the problems."""
    path = directory / FILE
    keys = tuple(f"{one.partition(' =')[0]} =" for one in line.splitlines())
    lines, here = [], False
    for old in path.read_text().splitlines():
        here = old == f"[{section}]" if old.startswith("[") else here
        if not (here and old.startswith(keys)):
            lines.append(old)
    at = lines.index(f"[{section}]") + 1
    path.write_text("\n".join([*lines[:at], line, *lines[at:]]) + "\n")
    try:
        read_options(directory)
    except BadConfiguration as error:
        assert str(error).count("\n") == len(error.problems) - 1
        return error.problems
    return []


def test_where_nothing_is_the_cure_is_init(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"pratique init gateway"):
        read_options(tmp_path)


def test_a_file_is_read_by_its_role(gateway: Path, tmp_path: Path) -> None:
    assert isinstance(read_options(gateway), GatewayOptions)
    asyncio.run(initialise("manager", tmp_path / "sma", name="sma.test", password="x"))
    assert isinstance(read_options(tmp_path / "sma"), ManagerOptions)


@pytest.mark.parametrize(
    ("section", "line", "key", "cure"),
    [
        ("appliance", 'serial = "SHORT"', "appliance.serial", "pratique init"),
        ("appliance", 'name = ""', "appliance.name", "host name"),
        ("delivery", 'smtproutes = ["ALL host:x"]', "delivery.smtproutes", "domain host:port"),
        ("gateway.policy", 'filters = "x: if (nonsense) { drop(); }"', "gateway.policy.filters", ""),
        ("gateway.policy", 'filters_file = "missing.filters"', "gateway.policy.filters_file", "create the file"),
        ("gateway.virus", 'rules_files = ["missing.yar"]', "gateway.virus.rules_files", "create the file"),
        ("delivery", 'nameservers = ["no address"]', "delivery.nameservers", "IP addresses"),
        ("gateway", 'quarantines = ["a\\u001b[2Jb"]', "gateway.quarantines", "letters"),
        ("cpq", 'announce = "host:port"', "cpq.announce", "host:port"),
        ("cpq", 'announce = "host"', "cpq.announce", "host:port"),
        ("web", "port = 0", "web.port", ""),
    ],
)
def test_what_no_single_option_can_tell_is_found_with_its_line(
    gateway: Path, section: str, line: str, key: str, cure: str
) -> None:
    problems = [p for p in _with(gateway, section, line) if p.key == key]
    assert len(problems) == 1, key
    lines = (gateway / FILE).read_text().splitlines()
    assert lines[problems[0].line - 1] == line
    assert cure in problems[0].cure


def test_two_that_would_listen_on_one_place_are_told(gateway: Path) -> None:
    (problem,) = _with(gateway, "web", 'address = "127.0.0.9"\nport = 7025')
    assert (problem.key, "as cpq is" in problem.why) == ("web.port", True)


def test_a_host_table_that_is_no_network_is_told(gateway: Path) -> None:
    path = gateway / FILE
    path.write_text(path.read_text() + '\n[[gateway.listeners.hosts]]\nmatch = "mail.example.org"\n')
    with pytest.raises(BadConfiguration, match=r"gateway\.listeners\.0\.hosts.*does not appear to be"):
        read_options(gateway)


def test_a_gateway_without_a_listener_takes_no_mail_and_is_told(gateway: Path) -> None:
    path = gateway / FILE
    text = path.read_text()
    start = text.index("[[gateway.listeners]]")
    end = text.index("[gateway.policy]")
    path.write_text(text[:start] + text[end:])
    with pytest.raises(BadConfiguration, match="no listener"):
        read_options(gateway)


@pytest.mark.parametrize("octets", [b"[appliance\n", b"\xff\xfe", b"appliance = 5\n", b'[appliance]\nrole = "king"\n'])
def test_a_file_that_is_none_is_a_problem_and_no_crash(gateway: Path, octets: bytes) -> None:
    (gateway / FILE).write_bytes(octets)
    with pytest.raises(BadConfiguration) as refused:
        read_options(gateway)
    assert all(str(gateway / FILE) in str(p) for p in refused.value.problems)


def test_filters_of_the_file_stand_behind_those_of_the_option(gateway: Path) -> None:
    (gateway / "more.filters").write_text('second: if (true) { log-entry("b"); }\n')
    entries = _log_entries(gateway, """filters = 'first: if (true) { log-entry("a"); }'""")
    assert entries == ("a", "b")


def _log_entries(gateway: Path, filters: str) -> tuple[str, ...]:
    """What the filters of the option and of more.filters say of a message."""
    assert _with(gateway, "gateway.policy", f'filters_file = "more.filters"\n{filters}') == []
    options = read_options(gateway)
    assert isinstance(options, GatewayOptions)
    message = Message("", "", "", headers=(), attachments=(), size=1)
    facts = Facts(
        envelope=Envelope("a@x.example", (Recipient("b@y.example"),)),
        remote_ip="192.0.2.1",
        remote_host="unknown",
        helo="x",
        listener="In",
        interface="Data 1",
        table="inbound",
        message=message,
    )
    (end,) = compile_program(gateway, options).evaluate(facts).dispositions
    return end.log_entries


def test_a_lone_dot_ends_the_filters_of_its_own_text_only(gateway: Path) -> None:
    (gateway / "more.filters").write_text('second: if (true) { log-entry("b"); }\n.\nwhat a person pasted\n')
    inline = """filters = \'\'\'first: if (true) { log-entry("a"); }\n.\nalso pasted\'\'\'"""
    assert _log_entries(gateway, inline) == ("a", "b")


def test_a_file_with_a_byte_order_mark_is_read(gateway: Path) -> None:
    (gateway / "more.filters").write_bytes(b'\xef\xbb\xbfsecond: if (true) { log-entry("b"); }\n')
    assert _log_entries(gateway, 'filters = ""') == ("b",)


@pytest.mark.parametrize(
    ("octets", "line", "words"),
    [
        (b'# one\na: if subject == "(" {drop();}', 2, "filter a, column 18"),
        (b"\n\nfirst: if (true) { drop(); }", 3, "stands in the option `filters` already"),
        (b"# one\n# caf\xe9\n", 2, "column 6: is not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_an_error_of_the_filters_file_names_that_file_and_its_line(
    gateway: Path, octets: bytes, line: int, words: str
) -> None:
    (gateway / "more.filters").write_bytes(octets)
    (problem,) = _with(gateway, "gateway.policy", 'filters_file = "more.filters"\nfilters = "first: if (true) {}"')
    assert str(problem).startswith(f"{gateway / 'more.filters'}:{line}: ")
    assert words in str(problem)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('on_unknown = "panic"', "on_unknown"),
        ('outbreak_rules = [{id = "a", condition = "nonsense"}]', "outbreak_rules.0"),
        ('outbreak_rules = [{id = "a"}, {id = "a"}]', "outbreak_rules.1"),
        ('policies = [{name = "p", senders = ["x"]}]', "policies.0"),
    ],
)
def test_policy_options_are_cited_by_their_own_line(gateway: Path, line: str, key: str) -> None:
    (problem,) = _with(gateway, "gateway.policy", line)
    assert problem.key == f"gateway.policy.{key}"
    assert (gateway / FILE).read_text().splitlines()[problem.line - 1] == line
