"""Whom the doctor looks at, and where it dials what listens on this machine."""

from dataclasses import dataclass
from pathlib import Path

from pratique.fleet.identity import Keys
from pratique.front.options import Options


@dataclass(frozen=True, slots=True)
class Patient:
    directory: Path
    options: Options
    keys: Keys


def reachable(address: str) -> str:
    """Where to dial what listens on `address` of this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address, address)
