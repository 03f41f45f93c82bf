"""The service extensions in one place: what EHLO lists, and which parameters each adds to MAIL and RCPT, on both sides.

To support an extension, add it here; grammar.py gains its values. Not here: STARTTLS and BDAT as commands (server.py).
A client says a parameter only where the server offered its extension, and no line of it holds a control character or
a blank that was not put there by this file.
Standards: RFC 2920, RFC 1870, RFC 6152, RFC 6531, RFC 3030 (CHUNKING without BINARYMIME), RFC 3461, RFC 2034, RFC 3207.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pratique.mail.address import is_valid_xtext
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.smtp.grammar import (
    ADDRESS_IN_PATH,
    CONTROL,
    EHLO_KEYWORD,
    ENVID_CHARS_MAX,
    NOTIFY_VALUE,
    ORCPT_CHARS_MAX,
    ORCPT_VALUE,
    PARAMETER,
    SIZE_VALUE,
    UTF8_ADDR_UNITEXT,
    UTF8_ADDR_XTEXT,
)

# Takes the text after "=" (None when there is no "=") and gives the value to keep, or raises ValueError.
Check = Callable[[str | None], str | int | bool]

R552_SIZE = Reply(552, "5.3.4", "message is larger than the server takes")
R553_UTF8 = Reply(553, "5.6.7", "message needs SMTPUTF8 and the server does not offer it")
R553_SENDER = Reply(553, "5.1.7", "sender address cannot be written in SMTP")
R553_RECIPIENT = Reply(553, "5.1.3", "recipient address cannot be written in SMTP")

# --- server ----------------------------------------------------------------------------------------------------


def ehlo_lines(*, size_max: int, starttls: bool, smtputf8: bool) -> list[str]:
    lines = ["PIPELINING", f"SIZE {size_max}", "8BITMIME", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"]
    if smtputf8:
        lines.append("SMTPUTF8")
    if starttls:
        lines.append("STARTTLS")
    return lines


def _size(text: str | None) -> int:
    if text is None or SIZE_VALUE.fullmatch(text) is None:
        raise ValueError("SIZE is 1 to 20 digits")
    return int(text)


def _body(text: str | None) -> bool:
    body = (text or "").upper()
    if body not in ("7BIT", "8BITMIME"):  # BINARYMIME is not offered
        raise ValueError("BODY is 7BIT or 8BITMIME")
    return body == "8BITMIME"


def _smtputf8(text: str | None) -> bool:
    if text is not None:
        raise ValueError("SMTPUTF8 takes no value")  # RFC 6531 §3.4
    return True


def _ret(text: str | None) -> str:
    ret = (text or "").upper()
    if ret not in ("FULL", "HDRS"):
        raise ValueError("RET is FULL or HDRS")  # RFC 3461 §4.3
    return ret


def _envid(text: str | None) -> str:
    if text is None or len(text) > ENVID_CHARS_MAX or not is_valid_xtext(text):
        raise ValueError("ENVID is xtext")
    return text


def _notify(text: str | None) -> str:
    if text is None or NOTIFY_VALUE.fullmatch(text) is None:
        raise ValueError("NOTIFY is NEVER or a list of SUCCESS, FAILURE, DELAY")
    return text.upper()


def _orcpt(text: str | None) -> str:
    match = ORCPT_VALUE.fullmatch(text or "")
    if text is None or match is None or len(text) > ORCPT_CHARS_MAX:
        raise ValueError("ORCPT is type;address")
    kind, address = match.groups()
    if kind.lower() == "utf-8":  # RFC 6533 §3
        good = (UTF8_ADDR_XTEXT if text.isascii() else UTF8_ADDR_UNITEXT).fullmatch(address) is not None
    else:
        good = is_valid_xtext(address)
    if not good:
        raise ValueError("ORCPT holds xtext")
    return text


MAIL_PARAMETERS: dict[str, Check] = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": _ret,
    "ENVID": _envid,
}
RCPT_PARAMETERS: dict[str, Check] = {
    "NOTIFY": _notify,
    "ORCPT": _orcpt,
}


# --- client ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Offer:
    """What a server's EHLO reply lists: upper-case keyword to parameters."""

    parameters: Mapping[str, str]

    @classmethod
    def from_ehlo(cls, reply: Reply) -> "Offer":
        offered: dict[str, str] = {}
        for line in reply.text.split("\n")[1:]:
            keyword, _, parameters = line.strip().partition(" ")
            if EHLO_KEYWORD.fullmatch(keyword):
                offered[keyword.upper()] = parameters
        return cls(offered)

    @property
    def keywords(self) -> frozenset[str]:
        return frozenset(self.parameters)

    @property
    def pipelining(self) -> bool:
        return "PIPELINING" in self.parameters

    @property
    def chunking(self) -> bool:
        return "CHUNKING" in self.parameters

    @property
    def starttls(self) -> bool:
        return "STARTTLS" in self.parameters

    @property
    def size_max(self) -> int:
        """0: no limit is known (RFC 1870 §4: absent or 0)."""
        value = self.parameters.get("SIZE", "")
        return int(value) if SIZE_VALUE.fullmatch(value) else 0


def envelope_fault(envelope: Envelope, size: int, offer: Offer) -> Reply | None:
    """Why the message cannot go to this server at all."""
    if 0 < offer.size_max < size:
        return R552_SIZE
    if envelope.smtputf8 and "SMTPUTF8" not in offer.parameters:
        return R553_UTF8
    if not _writable(envelope.sender, smtputf8=envelope.smtputf8) or not _is_value(envelope.envid):
        return R553_SENDER
    return None


def recipient_fault(recipient: Recipient, *, smtputf8: bool) -> Reply | None:
    if not (recipient.address.isascii() or smtputf8):
        return R553_UTF8
    if not recipient.address or not _writable(recipient.address, smtputf8=smtputf8):
        return R553_RECIPIENT
    return None if _is_value(recipient.orcpt) and _is_value(recipient.notify) else R553_RECIPIENT


def _writable(address: str, *, smtputf8: bool) -> bool:
    return (
        (smtputf8 or address.isascii())
        and ADDRESS_IN_PATH.fullmatch(address) is not None
        and CONTROL.search(address) is None
    )


def _is_value(text: str) -> bool:
    return not text or PARAMETER.fullmatch(f"X={text}") is not None


def mail_line(envelope: Envelope, size: int, offer: Offer) -> bytes:
    offered = offer.parameters
    line = f"MAIL FROM:<{envelope.sender}>"
    if "SIZE" in offered:
        line += f" SIZE={size}"
    if envelope.eight_bit and "8BITMIME" in offered:
        line += " BODY=8BITMIME"
    if envelope.smtputf8:
        line += " SMTPUTF8"
    if "DSN" in offered:
        line += f" RET={envelope.ret}" if envelope.ret else ""
        line += f" ENVID={envelope.envid}" if envelope.envid else ""
    return f"{line}\r\n".encode()


def rcpt_line(recipient: Recipient, offer: Offer) -> bytes:
    line = f"RCPT TO:<{recipient.address}>"
    if "DSN" in offer.parameters:
        line += f" NOTIFY={recipient.notify}" if recipient.notify else ""
        line += f" ORCPT={recipient.orcpt}" if recipient.orcpt else ""
    return f"{line}\r\n".encode()
