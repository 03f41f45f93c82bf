"""What a configuration says that is well formed and cannot work: addresses, names and tables that contradict each
other; and, for `pratique check-config`, files and sockets that must be there when the appliance runs.

Each finding is (option, why, cure). Nothing here reads the configuration file itself.
"""

import ipaddress
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from pratique.checks.yara_rules import RulesRefused, compile_rules
from pratique.delivery.destinations import key_of, problem_of
from pratique.delivery.routes import TARGETS_MAX, RouteError, is_virtual, parse_hop
from pratique.fleet.identity import Keys
from pratique.front.options import GatewayOptions, Options
from pratique.gateway.access import HostTable
from pratique.gateway.settings import Listener
from pratique.mail.address import domain_of, is_domain, parse_path
from pratique.net.resolver import Resolver
from pratique.runner.alerts.settings import ManagerAlertSettings
from pratique.telemetry.syslog import place_of

Finding = tuple[str, str, str]
# a@b.example, b.example, @b.example, .b.example; names in Unicode are compared as they are written
_RECIPIENTS = re.compile(r"(?:[^\s@]+@|@|\.)?[^\s@.]+(?:\.[^\s@.]+)*\Z")
ANY = ("0.0.0.0", "::", "")


def findings(options: Options) -> Iterator[Finding]:
    """What can be told from the options alone."""
    if not options.appliance.name:
        yield "appliance.name", "is missing", "set it to this machine's host name"
    elif not is_domain(options.appliance.name):
        cure = "write a host name: letters, digits, hyphens and dots, as in gw1.example.org"
        yield "appliance.name", f"is {options.appliance.name!r}, which is no host name", cure
    yield from _addresses(options)
    yield from _overlaps(options)
    yield from _alerts(options)
    yield from _syslog(options)
    if isinstance(options, GatewayOptions):
        yield from _tables(options)
        yield from _waits(options)


def listening(options: Options) -> dict[str, tuple[str, int]]:
    """Option of the port -> address and port of everything that listens."""
    places = {"cpq.port": (options.cpq.address, options.cpq.port)}
    if options.web.enabled:
        places["web.port"] = (options.web.address, options.web.port)
    if options.ssh.enabled:
        places["ssh.port"] = (options.ssh.address, options.ssh.port)
    if isinstance(options, GatewayOptions):
        for number, listener in enumerate(options.gateway.listeners):
            places[f"gateway.listeners.{number}.port"] = (listener.address, listener.port)
    return places


def _addresses(options: Options) -> Iterator[Finding]:
    given = {key.removesuffix("port") + "address": address for key, (address, _) in listening(options).items()}
    given["cpq.source"] = options.cpq.source
    if isinstance(options, GatewayOptions):
        given["delivery.interface_ip"] = options.delivery.interface_ip
    for key, address in given.items():
        try:
            if address:
                ipaddress.ip_address(address)
        except ValueError:
            yield key, f"is {address!r}, which is no IP address", "write an address of this machine, or 0.0.0.0 for all"


def _overlaps(options: Options) -> Iterator[Finding]:
    """Nothing is asked to listen where something else does; 0.0.0.0 is everywhere."""
    taken: list[tuple[str, str, int]] = []
    for key, (address, port) in listening(options).items():
        for other, where, at in taken:
            if port == at and _meet(address, where):
                why = f"is {address}:{port}, as {other.removesuffix('.port')} is"
                if address != where:
                    why = f"is {address}:{port}, and {other.removesuffix('.port')} listens on {where}:{at}"
                yield key, why, "give each of them an address and port of its own"
                break
        taken.append((key, address, port))


def _meet(one: str, other: str) -> bool:
    if one == other or "" in (one, other):
        return True
    return (one in ANY or other in ANY) and (":" in one) == (":" in other)


def _alerts(options: Options) -> Iterator[Finding]:
    """Addresses that can be written to, hosts that can be dialled, waits in order."""
    alerts = options.alerts
    given = {f"alerts.recipients.{number}.address": one.address for number, one in enumerate(alerts.recipients)}
    if alerts.sender:
        given["alerts.sender"] = alerts.sender
    for key, address in given.items():
        if not _is_mailbox(address):
            yield key, f"is {address!r}, which is no address", "write an address with its domain, as in ops@example.org"
    if alerts.max_seconds < alerts.initial_seconds:
        low, high = alerts.initial_seconds, alerts.max_seconds
        why = f"is {high}, and initial_seconds is {low}: the longest wait is shorter than the first"
        yield "alerts.max_seconds", why, f"write {low} or more, or lower initial_seconds"
    if isinstance(alerts, ManagerAlertSettings):
        yield from _alert_hosts(alerts)


def _alert_hosts(alerts: ManagerAlertSettings) -> Iterator[Finding]:
    for host in alerts.hosts:
        try:
            parse_hop(host)
        except RouteError as error:
            yield "alerts.hosts", str(error), 'write "host" or "host:port", as in "mail.example.org:25"'
    if len(alerts.hosts) > TARGETS_MAX:
        yield "alerts.hosts", f"has {len(alerts.hosts)} hosts", f"keep {TARGETS_MAX} of them"
    try:
        Resolver(alerts.nameservers)
    except ValueError as error:
        yield "alerts.nameservers", str(error), "write IP addresses"


