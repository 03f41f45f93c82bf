"""Edits of an option file that leave all else of its text as it was, comments too: an option gets a value or its
default, an array gets or loses a table, the whole text is replaced.

Keys are those of overrides.py; a key may also be given in its parts. Whether a value fits its option is for loads().
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.config.overrides import OverrideRefused, apply_overrides, put, resolve_option
from pratique.config.tables import add_table, remove

Key = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """`value` as a person types it."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Put:
    """`value` of TOML."""

    key: Key
    value: Any


@dataclass(frozen=True, slots=True)
class Add:
    """A table behind the last one of an array, with these options."""

    array: Key
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """An option, which then has its default, or a table of an array with all that is in it."""

    key: Key


@dataclass(frozen=True, slots=True)
class Replace:
    text: str


Edit = Set | Put | Add | Remove | Replace


def apply_edits(text: str, edits: Iterable[Edit], cls: type | None = None) -> str:
    """Raises OverrideRefused, and tomllib.TOMLDecodeError when `text` itself is broken."""
    plain = text.replace("\r\n", "\n")
    for edit in edits:
        plain = _apply(plain, edit, cls)
    return plain.replace("\n", "\r\n") if "\r\n" in text else plain


def _apply(text: str, edit: Edit, cls: type | None) -> str:
    match edit:
        case Set():
            return apply_overrides(text, {edit.key: edit.value}, cls)
        case Put():
            return put(text, resolve_option(tomllib.loads(text), _parts(edit.key), cls), edit.value)
        case Add():
            return add_table(text, _parts(edit.array), edit.options, cls)
        case Remove():
            return remove(text, _parts(edit.key), cls)
        case Replace():
            return edit.text.replace("\r\n", "\n")


def _parts(key: Key) -> Sequence[str]:
    parts = key.split(".") if isinstance(key, str) else key
    if not all(parts):
        raise OverrideRefused(f"{'.'.join(parts)!r} is no option: write table.option")
    return parts
