"""Who may connect, and to whom they may write: the tables of a listener, compiled once."""

import ipaddress
from dataclasses import dataclass

from pratique.delivery.routes import is_virtual
from pratique.gateway.settings import HostAccess, Listener, RecipientAccess
from pratique.mail import reply as replies
from pratique.mail.address import domain_of, is_postmaster
from pratique.mail.reply import Reply

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PRIVATE = tuple(
    ipaddress.ip_network(n)
    for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)


@dataclass(frozen=True, slots=True)
class HostDecision:
    action: str
    group: str
    match: str
    tls_required: bool


class HostTable:
    """First match decides. An empty table: public accepts all, private relays for private networks."""

    def __init__(self, listener: Listener) -> None:
        rows = listener.hosts or _default_hosts(listener.kind)
        self._rows = [(_networks(row.match), row) for row in rows]
        self._known: dict[str, HostDecision] = {}

    def decide(self, address: str) -> HostDecision:
        found = self._known.get(address)
        if found is None:
            found = self._decide(address)
            if len(self._known) < 10_000:  # bounds the memory of addresses
                self._known[address] = found
        return found

    def _decide(self, address: str) -> HostDecision:
        ip = ipaddress.ip_address(address)
        for networks, row in self._rows:
            if networks is None or any(ip in network for network in networks):
                return HostDecision(row.action.upper(), row.group, row.match, row.tls_required)
        return HostDecision("REJECT", "NOMATCH", "none", False)


def _default_hosts(kind: str) -> tuple[HostAccess, ...]:
    if kind == "public":
        return (HostAccess("ALL", "ACCEPT", "UNKNOWNLIST"),)
    return tuple(HostAccess(str(network), "RELAY", "RELAYLIST") for network in _PRIVATE)


def _networks(match: str) -> tuple[_Network, ...] | None:
    if match.upper() == "ALL":
        return None
    return tuple(ipaddress.ip_network(m.strip(), strict=False) for m in match.split(","))


class RecipientTable:
    """First match decides; no match refuses. Matching is by exact address, domain, parent domain: dictionary look-ups,
    so that a table of thousands costs no more than one of ten."""

    def __init__(self, rows: tuple[RecipientAccess, ...]) -> None:
        self._rows: dict[str, tuple[int, bool]] = {}
        for rank, row in enumerate(rows):
            key = row.match.lower().removeprefix("@") if row.match.upper() != "ALL" else "ALL"
            self._rows.setdefault(key, (rank, row.action.upper() == "ACCEPT"))

    def accepts(self, address: str) -> bool:
        best = None
        for key in _keys(address.lower()):
            row = self._rows.get(key)
            if row is not None and (best is None or row < best):
                best = row
        return best is not None and best[1]


def recipient_reply(kind: str, host: HostDecision, recipients: RecipientTable, address: str) -> Reply:
    """To whom may this host write on a listener of this kind? What RCPT is answered, limits of rate aside."""
    if is_virtual(domain_of(address)):
        return replies.R550_RECIPIENT_REFUSED  # the quarantine's own hosts take no mail from outside
    if host.action == "RELAY":
        return replies.R250_RECIPIENT_OK
    if kind == "public" and (is_postmaster(address) or recipients.accepts(address)):
        return replies.R250_RECIPIENT_OK
    return replies.R550_RELAY_DENIED


def _keys(address: str) -> list[str]:
    domain = address.rpartition("@")[2]
    keys = [address, domain, "ALL"]
    while "." in domain:
        domain = domain.partition(".")[2]
        keys.append("." + domain)
    return keys
