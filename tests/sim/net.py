"""The network: connections as TCP gives them. Octets arrive in order or not at all; everything else may go wrong.

A connection may be reset after some octets or writes, lose the last replies, fall silent, or live on as a zombie: the
client is told that it is lost while what it has sent still arrives, much later. Hosts may be partitioned, a host may
vanish with a reset (the process was killed) or in silence (the power failed).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.sim.loop import OWNER, context_of

# How late a zombie's octets arrive. A quarantine port waits 30 s for more of a session, mail servers longer.
LATE_SECONDS = ((0.2, 5.0), (1.0, 28.0), (1.0, 28.0), (20.0, 400.0))
SILENCE_SECONDS = (30.0, 90.0)  # keepalive and user timeout find a peer that vanished
EOF = object()


@dataclass
class Cut:
    """What befalls a connection: `side` 0 = what the client sends, 1 = what the server sends."""

    side: int
    writes: int = 0  # after so many writes of that side; 0 = never
    octets: int = 0  # after so many octets of it; 0 = never
    style: str = "reset"  # reset, lost (the write is dropped, then reset), mute, zombie


@dataclass
class Connection:
    number: int
    hosts: tuple[str, str]  # client, server
    port: int
    latency: float
    cut: Cut | None = None
    dribble: bool = False
    harmed: bool = False  # something befell it, so an answer may be lost
    ends: list["End"] = field(default_factory=list)


class End(asyncio.Transport):
    """One end; what the other writes comes to `_inbox`."""

    def __init__(self, net: "Network", connection: Connection, side: int, protocol: Any, owner: Any) -> None:
        super().__init__()
        self._net, self._connection, self.side = net, connection, side
        self.protocol, self.owner = protocol, owner
        self.context = context_of(owner)
        self.names: dict[str, Any] = {}
        self.is_gone = False  # connection_lost was called, or nobody is there any more
        self._closing = False
        self._paused = False
        self._inbox: deque[tuple[float, Any]] = deque()
        self._last_due = 0.0
        self._armed = False
        self._writes = self._octets = self._buffered = 0
        self._high = 1 << 20
        self._congested = False

    @property
    def other(self) -> "End":
        return self._connection.ends[1 - self.side]

    # --- asyncio.Transport
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.names.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = min(high or 65_536, self._net.buffer_bytes)

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: Any) -> None:
        if self._closing or self.is_gone or not self._net.effect(self.owner, "write"):
            return
        data = bytes(data)
        self._writes += 1
        self._octets += len(data)
        cut = self._connection.cut
        if cut is not None and cut.side == self.side and self._is_cut(cut):
            self._connection.cut = None
            self._befalls(cut, data)
            return
        self._send(data)

    def _is_cut(self, cut: Cut) -> bool:
        return 0 < cut.writes <= self._writes or 0 < cut.octets <= self._octets

    def _befalls(self, cut: Cut, data: bytes) -> None:
        net, other = self._net, self.other
        self._connection.harmed = True
        if cut.style != "swallowed":
            net.note("cut", f"#{self._connection.number} {'server' if self.side else 'client'} {cut.style}")
        if cut.octets:
            data = data[: max(0, len(data) - (self._octets - cut.octets))]
        if cut.style in ("reset", "zombie") and data:
            self._send(data)
        if cut.style == "zombie":
            late = net.random.uniform(*net.random.choice(LATE_SECONDS))
            other._inbox = deque((due + late, what) for due, what in other._inbox)
            other._last_due += late
            other._enqueue(ConnectionResetError("reset by peer"))
            self._closing = True
            net.loop.call_soon(self._fail, ConnectionResetError("reset by peer"), context=self.context)
            net.on_zombie(self._connection)
        elif cut.style == "mute":
            late = net.random.uniform(*SILENCE_SECONDS)
            other._enqueue(TimeoutError("timed out"), late)
            self._enqueue(TimeoutError("timed out"), late)
            self._connection.cut = Cut(self.side, writes=1, style="swallowed")
        elif cut.style == "swallowed":
            self._connection.cut = cut
        else:
            other._enqueue(ConnectionResetError("reset by peer"))
            self._enqueue(ConnectionResetError("reset by peer"))

    def _send(self, data: bytes) -> None:
        other = self.other
        if other.is_gone:
            self._enqueue(ConnectionResetError("reset by peer"))
            return
        self._buffered += len(data)
        other._enqueue(data)
        if self._buffered > self._high and not self._congested:
            self._congested = True
            self.protocol.pause_writing()

    def send(self, data: bytes) -> None:
        """As a socket that was accepted and gets no session."""
        self.write(data)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if self._net.effect(self.owner, "close"):
                self.other._enqueue(EOF)
            self._net.loop.call_soon(self._fail, None, context=self.context)

    def abort(self) -> None:
        if not self.is_gone:
            self._closing = True
            self.other._enqueue(ConnectionResetError("reset by peer"))
            asyncio.get_running_loop().call_soon(self._fail, None, context=self.context)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._arm()

    # --- what arrives
    def _enqueue(self, what: Any, late: float = 0.0) -> None:
        if self.is_gone:
            return
        now = asyncio.get_running_loop().time()
        self._last_due = max(self._last_due, now + late + self._connection.latency)
        self._inbox.append((self._last_due, what))
        self._arm()

    def _arm(self) -> None:
        if self._inbox and not self._armed and not self.is_gone and (not self._paused or not self._has_octets()):
            self._armed = True
            self._net.loop.call_at(self._inbox[0][0], self._deliver, context=self.context)

    def _has_octets(self) -> bool:
        return isinstance(self._inbox[0][1], bytes)

    def _deliver(self) -> None:
        self._armed = False
        if self.is_gone or not self._inbox:
            return
        if self._net.is_blocked(*self._connection.hosts):
            self._net.stalled.append(self)
            return
        if self._paused and self._has_octets():
            return  # resume_reading goes on
        if self._inbox[0][0] > self._net.loop.time():
            self._arm()  # it was made later than the timer knew
            return
        if self._has_octets():
            self._data(self._next_octets())
        else:
            what = self._inbox.popleft()[1]
            if what is EOF:
                if not self._closing and not self.protocol.eof_received():
                    self.close()
            else:
                self._fail(what)
        self._arm()

    def _next_octets(self) -> bytes:
        pieces = []
        while self._inbox and self._has_octets() and self._inbox[0][0] <= self._net.loop.time():
            pieces.append(self._inbox.popleft()[1])
        data = b"".join(pieces)
        if self._connection.dribble and len(data) > 1:
            cut = self._net.random.randrange(1, len(data))
            self._inbox.appendleft((self._net.loop.time(), data[cut:]))
            data = data[:cut]
        return data

    def _data(self, data: bytes) -> None:
        sender = self.other
        sender._buffered -= len(data)
        if sender._congested and sender._buffered <= sender._high // 4 and not sender.is_gone:
            sender._congested = False
            self._net.loop.call_soon(sender._resume_writing, context=sender.context)
        if not self._closing:
            self.protocol.data_received(data)

    def _resume_writing(self) -> None:
        if not self.is_gone:
            self.protocol.resume_writing()

    def _fail(self, error: Exception | None) -> None:
        """The connection is gone for this end."""
        if not self.is_gone:
            self.is_gone = self._closing = True
            self._inbox.clear()
            self._net.connections.pop((self._connection.number, self.side), None)
            if self.protocol is not None and (self.owner is None or not self.owner.dead):
                self.protocol.connection_lost(error)

    def is_between(self, a: str, b: str) -> bool:
        return {a, b} == set(self._connection.hosts)

    def vanish(self, late: float | None) -> None:
        """Whoever had this end is dead: the other hears of it at once (a reset), or so much later."""
        self._connection.harmed = True
        self.is_gone = self._closing = True
        self._inbox.clear()
        self._net.connections.pop((self._connection.number, self.side), None)
        error = ConnectionResetError("reset by peer") if late is None else TimeoutError("timed out")
        self.other._enqueue(error, late or 0.0)


class Taken:
    """Takes the place of `net.listener.Acceptor`: what is accepted at `place` is handed to `take`."""

    def __init__(self, place: tuple[str, int], take: Callable[[Any], None]) -> None:
        self.take = take
        self._server = asyncio.get_running_loop().network.listen(self, *place)

    def close(self) -> None:
        self._server.close()


def bind(address: str, port: int, *, shared: bool = True) -> tuple[str, int]:
    """Takes the place of `net.listener.bind`."""
    return address, port


class Server:
    """What `create_server` gives back."""

    def __init__(self, net: "Network", place: tuple[str, int]) -> None:
        self._net, self._place = net, place

    def close(self) -> None:
        self._net.listening.pop(self._place, None)


class Network:
    """`on_connect(connection)` may change what befalls it, `on_zombie` hears of one. `effect(owner, what)` counts, and
    tells whether it counts."""

    def __init__(
        self,
        loop: Any,
        random: Random,
        *,
        effect: Callable[[Any, str], bool],
        note: Callable[[str, str], None],
        on_connect: Callable[[Connection], None],
        on_zombie: Callable[[Connection], None],
    ) -> None:
        self.on_zombie = on_zombie
        self.loop, self.random, self.effect, self.note, self.on_connect = loop, random, effect, note, on_connect
        self.buffer_bytes = 1 << 20
        self.listening: dict[tuple[str, int], tuple[Callable[[], Any], Any]] = {}
        self.connections: dict[tuple[int, int], End] = {}
        self.silent: set[str] = set()  # hosts without power: nothing answers
        self.stalled: list[End] = []
        self._blocked: set[frozenset[str]] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._made = 0

    def listen(self, factory: Callable[[], Any], host: str, port: int) -> Server:
        if (host, port) in self.listening:
            raise OSError(98, "Address already in use")
        self.listening[host, port] = factory, OWNER.get()
        return Server(self, (host, port))

    async def connect(self, factory: Callable[[], Any], host: str, port: int, *, source: str) -> Any:
        owner = OWNER.get()
        if not self.effect(owner, "connect"):
            await self.loop.create_future()
        latency = self.random.choice((0.0005, 0.002, 0.02))
        await asyncio.sleep(latency)
        while self.is_blocked(source, host) or host in self.silent:
            waiter = self.loop.create_future()
            self._waiters.append(waiter)
            await waiter
        found = self.listening.get((host, port))
        if found is None:
            raise ConnectionRefusedError(111, "Connection refused")
        self._made += 1
        connection = Connection(self._made, (source, host), port, latency)
        self.on_connect(connection)
        client, server = factory(), None
        here, there = (source, 40_000 + self._made % 20_000), (host, port)
        mine = End(self, connection, 0, client, owner)
        theirs = End(self, connection, 1, server, found[1])
        connection.ends += [mine, theirs]
        mine.names = {"sockname": here, "peername": there}
        theirs.names = {"sockname": there, "peername": here}
        for end in connection.ends:
            self.connections[connection.number, end.side] = end
        self.loop.call_soon(self._greet, theirs, found[0], context=theirs.context)
        client.connection_made(mine)
        return mine, client

    def _greet(self, end: End, factory: Callable[[], Any]) -> None:
        if end.is_gone:
            return
        if isinstance(factory, Taken):
            factory.take(end)  # connect_accepted_socket() of the loop follows
            return
        end.protocol = factory()
        end.protocol.connection_made(end)

    # --- partitions and crashes
    def is_blocked(self, a: str, b: str) -> bool:
        return bool(self._blocked) and frozenset((a, b)) in self._blocked

    def block(self, a: str, b: str) -> None:
        self._blocked.add(frozenset((a, b)))
        self.loop.call_later(self.random.uniform(*SILENCE_SECONDS), self._found_out, a, b)

    def _found_out(self, a: str, b: str) -> None:
        """Keepalive and user timeout of what a partition still holds up."""
        if self.is_blocked(a, b):
            for end in list(self.connections.values()):
                if end.is_between(a, b):
                    end._connection.harmed = True
                    self.loop.call_soon(end._fail, TimeoutError("timed out"), context=end.context)

    def heal(self, *hosts: str) -> None:
        """Nothing lies between the two any more; without names, between no two."""
        if hosts:
            self._blocked.discard(frozenset(hosts))
        else:
            self._blocked.clear()
        self.wake()

    def wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        stalled, self.stalled = self.stalled, []
        for end in stalled:
            end._arm()

    def crashed(self, owner: Any, host: str, *, silent: bool) -> None:
        """All that the dead process had open: its listeners, its ends of connections."""
        for place, (_, listener) in list(self.listening.items()):
            if listener is owner:
                del self.listening[place]
        if silent:
            self.silent.add(host)
        for end in list(self.connections.values()):
            if end.owner is owner:
                end.vanish(self.random.uniform(*SILENCE_SECONDS) if silent else None)

    def booted(self, host: str) -> None:
        self.silent.discard(host)
        self.wake()
