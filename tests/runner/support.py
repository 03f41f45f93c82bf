"""Appliances in one process without sockets: a store in memory, a log that is a list, connections that are pipes.

`Pipe` joins two pumps; TLS, deadlines and the machines are the real ones.
"""

import asyncio
import datetime
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pratique.fleet.enrolment import Enrolment
from pratique.fleet.identity import Keys, create, fingerprint_of_pem, public_signing_key
from pratique.fleet.trust import Trust
from pratique.net.pump import Pump
from pratique.net.tasks import Tasks
from pratique.runner.services import Numbers, Services
from pratique.store.memory import MemoryStore
from pratique.store.moves import PutPeer
from pratique.store.next_certificates import next_of
from pratique.store.records import Peer
from pratique.telemetry.events import Event
from tests.conformance.samples import GATEWAY, MANAGER, SampleClock, Samples

ADDRESSES = {GATEWAY: "192.0.2.1", MANAGER: "192.0.2.7"}


class Recorder:
    """A Telemetry that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def lines(self, *words: str) -> list[str]:
        """The texts that hold all words."""
        texts = [event.text() for event in self.events]
        return [text for text in texts if all(word in text for word in words)]

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]


class Node:
    """Services over a store in memory."""

    def __init__(self, role: str = "gateway", *, serial: str = "", name: str = "", **store: Any) -> None:
        self.role = role
        self.serial = serial or {"gateway": GATEWAY, "manager": MANAGER}[role]
        self.clock = SampleClock(salt=self.serial)
        self.store = MemoryStore(role=role, serial=self.serial, clock=self.clock, **store)
        self.log = Recorder()
        self.failures: list[tuple[str, str]] = []
        self.tasks = Tasks(lambda name, error: self.failures.append((name, f"{type(error).__name__}: {error}")))
        self.services = Services(
            name or f"{role}.example.net", self.store, self.log, self.clock, self.tasks, Numbers.starting_at(1)
        )
        self.samples = Samples(self.store)

    def again(self) -> "Node":
        """The next process on the same store: the open transactions are lost, a new nonce is drawn."""
        node = Node.__new__(Node)
        node.__init__(self.role, serial=self.serial)  # type: ignore[misc]
        node.clock.salt += "'"
        node.store = self.store.crash()
        node.services = Services(
            self.services.name, node.store, node.log, node.clock, node.tasks, Numbers.starting_at(100_001)
        )
        node.samples = Samples(node.store)
        return node


async def turns(count: int = 20) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(probe: Callable[[], Any], most: int = 20_000) -> Any:
    """Turn the loop until `probe` is true. Nothing here waits for time, so turns are enough."""
    for _ in range(most):
        if found := probe():
            return found
        await asyncio.sleep(0)
    raise AssertionError(f"it never came to pass: {probe}")


class PipeEnd(asyncio.Transport):
    """What one end writes, the other reads at the loop's next turn."""

    def __init__(self, protocol: Any, mine: tuple[str, int], theirs: tuple[str, int]) -> None:
        super().__init__()
        self.protocol = protocol
        self.other: PipeEnd | None = None
        self.sent = b""
        self.cut_after: int | None = None  # lose the connection when so many octets were written here
        self._names = {"sockname": mine, "peername": theirs}
        self._closing = False
        self._lost = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._names.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def write(self, data: Any) -> None:
        if self._closing:
            return
        data = bytes(data)
        if self.cut_after is not None and len(self.sent) + len(data) >= self.cut_after:
            data = data[: self.cut_after - len(self.sent)]
            asyncio.get_running_loop().call_soon(self.lose)
        self.sent += data
        assert self.other is not None
        if data:
            asyncio.get_running_loop().call_soon(self.other.deliver, data)

    def deliver(self, data: bytes) -> None:
        if not self._lost:
            self.protocol.data_received(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            loop = asyncio.get_running_loop()
            assert self.other is not None
            loop.call_soon(self.other.hear_eof)
            loop.call_soon(self._gone, None)

    def hear_eof(self) -> None:
        if not self._lost and not self.protocol.eof_received():
            self.close()

    def abort(self) -> None:
        self.lose()

    def lose(self) -> None:
        """Both ends at once, as a cable that is pulled."""
        assert self.other is not None
        for end in (self, self.other):
            end._closing = True
            asyncio.get_running_loop().call_soon(end._gone, ConnectionResetError("connection lost"))

    def _gone(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self.protocol.connection_lost(error)

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


_ports = itertools.count(40_000)


def join(client: Any, server: Any, *, source: str, address: str, port: int) -> tuple[PipeEnd, PipeEnd]:
    """Two protocols over a pipe; both are told that they are connected."""
    here, there = (source or "192.0.2.99", next(_ports)), (address, port)
    ends = PipeEnd(client, here, there), PipeEnd(server, there, here)
    ends[0].other, ends[1].other = ends[1], ends[0]
    server.connection_made(ends[1])
    client.connection_made(ends[0])
    return ends


class Network:
    """Replaces `dial`: who listens where, and every connection that was made."""

    def __init__(self) -> None:
        self.listening: dict[tuple[str, int], Callable[[], Any]] = {}
        self.connections: list[tuple[PipeEnd, PipeEnd]] = []
        self.dialled: list[tuple[str, int]] = []
        self.on_connect: Callable[[tuple[PipeEnd, PipeEnd]], None] = lambda ends: None

    async def dial(self, factory: Callable[[], Pump], address: str, port: int, *, source: str = "") -> Pump:
        self.dialled.append((address, port))
        await asyncio.sleep(0)
        listener = self.listening.get((address, port))
        if listener is None:
            raise ConnectionRefusedError(111, "Connection refused")
        pump = factory()
        ends = join(pump, listener(), source=source, address=address, port=port)
        self.connections.append(ends)
        self.on_connect(ends)
        return pump


class Known:
    """Keys of one appliance, and how it is enrolled at others."""

    def __init__(self, directory: Path, node: Node) -> None:
        self.node = node
        self.keys: Keys = create(
            directory, name=node.services.name, serial=node.serial, addresses=(), signing=node.role == "manager"
        )
        self.address = ADDRESSES.get(node.serial, "192.0.2.50")

    def peer(self) -> Peer:
        pem = self.keys.cpq_certificate.read_text()
        node = self.node
        return Enrolment(
            node.services.name,
            node.role,
            node.serial,
            self.address,
            7025,
            pem,
            fingerprint_of_pem(pem),
            public_signing_key(self.keys),
        ).as_peer()

    def trust(self) -> Trust:
        view = self.node.store.view
        return Trust(self.keys, view.peers, lambda peer: next_of(view, peer), wall_ms)


def wall_ms() -> int:
    """Certificates are made for the real time."""
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


async def enrol(here: Node, there: Known) -> None:
    await here.store.submit(PutPeer(there.peer(), ()))