def _syslog(options: Options) -> Iterator[Finding]:
    if not options.log.syslog:
        return
    try:
        place_of(options.log.syslog)
    except ValueError as error:
        yield "log.syslog", str(error), 'write an IP address, with a port where it is not 514, as in "192.0.2.10:5514"'


def _is_mailbox(address: str) -> bool:
    """An ASCII address with a domain of the world's: alerts ask no server for SMTPUTF8."""
    if is_virtual(domain_of(address)):
        return False
    try:
        return parse_path(f"<{address}>", utf8=False, null_allowed=False) == address and "@" in address
    except ValueError:
        return False


def _tables(options: GatewayOptions) -> Iterator[Finding]:
    """Networks, name servers and names that nothing but their use would prove."""
    names: dict[str, int] = {}
    for number, listener in enumerate(options.gateway.listeners):
        key = f"gateway.listeners.{number}"
        if names.setdefault(listener.name, number) != number:
            why = f"is {listener.name!r}, as that of listener {names[listener.name]} is"
            yield f"{key}.name", why, "give every listener its own name: filters and the log know it by that"
        yield from _access(listener, key)
    try:
        Resolver(options.delivery.nameservers)
    except ValueError as error:
        yield "delivery.nameservers", str(error), "write IP addresses"
    yield from _destinations(options)
    if any(not (name and name.isprintable()) for name in options.gateway.quarantines):
        yield "gateway.quarantines", "a name has characters that cannot be printed", "use letters, digits and blanks"


def _destinations(options: GatewayOptions) -> Iterator[Finding]:
    known: set[str] = set()
    for number, row in enumerate(options.delivery.destinations):
        key = f"delivery.destinations.{number}.name"
        if why := problem_of(row.name):
            yield key, f"is {row.name!r}, which {why}", "write a domain, .domain or [address]"
        elif key_of(row.name) in known:
            yield key, f"is {row.name!r}, as that of another one is", "write one row for each destination"
        known.add(key_of(row.name))


def _access(listener: Listener, key: str) -> Iterator[Finding]:
    try:
        HostTable(listener)
    except ValueError as error:
        yield f"{key}.hosts", str(error), "write an address, a network as in 10.0.0.0/8, or ALL"
    for row, access in enumerate(listener.recipients):
        if not _RECIPIENTS.match(access.match):
            why = f"is {access.match!r}, which covers nobody"
            yield f"{key}.recipients.{row}.match", why, "write a@b.example, b.example, .b.example or ALL"


def _waits(options: GatewayOptions) -> Iterator[Finding]:
    retry = options.delivery.retry
    for first, longest in (
        ("initial_s", "ceiling_s"),
        ("transfer_initial_s", "transfer_ceiling_s"),
        ("dial_initial_s", "dial_ceiling_s"),
    ):
        low, high = getattr(retry, first), getattr(retry, longest)
        if high < low:
            why = f"is {high}, and {first} is {low}: the longest wait is shorter than the first"
            yield f"delivery.retry.{longest}", why, f"write {low} or more, or lower {first}"


# --- what must be there when it runs -----------------------------------------------------------------------------
def missing(directory: Path, options: Options) -> Iterator[Finding]:
    """Keys, rules and sockets."""
    yield from missing_keys(directory, options)
    if isinstance(options, GatewayOptions):
        yield from _rules(directory, options)
        yield from _clamd(options.gateway.virus.clamd)


def missing_keys(directory: Path, options: Options) -> Iterator[Finding]:
    keys = Keys(directory / "keys")
    wanted = [keys.cpq_certificate, keys.cpq_key, keys.web_certificate, keys.web_key]
    if not isinstance(options, GatewayOptions):
        wanted.append(keys.signing_key)
    for path in wanted:
        if not path.is_file():
            cure = "put it back from a backup; peers know this appliance by its keys, so they are not made anew"
            yield "", f"{path} is not there", cure


def _rules(directory: Path, options: GatewayOptions) -> Iterator[Finding]:
    files = [directory / name for name in options.gateway.virus.rules_files]
    if not options.gateway.virus.builtin or not all(path.is_file() for path in files):
        return  # a file that is not there is told by every reading of the configuration
    try:
        compile_rules(files)
    except RulesRefused as refused:
        for error in refused.errors:
            why = f"{error.file}:{error.line}:{error.column}: {error.why}"
            yield "gateway.virus.rules_files", why, "correct the rule, or take the file off the list"


def _clamd(place: str) -> Iterator[Finding]:
    if not place:
        return
    if "/" not in place:
        host, colon, port = place.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
            yield "gateway.virus.clamd", f"is {place!r}", "write the path of clamd's socket, or host:port"
        return
    try:
        there = stat.S_ISSOCK(Path(place).stat().st_mode)
    except OSError:
        there = False
    if not there:
        cure = "start clamd, or correct the path (LocalSocket in clamd.conf); without it all mail is unscannable"
        yield "gateway.virus.clamd", f"{place} is no socket of a program that runs", cure
