"""What options a dataclass declares: the one reading of its fields that loading, writing and documenting share.

Rooms declare frozen dataclasses; this knows none of them. A field's metadata has `doc`, and where they apply `min`,
`max` (of a number, or of each number in a list) and `choices` (of a text, or of each text in a list). A field's type
is one of: bool, int, float, str, an Enum of texts, tuple[X, ...] of these, X | None, another dataclass (a table),
tuple[dataclass, ...] (an array of tables), dict[str, X] (a table with free names).
"""

import types
import typing
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

NAME = "name"  # the option by which a table of an array is known


class Shape(Enum):
    VALUE = "value"
    LIST = "list"
    MAP = "map"
    TABLE = "table"
    TABLES = "array of tables"


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    shape: Shape
    type: Any  # of the value, of each value of a list or map, or the dataclass
    doc: str
    default: Any  # MISSING: must be given
    optional: bool  # None is a value: the option may be left out
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()


def options_of(cls: type) -> tuple[Option, ...]:
    """In the order of declaration. Raises TypeError when a room declares what no file can hold."""
    return _options_of(cls)


@cache
def _options_of(cls: type) -> tuple[Option, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(_option(cls, field, hints[field.name]) for field in fields(cls) if field.init)


def _option(cls: type, field: Field[Any], hint: Any) -> Option:
    where = f"{cls.__name__}.{field.name}"
    hint, optional = _without_none(hint)
    shape, inner = _shape(hint, where)
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    if optional and default is MISSING:
        default = None
    enum = inner if isinstance(inner, type) and issubclass(inner, Enum) else None
    choices = tuple(member.value for member in enum) if enum else tuple(field.metadata.get("choices", ()))
    return Option(
        field.name,
        shape,
        inner,
        field.metadata.get("doc", ""),
        default,
        optional,
        field.metadata.get("min"),
        field.metadata.get("max"),
        choices,
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [one for one in typing.get_args(hint) if one is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return hint, False


def _shape(hint: Any, where: str) -> tuple[Shape, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return (Shape.TABLES if is_dataclass(arguments[0]) else Shape.LIST), _plain(arguments[0], where)
    if origin is dict and arguments[0] is str:
        return Shape.MAP, _plain(arguments[1], where)
    return (Shape.TABLE if is_dataclass(hint) else Shape.VALUE), _plain(hint, where)


def _plain(hint: Any, where: str) -> Any:
    if isinstance(hint, type) and (hint in (bool, int, float, str) or is_dataclass(hint) or issubclass(hint, Enum)):
        return hint
    raise TypeError(f"{where}: {hint} cannot be written in a configuration file")


_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def type_words(option: Option) -> str:
    """The type as people read it: `whole number, 1 to 65535`."""
    if option.shape is Shape.TABLE:
        return "table"
    if option.shape is Shape.TABLES:
        return "array of tables"
    words = "one of " + ", ".join(option.choices) if option.choices else _WORDS[option.type]
    if option.min is not None and option.max is not None:
        words += f", {option.min:g} to {option.max:g}"
    elif option.min is not None:
        words += f", {option.min:g} or more"
    elif option.max is not None:
        words += f", at most {option.max:g}"
    return {Shape.LIST: f"list: {words}", Shape.MAP: f"table: {words} for each name"}.get(option.shape, words)
