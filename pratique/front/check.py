"""One check of the doctor: what was looked at, what was found, and the cure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

EXPIRY_DAYS = 30  # a certificate is named so long before its end


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """`required`: the appliance does not do its work while this fails."""

    name: str
    state: State
    found: str
    cure: str = ""
    required: bool = True

    @property
    def failed(self) -> bool:
        return self.required and self.state is State.FAILED

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}
