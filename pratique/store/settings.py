"""Options of the store."""

from dataclasses import dataclass, field
from typing import Any


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


@dataclass(frozen=True, slots=True)
class StoreSettings:
    directory: str = option("store", "Where the rows are kept, relative to the appliance's directory.")
    spool: str = option("spool", "Where bodies are kept, relative to the appliance's directory.")
    reserve_bytes: int = option(
        0, "Free disk space below which new mail gets 452. 0 = the larger of 200 MiB and 5 % of the disk.", min=0
    )
