"""What raises an alert: for each condition its class, its severity, and what is said when it ends. One table.

Pure. The severity is Critical where mail is in danger or stands still and a person must act, Warning where he should
look, Information where somebody asked for it. A condition that is not here raises none.
"""

from dataclasses import dataclass

from pratique.runner.alerts.settings import AlertClass, Severity
from pratique.telemetry import events
from pratique.telemetry.conditions import Condition
from pratique.telemetry.events import Event

CANARY_BACK = "a canary came back: held mail reaches the manager and returns"


@dataclass(frozen=True, slots=True)
class Sort:
    kind: AlertClass
    severity: Severity

    def __str__(self) -> str:
        return f"{self.kind}/{self.severity}"


_SYSTEM, _CUSTODY, _PEERS = AlertClass.SYSTEM, AlertClass.CUSTODY, AlertClass.APPLIANCES
_CRITICAL, _WARNING = Severity.CRITICAL, Severity.WARNING

SORTS: dict[Condition, Sort] = {
    Condition.FAULT: Sort(_SYSTEM, _WARNING),
    Condition.STORE: Sort(_SYSTEM, _CRITICAL),
    Condition.UNCLEAN: Sort(_SYSTEM, _WARNING),
    Condition.COMPONENT: Sort(_SYSTEM, _WARNING),
    Condition.DISK: Sort(AlertClass.HARDWARE, _CRITICAL),
    Condition.POOL: Sort(_SYSTEM, _WARNING),
    Condition.POOL_FULL: Sort(_SYSTEM, _CRITICAL),
    Condition.CORRUPT: Sort(_CUSTODY, _CRITICAL),
    Condition.REFUSED: Sort(_CUSTODY, _CRITICAL),
    Condition.CONFLICT: Sort(_CUSTODY, _CRITICAL),
    Condition.OURS_AGAIN: Sort(_CUSTODY, _CRITICAL),
    Condition.STUCK_RELEASE: Sort(_CUSTODY, _CRITICAL),
    Condition.DOUBT: Sort(_CUSTODY, _CRITICAL),
    Condition.NO_MANAGER: Sort(_CUSTODY, _CRITICAL),
    Condition.LOCKED: Sort(_PEERS, _CRITICAL),
    Condition.SET_BACK: Sort(_PEERS, _CRITICAL),
    Condition.LINK: Sort(_PEERS, _CRITICAL),
    Condition.CLOCK: Sort(_PEERS, _CRITICAL),
    Condition.SUSPENDED: Sort(_SYSTEM, _WARNING),
    Condition.WORK_QUEUE: Sort(_SYSTEM, _WARNING),
    Condition.CLUSTER: Sort(_PEERS, _WARNING),
    Condition.CERTIFICATE: Sort(_SYSTEM, _WARNING),
    Condition.VIRUS_ENGINE: Sort(AlertClass.ANTI_VIRUS, _WARNING),
    Condition.CANARY: Sort(_CUSTODY, _WARNING),
    Condition.AUDIT: Sort(_CUSTODY, _CRITICAL),
    Condition.TEST: Sort(_SYSTEM, Severity.INFORMATION),
    Condition.OTHER: Sort(_SYSTEM, _CRITICAL),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event says of a condition. `over`: it has ended."""

    condition: Condition
    subject: str
    sort: Sort
    text: str
    over: bool = False

    @property
    def key(self) -> str:
        """Two with the same key are the same trouble."""
        return f"{self.condition}:{self.subject}"


SPEAKING = frozenset(
    (
        events.Fault,
        events.Note,
        events.Trouble,
        events.Alarm,
        events.Over,
        events.CanaryLost,
        events.CanaryReturned,
    )
)


def heard(event: Event) -> Heard | None:
    """None: nobody is told."""
    if isinstance(event, events.CanaryLost):
        return _of(Condition.CANARY, "", event)
    if isinstance(event, events.CanaryReturned):
        return Heard(Condition.CANARY, "", SORTS[Condition.CANARY], CANARY_BACK, over=True)
    if isinstance(event, events.Fault | events.Note) and event.condition in SORTS:
        return _of(event.condition, event.subject, event)
    return None


def _of(condition: Condition, subject: str, event: Event) -> Heard:
    sort = SORTS[condition]
    if condition is Condition.POOL and isinstance(event, events.Alarm):
        sort = Sort(sort.kind, Severity.CRITICAL)  # its last threshold
    return Heard(condition, subject, sort, event.text(), over=isinstance(event, events.Over))
