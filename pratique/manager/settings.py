"""Options of the manager role."""

from dataclasses import dataclass, field
from typing import Any

from pratique.store.interface import View

ALTERNATE_SETTING = "alternate_release_gateway"  # a serial, or NONE; "" = as the configuration says
NONE = "-"


def alternate_of(view: View, configured: str) -> str:
    """Serial of the gateway that takes what another has cancelled, "" = there is none."""
    chosen = view.setting(ALTERNATE_SETTING)
    return "" if chosen == NONE else chosen or configured


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
