"""What this appliance can reach: a port with its greeting, a name in the DNS. The first looks when mail waits.

Asked by an operator who is signed in, for any host that he names; nothing is sent but QUIT, and one line is shown.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.net.ping import PingFailed, ping
from pratique.net.probe import ProbeFailed, banner, hello
from pratique.net.resolver import LookupFailed, NoSuchDomain, Resolver

HOST_CHARS_MAX = 255  # a domain's name (RFC 1035 section 3.1); an address is shorter
TYPES = ("A", "AAAA", "MX", "PTR", "TXT", "NS", "CNAME", "SOA")


@dataclass(frozen=True, slots=True)
class Found:
    """A greeting: `failed` says why there is none that an SMTP server would give."""

    host: str
    port: int
    greeting: str
    failed: str


@command("probe-port", Permission.STATUS)
async def probe_port(desk: Desk, person: Person, host: str, port: int) -> Found:
    """The greeting of an SMTP port, or why there is none. The connection is ended at once."""
    _check(host)
    if not 1 <= port <= 65_535:
        raise CommandRefused(Why.INVALID, "a port is a number from 1 to 65535")
    try:
        return Found(host, port, await banner(host, port), "")
    except ProbeFailed as error:
        return Found(host, port, "", str(error))


@command("look-up", Permission.STATUS)
async def look_up(desk: Desk, person: Person, name: str, kind: str) -> tuple[str, ...]:
    """What the DNS says of a name, or (PTR) of an address, as this appliance asks it."""
    _check(name)
    if kind not in TYPES:
        raise CommandRefused(Why.INVALID, f"there is no type {kind!a} here; there are: {', '.join(TYPES)}")
    try:
        return tuple(await Resolver(desk.nameservers).records(name, kind))
    except NoSuchDomain as error:
        raise CommandRefused(Why.NOT_FOUND, str(error)) from error
    except LookupFailed as error:
        raise CommandRefused(Why.UNAVAILABLE, f"{error}; are the name servers of this appliance right?") from error


@dataclass(frozen=True, slots=True)
class Echo:
    """`ms`: until it answered; `failed`: why it did not, "" = it did."""

    sequence: int
    ms: float
    failed: str


@command("ping", Permission.STATUS)
async def echo(desk: Desk, person: Person, host: str, sequence: int) -> tuple[str, Echo]:
    """One ICMP echo to a host: its address, and how long the answer took."""
    _check(host)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        address = await _address(host)
    try:
        return address, Echo(sequence, await asyncio.to_thread(ping, address, sequence), "")
    except PingFailed as error:
        return address, Echo(sequence, 0.0, str(error))


async def _address(host: str) -> str:
    """As programs of this machine resolve it: /etc/hosts, then the DNS."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CommandRefused(Why.NOT_FOUND, f"{host}: {error.strerror or error}") from error
    return str(found[0][4][0])


@dataclass(frozen=True, slots=True)
class Answered:
    """How an SMTP server answered: its greeting, what it said to EHLO, and after how many ms."""

    greeting: str
    greeted_ms: float
    extensions: tuple[str, ...]
    answered_ms: float


@command("smtp-ping", Permission.STATUS)
async def smtp_ping(desk: Desk, person: Person, host: str, port: int) -> Answered:
    """Connect to a mail server, say EHLO and QUIT, and tell how long it took. No mail is sent."""
    _check(host)
    if not 1 <= port <= 65_535:
        raise CommandRefused(Why.INVALID, "a port is a number from 1 to 65535")
    try:
        found = await hello(host, port, desk.name)
    except ProbeFailed as error:
        raise CommandRefused(Why.UNAVAILABLE, f"{host}:{port}: {error}") from error
    return Answered(found.greeting, found.greeted_s * 1_000, found.extensions, found.answered_s * 1_000)


def _check(name: str) -> None:
    if not name or len(name) > HOST_CHARS_MAX or not name.isascii() or not name.isprintable() or " " in name:
        raise CommandRefused(Why.INVALID, "a host is a name or an address, up to 255 characters without spaces")
