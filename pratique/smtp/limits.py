"""What a listener sets for its SMTP sessions, and every limit of one: name, default, and why.

Pure values; the edge owns the clock.
"""

from dataclasses import dataclass, field


def _option(default: int, doc: str, *, min: int = 1) -> int:
    return field(default=default, metadata={"doc": doc, "min": min})


@dataclass(frozen=True, slots=True)
class Limits:
    message_bytes_max: int = _option(104_857_600, "Largest message in octets (SIZE); a larger one gets 552.")
    recipients_max: int = _option(1000, "Recipients of one message; the next gets 452 (RFC 5321 asks for 100 or more).")
    command_bytes_max: int = _option(2048, "Longest command line with CRLF; a longer one gets 500.")
    errors_max: int = _option(20, "Refused commands in one session before 421 and close.")
    commands_max: int = _option(100_000, "Commands in one session before 421 and close; stops endless NOOP.")
    messages_max: int = _option(10_000, "Messages in one session before 421 and close, so that sessions renew.")
    command_seconds: int = _option(300, "Wait for the next command (RFC 5321 §4.5.3.2.7).")
    data_seconds: int = _option(180, "Wait for the next piece of a message (RFC 5321 §4.5.3.2.5).")
    session_seconds: int = _option(3600, "Longest life of a session.")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    limits: Limits = field(default_factory=Limits)
    starttls: bool = False  # offer STARTTLS
    tls_required: bool = False  # all but EHLO, STARTTLS, NOOP, QUIT is 530 until TLS
    bare_newlines: str = "refuse"  # "refuse" (550) or "normalise" (made CRLF; never kept). NUL is always refused.
    smtputf8: bool = True
