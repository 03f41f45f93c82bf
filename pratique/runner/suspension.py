"""What an operator has suspended: receiving by listener, delivery, transfers, the work queue. One small value that is
kept in the store, so that a restart changes nothing, and that the roles apply whole each time it changes.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pratique.store.interface import View
from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry

SETTING = "suspended"
CPQ_LISTENER = "cpq_listener"  # what the quarantine port is called
WHY = "operator"  # what a peer reads


@dataclass(frozen=True, slots=True)
class Suspension:
    """`transfers`: a manager takes no mail to be held. `work_queue`: why nothing is judged, "" = it is."""

    listeners: tuple[str, ...] = ()
    delivery: bool = False
    transfers: bool = False
    work_queue: str = ""

    def put(self, audit: tuple[AuditEntry, ...]) -> PutSetting:
        kept = {name: getattr(self, name) for name in self.__slots__}
        return PutSetting(SETTING, json.dumps(kept), audit)

    def has(self, listener: str) -> bool:
        return listener in self.listeners

    def all_of(self, listeners: Iterable[str]) -> bool:
        return set(listeners) <= set(self.listeners)


def suspended(view: View) -> Suspension:
    """What is kept; nothing when a value cannot be read, for mail must not stand still by accident."""
    try:
        kept = json.loads(view.setting(SETTING, "{}"))
        return Suspension(
            tuple(str(name) for name in kept.get("listeners", ())),
            bool(kept.get("delivery", False)),
            bool(kept.get("transfers", False)),
            str(kept.get("work_queue", "")),
        )
    except (ValueError, TypeError, AttributeError):
        return Suspension()


def system_status(now: Suspension, listeners: Iterable[str]) -> str:
    """In the words of the reference system."""
    receiving = now.all_of(listeners)
    if receiving and now.delivery:
        return "Offline"
    if receiving:
        return "Receiving Suspended"
    if now.delivery:
        return "Delivery Suspended"
    return "Work Queue Paused" if now.work_queue else "Online"
