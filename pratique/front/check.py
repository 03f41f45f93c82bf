"""What the doctor's checks share: whom they look at, and what one of them says."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pratique.fleet.identity import Keys
from pratique.front.options import Options


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


@dataclass(frozen=True, slots=True)
class Patient:
    directory: Path
    options: Options
    keys: Keys


def reachable(address: str) -> str:
    """Where to dial what listens on `address` of this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address, address)
