"""From the argument of a command to a typed value, or to the reply that refuses it.

Not here: whether the command may be said now (state.py). What comes out has passed the whole grammar.
Standards: RFC 5321 §4.1.1, RFC 6531 §3.3, RFC 3030 §2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pratique.mail.address import parse_path, without_source_route
from pratique.mail.reply import Reply
from pratique.smtp.events import MailGiven, RcptGiven
from pratique.smtp.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, Check
from pratique.smtp.grammar import BDAT_ARGUMENT, MAIL_ARGUMENT, PARAMETER, RCPT_ARGUMENT
from pratique.smtp.replies import (
    R501_MAIL,
    R501_PARAMETER,
    R501_RCPT,
    R501_RECIPIENT,
    R501_SENDER,
    R553_NEEDS_UTF8,
    R555_PARAMETER,
)


class Refused(Exception):
    """The command is not taken; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Chunk:
    size: int
    last: bool


def parse_mail(argument: str, *, extended: bool, smtputf8: bool) -> MailGiven:
    """`extended`: EHLO was said. `smtputf8`: we offer SMTPUTF8. Raises Refused."""
    match = MAIL_ARGUMENT.fullmatch(argument)
    if match is None:
        raise Refused(R501_MAIL)
    path, parameters = match.groups()
    given = _parameters(parameters, MAIL_PARAMETERS, extended=extended) if parameters else {}
    utf8 = "SMTPUTF8" in given
    if utf8 and not smtputf8:
        raise Refused(R555_PARAMETER)
    if not (utf8 or path.isascii()):
        raise Refused(R553_NEEDS_UTF8)  # RFC 6531 §3.5
    try:
        sender = parse_path(without_source_route(path), utf8=utf8, null_allowed=True)
    except ValueError:
        raise Refused(R501_SENDER) from None
    if not given:
        return MailGiven(sender, None, False, False, "", "")
    value = given.get
    return MailGiven(sender, value("SIZE"), value("BODY", False), utf8, value("RET", ""), value("ENVID", ""))


def parse_rcpt(argument: str, *, extended: bool, smtputf8: bool) -> RcptGiven:
    """`smtputf8`: the parameter was given with MAIL. Raises Refused."""
    match = RCPT_ARGUMENT.fullmatch(argument)
    if match is None:
        raise Refused(R501_RCPT)
    path, parameters = match.groups()
    given = _parameters(parameters, RCPT_PARAMETERS, extended=extended) if parameters else {}
    notify, orcpt = given.get("NOTIFY", ""), given.get("ORCPT", "")
    if not smtputf8 and not (path.isascii() and orcpt.isascii()):
        raise Refused(R553_NEEDS_UTF8)  # RFC 6531 §3.5
    try:
        address = parse_path(without_source_route(path), utf8=smtputf8, null_allowed=False)
    except ValueError:
        raise Refused(R501_RECIPIENT) from None
    return RcptGiven(address, notify, orcpt)


def parse_bdat(argument: str) -> Chunk | None:
    """None when it cannot be read: then nobody knows where the next command begins."""
    match = BDAT_ARGUMENT.fullmatch(argument)
    return Chunk(int(match.group(1)), match.group(2) is not None) if match is not None else None


def _parameters(text: str, known: Mapping[str, Check], *, extended: bool) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for item in text.split(" "):
        keyword, equals, value = item.partition("=")
        keyword = keyword.upper()
        check = known.get(keyword) if extended else None
        if check is None:
            # RFC 5321 §4.1.1.11: a parameter that was not offered is answered 555
            raise Refused(R555_PARAMETER if PARAMETER.fullmatch(item) else R501_PARAMETER)
        if keyword in given:
            raise Refused(R501_PARAMETER)
        try:
            given[keyword] = check(value if equals else None)
        except ValueError:
            raise Refused(R501_PARAMETER) from None
    return given
