"""`--set a.b=value`: changes in the text of an option file that leave all else of it as it was, comments too.

Lists are reached by index or by the `name` of their table: `listeners.0.port`, `listeners.InboundMail.port`; the index
behind the last adds one. A value is read as TOML and, where that fails or the option is a text, taken as it stands.
Whether the value fits is for load() to say, with the line it then has.
"""

import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from pratique.config.lines import Path, find_places
from pratique.config.schema import Option, Shape, options_of


class OverrideRefused(ValueError):
    """The key leads nowhere: why, and what to do."""


def apply_overrides(text: str, overrides: Mapping[str, str], cls: type | None = None) -> str:
    """`cls` declares the options; without it every value is read as TOML or else a text."""
    for key, value in overrides.items():
        text = _apply(text, key, value, cls)
    return text


def _apply(text: str, key: str, value: str, cls: type | None) -> str:
    parts = key.split(".")
    if not all(parts):
        raise OverrideRefused(f"{key!r} is no option: write --set table.option=value")
    document = tomlkit.parse(text)
    table, path = _walk(document, parts[:-1], cls, key)
    typed = _typed(value, _declared(cls, path, parts[-1]))
    line = 0 if parts[-1] in table else find_places(text).commented.get((*path, parts[-1]), 0)
    if line:
        lines = text.split("\n")
        lines[line - 1] = f"{parts[-1]} = {tomlkit.item(typed).as_string()}"
        return "\n".join(lines)
    try:
        table[parts[-1]] = typed
    except (TypeError, ValueError, TOMLKitError) as error:
        raise OverrideRefused(f"{key} cannot be set: {error}") from error
    return tomlkit.dumps(document)


def _walk(document: Any, parts: list[str], cls: type | None, key: str) -> tuple[Any, Path]:
    """The table that holds the option, made where it does not exist, and its path by index."""
    here: Any = document
    path: Path = ()
    for part in parts:
        if isinstance(here, list):
            number = _index(here, part, key)
            if number == len(here):
                here.append(tomlkit.table())
            path = (*path, number)
            here = here[number]
        else:
            if part not in here:
                here[part] = tomlkit.aot() if _is_array(cls, path, part) else tomlkit.table()
            path = (*path, part)
            here = here[part]
        if not isinstance(here, dict | list):
            raise OverrideRefused(f"{key} is no option: {'.'.join(map(str, path))} is a single value")
    if isinstance(here, list):
        raise OverrideRefused(f"{key} is no option: say which table, as in {'.'.join(parts)}.0.{key.split('.')[-1]}")
    return here, path


def _index(tables: list[Any], part: str, key: str) -> int:
    names = [str(table.get("name", "")) if isinstance(table, dict) else "" for table in tables]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) <= len(tables):
        return int(part)
    known = ", ".join(name for name in names if name) or "none"
    raise OverrideRefused(f"{key}: there is no {part!r}; write an index from 0 to {len(tables)} or a name ({known})")
