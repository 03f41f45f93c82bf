"""The options of alerts by mail: classes and severities in the words of the reference system's alertconfig, with two
classes of our own, Custody and Appliances. Values only; what raises an alert is in conditions.py.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ALL = "All"


class AlertClass(StrEnum):
    SYSTEM = "System"  # application faults, the store, work queue, certificates, the quarantines' pool
    HARDWARE = "Hardware"  # room on the disk
    ANTI_VIRUS = "Anti-Virus"  # an engine that gives no verdicts
    CUSTODY = "Custody"  # corrupt bodies, refused transfers, canaries, the audit chain
    APPLIANCES = "Appliances"  # peers: links down, fenced, locked, set back


class Severity(StrEnum):
    CRITICAL = "Critical"
    WARNING = "Warning"
    INFORMATION = "Information"


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


@dataclass(frozen=True, slots=True)
class AlertRecipient:
    """One address, and what it wants to hear."""

    address: str = option("", "Who gets alerts, as in ops@example.org.")
    classes: tuple[str, ...] = option((ALL,), "Classes of alerts this address gets.", choices=(ALL, *AlertClass))
    severities: tuple[str, ...] = option((ALL,), "Severities this address gets.", choices=(ALL, *Severity))

    def wants(self, kind: AlertClass, severity: Severity) -> bool:
        return bool({ALL, kind} & set(self.classes)) and bool({ALL, severity} & set(self.severities))


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Alerts by mail. On a gateway they leave by its own queue."""

    enabled: bool = option(True, "Send alerts to the recipients below; without it they are only logged.")
    sender: str = option("", "Address in From; empty = alert@ and the appliance's name. The envelope's is always null.")
    initial_seconds: int = option(
        300, "Wait before an alert that is raised again is repeated; it doubles with each repeat.", min=1
    )
    max_seconds: int = option(3600, "Longest wait between two repeats.", min=1)
    link_down_seconds: int = option(600, "A link to a peer that is down for longer raises an alert.", min=1)
    recipients: tuple[AlertRecipient, ...] = option((), "Who gets alerts.")


@dataclass(frozen=True, slots=True)
class ManagerAlertSettings(AlertSettings):
    """A manager delivers no mail but its alerts; these options say how."""

    hosts: tuple[str, ...] = option(
        (), "Mail servers that take alerts, host[:port], tried in order; empty = the MX of each recipient's domain."
    )
    tls: str = option("may", "TLS towards them: no, may (when offered) or must.", choices=("no", "may", "must"))
    nameservers: tuple[str, ...] = option((), "DNS servers; empty = those of the system.")
