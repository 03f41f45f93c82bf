"""Every event that the mail log shows, one class each. `text()` is the line's text to the letter of the mail-log
contract; the JSON twin carries the same fields, and `cid` where a copy is concerned.

Text that came from mail goes through `mail.text.log_text` before it enters an event's line: no control character, no
line break, bounded length. Here are those of the appliance itself; all others can be had from here.
"""

from typing import ClassVar

from pratique.mail.text import log_text
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
    Response,
    Rewritten,
    Undelivered,
)

__all__ = [
    "Aborted",
    "Alarm",
    "AllEnded",
    "AttachmentSeen",
    "BounceGenerated",
    "BouncedBy",
    "CanaryLost",
    "CanaryReturned",
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
    "Pending",
    "PolicyMatched",
    "Quarantined",
    "QueuedForDelivery",
    "ReceivedFromGateway",
    "ReceivedFromManager",
    "RecipientRefused",
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

    def text(self) -> str:
        return f"An application fault occurred: {log_text(self.error)}"


class Note(Event, frozen=True, kw_only=True):
    """Anything an operator should read that has no shape of its own."""

    message: str

    def text(self) -> str:
        return log_text(self.message)


class Trouble(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Warning"


class Alarm(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Critical"


class DebugNote(Note, frozen=True, kw_only=True):
    level: ClassVar[str] = "Debug"
