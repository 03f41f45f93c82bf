"""Every event that the mail log shows, one class each. `text()` is the line's text to the letter of the mail-log
contract; the JSON twin carries the same fields, and `cid` where a copy is concerned.

Text that came from mail goes through `mail.text.log_text` before it enters an event's line: no control character, no
line break, bounded length. Here are those of the appliance itself; all others can be had from here.
"""

from typing import ClassVar

from pratique.mail.text import log_text
from pratique.telemetry.conditions import Condition
from pratique.telemetry.event import Event
from pratique.telemetry.events_in import (
    Aborted,
    AttachmentSeen,
    BouncedBy,
    CustomEntry,
    Dropped,
    FinishedAborted,
    Generated,
    IcidAction,
    IcidClose,
    IcidLost,
    IcidRefused,
    IcidTls,
    IcidTlsFailed,
    InterimVirus,
    MessageId,
    MidFrom,
    MidReady,
    MidTo,
    NewIcid,
    NotJudgedInTime,
    Outbreak,
    PolicyMatched,
    RecipientRefused,
    StartMid,
    Subject,
    Virus,
)
from pratique.telemetry.events_out import (
    AllEnded,
    BounceGenerated,
    CanaryLost,
    CanaryReturned,
    ConnectionFailed,
    DcidClose,
    DcidTls,
    DcidTlsFailed,
    DeliveryStart,
    Enqueued,
    Finished,
    HoldEnded,
    MessageDone,
    NewDcid,
    NewReason,
    Pending,
    Quarantined,
    QueuedForDelivery,
    ReceivedFromGateway,
    ReceivedFromManager,
    RecipientsDeleted,
    Response,
    Rewritten,
    Undelivered,
)

__all__ = [
    "Aborted",
    "Alarm",
    "AlertNotSent",
    "AlertRaised",
    "AlertSent",
    "AllEnded",
    "AttachmentSeen",
    "BounceGenerated",
    "BouncedBy",
    "CanaryLost",
    "CanaryReturned",
    "Condition",
    "ConnectionFailed",
    "CustomEntry",
    "DcidClose",
    "DcidTls",
    "DcidTlsFailed",
    "DebugNote",
    "DeliveryStart",
    "Dropped",
    "Enqueued",
    "Event",
    "Fault",
    "Finished",
    "FinishedAborted",
    "Generated",
    "HoldEnded",
    "IcidAction",
    "IcidClose",
    "IcidLost",
    "IcidRefused",
    "IcidTls",
    "IcidTlsFailed",
    "InterimVirus",
    "MessageDone",
    "MessageId",
    "MidFrom",
    "MidReady",
    "MidTo",
    "NewDcid",
    "NewIcid",
    "NewReason",
    "NotJudgedInTime",
    "Note",
    "Outbreak",
    "Over",
    "Pending",
    "PolicyMatched",
    "Quarantined",
    "QueuedForDelivery",
    "ReceivedFromGateway",
    "ReceivedFromManager",
    "RecipientRefused",
    "RecipientsDeleted",
    "Response",
    "Rewritten",
    "StartMid",
    "Subject",
    "Trouble",
    "Undelivered",
    "Virus",
]


class Fault(Event, frozen=True, kw_only=True):
    """A component of ours failed: which, how, and what happens next."""

    level: ClassVar[str] = "Warning"
    error: str
    condition: Condition = Condition.FAULT
    subject: str = ""

    def text(self) -> str:
        return f"An application fault occurred: {log_text(self.error)}"


class Note(Event, frozen=True, kw_only=True):
    """Anything an operator should read that has no shape of its own. `condition` and `subject`: conditions.py."""

    message: str
    condition: Condition = Condition.NONE
    subject: str = ""

    def text(self) -> str:
        return log_text(self.message)


class Trouble(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Warning"


class Alarm(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Critical"
    condition: Condition = Condition.OTHER


class Over(Note, frozen=True, kw_only=True):
    """A condition has ended."""


class DebugNote(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Debug"


class AlertRaised(Event, frozen=True, kw_only=True):
    """`sort`: class and severity, as in System/Warning. `mid`: of the mail, 0 = nobody gets it."""

    sort: str
    subject: str
    mid: int = 0

    def text(self) -> str:
        to = f"MID {self.mid}" if self.mid else "no mail"
        return f'A {self.sort} alert was raised with subject "{log_text(self.subject)}": {to}'


class AlertSent(Event, frozen=True, kw_only=True):
    sort: str
    to: str
    subject: str

    def text(self) -> str:
        return f'A {self.sort} alert was sent to {log_text(self.to)} with subject "{log_text(self.subject)}"'


class AlertNotSent(Event, frozen=True, kw_only=True):
    """Raises no alert itself."""

    level: ClassVar[str] = "Critical"
    sort: str
    to: str
    why: str

    def text(self) -> str:
        head = f"Error while sending alert: Unable to send {self.sort} alert to {log_text(self.to)}"
        return f"{head}: {log_text(self.why)}"
