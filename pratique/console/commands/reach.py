"""What this appliance can reach: a port with its greeting, a name in the DNS. The first looks when mail waits.

Asked by an operator who is signed in, for any host that he names; nothing is sent but QUIT, and one line is shown.
"""

from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import CommandRefused, Desk, Why, command
from pratique.net.probe import ProbeFailed, banner
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
        return tuple(await Resolver().records(name, kind))
    except NoSuchDomain as error:
        raise CommandRefused(Why.NOT_FOUND, str(error)) from error
    except LookupFailed as error:
        raise CommandRefused(Why.UNAVAILABLE, f"{error}; are the name servers of this machine right?") from error


def _check(name: str) -> None:
    if not name or len(name) > HOST_CHARS_MAX or not name.isascii() or not name.isprintable() or " " in name:
        raise CommandRefused(Why.INVALID, "a host is a name or an address, up to 255 characters without spaces")
