"""Texts with variables, as actions write them: `$Subject`, `$Header['X-Name']` and so on.

A variable's value is data from mail: it is put in once and never read for variables again, and where the text becomes
a header no CR, LF or NUL survives. A "$" before what is no letter stands for itself. Names count in any case.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pratique.mail.values import value
from pratique.policy.facts import Attachment
from pratique.policy.seen import Seen

VALUE_CHARS_MAX = 8_192  # one variable's value: $AllHeaders of an ordinary message fits
TEXT_CHARS_MAX = 16_384  # a finished text
HEADER_CHARS_MAX = 900  # RFC 5322 §2.1.1: a line has at most 998 characters, name and colon included
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REFERENCE = re.compile(
    r"\$(?:header\['(?P<single>[^'\]]*)'\]|header\[\"(?P<double>[^\"\]]*)\"\]|(?P<name>[A-Za-z]+))",
    re.IGNORECASE,
)
_BREAKS = re.compile(r"[\r\n\0]+[ \t]*")


@value
class Situation:
    """What a text is filled in with, beside the message: which filter, and what it matched."""

    filter_name: str
    matched: tuple[tuple[str, str], ...] = ()


Piece = Callable[[Seen, Situation], str]


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its variables."""

    pieces: tuple[str | Piece, ...]

    def text(self, seen: Seen, situation: Situation) -> str:
        filled = (piece if isinstance(piece, str) else piece(seen, situation) for piece in self.pieces)
        return "".join(filled)[:TEXT_CHARS_MAX]

    def header_value(self, seen: Seen, situation: Situation) -> str:
        """The same on one line, no longer than a header line may be."""
        return one_line(self.text(seen, situation))[:HEADER_CHARS_MAX]


def one_line(text: str) -> str:
    """`text` with every run of CR, LF and NUL made a space."""
    return _BREAKS.sub(" ", text)


def parse_template(text: str) -> Template:
    pieces: list[str | Piece] = []
    begin = 0
    for found in _REFERENCE.finditer(text):
        piece = _piece(found)
        if piece is None:
            continue
        pieces.extend((text[begin : found.start()], piece))
        begin = found.end()
    pieces.append(text[begin:])
    return Template(tuple(piece for piece in pieces if piece != ""))


def unknown_variable(text: str) -> str:
    """The first "$Name" that is no variable; "" when there is none."""
    names = (found["name"] for found in _REFERENCE.finditer(text))
    return next((f"${name}" for name in names if name and name.lower() not in _VARIABLES), "")


def _piece(found: re.Match[str]) -> Piece | None:
    name = found["single"] if found["single"] is not None else found["double"]
    if name is None:
        return _VARIABLES.get(found["name"].lower())
    wanted = name.lower().strip()
    return lambda seen, _: ", ".join(seen.headers.get(wanted, ()))[:VALUE_CHARS_MAX]


def _value(read: Callable[[Seen], str]) -> Piece:
    return lambda seen, _: read(seen)[:VALUE_CHARS_MAX]


def _of_attachments(read: Callable[[Attachment], str]) -> Piece:
    return _value(lambda seen: ", ".join(filter(None, map(read, seen.attachments))))


def _moment(seen: Seen) -> datetime:
    # beyond year 9999 and before 1970 there is no date to write: the nearest one stands for it
    return datetime.fromtimestamp(min(max(seen.facts.now_ms // 1_000, 0), 253_402_300_799), UTC)


def _date(seen: Seen) -> str:
    now = _moment(seen)
    return f"{now.month:02d}/{now.day:02d}/{now.year:04d}"


def _time(seen: Seen) -> str:
    now = _moment(seen)
    return f"{now.hour:02d}:{now.minute:02d}:{now.second:02d} GMT"


def _timestamp(seen: Seen) -> str:
    now = _moment(seen)
    day, month = _DAYS[now.weekday()], _MONTHS[now.month - 1]  # strftime would follow the locale
    return f"{day}, {now.day:02d} {month} {now.year:04d} {now.hour:02d}:{now.minute:02d}:{now.second:02d} +0000"


def variable_names() -> str:
    """Of all variables, for a person."""
    return ", ".join(f"${name}" for name in (*sorted(_VARIABLES), "Header['X-Name']"))


def _all_headers(seen: Seen) -> str:
    return "\n".join(f"{name}: {value}" for name, value in seen.facts.message.headers)


_VARIABLES: dict[str, Piece] = {
    "subject": _value(lambda seen: seen.facts.message.subject),
    "mid": _value(lambda seen: str(seen.facts.mid or "")),
    "envelopefrom": _value(lambda seen: seen.facts.envelope.sender),
    "enveloperecipients": _value(
        lambda seen: ", ".join(recipient.address for recipient in seen.facts.envelope.recipients)
    ),
    "remoteip": _value(lambda seen: seen.facts.remote_ip),
    "remotehost": _value(lambda seen: seen.facts.remote_host),
    "recvlistener": _value(lambda seen: seen.facts.listener),
    "recvint": _value(lambda seen: seen.facts.interface),
    "filtername": lambda seen, situation: situation.filter_name,
    "matchedcontent": lambda seen, situation: ", ".join(text for _, text in situation.matched)[:VALUE_CHARS_MAX],
    "allheaders": _value(_all_headers),
    "date": _value(_date),
    "time": _value(_time),
    "timestamp": _value(_timestamp),
    "hostname": _value(lambda seen: seen.facts.hostname),
    "bodysize": _value(lambda seen: str(seen.facts.message.size)),
    "filenames": _of_attachments(lambda attachment: attachment.filename),
    "filetypes": _of_attachments(lambda attachment: attachment.mime_type),
    "filesizes": _of_attachments(lambda attachment: f"{'>' if attachment.cut else ''}{attachment.size}"),
    "group": _value(lambda seen: seen.facts.sender_group),
    "policy": _value(lambda seen: seen.facts.mail_flow),
    "reputation": lambda seen, situation: "None",  # no reputation service is asked: what the reference says then
}
ATTACHMENT_VARIABLES = frozenset({"filenames", "filetypes", "filesizes"})


def needs_attachments(text: str) -> bool:
    """Whether a text says something of attachments, so that they must be known."""
    return any((found["name"] or "").lower() in ATTACHMENT_VARIABLES for found in _REFERENCE.finditer(text))
