"""Where would mail to a host go now? The DNS and the routes are asked, no host is."""

import asyncio

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.hosts import OWN_HOST
from pratique.delivery.routes import CANARY_HOST
from pratique.gateway.whereto import Whereto

__all__ = ["Whereto", "where_to"]

SECONDS = 10.0  # for all its names together
VIA = " via "  # behind a host whose mail a person sent elsewhere: the connections to there


@command("where-to", Permission.STATUS)
async def where_to(desk: Desk, person: Person, host: str) -> Whereto | None:
    """Where mail to an ordinary host would go now; None for the quarantine's own, and on a manager."""
    host = host.strip().lower().rstrip(".")
    if desk.whereto is None or host in OWN_HOST.values() or host == CANARY_HOST or VIA in host:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            return await desk.whereto(host)
    except TimeoutError:
        return Whereto("", (), (), f"the DNS did not answer within {SECONDS:.0f} s")
