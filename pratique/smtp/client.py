"""The client side of SMTP as a state machine without I/O (RFC 5321; PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING, DSN).

    core = ClientConnection(helo="gw1.example", starttls="may")
    core.receive_data(octets); core.next_event(); transport.write(core.data_to_send())
    Ready           -> core.start_message(envelope, size)
    BodyWanted      -> core.send_body(piece) ...; core.end_body()
    MessageAnswered -> the next start_message(), or core.quit()

The writer asserts that no bare CR, bare LF or NUL leaves by DATA; dots are stuffed here.
"""

from pratique.mail.envelope import Envelope
from pratique.smtp.events import ClientEvent


class ClientConnection:
    def __init__(self, *, helo: str, starttls: str = "may") -> None:
        """`starttls`: "no", "may" (when offered; a refusal goes on in clear) or "must" (else SessionFailed)."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> None:
        raise NotImplementedError

    def receive_eof(self) -> None:
        raise NotImplementedError

    def next_event(self) -> ClientEvent | None:
        raise NotImplementedError

    def tls_started(self) -> None:
        """TLS is up; EHLO is said anew."""
        raise NotImplementedError

    def start_message(self, envelope: Envelope, size: int) -> None:
        """Queue MAIL, RCPT ... (and DATA when PIPELINING is offered). Only when Ready or after MessageAnswered.
        A message that needs an extension the server lacks (SMTPUTF8; SIZE too small) is answered at once with
        MessageAnswered carrying a local 5.6.7 or 5.3.4 reply. 8BITMIME missing: sent as it is (the field's habit)."""
        raise NotImplementedError

    def send_body(self, piece: bytes) -> None:
        """Queue a piece of the body (any split, also inside CRLF)."""
        raise NotImplementedError

    def end_body(self) -> None:
        """Queue what ends the message: from here on its outcome is in doubt until MessageAnswered."""
        raise NotImplementedError

    def quit(self) -> None:
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        raise NotImplementedError
