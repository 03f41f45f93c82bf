"""The configuration file of an appliance: found, read, checked, with every problem named by line and cure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pratique.config import Problem, line_in, loads, read
from pratique.delivery.routes import RouteError, parse_hop
from pratique.front.effective import effective, placed
from pratique.front.interfaces import gateway_with_interfaces, of_interfaces, with_interfaces
from pratique.front.options import FILE, GatewayOptions, ManagerOptions, Options
from pratique.front.plausible import findings, missing
from pratique.gateway.app import routes_of
from pratique.policy.evaluate import Program, ProgramError
from pratique.policy.settings import PolicySettings
from pratique.quarantine.kinds import SYSTEM_MADE


class BadConfiguration(Exception):
    """`problems` says where, what and how to cure it; nothing was started."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def gateway_options(text: str) -> GatewayOptions:
    """Of a file's text that another process of ours has checked."""
    options, problems = loads(text, GatewayOptions, file=FILE)
    if problems:
        raise BadConfiguration(problems)
    return gateway_with_interfaces(options)


def read_options(directory: Path, *, thorough: bool = False) -> Options:
    """The checked configuration of DIR; `thorough`: with the keys, rules and sockets that a run needs. Raises
    BadConfiguration."""
    path = directory / FILE
    if not path.is_file():
        cure = f"make one with `pratique init gateway {directory}` or `pratique init manager {directory}`"
        raise BadConfiguration([Problem(str(path), 0, "", "there is no configuration here", cure)])
    text, problems = read(path)
    options: Options = GatewayOptions()
    if text is not None:
        options, problems = check_text(directory, text, file=str(path), thorough=thorough)
    if problems:
        raise BadConfiguration(problems)
    return options


def check_text(
    directory: Path, text: str, *, file: str, thorough: bool = False, inherited: Mapping[str, str] | None = None
) -> tuple[Options, list[Problem]]:
    """The options of a text that is or shall be the configuration of DIR, with what the machine has from its cluster
    and the addresses of the interfaces that it names; usable only when there is no problem. `file`: how the text is
    called in a problem. `inherited`: in place of what is in force from the levels above."""
    whole, problem = effective(directory, text, file, inherited)
    if problem is not None:
        return loads(text, options_type(text), file=file)[0], [problem]
    options, problems = _checked(directory, whole.text, file, thorough=thorough)
    return options, [placed(found, file, whole) for found in problems]


def _checked(directory: Path, text: str, file: str, *, thorough: bool) -> tuple[Options, list[Problem]]:
    options, problems = loads(text, options_type(text), file=file)
    if problems:
        return options, problems
    sheet = _Sheet(file, text)
    problems = [sheet.problem(*found) for found in of_interfaces(options)]
    options = with_interfaces(options)
    problems += _cross_checks(directory, options, sheet)
    if thorough and not problems:
        problems = [sheet.problem(*found) for found in missing(directory, options)]
    return options, problems


