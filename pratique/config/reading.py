"""A TOML file into the dataclass that declares its options, with every problem found in one pass.

A problem never stops the reading: the option keeps its default, and the next one is looked at. Not here: what no
single option can tell (two ports that are equal, a filter that does not compile); the roles check that.
"""

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from enum import Enum
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pratique.config.lines import Path, Places, find_places
from pratique.config.schema import Option, Shape, options_of, type_words

T = TypeVar("T")

FILE_BYTES_MAX = 16_777_216  # the largest recipient tables have 5 MB
NEAR_MISS = 0.6  # how alike two names are before one is offered for the other (difflib's ratio)
WHERE = re.compile(r" \(at line (\d+), column (\d+)\)| \(at end of document\)")


@dataclass(frozen=True, slots=True)
class Problem:
    """line 0: the file as a whole."""

    file: str
    line: int
    key: str
    why: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key + ' ' if self.key else ''}{self.why}; {self.cure}"


def load(path: FilePath, cls: type[T]) -> tuple[T, list[Problem]]:
    """The options of `path`; usable only when no problem is reported."""
    text, problems = read(path)
    if text is None:
        return _Reading(str(path), Places()).table(cls, {}, (), missing=False), problems
    return loads(text, cls, file=str(path))


def read(path: FilePath) -> tuple[str | None, list[Problem]]:
    """The text of a file, or the problem with it."""
    try:
        return _read(path), []
    except (OSError, ValueError) as error:
        cure = "see that it is there, readable, and UTF-8 text"
        return None, [Problem(str(path), 0, "", f"cannot be read ({error})", cure)]


def loads(text: str, cls: type[T], *, file: str = "") -> tuple[T, list[Problem]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = WHERE.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        why = WHERE.sub("", str(error))
        problem = Problem(file, line, "", f"is not TOML: {why[:1].lower()}{why[1:]}", "correct this line")
        return _Reading(file, Places()).table(cls, {}, (), missing=False), [problem]
    reading = _Reading(file, find_places(text))
    value = reading.table(cls, data, ())
    return value, sorted(reading.problems, key=lambda problem: problem.line)


def line_in(text: str, key: str) -> int:
    """Where `key` ("delivery.smtproutes", "gateway.listeners.0.port") stands, for checks of the roles; 0 = nowhere."""
    try:
        tomllib.loads(text)
    except ValueError:
        return 0
    return find_places(text).line_of(tuple(int(part) if part.isdigit() else part for part in key.split(".")))


def _read(path: FilePath) -> str:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"it has more than {FILE_BYTES_MAX} octets")
    return path.read_text("utf-8")


