"""What every loop of a running appliance works with, handed in once by the role."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from pratique.net.clock import Clock
from pratique.net.tasks import Tasks
from pratique.store.interface import Store
from pratique.store.records import AuditEntry
from pratique.telemetry.interface import Telemetry


@dataclass(slots=True)
class Numbers:
    """ICID and DCID: they name connections in the log. They need not survive to the last one; a start leaves a gap."""

    icid: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    dcid: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def starting_at(cls, base: int) -> "Numbers":
        return cls(itertools.count(base), itertools.count(base))


NUMBERS_GAP = 100_000  # how far a start jumps, so that no number is used twice after a crash


@dataclass(frozen=True, slots=True)
class Services:
    """Shared by all loops of one appliance."""

    name: str  # host name
    store: Store
    telemetry: Telemetry
    clock: Clock
    tasks: Tasks
    numbers: Numbers
    peer_clocks: dict[str, int] = field(default_factory=dict)  # serial -> ms that its clock was ahead at its last hello


def audit(actor: str, action: str, mid: int = 0, cid: str = "", *, detail: str = "") -> AuditEntry:
    return AuditEntry(actor, action, mid, cid, detail)
