"""The next hops of a destination, by its route, by MX, or by a person's order: addresses in the order to try."""

from collections.abc import Callable

from pratique.delivery.routes import Hop, NoRoute, Routes, Way, mx_order, parse_hop
from pratique.mail.reply import Reply
from pratique.net.resolver import LookupFailed, NoSuchDomain, Resolver
from pratique.runner.jobs import Destination

CANDIDATES_MAX = 10  # addresses tried in one attempt


class NextHops:
    """`name`: ours, which is never a next hop. `chance` orders exchangers of one preference, 0 <= chance() < 1."""

    def __init__(self, resolver: Resolver, *, name: str, chance: Callable[[], float]) -> None:
        self._resolver = resolver
        self._name = name
        self._chance = chance

    async def of(self, destination: Destination, routes: Routes) -> tuple[Hop, ...] | None:
        """Addresses to try, in order; None = discard. Raises NoRoute with the reply that recipients get."""
        if destination.via:
            return await self._redirected(destination.via)
        route = routes.find(destination.host)
        if route.way is Way.DISCARD:
            return None
        try:
            if route.way is Way.MX:
                records = await self._resolver.mx(destination.host)
                own = frozenset({self._name.lower()})
                names = mx_order(records, self._chance, domain=destination.host, own=own)
                named = tuple(Hop(name) for name in names)
            else:
                named = route.hops
            return await self._addresses(named)
        except NoSuchDomain as error:
            raise NoRoute(Reply(0, "5.1.2", str(error))) from error
        except LookupFailed as error:
            raise NoRoute(Reply(0, "4.4.3", str(error))) from error

    async def _redirected(self, target: str) -> tuple[Hop, ...]:
        """A host that a person named: what is wrong with its name is no reason to give mail up."""
        try:
            return await self._addresses((parse_hop(target),))
        except (LookupFailed, NoSuchDomain) as error:
            raise NoRoute(Reply(0, "4.4.3", str(error))) from error

    async def _addresses(self, hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
        found: list[Hop] = []
        failure: Exception | None = None
        for hop in hops:
            if _is_address(hop.host):
                found.append(hop)
                continue
            try:
                found += [Hop(a, hop.port, hop.host) for a in await self._resolver.addresses(hop.host)]
            except (LookupFailed, NoSuchDomain) as error:
                failure = error
        if not found:
            raise failure or LookupFailed("the next hop has no address")
        return tuple(found[:CANDIDATES_MAX])


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