class _Reading:
    def __init__(self, file: str, places: Places) -> None:
        self._file = file
        self._places = places
        self._root: type | None = None
        self.problems: list[Problem] = []

    def table(self, cls: type[T], data: Mapping[str, Any], path: Path, *, missing: bool = True) -> T:
        """`missing`: report what must be given and is not."""
        self._root = self._root or cls
        known = {option.name: option for option in options_of(cls)}
        for key in data:
            if key not in known:
                self._unknown(cls, (*path, key))
        values = {}
        for name, option in known.items():
            if name in data:
                values[name] = self._option(option, data[name], (*path, name))
            elif option.default is MISSING:
                if missing:
                    self._say((*path, name), "is missing", f"add {name} = ..., {type_words(option)}")
                values[name] = self._fallback(option)
        return self._made(cls, values, path)

    def _made(self, cls: type[T], values: dict[str, Any], path: Path) -> T:
        try:
            return cls(**values)
        except ValueError as error:  # __post_init__ of the room's class
            self._say(path, f"is not possible: {error}", "change one of its values")
        fallbacks = {o.name: self._fallback(o) for o in options_of(cls) if o.default is MISSING}
        return cls(**fallbacks)

    # --- one option ---

    def _option(self, option: Option, value: Any, path: Path) -> Any:
        if option.shape is Shape.TABLE:
            if isinstance(value, dict):
                return self.table(option.type, value, path)
        elif option.shape is Shape.TABLES:
            if isinstance(value, list):
                return self._tables(option, value, path)
        elif option.shape is Shape.LIST:
            if isinstance(value, list):
                return self._list(option, value, path)
        elif option.shape is Shape.MAP:
            if isinstance(value, dict):
                found = {key: self._value(option, one, (*path, key)) for key, one in value.items()}
                return {key: one for key, one in found.items() if one is not MISSING}
        else:
            found = self._value(option, value, path)
            return self._fallback(option) if found is MISSING else found
        self._wrong(option, value, path)
        return self._fallback(option)

    def _tables(self, option: Option, values: list[Any], path: Path) -> tuple[Any, ...]:
        found = []
        for number, value in enumerate(values):
            if isinstance(value, dict):
                found.append(self.table(option.type, value, (*path, number)))
            else:
                self._wrong(option, value, (*path, number))
        return tuple(found)

    def _list(self, option: Option, values: list[Any], path: Path) -> tuple[Any, ...]:
        found = [self._value(option, value, (*path, number)) for number, value in enumerate(values)]
        return tuple(value for value in found if value is not MISSING)

    def _value(self, option: Option, value: Any, path: Path) -> Any:
        """The typed value, MISSING when it is none and the problem is reported."""
        wanted = option.type
        if issubclass(wanted, Enum):
            wanted = str
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
            self._wrong(option, value, path)
            return MISSING
        if option.choices and value not in option.choices:
            near = _near(value, option.choices)
            cure = f'did you mean "{near}"?' if near else f"write one of {', '.join(option.choices)}"
            self._say(path, f'cannot be "{value}"', cure)
            return MISSING
        if (option.min is not None and value < option.min) or (option.max is not None and value > option.max):
            self._say(path, f"cannot be {value}", f"write a {type_words(option).removeprefix('list: ')}")
            return MISSING
        return option.type(value) if wanted is not option.type else value

    def _fallback(self, option: Option) -> Any:
        """What stands in for an option that could not be read, so that the rest can be."""
        if option.default is not MISSING:
            return option.default
        if option.shape is Shape.TABLE:
            return self.table(option.type, {}, (), missing=False)
        if option.shape in (Shape.LIST, Shape.TABLES):
            return ()
        if option.shape is Shape.MAP:
            return {}
        return next(iter(option.type)) if issubclass(option.type, Enum) else option.type()

    # --- problems ---

    def _say(self, path: Path, why: str, cure: str) -> None:
        key = ".".join(map(str, path))
        self.problems.append(Problem(self._file, self._places.line_of(path), key, why, cure))

    def _wrong(self, option: Option, value: Any, path: Path) -> None:
        element = isinstance(path[-1], int)
        words = type_words(option).removeprefix("list: ") if element else type_words(option)
        if option.shape is Shape.TABLES:
            words = "table" if element else f"array of tables, [[{'.'.join(str(p) for p in path)}]]"
        self._say(path, f"is {_kind(value)}", f"write {_article(words)}{words}{_example(option, value, element)}")

    def _unknown(self, cls: type, path: Path) -> None:
        name = str(path[-1])
        near = _near(name, [option.name for option in options_of(cls)])
        if near:
            cure = f"did you mean {near}?"
        else:
            assert self._root is not None
            elsewhere = [key for key in _keys(self._root, ()) if key.rpartition(".")[2] == name]
            cure = f"did you mean {elsewhere[0]}?" if elsewhere else "take it out, or see the list of options"
        self._say(path, "is no option", cure)


def _keys(cls: type, path: tuple[str, ...]) -> list[str]:
    keys = []
    for option in options_of(cls):
        keys.append(".".join((*path, option.name)))
        if option.shape in (Shape.TABLE, Shape.TABLES):
            keys += _keys(option.type, (*path, option.name))
    return keys


def _near(name: str, names: "list[str] | tuple[str, ...]") -> str:
    folded = {one.lower().replace("-", "_"): one for one in names}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), folded, 1, NEAR_MISS)
    return folded[found[0]] if found else ""


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a date or time")


def _article(words: str) -> str:
    return "" if words.startswith(("true", "one of", "text", "list")) else "an " if words[0] in "aeiou" else "a "


def _example(option: Option, value: Any, element: bool) -> str:
    """The same value in the right form, when it is plain what was meant."""
    if isinstance(value, str) and option.type in (int, float) and re.fullmatch(r"\d+(\.\d+)?", value):
        return f", without quotes: {value}"
    if option.shape is Shape.LIST and not element and type(value) is option.type:
        shown = f'"{value}"' if isinstance(value, str) else value
        return f", in brackets: [{shown}]"
    if option.type is str and isinstance(value, int | float) and not isinstance(value, bool):
        return f', in quotes: "{value}"'
    return ""
