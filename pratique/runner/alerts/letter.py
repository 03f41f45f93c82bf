"""The mail of an alert: `Critical <Custody> gw1.example.org: text`, in ASCII whatever the text holds. Pure.

The texts are those of the mail log, which has escaped what came from mail; here all that is not printable ASCII is
escaped once more, so that no octet of a message can make a header or a line. Standards: RFC 5322 §2.1.1 (line length),
RFC 3834 §5 (Auto-Submitted, so that nobody answers it), RFC 5321 §4.5.5 (the envelope's sender is null).
"""

import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime

from pratique.mail.received import rfc5322_date
from pratique.runner.alerts.conditions import Sort

SUBJECT_CHARS_MAX = 180  # of the text; a subject is one line of at most 998 octets
WRAP = 76


@dataclass(frozen=True, slots=True)
class Letter:
    """`sender`: address in From. `more`: how often it was raised beside, since the last mail about it."""

    host: str
    serial: str
    version: str
    sender: str
    sort: Sort
    text: str
    at: int
    more: int = 0
    over: bool = False

    @property
    def subject(self) -> str:
        said = f"over: {self.text}" if self.over else self.text
        text = _ascii(said)
        cut = text if len(text) <= SUBJECT_CHARS_MAX else text[: SUBJECT_CHARS_MAX - 3] + "..."
        return f"{self.sort.severity} <{self.sort.kind}> {self.host}: {cut}"

    def octets(self, message_id: str) -> bytes:
        """The whole message; lines end in CRLF."""
        return "\r\n".join([*self._headers(message_id), "", *self._body(), ""]).encode("ascii")

    def _headers(self, message_id: str) -> list[str]:
        return [
            f"From: {self.sender}",
            "To: undisclosed-recipients:;",
            f"Subject: {self.subject}",
            f"Date: {rfc5322_date(self.at)}",
            f"Message-ID: {message_id}",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=us-ascii",
            "Auto-Submitted: auto-generated",
            "Precedence: bulk",
            f"X-Pratique-Alert: {self.sort}",
        ]

    def _body(self) -> list[str]:
        lines = [f"The {self.sort.severity} message is:" if not self.over else "This is over:", ""]
        lines += textwrap.wrap(_ascii(self.text), WRAP, break_on_hyphens=False) or [""]
        if self.more:
            times = "once" if self.more == 1 else f"{self.more} times"
            lines += [
                "",
                *textwrap.wrap(
                    f"It was raised {times} more since the last mail about it; the mail log has every one.", WRAP
                ),
            ]
        stamp = datetime.fromtimestamp(self.at / 1000, UTC)
        return [
            *lines,
            "",
            f"Version: {self.version}",
            f"Serial Number: {self.serial}",
            f"Timestamp: {stamp:%d %b %Y %H:%M:%S} +0000",
        ]


def _ascii(text: str) -> str:
    """Printable ASCII on one line."""
    shown = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in shown)
