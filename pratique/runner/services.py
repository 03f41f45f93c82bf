"""What every loop of a running appliance works with, handed in once by the role."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pratique.net.clock import Clock
from pratique.net.tasks import Tasks
from pratique.runner.supervisor import Supervisor
from pratique.store.interface import Store
from pratique.store.records import AuditEntry
from pratique.telemetry.interface import Telemetry

NUMBERS_GAP = 100_000  # how far a start jumps, so that no number is used twice after a crash


class Counting(Iterator[int]):
    """Whole numbers upward; `reached` is the next one."""

    def __init__(self, start: int = 1) -> None:
        self.reached = start

    def __next__(self) -> int:
        number, self.reached = self.reached, self.reached + 1
        return number

    def block(self, count: int) -> int:
        """The first of so many numbers that are used up at once."""
        first, self.reached = self.reached, self.reached + count
        return first


class Drawn(Counting):
    """Numbers that another process gives out, in blocks."""

    def __init__(self, source: Iterator[int]) -> None:
        super().__init__()
        self._source = source

    def __next__(self) -> int:
        return next(self._source)


@dataclass(slots=True)
class Numbers:
    """ICID and DCID: they name connections in the log. They need not survive to the last one; a start begins above all
    that were `reserved` (front.appliance reserves more before they are used up)."""

    icid: Counting = field(default_factory=Counting)
    dcid: Counting = field(default_factory=Counting)
    reserved: int = NUMBERS_GAP

    @classmethod
    def starting_at(cls, base: int) -> "Numbers":
        return cls(Counting(base), Counting(base), base + NUMBERS_GAP)

    @property
    def reached(self) -> int:
        """The first number that neither kind of connection has had."""
        return max(self.icid.reached, self.dcid.reached)

    def wanted(self) -> int:
        """How far the next reservation must reach; 0 = what is reserved lasts."""
        reached = self.reached
        return reached + NUMBERS_GAP if reached > self.reserved - NUMBERS_GAP // 2 else 0


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
    supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "supervisor", Supervisor(self.tasks, self.clock, self.telemetry))


def audit(actor: str, action: str, mid: int = 0, cid: str = "", *, detail: str = "") -> AuditEntry:
    return AuditEntry(actor, action, mid, cid, detail)
