"""An SMTP reply: three-digit code, enhanced code (RFC 2034, 3463) and text, possibly over several lines.

Named replies keep their number in the name, so that a log line leads to the code that wrote it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    enhanced: str  # "2.1.0", or "" where none belongs (greeting, EHLO, 354)
    text: str = ""  # "\n" separates the lines of a multi-line reply

    @property
    def ok(self) -> bool:
        return self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    def encode(self) -> bytes:
        """The octets on the wire. Text outside printable ASCII is replaced, so no reply can inject a line."""
        lines = self.text.split("\n")
        prefix = f"{self.enhanced} " if self.enhanced else ""
        last = len(lines) - 1
        out = []
        for number, line in enumerate(lines):
            clean = "".join(c if " " <= c <= "~" else "?" for c in line)
            out.append(f"{self.code}{' ' if number == last else '-'}{prefix}{clean}\r\n")
        return "".join(out).encode("ascii")

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}".replace("  ", " ").strip()


R250_OK = Reply(250, "2.0.0", "ok")
R250_SENDER_OK = Reply(250, "2.1.0", "sender ok")
R250_RECIPIENT_OK = Reply(250, "2.1.5", "recipient ok")
R421_SHUTTING_DOWN = Reply(421, "4.3.2", "service shutting down, try again")
R421_SUSPENDED = Reply(421, "4.3.2", "not taking mail at the moment, try again later")
R421_TOO_MANY = Reply(421, "4.7.0", "too many connections from your address, try again later")
R421_BUSY = Reply(421, "4.3.2", "too busy, try again later")
R421_TIMEOUT = Reply(421, "4.4.2", "timeout waiting for input")
R451_LOCAL = Reply(451, "4.3.0", "temporary local problem, try again later")
R452_STORAGE = Reply(452, "4.3.1", "insufficient storage, try again later")
R452_TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "too many recipients, send the rest in another message")
R503_SEQUENCE = Reply(503, "5.5.1", "bad sequence of commands")
R530_TLS_REQUIRED = Reply(530, "5.7.0", "must issue a STARTTLS command first")
R550_RELAY_DENIED = Reply(550, "5.7.1", "relaying denied")
R550_RECIPIENT_REFUSED = Reply(550, "5.1.1", "recipient refused")
R552_TOO_BIG = Reply(552, "5.3.4", "message exceeds the size limit")
R554_ACCESS_DENIED = Reply(554, "5.7.1", "access denied")
R554_HOPS = Reply(554, "5.4.6", "too many hops, mail loop suspected")
