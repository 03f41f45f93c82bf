"""What an answer means for a recipient, in which words the log says it, and when the sender must be told.

It decides only; the notice itself is written by mail/dsn.py. Standards: RFC 5321 §4.2.1 (classes of replies), §6.1 (no
notice about a notice); RFC 3461 §4.1, §4.3 (NOTIFY, RET), §5.2.4 (relayed); RFC 3463 (enhanced codes).

A code that means nothing to us is temporary: the mail stays, and time or a person decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pratique.delivery.settings import BounceSettings
from pratique.mail.reply import Reply

DEFAULT = BounceSettings()
DELAY_WARNING_ATTEMPT = 2  # sent at the second failed attempt (docs/options.md)

# Code 0 = nobody answered; the log shows it as '000'.
NO_CONNECTION = Reply(0, "4.4.1", "")
NO_REPLY = Reply(0, "4.4.2", "")  # the connection was lost before the answer
NO_LOOKUP = Reply(0, "4.4.3", "")  # the DNS did not answer
NO_SUCH_HOST = Reply(0, "5.1.2", "")  # the DNS says that the domain does not exist
EXPIRED = Reply(0, "5.4.7", "")  # given up after too many tries or too long a stay


class Result(StrEnum):
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


def classify(reply: Reply) -> Result:
    """What the final answer about a recipient means."""
    if 200 <= reply.code < 300:
        return Result.DELIVERED
    if reply.code == 552 and reply.enhanced == "5.5.3":
        return Result.DEFERRED  # "too many recipients" in its old dress, RFC 5321 §4.5.3.1.10
    if 500 <= reply.code < 600 or (reply.code == 0 and reply.enhanced.startswith("5.")):
        return Result.FAILED
    return Result.DEFERRED


# RFC 3463 §3.2 - §3.8 by subject and detail. A detail that is missing here reads as its subject's ".0".
PHRASES: dict[str, str] = {
    "0.0": "Other undefined status",
    "1.0": "Unknown address error",
    "1.1": "Bad destination mailbox address",
    "1.2": "Bad destination host",
    "1.3": "Bad destination mailbox address syntax",
    "1.4": "Destination mailbox address ambiguous",
    "1.6": "Destination mailbox has moved",
    "1.7": "Bad sender's mailbox address syntax",
    "1.8": "Bad sender's system address",
    "1.10": "Recipient address has null MX",
    "2.0": "Other mailbox status",
    "2.1": "Mailbox disabled",
    "2.2": "Mailbox full",
    "2.3": "Message too large for mailbox",
    "2.4": "Mailing list expansion problem",
    "3.0": "Other mail system problem",
    "3.1": "Mail system full",
    "3.2": "System not accepting network messages",
    "3.3": "System not capable of selected features",
    "3.4": "Message too big for system",
    "4.0": "Other network problem",
    "4.1": "No answer from host",
    "4.2": "Bad connection",
    "4.3": "Directory server failure",
    "4.4": "Unable to route",
    "4.5": "Mail system congestion",
    "4.6": "Routing loop detected",
    "4.7": "Delivery expired (message too old)",
    "5.0": "Other protocol error",
    "5.1": "Invalid command",
    "5.2": "Syntax error",
    "5.3": "Too many recipients",
    "5.4": "Invalid command arguments",
    "6.0": "Other media error",
    "6.1": "Media not supported",
    "6.3": "Conversion required but not supported",
    "6.7": "Non-ASCII address not permitted",
    "7.0": "Other security problem",
    "7.1": "Delivery not authorized, message refused",
    "7.8": "Authentication credentials invalid",
}
# What a bare three-digit code most often is about; others read as an address error, as in the reference log.
_SUBJECT_OF_CODE: dict[int, str] = {
    0: "4.0",
    421: "3.2",
    451: "3.0",
    452: "3.1",
    500: "5.1",
    501: "5.4",
    502: "5.1",
    503: "5.1",
    504: "5.4",
    530: "7.0",
    552: "2.2",
    554: "3.0",
    556: "1.10",
}
_CLASS = {Result.DELIVERED: "2", Result.DEFERRED: "4", Result.FAILED: "5"}


def _subject(reply: Reply) -> str:
    """ "1.1" of "5.1.1", or what the code suggests when the answer has no enhanced code worth the name."""
    _, _, subject = reply.enhanced.partition(".")
    parts = subject.split(".")
    if len(parts) == 2 and all(len(part) <= 3 and part.isascii() and part.isdigit() for part in parts):
        return subject
    return _SUBJECT_OF_CODE.get(reply.code, "1.0")


def phrase_of(subject: str) -> str:
    """The words for "1.2", the last two numbers of an enhanced code."""
    exact = PHRASES.get(subject)
    return exact or PHRASES.get(f"{subject.partition('.')[0]}.0", PHRASES["0.0"])


def log_code(reply: Reply) -> tuple[str, str, str]:
    """(enhanced code, phrase, three digits) as a Bounced or Delayed line shows them; the class is ours: the sign of
    what we do, whatever the peer wrote."""
    subject = _subject(reply)
    return f"{_CLASS[classify(reply)]}.{subject}", phrase_of(subject), f"{reply.code:03d}"


@dataclass(frozen=True, slots=True)
class Attempted:
    """One recipient after an attempt."""

    rid: int
    result: Result
    notify: str = ""  # NOTIFY as it stood on the wire, "" = not given
    attempts: int = 1  # failed or not, this one included
    warned: bool = False  # a delay warning went out before
    relayed_dsn: bool = False  # the next hop speaks DSN and took the request over


@dataclass(frozen=True, slots=True)
class Notices:
    """Which recipients (rid) the sender must be told about, by kind of notice. All of one kind share one message."""

    failed: tuple[int, ...] = ()
    delayed: tuple[int, ...] = ()
    relayed: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.failed or self.delayed or self.relayed)


def _wishes(notify: str) -> frozenset[str]:
    """Without NOTIFY a sender hears of failures, and of delays where the operator wants it (RFC 3461 §4.1)."""
    return frozenset(notify.upper().split(",")) if notify else frozenset({"FAILURE", "DELAY"})


def _kind(recipient: Attempted, settings: BounceSettings) -> str:
    wishes = _wishes(recipient.notify)
    if recipient.result is Result.FAILED:
        return "failed" if "FAILURE" in wishes else ""
    if recipient.result is Result.DELIVERED:
        return "relayed" if "SUCCESS" in wishes and not recipient.relayed_dsn else ""  # RFC 3461 §5.2.4
    late = recipient.attempts >= DELAY_WARNING_ATTEMPT and not recipient.warned
    return "delayed" if settings.delay_warning and late and "DELAY" in wishes else ""


def notices_due(sender: str, recipients: Iterable[Attempted], settings: BounceSettings = DEFAULT) -> Notices:
    """What the sender must be told after an attempt; nothing when there is no sender: a notice about a notice could
    go on for ever (RFC 5321 §6.1, §4.5.5)."""
    due: dict[str, list[int]] = {"": [], "failed": [], "delayed": [], "relayed": []}
    if sender:
        for recipient in recipients:
            due[_kind(recipient, settings)].append(recipient.rid)
    return Notices(tuple(due["failed"]), tuple(due["delayed"]), tuple(due["relayed"]))


def carries_original(ret: str, size: int, settings: BounceSettings = DEFAULT) -> bool:
    """Does the notice carry the whole message, or its header only? RET=HDRS wins (RFC 3461 §4.3); RET=FULL is a wish
    that the size bound limits, so that a bounce is never a way to send someone a large file."""
    return ret.upper() != "HDRS" and size < settings.original_bytes_max
