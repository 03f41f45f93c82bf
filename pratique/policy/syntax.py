"""What a filter says, as typed values, and the one error that refuses it.

The parser (filters.py) builds these; rules.py and actions.py give them a meaning. Nothing here is evaluated as text.
"""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class ProgramError(Exception):
    """The filters do not compile: where, what, and the cure. `option`: the option of PolicySettings it lies in."""

    filter_name: str
    line: int
    column: int
    why: str
    cure: str
    option: str = "filters"

    def __str__(self) -> str:
        name = f"{self.filter_name}: " if self.filter_name else ""
        return f"{name}line {self.line}, column {self.column}: {self.why}; {self.cure}"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the filters, for errors; `filter_name` is what the reader calls it."""

    filter_name: str
    line: int
    column: int

    def error(self, why: str, cure: str) -> ProgramError:
        return ProgramError(self.filter_name, self.line, self.column, why, cure)


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    line: int
    column: int


NUMBER_MAX = 2**53  # JSON carries it exactly


@dataclass(frozen=True, slots=True)
class Number:
    number: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word where a value may stand, as in `recv-listener == Public`."""

    text: str
    line: int
    column: int


Value = Text | Number | Word


@dataclass(frozen=True, slots=True)
class Rule:
    name: str  # lower case
    args: tuple[Value, ...]
    op: str  # "", "==", "!=", "<", "<=", ">", ">="
    value: Value | None
    line: int
    column: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Not:
    item: "Condition"
    depth: int


@dataclass(frozen=True, slots=True)
class All:
    items: tuple["Condition", ...]
    depth: int


@dataclass(frozen=True, slots=True)
class Any:
    items: tuple["Condition", ...]
    depth: int


Condition = Rule | Not | All | Any


@dataclass(frozen=True, slots=True)
class Action:
    name: str  # lower case
    args: tuple[Value, ...]
    line: int
    column: int
    depth: int = 1


@dataclass(frozen=True, slots=True)
class If:
    condition: Condition
    then: tuple["Step", ...]
    otherwise: tuple["Step", ...]
    line: int
    column: int
    depth: int


Step = Action | If


@dataclass(frozen=True, slots=True)
class Filter:
    name: str
    body: If
    line: int
    column: int
