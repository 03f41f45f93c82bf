"""`--set a.b=value`: changes in the text of an option file that leave all else of it as it was, comments too.

Lists are reached by index or by the `name` of their table: `listeners.0.port`, `listeners.InboundMail.port`; the index
behind the last adds one. A value is read as TOML and, where that fails or the option is a text, taken as it stands.
Whether the value fits its option is for load() to say, with the line it then has.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pratique.config.lines import Path, Places, find_places
from pratique.config.schema import NAME, Option, Shape, options_of
from pratique.config.writing import dotted, toml_value


class OverrideRefused(ValueError):
    """The key leads nowhere: why, and what to do."""


def apply_overrides(text: str, overrides: Mapping[str, str], cls: type | None = None) -> str:
    """`cls` declares the options; without it every value is read as TOML or else a text. Raises OverrideRefused, and
    tomllib.TOMLDecodeError when `text` itself is broken."""
    plain = text.replace("\r\n", "\n")
    for key, value in overrides.items():
        plain = _apply(plain, key, value, cls)
    return plain.replace("\n", "\r\n") if "\r\n" in text else plain


def _apply(text: str, key: str, value: str, cls: type | None) -> str:
    parts = key.split(".")
    if not all(parts):
        raise OverrideRefused(f"{key!r} is no option: write --set table.option=value")
    path = resolve_option(tomllib.loads(text), parts, cls)
    return put(text, path, _typed(value, declared(cls, path)))


def put(text: str, path: Path, value: Any) -> str:
    """The option at `path` has this value of TOML. Raises OverrideRefused; `text` has plain line feeds."""
    changed = _edit(text, find_places(text), path, toml_value(value))
    if get(changed, path) != value:
        key = ".".join(map(str, path))
        raise OverrideRefused(f"{key} cannot be set in this file: edit it by hand, or give its table a header")
    return changed


def resolve_option(data: dict[str, Any], parts: Sequence[str], cls: type | None) -> Path:
    """The path of an option; its tables need not exist yet. Raises OverrideRefused when it is a table's."""
    key = ".".join(parts)
    path = resolve(data, parts, cls)
    option = declared(cls, path)
    if isinstance(path[-1], int) or (option is not None and option.shape in (Shape.TABLE, Shape.TABLES)):
        raise OverrideRefused(f"{key} is a table: name one of its options")
    return path


def resolve(data: dict[str, Any], parts: Sequence[str], cls: type | None) -> Path:
    """The key with indices in place of names. What does not exist yet is taken as its declaration says."""
    key = ".".join(parts)
    here: Any = data
    path: Path = ()
    for number, part in enumerate(parts):
        if _is_array(cls, path) or isinstance(here, list):
            tables = here if isinstance(here, list) else []
            index = _index(tables, part, key, _default_name(cls, path))
            path = (*path, index)
            here = tables[index] if index < len(tables) else {}
        elif isinstance(here, dict):
            path = (*path, part)
            here = here.get(part, {} if number < len(parts) - 1 else None)
        else:
            raise OverrideRefused(f"{key} is no option: {'.'.join(parts[:number])} is a single value")
    return path


def _index(tables: list[Any], part: str, key: str, default: str) -> int:
    names = [str(table.get(NAME, default)) if isinstance(table, dict) else "" for table in tables]
    if part in names:
        return names.index(part)
    if part.isdigit() and int(part) <= len(tables):
        return int(part)
    known = ", ".join(name for name in names if name) or "there is none yet"
    raise OverrideRefused(f"{key}: there is no {part!r}; write an index from 0 to {len(tables)} or a name ({known})")


def get(text: str, path: Path) -> Any:
    """The value at `path`, None when the text is broken or has none."""
    try:
        here: Any = tomllib.loads(text)
        for part in path:
            here = here[part]
    except (tomllib.TOMLDecodeError, LookupError, TypeError):
        return None
    return here


# --- the text ------------------------------------------------------------------------------------------------------
def _edit(text: str, places: Places, path: Path, value: str) -> str:
    """In place of its value, else of its commented default, else behind its table's last option, else a new table."""
    if path in places.values:
        start, end = places.values[path]
        return text[:start] + value + text[end:]
    lines = text.split("\n")
    pair = f"{dotted((str(path[-1]),))} = {value}"
    if path in places.commented:
        lines[places.commented[path] - 1] = pair
        return "\n".join(lines)
    table = path[:-1]
    homes = [section for section in places.sections if section.path == table]
    if homes:
        at = homes[0].last
        lines[at:at] = ["", pair] if at else [pair, ""]
    else:
        header = dotted(tuple(part for part in table if isinstance(part, str)))
        new = f"[[{header}]]" if isinstance(table[-1], int) else f"[{header}]"
        at = end_of_family(places, table)
        lines[at:at] = ["", new, "", pair]
    return "\n".join(lines)


def end_of_family(places: Places, table: Path) -> int:
    """The line behind the tables that stand nearest to this one: its elder sisters, else what is in its parent."""
    for length in range(len(table) - 1, 0, -1):
        family = [section.last for section in places.sections if section.path[:length] == table[:length]]
        if family:
            return max(family)
    return places.sections[-1].last


# --- values --------------------------------------------------------------------------------------------------------
def declared(cls: type | None, path: Path) -> Option | None:
    """The declaration of an option, None when there is none."""
    option = None
    for part in path:
        if isinstance(part, int):
            continue
        if option is not None and option.shape is Shape.MAP:
            return replace(option, shape=Shape.VALUE)
        option = next((o for o in options_of(cls) if o.name == part), None) if cls is not None else None
        cls = option.type if option is not None and option.shape in (Shape.TABLE, Shape.TABLES) else None
    return option


def _is_array(cls: type | None, path: Path) -> bool:
    if not path or isinstance(path[-1], int):
        return False
    option = declared(cls, path)
    return option is not None and option.shape is Shape.TABLES


def _default_name(cls: type | None, path: Path) -> str:
    """What a table of this array is called when it has no name."""
    option = declared(cls, (*path, 0, NAME))
    return option.default if option is not None and isinstance(option.default, str) else ""


def _typed(text: str, option: Option | None) -> Any:
    value = _toml(text)
    if option is None:
        return text if value is None else value
    if option.shape is Shape.LIST and not isinstance(value, list):
        return [_scalar(item.strip(), option) for item in text.split(",")] if text else []
    return value if isinstance(value, list | dict) and option.shape is not Shape.VALUE else _scalar(text, option)


def _scalar(text: str, option: Option) -> Any:
    value = _toml(text)
    wants_text = option.type not in (bool, int, float)
    return text if value is None or (wants_text and not isinstance(value, str)) else value


def _toml(text: str) -> Any:
    """The value that `text` is in TOML, None when it is none."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return None
    return found["value"] if len(found) == 1 else None
