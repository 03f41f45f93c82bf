"""The level of a configuration: this machine's own, that of its group, or that of the whole cluster."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    MACHINE = "machine"
    GROUP = "group"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Level:
    """`name`: of the group, else empty. A machine that is in no cluster has the one level MACHINE."""

    kind: Kind = Kind.MACHINE
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else str(self.kind)


MACHINE = Level()
