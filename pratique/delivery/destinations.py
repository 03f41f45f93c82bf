"""Which limits and which TLS hold for a destination? The table `delivery.destinations`, by domain. Pure.

Keys: `example.org` (that domain), `.example.org` (all domains below it), `[192.0.2.1]` (mail to an address literal).
The most specific key wins, whole: what its row leaves open has the default of all destinations.
"""

import re
from collections.abc import Sequence

from pratique.delivery.routes import address_literal, is_virtual
from pratique.delivery.settings import DestinationSettings

_DOMAIN = re.compile(r"\.?(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\Z")
ANY = DestinationSettings()  # a destination that has no row


class Destinations:
    __slots__ = ("_rows",)

    def __init__(self, rows: Sequence[DestinationSettings] = ()) -> None:
        self._rows = {key_of(row.name): row for row in rows}

    def find(self, host: str) -> DestinationSettings:
        """`host`: as it stands behind the @."""
        if not self._rows:
            return ANY
        domain = key_of(host)
        found = self._rows.get(domain)
        while found is None:
            _, dot, domain = domain.partition(".")
            if not dot:
                return ANY
            found = self._rows.get(f".{domain}")
        return found


def key_of(name: str) -> str:
    return name.strip().lower().rstrip(".")


def problem_of(name: str) -> str:
    """What is wrong with a name in the table, "" = nothing."""
    key = key_of(name)
    if is_virtual(key):
        return "is one of the quarantine's own destinations, which follow the enrolment"
    if address_literal(key) or _DOMAIN.match(key):
        return ""
    return "is no domain, .domain or [address]"
