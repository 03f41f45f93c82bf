"""Where does mail for a domain go? By the table `smtproutes`, by an address literal, or by MX. Pure: no lookup is made
here; the answer says which lookup is needed.

The table maps a domain to a list of targets, tried in order. Keys: `example.org` (that domain), `.example.org` (all
domains below it), `*` or `ALL` (every other domain). The most specific key wins. Targets: `host`, `host:port`,
`192.0.2.1:25`, `[2001:db8::1]:25`, `/dev/null` (discard), `USEDNS` (MX after all, where a wider key says otherwise).

Standards: RFC 5321 §5.1 (MX order, implicit MX, own name in the list), §4.1.3 (address literals); RFC 7505 (null MX).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from pratique.mail.address import domain_of
from pratique.mail.reply import Reply

CPQ_HOST = "the.cpq.host"  # a gateway's queue for the manager
RELEASE_HOST = "the.cpq.release.host"  # a manager's queue of released mail for gateways
CANARY_HOST = "the.cpq.canary"  # of messages that prove the round trip: nothing is ever delivered there
SMTP_PORT = 25
MX_HOSTS_MAX = 20  # a hostile zone must not make one attempt dial for hours
TARGETS_MAX = 20  # the same bound for the table

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\Z")
_DOTTED = re.compile(r"[0-9.]+\Z")


def is_virtual(host: str) -> bool:
    """Is this one of the quarantine's own destinations, which no DNS knows and no bounce reaches?"""
    return host in (CPQ_HOST, RELEASE_HOST, CANARY_HOST)


def is_canary(addresses: Iterable[str]) -> bool:
    """Is this a message that proves the round trip? One with any other recipient is none."""
    domains = {domain_of(address) for address in addresses}
    return domains == {CANARY_HOST}


class RouteError(ValueError):
    """A route that cannot be read; the text names it and the cure."""


class NoRoute(Exception):
    """The domain says that it takes no mail, or the mail would come back to us. `reply` is what the recipient gets."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Way(StrEnum):
    HOSTS = "hosts"  # dial these, in order; names need an address lookup, not MX
    MX = "mx"  # ask the DNS for MX of the domain, then mx_order()
    DISCARD = "discard"  # drop, by the operator's recorded wish
    PEER = "peer"  # one of the quarantine's own hosts: the fleet knows the address


@dataclass(frozen=True, slots=True)
class Hop:
    host: str  # a name, or an address without brackets
    port: int = SMTP_PORT
    name: str = ""  # whose address `host` is, once it was looked up


@dataclass(frozen=True, slots=True)
class Route:
    way: Way
    hops: tuple[Hop, ...] = ()


_MX = Route(Way.MX)
_DISCARD = Route(Way.DISCARD)
_PEER = Route(Way.PEER)


def _port(text: str, target: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise RouteError(f"{target!r}: the port after the last colon must be a number from 1 to 65535")
    return int(text)


def _bracketed(target: str) -> Hop:
    inside, closed, rest = target[1:].partition("]")
    if not closed or (rest and not rest.startswith(":")):
        raise RouteError(f"{target!r}: write an IPv6 address as [2001:db8::1] or [2001:db8::1]:25")
    address = address_literal(f"[{inside}]")
    if address is None:
        raise RouteError(f"{target!r}: what stands between the brackets is not an IP address")
    return Hop(address, _port(rest[1:], target) if rest else SMTP_PORT)


def parse_hop(target: str) -> Hop:
    """One "host", "host:port", "192.0.2.1:port" or "[v6]:port"; RouteError says what is wrong with it."""
    target = target.strip()
    if target.startswith("["):
        return _bracketed(target)
    if target.count(":") > 1:
        raise RouteError(f"{target!r}: put an IPv6 address in brackets, as in [2001:db8::1]:25")
    host, colon, port = target.partition(":")
    host = host.lower().rstrip(".")
    if not _HOST.match(host):
        raise RouteError(f"{target!r}: not a host name or address; write host, host:port or [v6]:port")
    if _DOTTED.match(host) and not _is_v4(host):
        raise RouteError(f"{target!r}: looks like an IPv4 address but is not one")
    return Hop(host, _port(port, target) if colon else SMTP_PORT)


def _is_v4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def address_literal(domain: str) -> str | None:
    """The address in "[192.0.2.1]" or "[IPv6:2001:db8::1]" (the tag may be left out), None when it is not one."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    inside = domain[1:-1]
    if _is_v4(inside):
        return inside
    if inside[:5].lower() == "ipv6:":
        inside = inside[5:]  # RFC 5321 §4.1.3
    if "%" in inside:
        return None  # a zone means something on its own machine only
    try:
        return str(IPv6Address(inside))
    except AddressValueError:
        return None


