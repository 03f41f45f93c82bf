"""Every pattern an administrator writes, compiled by RE2 and by nothing else: linear time, no look-around.

Patterns are grouped into one RE2 Set for each field they search (subject, one header, texts ...), so that two hundred
patterns cost one pass. A pattern with its least count is a *probe* and has a number; searching a field answers with
the numbers of the probes that hit. How often a pattern matched is counted only after its set said that it does.

Known trap: a Set whose automaton runs out of memory while it matches answers like one without a hit. So each set
holds one more pattern that always matches; where it is missing from an answer, the answer is Unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

from pratique.policy.facts import Unknown
from pratique.policy.syntax import Where

SET_MEMORY_BYTES = 64 * 1024 * 1024  # docs/decisions/0016-re2-only.md: the automata of one set
PATTERN_CHARS_MAX = 4_096  # longer alternatives belong into a dictionary
PATTERNS_MAX = 20_000  # over all fields: bounds what a commit may cost
COUNT_MAX = 1_000_000
# RE2's instructions for one pattern. Words and ordinary alternatives stay below 100; repetitions such as .{0,60} do
# not, and with them a text made for it can cost seconds where another costs microseconds.
LIGHT_PROGRAM_MAX = 200
MATCHED_CHARS_MAX = 256  # cpq.md §8: the text of one match in the metadata
_ALWAYS = r"\z"

Part = tuple[str, str]  # (where it stands, text)


def _options() -> Any:
    options = re2.Options()
    options.max_mem = SET_MEMORY_BYTES
    options.log_errors = False
    return options


@dataclass(slots=True)
class _Pattern:
    compiled: Any
    where: Where
    probes: list[tuple[int, int]] = field(default_factory=list)  # (number, least count)


class FieldPatterns:
    """The patterns of one field. Fill by `add`, then `seal` once, then `find`."""

    __slots__ = ("_always", "_patterns", "_set")

    def __init__(self) -> None:
        self._patterns: dict[str, _Pattern] = {}
        self._set: Any = None
        self._always = 0

    def add(self, text: str, probe: int, count: int, where: Where) -> None:
        pattern = self._patterns.get(text)
        if pattern is None:
            pattern = self._patterns[text] = _Pattern(_compile(text, where), where)
        pattern.probes.append((probe, count))

    def seal(self) -> None:
        made = re2.Set.SearchSet(_options())
        for text in self._patterns:
            made.Add(text)
        self._always = made.Add(_ALWAYS)
        try:
            made.Compile()
            if not made.Match(b""):
                raise re2.error("out of memory")
        except re2.error:
            largest = max(self._patterns.values(), key=lambda pattern: pattern.compiled.programsize)
            raise largest.where.error(
                f"the patterns for this field need more than {SET_MEMORY_BYTES >> 20} MiB together, this one most",
                "shorten repetitions such as {0,60} in it, or use fewer patterns",
            ) from None
        self._set = made

    @property
    def heavy(self) -> bool:
        return any(pattern.compiled.programsize > LIGHT_PROGRAM_MAX for pattern in self._patterns.values())

    def find(self, octets: Sequence[bytes]) -> frozenset[int] | Unknown:
        """The probes that hit in any of the values (UTF-8)."""
        match, always = self._set.Match, self._always
        indices: set[int] = set()
        for value in octets:
            found = match(value)
            if found is None or always not in found:
                return Unknown("the pattern search ran out of memory")
            if len(found) > 1:
                indices.update(found)
        if not indices:
            return _NOTHING
        patterns = list(self._patterns.values())
        indices.discard(always)
        return frozenset(
            probe
            for index in indices
            for probe, count in patterns[index].probes
            if count <= 1 or _reaches(patterns[index].compiled, octets, count)
        )

    def locate(self, probe: int, parts: Iterable[Part]) -> Part | None:
        """The first match of a probe's pattern, for the reviewer."""
        for pattern in self._patterns.values():
            if any(number == probe for number, _ in pattern.probes):
                for name, text in parts:
                    found = pattern.compiled.search(to_octets(text))
                    if found is not None:
                        return name, found.group().decode("utf-8", "replace")[:MATCHED_CHARS_MAX]
        return None


_NOTHING: frozenset[int] = frozenset()


class Patterns:
    """All patterns of a program, by field."""

    __slots__ = ("_count", "fields", "heavy")

    def __init__(self) -> None:
        self.fields: dict[str, FieldPatterns] = {}
        self.heavy: frozenset[str] = frozenset()  # fields with a pattern that some text can make slow
        self._count = 0

    def add(self, field_name: str, text: str, count: int, where: Where) -> int:
        """The number of the new probe. Raises ProgramError."""
        if self._count >= PATTERNS_MAX:
            raise where.error(f"more than {PATTERNS_MAX} patterns", "join patterns by | or use fewer")
        probe = self._count
        self._count += 1
        self.fields.setdefault(field_name, FieldPatterns()).add(text, probe, count, where)
        return probe

    def seal(self) -> None:
        for one in self.fields.values():
            one.seal()
        self.heavy = frozenset(name for name, one in self.fields.items() if one.heavy)


def to_octets(text: str) -> bytes:
    """UTF-8; a lone surrogate, which no valid text has, becomes "?"."""
    return text.encode("utf-8", "replace")


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern that compiled is found in one text."""
    return re2.search(to_octets(pattern), to_octets(text), _options()) is not None


def _compile(text: str, where: Where) -> Any:
    if len(text) > PATTERN_CHARS_MAX:
        raise where.error(f"the pattern has more than {PATTERN_CHARS_MAX} characters", "split it into several rules")
    try:
        return re2.compile(to_octets(text), _options())
    except re2.error as refused:
        why = refused.args[0] if refused.args else b"refused"
        said = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise where.error(f"RE2 refuses the pattern: {said}", _cure(text)) from None


def _cure(text: str) -> str:
    if any(mark in text for mark in ("(?=", "(?!", "(?<=", "(?<!")):
        return "RE2 has no look-around: say what must match, and join a second rule by 'and not'"
    if any(f"\\{digit}" in text for digit in "123456789"):
        return "RE2 has no back-references: write out what may repeat"
    return r"write it in RE2 syntax; a literal sign such as ( or + or * is written \( \+ \*"


def _reaches(compiled: Any, octets: Sequence[bytes], count: int) -> bool:
    seen = 0
    for value in octets:
        for _ in compiled.finditer(value):
            seen += 1
            if seen >= count:
                return True
    return False
