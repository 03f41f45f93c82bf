"""DNS for mail: MX and addresses of a next hop, the name of a client. Five seconds in all, answers cached by TTL."""

import asyncio
import ipaddress
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver
import dns.reversename

CACHED_MAX = 10_000  # answers
LIFETIME_SECONDS = 5.0  # a dead or lying server costs no more than this
CLIENT_NAME_SECONDS = 2.0  # a client's greeting waits no longer for its name


class NoSuchDomain(Exception):
    """The name does not exist: permanent."""


class LookupFailed(Exception):
    """No answer, or one that makes no sense: temporary."""


@dataclass(frozen=True, slots=True)
class Exchanger:
    """An MX record. `ttl_s`: how long it is still good for."""

    preference: int
    host: str
    ttl_s: int


class Resolver:
    def __init__(self, nameservers: Sequence[str] = (), port: int = 53) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration:
            self._resolver = dns.asyncresolver.Resolver(configure=False)
        if nameservers:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        self._resolver.lifetime = LIFETIME_SECONDS
        self._cache = dns.resolver.LRUCache(CACHED_MAX)
        self._resolver.cache = self._cache
        self._asked = 0

    def flush(self) -> None:
        """Forget all answers; what was counted stays."""
        self._cache.flush()

    def counts(self) -> tuple[int, int]:
        """(questions, those of them that the cache answered) since the start."""
        return self._asked, self._cache.hits()

    async def mx(self, domain: str) -> list[tuple[int, str]]:
        """(preference, host) as published; an empty list when the domain exists without MX (RFC 5321 §5.1: then its
        address is the next hop)."""
        answer = await self._ask(domain, "MX")
        return [(int(r.preference), str(r.exchange).rstrip(".").lower()) for r in answer]

    async def exchangers(self, domain: str) -> list[Exchanger]:
        """The MX records for a person to read, the preferred first."""
        answer = await self._answer(domain, "MX")
        if answer is None:
            return []
        left = max(0, int(answer.expiration - time.time()))
        found = [Exchanger(int(r.preference), str(r.exchange).rstrip(".").lower(), left) for r in answer]
        return sorted(found, key=lambda one: (one.preference, one.host))

    async def addresses(self, host: str) -> list[str]:
        """IPv4 and IPv6 addresses, in that order."""
        found: list[str] = []
        failure: Exception | None = None
        for kind in ("A", "AAAA"):
            try:
                found += [str(r.address) for r in await self._ask(host, kind)]
            except (LookupFailed, NoSuchDomain) as error:
                failure = error
        if not found and failure is not None:
            raise failure
        return found

    async def records(self, name: str, kind: str) -> list[str]:
        """The records of any type as the DNS writes them; the name of a PTR is an address."""
        try:
            asked = str(dns.reversename.from_address(name)) if kind == "PTR" else name
        except (dns.exception.DNSException, ValueError) as error:
            raise NoSuchDomain(f"{name} is no address") from error
        return [record.to_text() for record in await self._ask(asked, kind)]

    async def client_name(self, address: str) -> tuple[str, bool]:
        """(name, verified): the PTR name, verified when it leads back to the address; ("unknown", False) else."""
        ip = ipaddress.ip_address(address)
        if ip.is_loopback or ip.is_private:
            return "unknown", False
        try:
            async with asyncio.timeout(CLIENT_NAME_SECONDS):
                names = await self._ask(str(dns.reversename.from_address(address)), "PTR")
                if not names:
                    return "unknown", False
                name = str(names[0].target).rstrip(".").lower()
                return name, address in await self.addresses(name)
        except (TimeoutError, LookupFailed, NoSuchDomain):
            return "unknown", False

    async def _ask(self, name: str, kind: str) -> list[Any]:
        return list(await self._answer(name, kind) or ())

    async def _answer(self, name: str, kind: str) -> dns.resolver.Answer | None:
        """None: the name exists without such records."""
        self._asked += 1
        try:
            return await self._resolver.resolve(name, kind, search=False)
        except dns.resolver.NXDOMAIN as error:
            raise NoSuchDomain(f"{name} does not exist") from error
        except dns.resolver.NoAnswer:
            return None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise LookupFailed(f"{kind} of {name}: {type(error).__name__}: {error}") from error
