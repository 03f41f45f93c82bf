"""Tables of an array added and taken out, options set back, in the text of an option file; all else of it stays.

An option that is set back leaves its default as a comment where `cls`, the class that declares the options, has one.
All texts have plain line feeds. What cannot be done in this text is refused, and what was done is read back: the text
then says what was wanted and nothing else.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import MISSING
from typing import Any

from pratique.config.lines import Path, Places, find_places
from pratique.config.overrides import OverrideRefused, declared, end_of_family, get, resolve
from pratique.config.schema import Shape
from pratique.config.writing import dotted, toml_value

BY_HAND = "cannot be changed in this file: edit it by hand"


def add_table(text: str, array: Sequence[str], options: Sequence[tuple[str, Any]], cls: type | None) -> str:
    """One more table behind the last of the array. Raises OverrideRefused, tomllib.TOMLDecodeError."""
    key = ".".join(array)
    path = resolve(tomllib.loads(text), array, cls)
    option = declared(cls, path)
    tables = get(text, path)
    if (option is not None and option.shape is not Shape.TABLES) or not isinstance(tables or [], list):
        raise OverrideRefused(f"{key} is no array of tables")
    if not options:
        raise OverrideRefused(f"{key}: a new table has at least one option")
    number = len(tables or [])
    header = dotted(tuple(part for part in path if isinstance(part, str)))
    lines = text.split("\n")
    at = end_of_family(find_places(text), (*path, number))
    pairs = [f"{dotted((name,))} = {toml_value(value)}" for name, value in options]
    lines[at:at] = ["", f"[[{header}]]", *pairs]
    changed = "\n".join(lines)
    if get(changed, (*path, number)) != dict(options) or get(changed, (*path, number + 1)) is not None:
        raise OverrideRefused(f"{key} {BY_HAND}, or write its tables with [[{header}]]")
    return changed


def remove(text: str, parts: Sequence[str], cls: type | None) -> str:
    """An option or a table of an array. Raises OverrideRefused when it does not stand in the text."""
    key = ".".join(parts)
    path = resolve(tomllib.loads(text), parts, cls)
    if get(text, path) is None:
        raise OverrideRefused(f"{key} does not stand in the configuration; it has its default")
    places = find_places(text)
    changed = _without_table(text, places, path) if isinstance(path[-1], int) else _set_back(text, places, path, cls)
    if _parsed(changed) != _pruned(tomllib.loads(text), path):
        raise OverrideRefused(f"{key} {BY_HAND}")
    return changed


def _set_back(text: str, places: Places, path: Path, cls: type | None) -> str:
    if path not in places.values:
        raise OverrideRefused(f"{'.'.join(map(str, path))} {BY_HAND}")
    first = places.lines[path]
    last = text.count("\n", 0, places.values[path][1]) + 1
    option = declared(cls, path)
    known = option is not None and option.default not in (MISSING, None)
    lines = text.split("\n")
    lines[first - 1 : last] = [f"#{path[-1]} = {toml_value(option.default)}"] if option is not None and known else []
    return "\n".join(lines)


def _without_table(text: str, places: Places, path: Path) -> str:
    """With the tables below it, and with the comment that stands right above its header; the one above the first table
    may be that of the array, and stays."""
    lines = text.split("\n")
    for section in reversed(places.sections):
        if section.path[: len(path)] != path:
            continue
        start, end = places.lines[section.path] - 1, section.last
        if path[-1] != 0 or section.path != path:
            while start and lines[start - 1].startswith("#"):
                start -= 1
        if end < len(lines) and not lines[end].strip() and (not start or not lines[start - 1].strip()):
            end += 1
        del lines[start:end]
    return "\n".join(lines)


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _pruned(data: dict[str, Any], path: Path) -> dict[str, Any]:
    here: Any = data
    for part in path[:-1]:
        here = here[part]
    del here[path[-1]]
    if isinstance(path[-1], int) and not here:  # the last table of an array: TOML has no empty one
        return _pruned(data, path[:-1])
    return data
