"""Every event that the mail log shows, one class each. `text()` is the line's text to the letter of the mail-log
contract; the JSON twin carries the same fields, and `cid` where a copy is concerned.

Text that came from mail goes through `mail.text.log_text` before it enters an event's line: no control character, no
line break, bounded length.
"""

from typing import ClassVar

import msgspec

from pratique.mail.text import log_text


class Event(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    level: ClassVar[str] = "Info"
    cid: str = ""

    def text(self) -> str:
        raise NotImplementedError


def _rids(rids: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, rids)) + "]"


# --- connections in ----------------------------------------------------------------------------------------------
class NewIcid(Event, frozen=True, kw_only=True):
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


# --- quarantine --------------------------------------------------------------------------------------------------
class Quarantined(Event, frozen=True, kw_only=True):
    mid: int
    quarantine: str
    reason: str

    def text(self) -> str:
        return f'MID {self.mid} quarantined to "{log_text(self.quarantine)}" ({log_text(self.reason)})'


class Enqueued(Event, frozen=True, kw_only=True):
    mid: int
    quarantine: str
    reason: str

    def text(self) -> str:
        return (
            f'MID {self.mid} enqueued for transfer to centralized quarantine "{log_text(self.quarantine)}" '
            f"({log_text(self.reason)})"
        )


class ReceivedFromGateway(Event, frozen=True, kw_only=True):
    """The manager's line that leads from the gateway's MID to its own."""

    mid: int
    origin_mid: int
    host: str
    serial: str

    def text(self) -> str:
        return f"MID {self.mid} received from the ESA {log_text(self.host)} MID {self.origin_mid} ({self.serial})"


class ReceivedFromManager(Event, frozen=True, kw_only=True):
    mid: int
    address: str
    origin_mid: int
    quarantine: str

    def text(self) -> str:
        return (
            f"MID {self.mid} received from the SMA {self.address} (MID originally {self.origin_mid}) "
            f'on release from quarantine "{log_text(self.quarantine)}"'
        )


class HoldEnded(Event, frozen=True, kw_only=True):
    """mark: released, deleted; cause: manual, expired, queue full, outbreak."""

    mid: int
    mark: str
    quarantine: str
    cause: str
    held_s: int
    actor: str = ""
    stripped: bool = False

    def text(self) -> str:
        stripped = " (attachments stripped)" if self.stripped else ""
        return (
            f'MID {self.mid} {self.mark}{stripped} from quarantine "{log_text(self.quarantine)}" '
            f"({self.cause}) t={self.held_s}"
        )


class AllEnded(Event, frozen=True, kw_only=True):
    mid: int
    mark: str  # released, deleted

    def text(self) -> str:
        return f"MID {self.mid} {self.mark} from all quarantines"


class Rewritten(Event, frozen=True, kw_only=True):
    """The message goes on under a new MID, because a hold changed it."""

    mid: int
    new_mid: int
    by: str = "Policy Quarantine"

    def text(self) -> str:
        return f"MID {self.mid} rewritten to {self.new_mid} by {log_text(self.by)}"


class NewReason(Event, frozen=True, kw_only=True):
    """A held message met a further rule, or a new version of one."""

    mid: int
    quarantine: str
    reason: str

    def text(self) -> str:
        return f'MID {self.mid} quarantine "{log_text(self.quarantine)}" new reason ({log_text(self.reason)})'


# --- delivery ----------------------------------------------------------------------------------------------------
class QueuedForDelivery(Event, frozen=True, kw_only=True):
    mid: int

    def text(self) -> str:
        return f"MID {self.mid} queued for delivery"


class NewDcid(Event, frozen=True, kw_only=True):
    dcid: int
    interface_ip: str
    address: str
    port: int

    def text(self) -> str:
        return f"New SMTP DCID {self.dcid} interface {self.interface_ip} address {self.address} port {self.port}"