def options_type(text: str) -> type[GatewayOptions] | type[ManagerOptions]:
    """Which of the two roles' files it is."""
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return GatewayOptions  # loads() reports the fault with its line
    appliance = fields.get("appliance")
    role = appliance.get("role") if isinstance(appliance, dict) else ""
    return ManagerOptions if role == "manager" else GatewayOptions


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A text, and how it is called."""

    file: str
    text: str

    def problem(self, key: str, why: str, cure: str) -> Problem:
        return Problem(self.file, line_in(self.text, key) if key else 0, key, why, cure)


def _cross_checks(directory: Path, options: Options, sheet: _Sheet) -> list[Problem]:
    """What no single option can tell: filters that compile, routes that can be read, files that exist."""
    problems = []
    wanted = "gateway" if isinstance(options, GatewayOptions) else "manager"
    if options.appliance.role != wanted:
        problems.append(sheet.problem("appliance.role", "must be gateway or manager", "set it to one of the two"))
    if len(options.appliance.serial) != 20 or not options.appliance.serial.isalnum():
        cure = "use the one that `pratique init` made; it has 20 letters and digits"
        problems.append(sheet.problem("appliance.serial", "is not a serial number", cure))
    problems += [sheet.problem(*found) for found in findings(options)]
    problems += _announced(options, sheet)
    if isinstance(options, GatewayOptions):
        problems += _gateway_checks(directory, options, sheet)
    return problems


def _announced(options: Options, sheet: _Sheet) -> list[Problem]:
    """What is announced to peers can be read."""
    try:
        if options.cpq.announce:
            parse_hop(options.cpq.announce)
            if not options.cpq.announce.rpartition(":")[2].isdigit():
                raise RouteError(f"{options.cpq.announce!r} names no port")
    except RouteError as error:
        return [sheet.problem("cpq.announce", str(error), 'write "host:port", as in "gw1.example.org:7025"')]
    return []


def _gateway_checks(directory: Path, options: GatewayOptions, sheet: _Sheet) -> list[Problem]:
    problems = []
    try:
        routes_of(options.delivery.smtproutes)
    except RouteError as error:
        cure = 'write "domain host:port", as in "ALL mail.example.org:25"'
        problems.append(sheet.problem("delivery.smtproutes", str(error), cure))
    try:
        compile_program(directory, options)
    except ProgramError as error:
        problems.append(_program_problem(directory, options.gateway.policy, error, sheet))
    except OSError as error:
        cure = "create the file, or clear gateway.policy.filters_file"
        why = f"cannot be read: {error.strerror}: {directory / options.gateway.policy.filters_file}"
        problems.append(sheet.problem("gateway.policy.filters_file", why, cure))
    for name in options.gateway.virus.rules_files:
        if not (directory / name).is_file():
            cure = "create the file, or take it off the list"
            problems.append(sheet.problem("gateway.virus.rules_files", f"{name} is not there", cure))
    if not options.gateway.listeners:
        cure = "add a [[gateway.listeners]] table; `pratique init` writes one"
        problems.append(sheet.problem("gateway.listeners", "no listener: no mail can come in", cure))
    return problems


def compile_program(directory: Path, options: GatewayOptions) -> Program:
    """Filters, mail policies and outbreak rules, compiled. Raises ProgramError, OSError."""
    return program_of(options, filters_of_file(directory, options.gateway.policy))


def program_of(options: GatewayOptions, filters: str) -> Program:
    """`filters`: the text of the filters file. Raises ProgramError."""
    names = frozenset((*options.gateway.quarantines, *SYSTEM_MADE))
    listeners = frozenset(listener.name for listener in options.gateway.listeners)
    return Program.compile(options.gateway.policy, names, filters_file=filters, listeners=listeners)


def filters_of_file(directory: Path, policy: PolicySettings) -> str:
    if not policy.filters_file:
        return ""
    octets = (directory / policy.filters_file).read_bytes()
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        column = error.start - octets.rfind(b"\n", 0, error.start)
        why = "is not UTF-8 text"
        raise ProgramError("", line, column, why, "save the file as UTF-8", "filters_file") from None


def _program_problem(directory: Path, policy: PolicySettings, error: ProgramError, sheet: _Sheet) -> Problem:
    """In the file, option and line where it lies: a filters file has lines of its own."""
    option = f"gateway.policy.{error.option}"
    name = f"filter {error.filter_name}, " if error.filter_name else ""
    if error.option == "filters_file":
        why = f"{name}column {error.column}: {error.why}"
        return Problem(str(directory / policy.filters_file), error.line, "", why, error.cure)
    if error.option == "filters":
        why = f"{name}line {error.line}, column {error.column}: {error.why}"
    else:
        place = f", column {error.column}" if error.column > 1 else ""
        why = f"{error.filter_name}{place}: {error.why}" if error.filter_name else error.why
    return sheet.problem(option, why, error.cure)
