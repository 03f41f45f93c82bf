"""Options of the loops that both roles share."""

from dataclasses import dataclass, field
from typing import Any

from pratique.delivery.loops import HOPS_MAX
from pratique.delivery.settings import BounceSettings, DestinationSettings, FairnessSettings, RetrySettings


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


def options(make: Any, doc: str) -> Any:
    return field(default_factory=make, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class CpqSettings:
    """The quarantine port."""

    address: str = option("0.0.0.0", "Address on which the quarantine port listens.")
    port: int = option(7025, "The quarantine port.", min=1, max=65535)
    interface: str = option(
        "",
        "Name of the interface to listen on, in place of an address, and as it stands in the mail log; empty = "
        "Management in the log.",
    )
    announce: str = option("", "host:port told to peers as the place for their mail; empty = address and port.")
    source: str = option("", "Local address from which peers are dialled; empty = the system chooses.")


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """Delivery to next hops."""

    smtproutes: tuple[str, ...] = option(
        (),
        'Static routes, "domain target[, target]": a name, .name (all below it) or ALL, then host[:port].',
    )
    interface: str = option("", "Name of the interface from which next hops are dialled, in place of its address.")
    interface_ip: str = option("", "Local address from which next hops are dialled; empty = the system chooses.")
    nameservers: tuple[str, ...] = option((), "DNS servers; empty = those of the system.")
    tls: str = option("may", "TLS towards next hops: no, may (when offered) or must.", choices=("no", "may", "must"))
    destinations: tuple[DestinationSettings, ...] = option((), "Limits and TLS of single destinations; one row each.")
    idle_seconds: float = option(5.0, "How long a connection without work is kept.", min=0)
    hops_max: int = option(HOPS_MAX, "Received lines from which a message is refused as looping.", min=10)
    retry: RetrySettings = options(RetrySettings, "When an attempt is repeated.")
    bounce: BounceSettings = options(BounceSettings, "What senders are told.")
    shares: FairnessSettings = options(FairnessSettings, "How connections are shared between destinations.")
