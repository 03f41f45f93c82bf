"""Events of the way in: connections, reception, what was found in a message."""

from typing import ClassVar

from pratique.mail.text import log_text
from pratique.telemetry.event import Event


# --- connections in ----------------------------------------------------------------------------------------------
class NewIcid(Event, frozen=True, kw_only=True, rename={"host": "client_host"}):  # a JSON line has a `host` of its own
    """protocol: SMTP, or CPQ on the quarantine port."""

    protocol: str
    icid: int
    interface: str
    interface_ip: str
    address: str
    host: str = "unknown"
    verified: bool = False

    def text(self) -> str:
        verified = "yes" if self.verified else "no"
        return (
            f"New {self.protocol} ICID {self.icid} interface {self.interface} ({self.interface_ip}) "
            f"address {self.address} reverse dns host {log_text(self.host)} verified {verified}"
        )


class IcidAction(Event, frozen=True, kw_only=True):
    """action: ACCEPT, RELAY, REJECT, TCPREFUSE."""

    icid: int
    action: str
    group: str
    match: str

    def text(self) -> str:
        return f"ICID {self.icid} {self.action} SG {self.group} match {self.match} SBRS not enabled"


class IcidTls(Event, frozen=True, kw_only=True):
    icid: int
    protocol: str
    cipher: str

    def text(self) -> str:
        return f"ICID {self.icid} TLS success protocol {self.protocol} cipher {self.cipher}"


class IcidTlsFailed(Event, frozen=True, kw_only=True):
    icid: int
    address: str
    reason: str

    def text(self) -> str:
        return f"ICID {self.icid} TLS failed: {log_text(self.reason)} (address {self.address})"


class IcidRefused(Event, frozen=True, kw_only=True):
    """The peer was refused or broke the protocol: why, in words that name the cure."""

    level: ClassVar[str] = "Warning"
    icid: int
    address: str
    reason: str

    def text(self) -> str:
        return f"ICID {self.icid} address {self.address} refused: {log_text(self.reason)}"


class IcidClose(Event, frozen=True, kw_only=True):
    icid: int

    def text(self) -> str:
        return f"ICID {self.icid} close"


class IcidLost(Event, frozen=True, kw_only=True):
    icid: int

    def text(self) -> str:
        return f"ICID {self.icid} lost"


# --- reception ---------------------------------------------------------------------------------------------------
class StartMid(Event, frozen=True, kw_only=True):
    mid: int
    icid: int

    def text(self) -> str:
        return f"Start MID {self.mid} ICID {self.icid}"


class MidFrom(Event, frozen=True, kw_only=True):
    mid: int
    icid: int
    sender: str

    def text(self) -> str:
        return f"MID {self.mid} ICID {self.icid} From: <{log_text(self.sender)}>"


class MidTo(Event, frozen=True, kw_only=True):
    mid: int
    icid: int
    rid: int
    recipient: str

    def text(self) -> str:
        return f"MID {self.mid} ICID {self.icid} RID {self.rid} To: <{log_text(self.recipient)}>"


class RecipientRefused(Event, frozen=True, kw_only=True):
    icid: int
    recipient: str
    reply: str

    def text(self) -> str:
        return f"ICID {self.icid} To: <{log_text(self.recipient)}> Rejected: {log_text(self.reply)}"


class MessageId(Event, frozen=True, kw_only=True):
    mid: int
    value: str

    def text(self) -> str:
        return f"MID {self.mid} Message-ID '{log_text(self.value)}'"


class Subject(Event, frozen=True, kw_only=True):
    mid: int
    value: str

    def text(self) -> str:
        return f"MID {self.mid} Subject '{log_text(self.value)}'"


class MidReady(Event, frozen=True, kw_only=True):
    mid: int
    size: int
    sender: str

    def text(self) -> str:
        return f"MID {self.mid} ready {self.size} bytes from <{log_text(self.sender)}>"


class PolicyMatched(Event, frozen=True, kw_only=True):
    mid: int
    policy: str
    table: str

    def text(self) -> str:
        return f"MID {self.mid} matched all recipients for per-recipient policy {self.policy} in the {self.table} table"


class Generated(Event, frozen=True, kw_only=True):
    """A further MID for some of the recipients, or a copy."""

    mid: int
    parent: int
    by: str

    def text(self) -> str:
        return f"MID {self.mid} was generated based on MID {self.parent} by {log_text(self.by)}"


class Aborted(Event, frozen=True, kw_only=True):
    mid: int
    reason: str = "Receiving aborted by sender"

    def text(self) -> str:
        return f"Message aborted MID {self.mid} {log_text(self.reason)}"


class FinishedAborted(Event, frozen=True, kw_only=True):
    mid: int

    def text(self) -> str:
        return f"Message finished MID {self.mid} aborted"


# --- verdicts ----------------------------------------------------------------------------------------------------
class InterimVirus(Event, frozen=True, kw_only=True):
    """result: CLEAN, VIRAL, ENCRYPTED, UNSCANNABLE."""

    mid: int
    engine: str
    result: str

    def text(self) -> str:
        return f"MID {self.mid} interim AV verdict using {self.engine} {self.result}"


class Virus(Event, frozen=True, kw_only=True):
    """verdict: negative, positive, encrypted, unscannable."""

    mid: int
    verdict: str
    name: str = ""

    def text(self) -> str:
        name = f" '{log_text(self.name)}'" if self.name else ""
        return f"MID {self.mid} antivirus {self.verdict}{name}"


class Outbreak(Event, frozen=True, kw_only=True):
    mid: int
    verdict: str  # positive, negative

    def text(self) -> str:
        return f"MID {self.mid} Outbreak Filters: verdict {self.verdict}"


class AttachmentSeen(Event, frozen=True, kw_only=True):
    mid: int
    name: str

    def text(self) -> str:
        return f"MID {self.mid} attachment '{log_text(self.name)}'"


class CustomEntry(Event, frozen=True, kw_only=True):
    mid: int
    entry: str

    def text(self) -> str:
        return f"MID {self.mid} Custom Log Entry: {log_text(self.entry)}"


class Dropped(Event, frozen=True, kw_only=True):
    """by: "content filter 'x'" or "message filter 'x'" or "antivirus"."""

    mid: int
    by: str
    table: str

    def text(self) -> str:
        return f"MID {self.mid} Dropped by {log_text(self.by)} in the {self.table} table"


class NotJudgedInTime(Event, frozen=True, kw_only=True):
    level: ClassVar[str] = "Warning"
    mid: int
    seconds: float

    def text(self) -> str:
        return f"MID {self.mid} accepted unjudged after {self.seconds:g} s, judging goes on from the queue"
