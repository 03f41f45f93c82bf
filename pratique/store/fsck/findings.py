"""What a check of the store can find: values only."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

LISTED_MAX = 1_000  # of one kind; more are counted and not listed


class Kind(StrEnum):
    DATABASE = "database"  # a file of SQLite is damaged
    CORRUPT = "corrupt"  # a body is not what was accepted, or not there
    OVERLAP = "overlap"  # two bodies claim the same octets
    ROWS = "rows"  # rows contradict each other
    CUSTODY = "custody"  # a copy and its transfer contradict the tables of delivery/custody.py
    AUDIT = "audit"  # the audit chain is broken
    COUNT = "count"  # a number that is kept beside the rows is not what the rows say
    INDEX = "index"  # an index does not agree with its table


DERIVED = frozenset({Kind.COUNT, Kind.INDEX})  # made anew from the rows without loss
CURES = {
    Kind.DATABASE: "put the store back from a copy, or find out with `sqlite3` what can still be read",
    Kind.CORRUPT: "it is never delivered: restore the spool and check again, or have the sender send it again",
    Kind.OVERLAP: "stop the appliance and keep both files; one of the two bodies is wrong, see the corrupt ones",
    Kind.ROWS: "a defect or a damaged disk: keep a copy of the store and report it",
    Kind.CUSTODY: "a defect or a damaged disk: let no one act on this message, keep a copy of the store and report it",
    Kind.AUDIT: "rows were changed from outside, or the disk was: compare with a copy of the store",
    Kind.COUNT: "stop the appliance, then `pratique fsck DIR --repair`, before it is started again",
    Kind.INDEX: "stop the appliance, then `pratique fsck DIR --repair`",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`mid`: the message concerned, 0 = none."""

    kind: Kind
    what: str
    mid: int = 0


@dataclass(slots=True)
class Space:
    """Octets of the spool that no row names. None of it is a fault."""

    unnamed_files: int = 0  # segments without a body; the next start gives them back
    unnamed_bytes: int = 0
    let_go_bytes: int = 0  # inside segments that have other bodies; given back with the last of these
    foreign: tuple[str, ...] = ()  # files that are none of ours


@dataclass(slots=True)
class Report:
    """`found` lists at most LISTED_MAX of a kind, `counted` counts all. `corrupt`: MID -> why, all of them; `proved`:
    of the copies that were known to be corrupt those whose body is good."""

    copies: int = 0
    bodies: int = 0
    octets: int = 0
    audit_rows: int = 0
    read_bodies: bool = False
    found: list[Finding] = field(default_factory=list)
    counted: dict[Kind, int] = field(default_factory=dict)
    corrupt: dict[int, str] = field(default_factory=dict)
    proved: tuple[int, ...] = ()
    space: Space = field(default_factory=Space)
    repaired: bool = False

    def add(self, finding: Finding) -> None:
        count = self.counted[finding.kind] = self.counted.get(finding.kind, 0) + 1
        if count <= LISTED_MAX:
            self.found.append(finding)
        if finding.kind is Kind.CORRUPT:
            self.corrupt[finding.mid] = finding.what

    @property
    def left(self) -> int:
        """Findings that still stand."""
        return sum(count for kind, count in self.counted.items() if not (self.repaired and kind in DERIVED))


class Progress(Protocol):
    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` octets or rows of the step `what`. Called often."""
        ...
