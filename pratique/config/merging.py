"""What changed between two texts of an option file, and a change made to one of them carried over to another.

Changes are told by the values: the path of each option whose value differs. Tables of an array that all have a name of
their own are told apart by it, wherever they stand; an array of others is one value. Two changes meet when one's path
begins with the other's. The text is merged line by line where that gives the right values, else change by change, so
that comments survive wherever they can.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from pratique.config.edits import Add, Edit, Put, Remove, apply_edits
from pratique.config.overrides import OverrideRefused
from pratique.config.schema import NAME

Key = tuple[str, ...]


class _Absent:
    """No value: the option does not stand in the text."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()
Changes = dict[Key, tuple[Any, Any]]  # of each option that differs: its value before and after, or ABSENT
CONTEXT_LINES = 3  # around each difference, as diff -u has it


class Conflict(ValueError):
    """Both sides changed the same options, or what they changed cannot stand in one text. `keys`: which, dotted."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(", ".join(keys))
        self.keys = keys


def difference(before: str, after: str) -> str:
    """As diff -u prints it, without the names of files; "" when there is none."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", "", "", CONTEXT_LINES, "")
    return "\n".join(list(lines)[2:])


def changes(before: str, after: str) -> Changes:
    """Raises tomllib.TOMLDecodeError."""
    return dict(_changes(_keyed(tomllib.loads(before)), _keyed(tomllib.loads(after)), ()))


def merge(base: str, mine: str, theirs: str) -> str:
    """`theirs` with what `mine` changed over `base`. Raises Conflict, tomllib.TOMLDecodeError."""
    if theirs in (base, mine):
        return mine
    if mine == base:
        return theirs
    own, others = changes(base, mine), changes(base, theirs)
    wanted = {key: change for key, change in own.items() if others.get(key) != change}
    meeting = sorted({".".join(key) for key in wanted for other in others if _meet(key, other)})
    if meeting:
        raise Conflict(tuple(meeting))
    for merged in (_merge_lines(base, mine, theirs), _replay(mine, theirs, wanted)):
        if merged is not None and _gives(theirs, merged, wanted):
            return merged
    raise Conflict(tuple(sorted(".".join(key) for key in wanted)))


def _gives(before: str, after: str, wanted: Changes) -> bool:
    try:
        return changes(before, after) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _meet(one: Key, other: Key) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


# --- values --------------------------------------------------------------------------------------------------------
def _keyed(value: Any) -> Any:
    """Tables all through: an array of tables that have names becomes the table of these names."""
    if isinstance(value, dict):
        return {key: _keyed(one) for key, one in value.items()}
    if isinstance(value, list) and value and all(isinstance(one, dict) and NAME in one for one in value):
        names = [str(one[NAME]) for one in value]
        if len(set(names)) == len(names):
            return {name: _keyed(one) for name, one in zip(names, value, strict=True)}
    return value


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], path: Key) -> Iterator[tuple[Key, tuple[Any, Any]]]:
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes(old, new, (*path, key))
        elif isinstance(new, dict) and old is ABSENT and new:
            yield from _changes({}, new, (*path, key))
        elif isinstance(old, dict) and new is ABSENT and old:
            yield from _changes(old, {}, (*path, key))
        elif type(old) is not type(new) or old != new:
            yield (*path, key), (old, new)


# --- lines ---------------------------------------------------------------------------------------------------------
def _merge_lines(base: str, mine: str, theirs: str) -> str | None:
    """Both sides' changes of lines, None where they touch each other."""
    lines = base.splitlines(keepends=True)
    hunks = _hunks(lines, mine.splitlines(keepends=True))
    hunks += [hunk for hunk in _hunks(lines, theirs.splitlines(keepends=True)) if hunk not in hunks]
    merged: list[str] = []
    at = -1
    for start, end, changed in sorted(hunks):
        if start <= at:
            return None
        merged += lines[max(at, 0) : start] + changed
        at = end
    return "".join(merged + lines[max(at, 0) :])


def _hunks(base: list[str], changed: list[str]) -> list[tuple[int, int, list[str]]]:
    """Lines start to end of `base` are these ones in `changed`."""
    found = difflib.SequenceMatcher(None, base, changed, autojunk=False).get_opcodes()
    return [(start, end, changed[at:to]) for tag, start, end, at, to in found if tag != "equal"]


# --- change by change ----------------------------------------------------------------------------------------------
def _replay(mine: str, theirs: str, wanted: Changes) -> str | None:
    """The wanted changes as edits of `theirs`, None where they cannot be told so."""
    own, there = _tables(tomllib.loads(mine), ()), _tables(tomllib.loads(theirs), ())
    edits: list[Edit] = []
    for key, (_, new) in wanted.items():
        around = [key[:length] for length in range(1, len(key))]
        made = next((table for table in around if table in own and table not in there), None)
        gone = next((table for table in around if table in there and table not in own), None)
        if made:
            edit: Edit = Add(made[:-1], tuple(own[made].items()))
        elif gone:
            edit = Remove(gone)
        else:
            edit = Remove(key) if new is ABSENT else Put(key, new)
        if edit not in edits:
            edits.append(edit)
    try:
        return apply_edits(theirs, edits)
    except OverrideRefused:
        return None


def _tables(value: Any, path: Key) -> dict[Key, dict[str, Any]]:
    """Tables of arrays that are known by name."""
    found: dict[Key, dict[str, Any]] = {}
    keyed = _keyed(value)
    if isinstance(value, list) and isinstance(keyed, dict):
        for one in value:
            found[*path, str(one[NAME])] = one
            found |= _tables(one, (*path, str(one[NAME])))
    elif isinstance(value, dict):
        for key, one in value.items():
            found |= _tables(one, (*path, key))
    return found
