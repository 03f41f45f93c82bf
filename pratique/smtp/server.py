"""The server side of SMTP as a state machine without I/O (RFC 5321 and the extensions in extensions.py).

    core = ServerConnection(hostname="mx.example", settings=ServerSettings())
    core.greet()                       # or core.refuse(reply)
    core.receive_data(octets)          # as they arrive
    while (event := core.next_event()) is not None:
        ...                            # an event that asks is answered with core.reply(reply), now or later
    transport.write(core.data_to_send())

Invariant: for any input, any split of it, the events and replies are the same, memory is bounded by the limits, and
no octet that came behind STARTTLS in clear text is ever read as a command.
"""

from dataclasses import dataclass, field

from pratique.mail.reply import Reply
from pratique.smtp.events import ServerEvent
from pratique.smtp.limits import Limits


@dataclass(frozen=True, slots=True)
class ServerSettings:
    limits: Limits = field(default_factory=Limits)
    starttls: bool = False  # offer STARTTLS
    tls_required: bool = False  # all but EHLO, STARTTLS, NOOP, QUIT is 530 until TLS
    bare_newlines: str = "refuse"  # "refuse" (550) or "normalise" (made CRLF; never kept). NUL is always refused.
    smtputf8: bool = True


class ServerConnection:
    def __init__(self, *, hostname: str, settings: ServerSettings) -> None:
        raise NotImplementedError

    def greet(self) -> None:
        """Queue `220 <hostname> ESMTP`."""
        raise NotImplementedError

    def refuse(self, reply: Reply) -> None:
        """Queue a 421 or 554 instead of the greeting; the next event is ConnectionEnded."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        raise NotImplementedError

    def receive_eof(self) -> None:
        raise NotImplementedError

    def next_event(self) -> ServerEvent | None:
        """The next event, or None while input is missing or an asked question is unanswered."""
        raise NotImplementedError

    def reply(self, reply: Reply) -> None:
        """Answer the question asked last."""
        raise NotImplementedError

    def tls_started(self) -> None:
        """TLS is up: forget all that the client said in clear text (RFC 3207 §4.2)."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Octets to write now; empties the buffer."""
        raise NotImplementedError

    def shut_down(self, reply: Reply) -> None:
        """Say 421 at the next point where the protocol allows it, then end (timeout, SIGTERM)."""
        raise NotImplementedError

    @property
    def in_message(self) -> bool:
        """Message content is being received: the edge applies data_seconds instead of command_seconds."""
        raise NotImplementedError
