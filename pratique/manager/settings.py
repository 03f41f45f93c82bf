"""Options of the manager role."""

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    pool_bytes: int = option(
        0,
        "Octets that all quarantines together may hold; then the oldest leave by their default action. 0 = the disk.",
        min=0,
    )
    expiry_seconds: int = option(60, "How often scheduled exits are looked for, in seconds.", min=1)
    alternate_release_gateway: str = option(
        "", "Serial of the gateway that takes releases when the one that caught the message cannot; empty = none."
    )
    rescan: tuple[str, ...] = option(
        ("virus",), "What the gateway checks anew when a message is released: virus, or nothing."
    )
