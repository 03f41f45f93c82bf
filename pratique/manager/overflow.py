"""The pool that all quarantines share: how full it is, who is told, what is done to a message that has to leave early.

The rules: docs/operate/quarantine.md, quarantine/retention.py. This module reads and tells; the exits
themselves are the expirer's.
"""

import json
from collections.abc import Callable, Iterable, Mapping

from pratique.quarantine.lifecycle import Cause, Mark
from pratique.quarantine.retention import POOL_ALERT_PERCENTS, EarlyRelease, crossed
from pratique.runner.services import Services
from pratique.store.interface import View
from pratique.store.records import Hold, Quarantine
from pratique.telemetry import events as log
from pratique.transfer.metadata import Change

OVERFLOW_POLICY = "policy:overflow@1"
CRITICAL_PERCENT = 95  # of POOL_ALERT_PERCENTS: from here on somebody must act


def early_release(quarantine: Quarantine | None) -> EarlyRelease:
    """What a quarantine's settings say of messages that overflow releases (docs/rest.md)."""
    if quarantine is None:
        return EarlyRelease()
    fields = json.loads(quarantine.overflow)
    subject, header = fields.get("subject", {}), fields.get("header", {})
    return EarlyRelease(
        subject_action=str(subject.get("action", "")),
        subject_text=str(subject.get("text", "")),
        header_name=str(header.get("name", "")),
        header_text=str(header.get("text", "")),
        strip_attachments=bool(fields.get("strip")),
    )


def changes_of(holds: Iterable[Hold], quarantines: Mapping[str, Quarantine]) -> tuple[Change, ...]:
    """The declared changes of a message, by the quarantines that it left early; each once, in the order of leaving."""
    early = [h for h in holds if h.cause == Cause.QUEUE_FULL and h.mark == Mark.RELEASED]
    found: dict[tuple[str, str, str], None] = {}
    for hold in sorted(early, key=lambda h: h.decided_at):
        found |= dict.fromkeys(early_release(quarantines.get(hold.quarantine)).changes())
    return tuple(Change(op=op, name=name, value=value, by=OVERFLOW_POLICY) for op, name, value in found)


class Pool:
    """`limit` octets, 0 = no limit but the disk's. `overfull` is called when more is held than that."""

    def __init__(self, services: Services, limit: int, overfull: Callable[[], None]) -> None:
        self._services = services
        self._overfull = overfull
        self.limit = limit
        self.used = 0
        self.stuck = False  # nothing that is held may leave early: every quarantine is exempt

    @property
    def full(self) -> bool:
        """Nothing more is taken: mail waits at the gateways."""
        return self.stuck and self.limit > 0 and self.used >= self.limit

    def refresh(self, view: View) -> int:
        """Count anew what is held. Octets above the limit; 0 or less: none."""
        if not self.limit:
            return 0
        self.used = sum(octets for _, octets in view.quarantine_counts().values())
        if self.used < self.limit:
            self.stuck = False
        return self.used - self.limit

    def placed(self, octets: int) -> None:
        """So much more is held. Each alert is given on the way up only."""
        if not self.limit:
            return
        before, self.used = self.used, self.used + octets
        percent = crossed(POOL_ALERT_PERCENTS, before=before, after=self.used, limit=self.limit)
        if percent:
            text = (
                f"the quarantines hold {percent} % of the {self.limit} B that manager.pool_bytes allows; at 100 % the "
                "oldest messages leave by their default action, or, where every quarantine is exempt, no more is taken"
            )
            make = log.Alarm if percent >= CRITICAL_PERCENT else log.Trouble
            self._services.telemetry.emit(make(message=text, condition=log.Condition.POOL, subject=str(percent)))
        if self.used > self.limit:
            self._overfull()
