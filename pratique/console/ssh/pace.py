"""How fast one address may open connections: a key exchange costs a millisecond of the loop that moves mail.

Time is handed in. Invariant: at most ADDRESSES_MAX addresses are remembered, the oldest go first.
"""

from collections.abc import Callable

from pratique.console.ssh.limits import CONNECTIONS_BURST, CONNECTIONS_PER_SECOND

ADDRESSES_MAX = 10_000


class Pace:
    """`monotonic`: seconds that only go forward."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}  # when the address has its whole burst again

    def allows(self, address: str) -> bool:
        """Count a connection; False for one too many, which is not counted."""
        now = self._monotonic()
        full_at = max(self._full_at.pop(address, now), now) + 1.0 / CONNECTIONS_PER_SECOND
        allowed = full_at - now <= CONNECTIONS_BURST / CONNECTIONS_PER_SECOND
        self._full_at[address] = full_at if allowed else full_at - 1.0 / CONNECTIONS_PER_SECOND
        while len(self._full_at) > ADDRESSES_MAX:
            del self._full_at[next(iter(self._full_at))]
        return allowed
