"""Values of the hot path: declared frozen, made fast.

A frozen dataclass sets each field through object.__setattr__, four times the cost of an assignment; a message makes
some forty values on its way. `value` keeps the promise where it is checked (mypy refuses to assign to a field) and not
where it is paid for. Equality, hash and slots are those of a frozen dataclass.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    return dataclass(slots=True, unsafe_hash=True)(cls)
