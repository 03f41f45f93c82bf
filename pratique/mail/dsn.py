"""Delivery status notifications: the message that tells a sender what became of theirs (RFC 3461 §6, RFC 3464).

Builds octets and nothing else: whether a report is due is decided in `delivery`; boundary, Message-ID and dates are
arguments. All that came from a message or a peer is escaped: no value can add a field, a line or a part.
The envelope sender of a report is always null (RFC 5321 §4.5.5). A report is 7-bit unless what it returns is not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pratique.mail.address import decode_xtext, is_valid_xtext
from pratique.mail.text import log_text

ORIGINAL_BYTES_MAX = 10_240  # larger originals come back as headers only (the field's habit)
RETURNED_HEADER_BYTES_MAX = 65_536  # a hostile header block is not multiplied by our reports
FIELD_CHARS_MAX = 500  # of one value from outside
_LINE_CHARS = 76  # RFC 5322 §2.1.1 asks for at most 78

_UNPRINTABLE = re.compile(r"[^ -~]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NOT_ADDRESS = re.compile("[\x00-\x1f\x7f-\x9f<>\u2028\u2029\ud800-\udfff]")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\Z")  # RFC 3463 §2


@dataclass(frozen=True, slots=True)
class _Action:
    """How one Action (RFC 3464 §2.3.3) is told: to machines by a status, to people in words."""

    status: str  # when none was given
    subject: str
    heading: str
    advice: str


_ACTIONS = {
    "failed": _Action(
        "5.0.0",
        "Your message could not be delivered",
        "Your message could not be delivered to:",
        "It will not be tried again. Please check each address, or reach its owner in another way.",
    ),
    "delayed": _Action(
        "4.0.0",
        "Your message is delayed",
        "Your message has not been delivered yet to:",
        "You need not send it again: we keep trying.",
    ),
    "relayed": _Action(
        "2.0.0",
        "Your message was handed on",
        "Your message was handed on, to a host that will not report further, for:",
        "You need not do anything.",
    ),
}


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    address: str
    action: str = "failed"  # or "delayed", "relayed"
    status: str = ""  # RFC 3463; what is none becomes the action's own
    orcpt: str = ""  # as it stood on the wire: "rfc822;" and xtext; "" = none
    diagnostic: str = ""  # the reply that decided it, e.g. "550 5.1.1 no such user"; its lines parted by "\n"
    remote_mta: str = ""  # the host that gave it; "" = we did
    expired: bool = False  # given up because the time for delivery ran out; `diagnostic` is the last answer


def bounce(
    *,
    reporting_mta: str,
    from_address: str,
    to: str,
    recipients: Sequence[FailedRecipient],
    original_headers: bytes,
    original: bytes | None,
    boundary: str,
    message_id: str,
    date: str,
    envid: str = "",
    ret: str = "",
    original_bytes_max: int = ORIGINAL_BYTES_MAX,
    arrival_date: str = "",
    retry_until: str = "",
) -> bytes:
    """The whole report, CRLF line ends. `original` is None when the caller knows it to be large.

    The original comes back whole only for a failure, when it is small and RET is not HDRS (RFC 3461 §4.3).
    `envid` and `ret` are the values of MAIL's parameters; `retry_until` is a date, for delays.
    """
    assert recipients
    actions = [action for action in _ACTIONS if any(recipient.action == action for recipient in recipients)]
    whole = "failed" in actions and ret.upper() != "HDRS"
    if whole and original is not None and len(original) <= original_bytes_max:
        returned_type, returned = "message/rfc822", original
    else:
        returned_type, returned = "text/rfc822-headers", _cut_headers(original_headers)
    notice = _notice(reporting_mta, recipients, whole=returned_type == "message/rfc822")
    status = _status(reporting_mta, recipients, envid, arrival_date, retry_until)
    contents = (notice.encode(), status.encode("ascii"), returned)
    mark = _boundary_outside(boundary, contents)
    types = ("text/plain; charset=utf-8", "message/delivery-status", returned_type)
    parts = tuple(map(_part, types, contents))
    eight_bit = not all(part.isascii() for part in parts)
    delimiter = b"--" + mark.encode("ascii")
    return b"".join(
        (
            _head(from_address, to, _ACTIONS[actions[0]].subject, date, message_id, mark),
            b"Content-Transfer-Encoding: 8bit\r\n" if eight_bit else b"",
            b"\r\nThis is a report in several parts.\r\n",
            *(b"\r\n%b\r\n%b" % (delimiter, part) for part in parts),
            b"\r\n%b--\r\n" % delimiter,
        )
    )


def _head(from_address: str, to: str, subject: str, date: str, message_id: str, mark: str) -> bytes:
    return "".join(
        (
            f"From: Mail Delivery System <{_address(from_address)}>\r\n",
            f"To: <{_address(to)}>\r\n",
            f"Subject: {subject}\r\n",
            f"Date: {_printable(date)}\r\n",
            f"Message-ID: <{_address(message_id.strip('<>'))}>\r\n",
            "Auto-Submitted: auto-replied\r\n",  # RFC 3834 §3.1.7
            "MIME-Version: 1.0\r\n",
            f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{mark}"\r\n',
        )
    ).encode()


def _part(mime_type: str, content: bytes) -> bytes:
    encoding = b"" if content.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    return b"Content-Type: %b\r\n%b\r\n%b%b" % (mime_type.encode("ascii"), encoding, content, end)


def _notice(reporting_mta: str, recipients: Sequence[FailedRecipient], *, whole: bool) -> str:
    """The part for people."""
    lines = [f"This is the mail system at {_printable(reporting_mta)}.", ""]
    for action, words in _ACTIONS.items():
        concerned = [recipient for recipient in recipients if recipient.action == action]
        if concerned:
            lines += [words.heading, ""]
            for recipient in concerned:
                lines += _told(recipient)
            lines += ["", words.advice, ""]
    lines.append(f"{'Your message' if whole else 'The header of your message'} is attached.")
    return "\r\n".join(lines) + "\r\n"


def _told(recipient: FailedRecipient) -> list[str]:
    told = [f"  {log_text(recipient.address)}"]
    if recipient.expired:
        told.append("    the time for its delivery ran out; the last attempt:")
    if recipient.diagnostic:
        who = f"{_printable(recipient.remote_mta)} said" if recipient.remote_mta else "because"
        told += _lines(f"    {who}: ", recipient.diagnostic, "      ")
    return told


def _status(
    reporting_mta: str, recipients: Sequence[FailedRecipient], envid: str, arrival_date: str, retry_until: str
) -> str:
    """The part for machines (RFC 3464 §2.2, §2.3)."""
    lines = []
    if envid and is_valid_xtext(envid):
        lines += _field("Original-Envelope-Id", decode_xtext(envid))
    lines += _field("Reporting-MTA", f"dns; {reporting_mta}")
    if arrival_date:
        lines += _field("Arrival-Date", arrival_date)
    for recipient in recipients:
        lines.append("")
        original = _original_recipient(recipient.orcpt)
        if original:
            lines += _field("Original-Recipient", original)
        lines += _field("Final-Recipient", _typed_address(recipient.address))
        lines += _field("Action", recipient.action)
        known = _STATUS.match(recipient.status) is not None
        lines += _field("Status", recipient.status if known else _ACTIONS[recipient.action].status)
        if recipient.remote_mta:
            lines += _field("Remote-MTA", f"dns; {recipient.remote_mta}")
        if recipient.diagnostic:
            lines += _lines("Diagnostic-Code: smtp; ", recipient.diagnostic, "\t")
        if retry_until and recipient.action == "delayed":
            lines += _field("Will-Retry-Until", retry_until)
    return "\r\n".join(lines) + "\r\n"


def _original_recipient(orcpt: str) -> str:
    """ORCPT as a field: the type, and the address freed of its xtext (RFC 3464 §2.3.1)."""
    kind, semicolon, xtext = orcpt.partition(";")
    if not semicolon or not is_valid_xtext(xtext):
        return ""
    return f"{_printable(kind)}; {_ascii_address(decode_xtext(xtext))}"


def _typed_address(address: str) -> str:
    return f"{'rfc822' if address.isascii() else 'utf-8'}; {_ascii_address(address)}"


def _ascii_address(address: str) -> str:
    """utf-8-addr-xtext for what is not ASCII (RFC 6533 §3)."""
    return _NOT_ASCII.sub(lambda match: f"\\x{{{ord(match[0]):X}}}", address)


def _field(name: str, value: str) -> list[str]:
    """The lines of one field, folded."""
    return _wrapped(f"{name}: {_printable(value)}", "\t")


def _lines(head: str, text: str, indent: str) -> list[str]:
    """A text of several lines below `head`: each begins anew, behind the indent, and none is empty."""
    first, *more = [_printable(line.strip()) for line in text[:FIELD_CHARS_MAX].split("\n") if line.strip()] or [""]
    lines = _wrapped(head + first, indent)
    for line in more:
        lines += _wrapped(indent + line, indent)
    return lines


def _wrapped(line: str, indent: str) -> list[str]:
    """The line cut at blanks where it can be, and anywhere where it must be (RFC 5322 §2.1.1)."""
    lines = []
    while len(line) > _LINE_CHARS:
        cut = line.rfind(" ", len(indent) + 1, _LINE_CHARS + 1)
        if cut < 0:
            break  # one long word: FIELD_CHARS_MAX keeps the line under 998 octets
        if not line[:cut].strip() or not line[cut:].strip():
            break
        lines.append(line[:cut])
        line = indent + line[cut + 1 :]
    lines.append(line)
    return lines


def _printable(text: str) -> str:
    """Printable ASCII on one line, at most FIELD_CHARS_MAX characters; anything else becomes "?"."""
    return _UNPRINTABLE.sub("?", text[:FIELD_CHARS_MAX])


def _address(address: str) -> str:
    """An address for a header field; UTF-8 stays (RFC 6532)."""
    return _NOT_ADDRESS.sub("?", address[:FIELD_CHARS_MAX])


def _cut_headers(headers: bytes) -> bytes:
    """The header block with the CRLF of its last line, cut at a line's end when it is too large."""
    if len(headers) <= RETURNED_HEADER_BYTES_MAX:
        return headers.rstrip(b"\r\n") + b"\r\n"
    return headers[: headers.rfind(b"\r\n", 0, RETURNED_HEADER_BYTES_MAX) + 2]


def _boundary_outside(boundary: str, contents: Sequence[bytes]) -> str:
    """A boundary that does not occur in the parts, whatever was put there."""
    mark = re.sub(r"[^A-Za-z0-9'+_./:=-]", "_", boundary)[:60] or "report"
    number = 0
    candidate = mark
    while any(candidate.encode("ascii") in content for content in contents):
        number += 1
        candidate = f"{mark}_{number}"
    return candidate
