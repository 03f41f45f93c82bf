"""Counters and gauges by name, for /health and the status page.

Counters are derived from the events of the mail log by the one table below, so that log and metric cannot disagree.
Gauges are set by whoever knows the value. Not here: rates and history, which the reader of the numbers computes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pratique.telemetry import events
from pratique.telemetry.events import Event


@dataclass(frozen=True, slots=True)
class Rule:
    """`event` adds to `counter` when its `field` has `value` (no field: always): 1, or the length of `amount`."""

    event: type[Event]
    counter: str
    field: str = ""
    value: object = None
    amount: str = ""


RULES = (
    Rule(events.NewIcid, "connections_in"),
    Rule(events.IcidRefused, "connections_refused"),
    Rule(events.IcidAction, "connections_refused", "action", "REJECT"),
    Rule(events.IcidAction, "connections_refused", "action", "TCPREFUSE"),
    Rule(events.IcidTlsFailed, "tls_failed"),
    Rule(events.DcidTlsFailed, "tls_failed"),
    Rule(events.MidReady, "received"),  # messages
    Rule(events.MidTo, "recipients"),
    Rule(events.RecipientRefused, "refused"),  # recipients
    Rule(events.Aborted, "aborted"),
    Rule(events.Generated, "generated"),
    Rule(events.NotJudgedInTime, "unjudged"),
    Rule(events.Virus, "infected", "verdict", "positive"),
    Rule(events.Virus, "unscannable", "verdict", "unscannable"),
    Rule(events.Dropped, "dropped"),
    Rule(events.Quarantined, "held"),  # holds: one for each quarantine of a message
    Rule(events.Enqueued, "enqueued"),
    Rule(events.ReceivedFromGateway, "taken_over"),
    Rule(events.ReceivedFromManager, "returned"),
    Rule(events.AllEnded, "released", "mark", "released"),  # messages
    Rule(events.AllEnded, "deleted", "mark", "deleted"),
    Rule(events.QueuedForDelivery, "queued"),
    Rule(events.NewDcid, "connections_out"),
    Rule(events.ConnectionFailed, "connections_failed"),
    Rule(events.MessageDone, "delivered", "quarantine", False, amount="rids"),  # recipients, as are the next two
    Rule(events.Undelivered, "bounced", "what", "Bounced"),
    Rule(events.Undelivered, "bounced_dns", "hard", "dns"),  # of those; this one and the next four
    Rule(events.Undelivered, "bounced_5xx", "hard", "5xx"),
    Rule(events.Undelivered, "bounced_filter", "hard", "filter"),
    Rule(events.Undelivered, "bounced_expired", "hard", "expired"),
    Rule(events.Undelivered, "bounced_other", "hard", "other"),
    Rule(events.RecipientsDeleted, "recipients_deleted", amount="rids"),
    Rule(events.Undelivered, "delayed", "what", "Delayed"),
    Rule(events.MessageDone, "transferred", "quarantine", True),  # messages, to or from the central quarantine
    Rule(events.BounceGenerated, "bounces_made"),
    Rule(events.CanaryReturned, "canary_returned"),
    Rule(events.CanaryLost, "canary_lost"),
    Rule(events.Fault, "faults"),
    Rule(events.Alarm, "alarms"),
)


class Counters:
    """A Telemetry of its own, or fed by the mail log with each flush."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {rule.counter: 0 for rule in RULES}
        self._gauges: dict[str, float] = {}
        self._rules: dict[type[Event], list[Rule]] = {}
        for rule in RULES:
            self._rules.setdefault(rule.event, []).append(rule)

    def emit(self, event: Event) -> None:
        for rule in self._rules.get(type(event), ()):
            if not rule.field or getattr(event, rule.field) == rule.value:
                self._values[rule.counter] += len(getattr(event, rule.amount)) if rule.amount else 1

    def count(self, batch: Iterable[tuple[Event, int]]) -> None:
        known = self._rules
        for event, _ in batch:
            if type(event) in known:
                self.emit(event)

    def set_gauge(self, name: str, value: float) -> None:
        self._gauges[name] = value

    def add(self, counter: str, amount: int) -> None:
        """For what has no event, e.g. log lines lost."""
        self._values[counter] = self._values.get(counter, 0) + amount

    def values(self) -> dict[str, float]:
        """Every counter (since the process began) and every gauge, by name."""
        return {**self._values, **self._gauges}
