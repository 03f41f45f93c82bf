"""Events of what becomes of a message: its quarantines, then its delivery."""

from typing import ClassVar

from pratique.mail.text import log_text
from pratique.telemetry.event import Event, rid_list


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


class ReceivedFromGateway(Event, frozen=True, kw_only=True, rename={"host": "gateway_host"}):
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
        return f"Delivery start DCID {self.dcid} MID {self.mid} to RID {rid_list(self.rids)}{tail}"


class MessageDone(Event, frozen=True, kw_only=True):
    dcid: int
    mid: int
    rids: tuple[int, ...]
    quarantine: bool = False

    def text(self) -> str:
        tail = " (centralized policy quarantine)" if self.quarantine else ""
        return f"Message done DCID {self.dcid} MID {self.mid} to RID {rid_list(self.rids)}{tail}"


class Response(Event, frozen=True, kw_only=True):
    mid: int
    rids: tuple[int, ...]
    reply: str

    def text(self) -> str:
        return f"MID {self.mid} RID {rid_list(self.rids)} Response '{log_text(self.reply)}'"


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

    @property
    def hard(self) -> str:
        """Which count of hard bounces it belongs to (delivery.bounce.Hard), "" = none."""
        if self.what != "Bounced":
            return ""
        if self.code[:1] == "5":
            return "filter" if not self.dcid and self.enhanced == "5.7.1" else "5xx"  # no host was asked: our policy
        if self.code != "000":
            return "expired"
        return {"5.1.2": "dns", "5.0.0": "other"}.get(self.enhanced, "expired")

    def text(self) -> str:
        quoted = log_text(self.reply).replace("'", "\\'")
        lines = f"['{quoted}']" if self.reply else "[]"
        return (
            f"{self.what}: DCID {self.dcid} MID {self.mid} to RID {self.rid} - {self.enhanced} - {self.phrase} "
            f"('{self.code}', {lines}) []"
        )


class RecipientsDeleted(Event, frozen=True, kw_only=True):
    mid: int
    rids: tuple[int, ...]
    domain: str
    actor: str

    def text(self) -> str:
        return f"MID {self.mid} to RID {list(self.rids)} at {log_text(self.domain)}: deleted by {log_text(self.actor)}"


class Pending(Event, frozen=True, kw_only=True):
    mid: int
    rids: tuple[int, ...]
    until: str  # a date as in "Mon Mar 31 20:01:23 2003"

    def text(self) -> str:
        return f"Message {self.mid} to RID {rid_list(self.rids)} pending till {self.until}"


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
