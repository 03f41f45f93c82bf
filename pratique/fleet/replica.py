"""A set of named texts that several members change on their own and bring together later: the pure part of a cluster.

Each text (a *register*) is a set of versions. A version carries a version vector: which changes of which members it
follows. One that another follows is forgotten; those that follow none of each other were made apart, and all are kept
until somebody chooses. merge() is commutative, associative and idempotent: whatever way states travel, members that
have heard the same have the same state. docs/decisions/0028-clusters.md argues this.

Not here: what the texts mean (fleet/cluster.py), disk and network.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

Vector = tuple[tuple[str, int], ...]  # (member, number of its change), in order of members
FORMAT = 1


class StateUnreadable(ValueError):
    """These octets are no state of a cluster; the text says why."""


@dataclass(frozen=True, slots=True)
class Version:
    """`value` None: the text was taken away. `by` and `at_ms` are for people and for choosing, never for causality."""

    vector: Vector
    value: str | None
    by: str = ""
    at_ms: int = 0

    def follows(self, other: "Version") -> bool:
        """Whether who made this one knew the other. Equal vectors with unequal values come from a member that was set
        back; then neither follows."""
        mine = dict(self.vector)
        return self.vector != other.vector and all(mine.get(member, 0) >= count for member, count in other.vector)


@dataclass(frozen=True, slots=True)
class Replica:
    """`gone`: what was removed for good, the first word of its registers' names; it wins over every change."""

    ident: str  # of the cluster; states of two clusters are never merged
    registers: Mapping[str, frozenset[Version]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def get(self, name: str) -> str | None:
        """The value in force: of versions that were made apart the one that every member picks."""
        found = self.registers.get(name)
        return winner(found).value if found else None

    def names(self, prefix: str) -> list[str]:
        """Registers below `prefix` that have a value, in order."""
        return sorted(name for name in self.registers if name.startswith(prefix) and self.get(name) is not None)

    def put(self, name: str, value: str | None, *, member: str, by: str, at_ms: int) -> "Replica":
        """A change by `member`. It follows all that this replica knows, so it also settles a conflict."""
        known = self.registers.get(name, frozenset())
        vector: dict[str, int] = {}
        for version in known:
            for one, count in version.vector:
                vector[one] = max(vector.get(one, 0), count)
        vector[member] = max(vector.get(member, 0) + 1, at_ms)  # not used again by a member that was set back
        made = Version(tuple(sorted(vector.items())), value, by, at_ms)
        return _without_gone(replace(self, registers={**self.registers, name: frozenset((made,))}))

    def remove(self, owner: str) -> "Replica":
        """Take away all registers of `owner` for good."""
        return _without_gone(replace(self, gone=self.gone | {owner}))

    def conflicts(self) -> list[str]:
        """Registers that were changed apart to unequal values, in order."""
        return sorted(name for name, known in self.registers.items() if len({v.value for v in known}) > 1)

    def digest(self) -> str:
        """The same for members that have heard the same, hexadecimal."""
        return sha256(dumps(self).encode()).hexdigest()


def winner(versions: Iterable[Version]) -> Version:
    """The latest by the clocks of who made them; the rest of the order only makes it the same one everywhere."""
    return max(versions, key=lambda v: (v.at_ms, v.vector, v.value is not None, v.value or "", v.by))


def merge(one: Replica, other: Replica) -> Replica:
    """What follows from both. Raises StateUnreadable when they are of two clusters."""
    if one.ident != other.ident:
        raise StateUnreadable("this is the state of another cluster")
    registers = dict(one.registers)
    for name, versions in other.registers.items():
        registers[name] = _newest(registers.get(name, frozenset()) | versions)
    return _without_gone(Replica(one.ident, registers, one.gone | other.gone))


def _newest(versions: frozenset[Version]) -> frozenset[Version]:
    return frozenset(v for v in versions if not any(other.follows(v) for other in versions))


OF_THE_GONE = "contact"  # the one register that stays: the others must still know whom they turn away


def _without_gone(state: Replica) -> Replica:
    """Depends on nothing but the state itself, so merge() keeps its laws."""
    kept = {}
    for name, versions in state.registers.items():
        owner, _, what = name.partition("/")
        if owner not in state.gone or what == OF_THE_GONE:
            kept[name] = versions
    return replace(state, registers=kept)


# --- as octets -----------------------------------------------------------------------------------------------------
def dumps(state: Replica) -> str:
    """One text for one state."""
    registers = {
        name: [[list(map(list, v.vector)), v.value, v.by, v.at_ms] for v in sorted(versions, key=_order)]
        for name, versions in state.registers.items()
    }
    whole = {"format": FORMAT, "cluster": state.ident, "gone": sorted(state.gone), "registers": registers}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


def _order(version: Version) -> tuple[Any, ...]:
    return version.vector, version.value is not None, version.value or "", version.by, version.at_ms


def loads(text: str) -> Replica:
    """Every field is checked: the text may come from another machine. Raises StateUnreadable."""
    try:
        whole = json.loads(text)
        if whole["format"] != FORMAT:
            why = f"the state is of format {whole['format']!a}, ours is {FORMAT}: bring both to one version"
            raise StateUnreadable(why)
        registers = {_text(n): _newest(frozenset(map(_version, vs))) for n, vs in whole["registers"].items()}
        state = Replica(_text(whole["cluster"]), registers, frozenset(map(_text, whole["gone"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, StateUnreadable):
            raise
        raise StateUnreadable(f"not a state of a cluster: {type(error).__name__}") from error
    if any(not versions for versions in registers.values()):
        raise StateUnreadable("not a state of a cluster: a text without a version")
    return _without_gone(state)


def _version(fields: list[Any]) -> Version:
    vector, value, by, at_ms = fields
    return Version(
        tuple(sorted((_text(member), _count(count)) for member, count in vector)),
        None if value is None else _text(value),
        _text(by),
        _count(at_ms, least=0),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise StateUnreadable("not a state of a cluster: something else where a text belongs")
    return value


def _count(value: Any, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value < 1 << 63:
        raise StateUnreadable("not a state of a cluster: something else where a number belongs")
    return value
