"""What a delivery attempt works on: the recipients of one copy that go to one destination, and what came of it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from pratique.delivery.bounce import Notices
from pratique.mail.envelope import Envelope
from pratique.mail.reply import Reply
from pratique.runner.link_items import Health
from pratique.store.records import Copy, NewCopy

IN_DOUBT = "in doubt: "  # begins the stored answer of a recipient whose next attempt may double the message


@dataclass(slots=True)
class Target:
    """One recipient of a job."""

    rid: int
    address: str
    notify: str
    orcpt: str
    warned: bool = False


@dataclass(slots=True)
class Job:
    """Recipients of copy `mid` that wait for `host`; `attempts` have failed so far."""

    mid: int
    host: str
    targets: tuple[Target, ...]
    attempts: int = 0
    accepted_at: int = 0
    cid: str = ""
    doubtful: bool = (
        False  # an earlier attempt ended behind the dot without an answer: this one may double, and says so
    )
    in_dot: bool = False  # found in DOT at the start: that is durable already
    via: str = ""  # a person redirected it there, host[:port]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it leaves: our trace headers on top, then the accepted octets."""

    envelope: Envelope
    size: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer about one recipient."""

    target: Target
    reply: Reply
    in_doubt: bool = False  # the end was sent and no answer came: the host may have the message (RFC 1047)
    relayed_dsn: bool = False
    remote: str = ""  # the host that gave it, as it stands in a notice: a name, or "[192.0.2.1]"


class Mailroom(Protocol):
    """What the role does around deliveries."""

    def compose(self, copy: Copy, job: Job) -> Outgoing:
        """Raises OSError when the stored body cannot be read or is not what was accepted."""
        ...

    def notice(self, copy: Copy, answers: tuple[Answered, ...], notices: Notices) -> tuple[NewCopy, ...]:
        """The notices to the sender, as copies to be committed with the outcome."""
        ...

    def finished(self, mid: int, *, row: bool) -> None:
        """No recipient of the copy is open any more (durable); `row`: a peer is to hear of it."""
        ...


class Worker(Protocol):
    """A connection that can take a job."""

    def work(self) -> None: ...


@dataclass(slots=True)
class Destination:
    host: str  # of redirected mail "HOST via TARGET": it has connections of its own
    via: str = ""
    queue: deque[Job] = field(default_factory=deque)
    health: Health = field(default_factory=Health)
    clear_until: float = 0.0
    crowded_until: float = 0.0
    waiting: int = 0  # recipients that wait for their next attempt
    idle: set[Worker] = field(default_factory=set)  # connections without work, kept for a moment

    @property
    def is_idle(self) -> bool:
        return not (self.queue or self.waiting or self.idle or self.health.connections)
