"""A client core wired to a server core in memory, octet for octet, with TLS played by calling both ends.

pair = ConnectionPair(settings=ServerSettings(starttls=True), starttls="must", piece=1)
pair.run()                                   # up to Ready
answered = pair.send(envelope, body)         # a MessageAnswered or a SessionFailed
pair.messages                                # what the server took
"""

from pratique.mail.envelope import Envelope
from pratique.smtp.client import ClientConnection
from pratique.smtp.events import BodyWanted, ClientEvent, MessageAnswered, SessionFailed, TlsWanted
from pratique.smtp.server import ServerSettings
from tests.smtp.dialogue import Answer, Message, Server, accept, tls_wanted


class ConnectionPair:
    def __init__(
        self,
        *,
        settings: ServerSettings | None = None,
        starttls: str = "may",
        answer: Answer = accept,
        piece: int = 0,
    ) -> None:
        self.server = Server(settings, answer=answer, greet=False)
        self.client = ClientConnection(helo="gw1.example", starttls=starttls)
        self.events: list[ClientEvent] = []
        self.wire = b""  # all that the client said
        self._piece = piece
        self._body = b""
        self.server.core.greet()

    @property
    def messages(self) -> list[Message]:
        return self.server.messages

    def run(self) -> None:
        """Carry octets both ways until both ends are quiet."""
        quiet = False
        while not quiet:
            said = self.client.data_to_send()
            self.wire += said
            replies = self.server.say(said, piece=self._piece)
            for start in range(0, len(replies), self._piece or len(replies) or 1):
                self.client.receive_data(replies[start : start + (self._piece or len(replies))])
            quiet = not (self._hear() or said or replies)

    def send(self, envelope: Envelope, body: bytes) -> ClientEvent:
        self._body = body
        self.client.start_message(envelope, len(body))
        before = len(self.events)
        self.run()
        answers = [event for event in self.events[before:] if isinstance(event, MessageAnswered | SessionFailed)]
        assert answers, "the message got no answer"
        return answers[0]

    def _hear(self) -> bool:
        heard = False
        while (event := self.client.next_event()) is not None:
            heard = True
            self.events.append(event)
            if isinstance(event, BodyWanted):
                step = self._piece or len(self._body) or 1
                for start in range(0, len(self._body), step):
                    self.client.send_body(self._body[start : start + step])
                self.client.end_body()
            elif isinstance(event, TlsWanted):
                assert tls_wanted(self.server), "the client wants TLS and the server does not know"
                self.server.core.tls_started()
                self.client.tls_started()
        return heard
