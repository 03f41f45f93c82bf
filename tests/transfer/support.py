"""Both ends of CPQ in memory, for the tests of this room."""

import hashlib
import random
from collections.abc import Callable

from pratique.mail.envelope import Envelope, Recipient
from pratique.transfer import events
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import Hello, HelloReply, Keyword, Limits, SealedGroup
from pratique.transfer.seal import sealed_group
from pratique.transfer.server import ServerConnection

GW = Hello("GATEWAY0000000000001", "5c" * 16, 1, 812, 3, 4410, 1795490000000, "10.10.20.1:7025", ("ORDER",))
SMA = Hello("MANAGER0000000000007", "a0" * 16, 3, 4410, 1, 812, 1795490000012)
SEAL = "d0" * 32


def xid(number: int, hop: int = 1) -> str:
    return f"{number:032x}.{hop}"


def make_group(
    number: int, body: bytes = b"a\r\nbc", *, hop: int = 1, rcpts: int = 1, metadata: bytes = b"{}"
) -> SealedGroup:
    envelope = Envelope("a@example.org", tuple(Recipient(f"r{n}@example.com") for n in range(rcpts)))
    sha256 = hashlib.sha256(body).hexdigest()
    return sealed_group(
        xid=xid(number, hop), envelope=envelope, size=len(body), sha256=sha256, seq=number, metadata=metadata
    )


def octets_of(group: SealedGroup, body: bytes = b"a\r\nbc") -> bytes:
    """The group as a client sends it."""
    meta = b"XQMETA 1 %d %b\r\n%b" % (len(group.metadata), group.seal.encode(), group.metadata)
    return group.command_octets + meta + b"BDAT %d LAST\r\n%b" % (len(body), body)


def server_events(core: ServerConnection) -> list[events.ServerEvent]:
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def client_events(core: ClientConnection) -> list[events.ClientEvent]:
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def pieces(data: bytes, chance: random.Random | None, largest: int = 3000) -> list[bytes]:
    """`data` in fragments of random size; whole without a generator."""
    if chance is None:
        return [data] if data else []
    cut = []
    while data:
        size = chance.randint(1, largest)
        cut.append(data[:size])
        data = data[size:]
    return cut


class Pair:
    """A client and a server whose hello has been answered READY (or otherwise)."""

    def __init__(
        self, *, limits: Limits | None = None, side: str = "manager", keyword: Keyword = Keyword.READY
    ) -> None:
        self.limits = limits or Limits()
        self.server = ServerConnection(hostname="sma.example", limits=self.limits, side=side)
        self.client = ClientConnection(hostname="gw1.example")
        self.server.greet()
        self.shuttle()
        self.server.tls_started(enrolled=True)
        self.client.tls_started()
        self.shuttle()
        self.client.hello(GW)
        self.shuttle()
        self.server.answer_hello(HelloReply(keyword, SMA, self.limits))
        self.shuttle()

    def shuttle(self) -> tuple[list[events.ServerEvent], list[events.ClientEvent]]:
        """Everything that can flow without answers, and what both told."""
        at_server: list[events.ServerEvent] = []
        at_client: list[events.ClientEvent] = []
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return at_server, at_client
            if up:
                self.server.receive_data(up)
            at_server += server_events(self.server)
            if down:
                self.client.receive_data(down)
            at_client += client_events(self.client)


def until(condition: Callable[[], bool], step: Callable[[], None], most: int = 100_000) -> None:
    """Repeats `step`; a run that does not end is a defect."""
    for _ in range(most):
        if condition():
            return
        step()
    raise AssertionError("no end")
