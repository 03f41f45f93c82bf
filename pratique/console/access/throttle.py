"""How fast pass phrases may be guessed: back-off per account, a bucket per address (docs/rest.md, "Sign-in").

An account is never locked, else strangers could lock out its owner: after failures guesses wait 1, 2, 4 ... 60 s, and
from an address where the owner signed in before, only failures from that address count. A guess is charged before it
is checked and refunded when it was right, so many at once gain nothing. Time is handed in.
Invariant: at most ENTRIES_MAX of each kind are remembered, the oldest go first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WAIT_SECONDS_MAX = 60.0
FREE_FAILURES = 3  # a person's typing errors cost nothing
FORGET_SECONDS = 900.0  # after so long without a failure an account starts anew
ADDRESS_BURST = 30.0  # failures that one address may have at once: a site behind one address makes some
ADDRESS_PER_SECOND = 0.5
ENTRIES_MAX = 10_000  # a flood of made-up names costs some MB at most

_Key = tuple[str, str]  # (account, address where its owner was seen, or "")


@dataclass(slots=True)
class _Account:
    failures: int
    next_at: float
    last_at: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Throttle:
    """`monotonic`: seconds that only go forward."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._accounts: dict[_Key, _Account] = {}
        self._addresses: dict[str, _Bucket] = {}
        self._seen: dict[_Key, None] = {}  # (account, address) of successful sign-ins

    def _key(self, account: str, address: str) -> _Key:
        return (account, address) if (account, address) in self._seen else (account, "")

    def wait(self, account: str, address: str) -> float:
        """Seconds until a guess for `account` from `address` may be checked; 0 = now."""
        now = self._monotonic()
        known = self._accounts.get(self._key(account, address))
        waits = known.next_at - now if known is not None else 0.0
        bucket = self._addresses.get(address)
        if bucket is not None:
            lacking = 1.0 - self._filled(bucket, now)
            waits = max(waits, lacking / ADDRESS_PER_SECOND)
        return max(0.0, waits)

    def charge(self, account: str, address: str) -> None:
        """A guess is about to be checked; it counts as a failure until `succeeded` says otherwise."""
        now = self._monotonic()
        key = self._key(account, address)
        known = self._accounts.pop(key, None)
        failures = 1 if known is None or now - known.last_at > FORGET_SECONDS else known.failures + 1
        beyond = failures - FREE_FAILURES
        wait = min(WAIT_SECONDS_MAX, 2.0 ** min(beyond, 10)) if beyond >= 0 else 0.0
        self._accounts[key] = _Account(failures, now + wait, now)
        bucket = self._addresses.pop(address, None) or _Bucket(ADDRESS_BURST, now)
        self._addresses[address] = _Bucket(max(0.0, self._filled(bucket, now) - 1.0), now)
        _trim(self._accounts)
        _trim(self._addresses)

    def succeeded(self, account: str, address: str) -> None:
        """The owner is there: what was charged is refunded, and the address is known as the owner's."""
        self._accounts.pop(self._key(account, address), None)
        bucket = self._addresses.get(address)
        if bucket is not None:
            bucket.tokens = min(ADDRESS_BURST, bucket.tokens + 1.0)
        self._seen.pop((account, address), None)
        self._seen[(account, address)] = None
        _trim(self._seen)

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(ADDRESS_BURST, bucket.tokens + (now - bucket.at) * ADDRESS_PER_SECOND)


def _trim(entries: dict[Any, Any]) -> None:
    """What was touched longest ago stands first."""
    while len(entries) > ENTRIES_MAX:
        del entries[next(iter(entries))]
