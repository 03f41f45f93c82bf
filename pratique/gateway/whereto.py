"""Where mail to a host would go now, for a person to read: the route, the MX records, the addresses in order.

By the routes that are in force and the resolver that delivery asks. Nothing is connected to.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pratique.delivery.routes import NoRoute, Way
from pratique.net.resolver import Exchanger, LookupFailed, NoSuchDomain

if TYPE_CHECKING:
    from pratique.gateway.app import Gateway

__all__ = ["Address", "Whereto", "whereto"]


@dataclass(frozen=True, slots=True)
class Address:
    """`preference`: of the MX record that led to it; 0 where none did."""

    preference: int
    address: str
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Whereto:
    """`route`: the targets of the static route, "" = by MX. `why`: there is no address, and the reply that recipients
    get."""

    route: str
    exchangers: tuple[Exchanger, ...]
    addresses: tuple[Address, ...]
    why: str = ""


async def whereto(gateway: "Gateway", host: str) -> Whereto:
    """At most MX_HOSTS_MAX exchangers are asked for, and CANDIDATES_MAX addresses named, as delivery does."""
    route = gateway.deliverer.route_of(host)
    by_mx = route.way is Way.MX
    named = "" if by_mx else ", ".join(f"{hop.host}:{hop.port}" for hop in route.hops) or str(route.way)
    exchangers: tuple[Exchanger, ...] = ()
    try:
        exchangers = tuple(await gateway.resolver.exchangers(host)) if by_mx else ()
        hops = await gateway.deliverer.hops_of(host) or ()
    except NoRoute as error:
        return Whereto(named, exchangers, (), str(error.reply))
    except (LookupFailed, NoSuchDomain) as error:
        return Whereto(named, exchangers, (), str(error))
    preferred = {one.host: one.preference for one in exchangers}
    found = tuple(Address(preferred.get(hop.name, 0), hop.host, hop.port, hop.name) for hop in hops)
    return Whereto(named, exchangers, found)
