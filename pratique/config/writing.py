"""The whole option file, written from the dataclasses: each option with its text above it.

An option that has its default stands as a comment, `#port = 25`, so that a later version's default reaches files that
never chose one. An array of tables that is empty by default shows one table as a comment. load() reads it back to an
equal value.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import MISSING
from enum import Enum
from typing import Any

import tomlkit

from pratique.config.schema import NAME, Option, Shape, options_of, type_words

WIDTH = 100  # of comments

_HEAD = (
    "Options of this appliance. A line that begins with # and no blank is an option at its default:",
    "take the # away to change it. `pratique check-config` checks the file.",
)


def render(settings: Any) -> str:
    lines = [f"# {line}" for line in _HEAD]
    lines += _table(type(settings), settings, ())
    return "\n".join(lines) + "\n"


def toml_value(value: Any, *, long: bool = False) -> str:
    """One value as it is written in a file; `long`: a text of several lines on several lines."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{tomlkit.key(key).as_string()} = {toml_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, str):
        return _text(value, long=long)
    return str(tomlkit.item(value).as_string())


def _text(value: str, *, long: bool) -> str:
    """Patterns and filters are full of backslashes: where TOML allows it they stand as they are."""
    if long and "\n" in value:
        if "'''" not in value and not value.endswith("'") and value.replace("\n", "").isprintable():
            return f"'''\n{value}'''"
        if "\r" not in value:
            return '"""\n' + tomlkit.string(value, multiline=True).as_string()[3:]
    literal = "\\" in value and "'" not in value and value.isprintable()
    return str(tomlkit.string(value, literal=literal).as_string())


def _table(cls: type, settings: Any, path: tuple[str, ...], *, named: bool = False) -> Iterator[str]:
    """The values of a table, then its tables: in TOML what follows a header belongs to it. `named`: it is one of
    several, and its name is always written."""
    tables = []
    for option in options_of(cls):
        value = getattr(settings, option.name)
        if option.shape in (Shape.TABLE, Shape.TABLES):
            tables.append((option, value))
        else:
            yield ""
            yield from _about(option)
            yield from _pair(option, value, always=named and option.name == NAME)
    for option, value in tables:
        here = (*path, option.name)
        yield ""
        yield from _about(option)
        if option.shape is Shape.TABLES:
            yield from _array(option, value, here)
        elif value is not None:
            yield f"[{dotted(here)}]"
            yield from _table(option.type, value, here)


def _array(option: Option, tables: tuple[Any, ...], path: tuple[str, ...]) -> Iterator[str]:
    for number, table in enumerate(tables):
        if number:
            yield ""
        yield f"[[{dotted(path)}]]"
        yield from _table(option.type, table, path, named=True)
    if not tables:
        yield f"#[[{dotted(path)}]]"
        for inner in options_of(option.type):
            if inner.shape not in (Shape.TABLE, Shape.TABLES):
                yield from _about(inner, "#   # ")
                yield f"#   {inner.name} = {_shown(inner.default, inner)}"


def _about(option: Option, indent: str = "# ") -> Iterator[str]:
    text = option.doc
    if option.choices or option.min is not None or option.max is not None:
        text = f"{text} ({type_words(option)})" if text else type_words(option)
    yield from textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _pair(option: Option, value: Any, *, always: bool) -> Iterator[str]:
    at_default = value == option.default and type(value) is type(option.default)
    if value is None or (at_default and not always):
        yield f"#{option.name} = {_shown(value, option)}"
    else:
        yield f"{option.name} = {toml_value(value, long=True)}"


def _shown(value: Any, option: Option) -> str:
    """None and what has no default are shown as an empty value of their type."""
    if value is None or value is MISSING:
        value = {Shape.LIST: (), Shape.MAP: {}}.get(option.shape)
        value = option.type() if value is None and not issubclass(option.type, Enum) else value
        value = option.choices[0] if value is None else value
    return toml_value(value)


def dotted(path: tuple[str, ...]) -> str:
    return ".".join(tomlkit.key(part).as_string() for part in path)