class DcidTls(Event, frozen=True, kw_only=True):
    dcid: int
    protocol: str
    cipher: str
    domain: str

    def text(self) -> str:
        return f"DCID {self.dcid} TLS success protocol {self.protocol} cipher {self.cipher} {log_text(self.domain)}"


class DcidTlsFailed(Event, frozen=True, kw_only=True):
    dcid: int
    reason: str

    def text(self) -> str:
        return f"DCID {self.dcid} TLS failed: {log_text(self.reason)}"


class DeliveryStart(Event, frozen=True, kw_only=True):
    dcid: int
    mid: int
    rids: tuple[int, ...]
    quarantine: bool = False

    def text(self) -> str:
        tail = " to Centralized Policy Quarantine" if self.quarantine else ""
        return f"Delivery start DCID {self.dcid} MID {self.mid} to RID {_rids(self.rids)}{tail}"


class MessageDone(Event, frozen=True, kw_only=True):
    dcid: int
    mid: int
    rids: tuple[int, ...]
    quarantine: bool = False

    def text(self) -> str:
        tail = " (centralized policy quarantine)" if self.quarantine else ""
        return f"Message done DCID {self.dcid} MID {self.mid} to RID {_rids(self.rids)}{tail}"


class Response(Event, frozen=True, kw_only=True):
    mid: int
    rids: tuple[int, ...]
    reply: str

    def text(self) -> str:
        return f"MID {self.mid} RID {_rids(self.rids)} Response '{log_text(self.reply)}'"


class Finished(Event, frozen=True, kw_only=True):
    mid: int

    def text(self) -> str:
        return f"Message finished MID {self.mid} done"


class DcidClose(Event, frozen=True, kw_only=True):
    dcid: int

    def text(self) -> str:
        return f"DCID {self.dcid} close"


class Undelivered(Event, frozen=True, kw_only=True):
    """what: Bounced or Delayed; code: the SMTP code as text, "000" when there was no answer."""

    what: str
    dcid: int
    mid: int
    rid: int
    enhanced: str
    phrase: str
    code: str
    reply: str

    def text(self) -> str:
        quoted = log_text(self.reply).replace("'", "\\'")
        lines = f"['{quoted}']" if self.reply else "[]"
        return (
            f"{self.what}: DCID {self.dcid} MID {self.mid} to RID {self.rid} - {self.enhanced} - {self.phrase} "
            f"('{self.code}', {lines}) []"
        )


class Pending(Event, frozen=True, kw_only=True):
    mid: int
    rids: tuple[int, ...]
    until: str  # a date as in "Mon Mar 31 20:01:23 2003"

    def text(self) -> str:
        return f"Message {self.mid} to RID {_rids(self.rids)} pending till {self.until}"


class BounceGenerated(Event, frozen=True, kw_only=True):
    mid: int
    parent: int

    def text(self) -> str:
        return f"MID {self.mid} was generated for bounce of MID {self.parent}"


class ConnectionFailed(Event, frozen=True, kw_only=True):
    dcid: int
    domain: str
    address: str
    port: int
    details: str
    interface_ip: str
    reason: str = "network error"

    def text(self) -> str:
        return (
            f"Connection Error: DCID {self.dcid} domain: {log_text(self.domain)} IP: {self.address} port: {self.port} "
            f"details: {log_text(self.details)} interface: {self.interface_ip} reason: {self.reason}"
        )


class CanaryReturned(Event, frozen=True, kw_only=True):
    """Our own message that proves the round trip to the manager came back and was discarded."""

    mid: int
    seconds: float

    def text(self) -> str:
        return f"MID {self.mid} canary came back after {self.seconds:.3f} s and was discarded"


class CanaryLost(Event, frozen=True, kw_only=True):
    level: ClassVar[str] = "Warning"
    mid: int
    why: str

    def text(self) -> str:
        return f"MID {self.mid} canary did not come back: {log_text(self.why)}"


# --- the appliance itself ----------------------------------------------------------------------------------------
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
