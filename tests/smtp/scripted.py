"""A client core under test, against a server that is a script of replies."""

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.smtp.client import ClientConnection
from pratique.smtp.events import ClientEvent, Ready, SessionFailed

ONE = Envelope("a@x.example", (Recipient("b@y.example"),))
TWO = Envelope("a@x.example", (Recipient("b@y.example"), Recipient("c@y.example")))
BODY = b"Subject: x\r\n\r\n.dot\r\n"
OK = Reply(250, "2.0.0", "ok")
NO = Reply(550, "5.1.1", "no such user")
CLOSING = Reply(421, "4.3.2", "closing")
PLAIN = b"250 mx\r\n"
PIPELINING = b"250-mx\r\n250 PIPELINING\r\n"
CHUNKING = b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
STARTTLS = b"250-mx\r\n250 STARTTLS\r\n"


class Client:
    def __init__(self, starttls: str = "no", ehlo: bytes = b"") -> None:
        self.core = ClientConnection(helo="gw.example", starttls=starttls)
        if ehlo:
            assert self.hear(b"220 mx\r\n") == [] and self.said() == b"EHLO gw.example\r\n"
            (event,) = self.hear(ehlo)
            assert isinstance(event, Ready)

    def hear(self, octets: bytes, piece: int = 0) -> list[ClientEvent]:
        step = piece or len(octets) or 1
        for start in range(0, len(octets), step):
            self.core.receive_data(octets[start : start + step])
        return self.heard()

    def heard(self) -> list[ClientEvent]:
        events = []
        while (event := self.core.next_event()) is not None:
            events.append(event)
        return events

    def said(self) -> bytes:
        return self.core.data_to_send()

    def start(self, envelope: Envelope = ONE, body: bytes = BODY) -> bytes:
        self.core.start_message(envelope, len(body))
        return self.said()

    def body(self, body: bytes = BODY, piece: int = 0) -> bytes:
        step = piece or len(body) or 1
        for start in range(0, len(body), step):
            self.core.send_body(body[start : start + step])
        return self.said()


def failed(events: list[ClientEvent]) -> SessionFailed:
    (event,) = [e for e in events if isinstance(e, SessionFailed)]
    return event