def _route(targets: Sequence[str], key: str) -> Route:
    if not 1 <= len(targets) <= TARGETS_MAX:
        raise RouteError(f"route for {key!r}: give 1 to {TARGETS_MAX} targets, not {len(targets)}")
    words = [target.strip().lower() for target in targets]
    for word, route in (("/dev/null", _DISCARD), ("usedns", _MX)):
        if word in words:
            if len(words) > 1:
                raise RouteError(f"route for {key!r}: {word.upper() if word == 'usedns' else word} stands alone")
            return route
    try:
        return Route(Way.HOSTS, tuple(parse_hop(target) for target in targets))
    except RouteError as error:
        raise RouteError(f"route for {key!r}: {error}") from None


class Routes:
    """The table, read once. RouteError when a line cannot be read; looking up never fails."""

    __slots__ = ("_below", "_else", "_exact")

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self._exact: dict[str, Route] = {}
        self._below: dict[str, Route] = {}
        self._else = _MX
        for key, targets in table.items():
            self._add(key.strip().lower().rstrip("."), _route(targets, key), key)

    def _add(self, key: str, route: Route, shown: str) -> None:
        if key in ("*", "all"):
            self._else = route
        elif is_virtual(key):
            raise RouteError(f"route for {shown!r}: mail for the quarantine follows the enrolment, not this table")
        elif key.startswith(".") and _HOST.match(key[1:]):
            self._below[key[1:]] = route
        elif address_literal(key) or _HOST.match(key):
            self._exact[key] = route
        else:
            raise RouteError(f"route for {shown!r}: the key must be a domain, .domain, * or ALL")

    def find(self, domain: str) -> Route:
        """The way for mail to `domain` (as it stands behind the @)."""
        domain = domain.lower().rstrip(".")
        if domain == CANARY_HOST:
            return _DISCARD
        if is_virtual(domain):
            return _PEER
        found = self._exact.get(domain)
        if found is not None:
            return found
        address = address_literal(domain)
        if address is not None:
            return Route(Way.HOSTS, (Hop(address),))
        return self._parent(domain) or self._else

    def _parent(self, domain: str) -> Route | None:
        while self._below:
            _, dot, domain = domain.partition(".")
            if not dot:
                break
            found = self._below.get(domain)
            if found is not None:
                return found
        return None


def mx_order(
    records: Sequence[tuple[int, str]],
    random: Callable[[], float],
    *,
    domain: str = "",
    own: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """The hosts to try, in order, from the MX records (preference, exchange) of `domain`; equal preference by chance.

    `own` are this machine's names: from the preference at which one of them stands, nothing may be used. Raises NoRoute
    when the domain takes no mail at all or all of it would come back to us.
    """
    if not records:
        return (domain.lower().rstrip("."),) if domain else ()  # implicit MX, RFC 5321 §5.1
    named = [(preference, exchange.lower().rstrip(".")) for preference, exchange in records]
    usable = [(preference, name) for preference, name in named if name]
    if not usable:
        raise NoRoute(Reply(556, "5.1.10", "domain takes no mail (null MX)"))  # RFC 7505 §4.2
    ours = min((preference for preference, name in usable if name in own), default=None)
    if ours is not None:  # RFC 5321 §5.1: records at or behind our own are not used
        usable = [(preference, name) for preference, name in usable if preference < ours]
        if not usable:
            raise NoRoute(Reply(554, "5.4.6", "mail for this domain loops back to this host; give it a route"))
    ordered = sorted((preference, random(), name) for preference, name in usable)
    return tuple(dict.fromkeys(name for _, _, name in ordered))[:MX_HOSTS_MAX]
