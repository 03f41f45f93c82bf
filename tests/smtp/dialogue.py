"""A server core under test: feeds it octets in any split, answers its questions, keeps what it said and took."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pratique.mail.reply import R250_OK, R250_RECIPIENT_OK, R250_SENDER_OK, Reply
from pratique.smtp.events import (
    BodyChunk,
    BodyEnded,
    ConnectionEnded,
    MailGiven,
    MessageAborted,
    RcptGiven,
    ServerEvent,
    StartTls,
)
from pratique.smtp.server import ServerConnection, ServerSettings

Answer = Callable[[ServerEvent], Reply]


def accept(event: ServerEvent) -> Reply:
    if isinstance(event, MailGiven):
        return R250_SENDER_OK
    return R250_RECIPIENT_OK if isinstance(event, RcptGiven) else R250_OK


@dataclass
class Message:
    mail: MailGiven
    recipients: list[RcptGiven] = field(default_factory=list)
    body: bytes = b""


class Server:
    """A server that keeps its messages in a list."""

    def __init__(self, settings: ServerSettings | None = None, *, answer: Answer = accept, greet: bool = True) -> None:
        self.core = ServerConnection(hostname="mx.example", settings=settings or ServerSettings())
        self.events: list[ServerEvent] = []
        self.messages: list[Message] = []
        self._answer = answer
        self._message: Message | None = None
        if greet:
            self.core.greet()
            self.core.data_to_send()

    def say(self, octets: bytes, *, piece: int = 0) -> bytes:
        """What the server replies to `octets`, given in pieces of `piece` octets (0: all at once)."""
        replies = [self.run()]
        for start in range(0, len(octets), piece or len(octets) or 1):
            self.core.receive_data(octets[start : start + (piece or len(octets))])
            replies.append(self.run())
        return b"".join(replies)

    def end(self) -> bytes:
        self.core.receive_eof()
        return self.run()

    def run(self) -> bytes:
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
            self._note(event)
        return self.core.data_to_send()

    def _note(self, event: ServerEvent) -> None:
        if isinstance(event, MailGiven | RcptGiven | BodyEnded):
            reply = self._answer(event)
            if reply.ok:
                self._keep(event)
            elif isinstance(event, BodyEnded):
                self._message = None
            self.core.reply(reply)
        elif isinstance(event, BodyChunk):
            assert self._message is not None
            self._message.body += event.data
        elif isinstance(event, MessageAborted):
            self._message = None

    def _keep(self, event: MailGiven | RcptGiven | BodyEnded) -> None:
        if isinstance(event, MailGiven):
            self._message = Message(event)
            return
        assert self._message is not None
        if isinstance(event, RcptGiven):
            self._message.recipients.append(event)
        else:
            assert len(self._message.body) == event.size
            self.messages.append(self._message)
            self._message = None

    @property
    def ended(self) -> ConnectionEnded | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, ConnectionEnded) else None

    def story(self) -> list[ServerEvent]:
        """The events in a form that no split may change: content joined, that of refused messages left out."""
        story: list[ServerEvent] = []
        for event in self.events:
            if isinstance(event, BodyChunk) and story and isinstance(story[-1], BodyChunk):
                story[-1] = BodyChunk(story[-1].data + event.data)
                continue
            if isinstance(event, MessageAborted) and story and isinstance(story[-1], BodyChunk):
                story.pop()
            story.append(event)
        return story


def codes(replies: bytes) -> list[str]:
    """The codes of the replies in order: "250 2.1.0"; the enhanced one only where there is one."""
    found = []
    for line in replies.decode("ascii").splitlines():
        code, separator, text = line[:3], line[3:4], line[4:]
        if separator == "-":
            continue
        first = text.partition(" ")[0]
        found.append(f"{code} {first}" if first.count(".") == 2 and first.replace(".", "").isdigit() else code)
    return found


def tls_wanted(server: Server) -> bool:
    return bool(server.events) and isinstance(server.events[-1], StartTls)
