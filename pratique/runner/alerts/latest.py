"""The latest alerts, kept in the store as one small value, so that a restart forgets none. Pure.

Whether the mail of one arrived is not here: its deliveries tell (store), for as long as its rows are kept.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

SETTING = "alerts"
KEPT_MAX = 50  # what a person looks through


@dataclass(frozen=True, slots=True)
class Raised:
    """`mid`: of its mail, 0 = nobody gets it. `open`: some recipient's fate has not been logged yet."""

    at: int
    kind: str
    severity: str
    subject: str
    text: str
    more: int = 0
    over: bool = False
    mid: int = 0
    to: tuple[str, ...] = ()
    open: bool = False
    key: str = ""  # of the trouble; "" = none that repeats

    @property
    def sort(self) -> str:
        return f"{self.kind}/{self.severity}"


def written(alerts: Iterable[Raised]) -> str:
    return json.dumps([asdict(one) for one in alerts], ensure_ascii=True)


def read(text: str) -> list[Raised]:
    """Oldest first; empty when the value cannot be read, for an alert must not wait for an old one."""
    try:
        rows = json.loads(text or "[]")
        return [Raised(**{**row, "to": tuple(row["to"])}) for row in rows][-KEPT_MAX:]
    except (ValueError, TypeError, KeyError):
        return []
