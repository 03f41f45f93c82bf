"""What the two SMTP state machines can say: the events of the server core and of the client core.

Server: every event marked *asks* must be answered with `reply()` before the core goes on; the core reads ahead
no further than that, so pipelined commands are handled in order. The rest are told, not asked.
"""

from pratique.mail.reply import Reply
from pratique.mail.values import value


# --- server core -----------------------------------------------------------------------------------------------
@value
class HelloGiven:
    """EHLO or HELO came and was answered. Told."""

    name: str
    extended: bool


@value
class StartTls:
    """STARTTLS was answered 220 and the input buffer was empty. The edge must start TLS with its very next octets
    and then call `tls_started()`. Told."""


@value
class MailGiven:
    """MAIL FROM with checked grammar. Asks."""

    sender: str  # "" = null reverse-path
    size: int | None
    eight_bit: bool
    smtputf8: bool
    ret: str
    envid: str


@value
class RcptGiven:
    """RCPT TO with checked grammar. Asks."""

    address: str
    notify: str
    orcpt: str


@value
class BodyChunk:
    """Octets of the message, dots removed, line ends CRLF. Told."""

    data: bytes


@value
class BodyEnded:
    """The whole message has come; `size` octets. Asks: the reply decides whether we took the message."""

    size: int


@value
class MessageAborted:
    """The transaction ended without a decision (RSET, EHLO, connection lost, message refused by the core).
    `reply` is what the core answered to a refused message (bare LF, too big ...), None otherwise. Told."""

    reason: str
    reply: Reply | None = None


@value
class CommandRefused:
    """The core itself refused a command (grammar, sequence, limit); for the log and for counters. Told."""

    reply: Reply
    command: str  # verb only, at most 16 printable characters


@value
class ConnectionEnded:
    """No more input will be read: after QUIT (clean), end of file, or too many errors. Send what is left, close."""

    clean: bool
    reason: str = ""


ServerEvent = (
    HelloGiven
    | StartTls
    | MailGiven
    | RcptGiven
    | BodyChunk
    | BodyEnded
    | MessageAborted
    | CommandRefused
    | ConnectionEnded
)


# --- client core -----------------------------------------------------------------------------------------------
@value
class TlsWanted:
    """The server answered 220 to STARTTLS: the edge starts TLS and calls `tls_started()`."""


@value
class Ready:
    """Greeting and EHLO are done; messages can be sent."""

    extensions: frozenset[str]  # upper-case keywords, e.g. {"PIPELINING", "SIZE"}
    tls: bool


@value
class BodyWanted:
    """At least one recipient was accepted: feed the body with `send_body()`, then `end_body()`.
    Nothing that ends the message has been sent yet; the edge records DOT_SENT before `end_body()`."""


@value
class MessageAnswered:
    """The transaction is over. `recipients` has one reply per recipient, in order: the refusal of its RCPT, else
    the reply that decided the message."""

    recipients: tuple[Reply, ...]
    dot_sent: bool


@value
class SessionFailed:
    """The server refused greeting, EHLO or STARTTLS, broke the protocol, or went away. If a message was under way
    its recipients have no answer; `dot_sent` tells whether the outcome is in doubt."""

    reply: Reply
    dot_sent: bool


ClientEvent = TlsWanted | Ready | BodyWanted | MessageAnswered | SessionFailed
