"""Listening and dialling: TCP sockets set up the way mail wants them."""

import asyncio
import socket
from collections.abc import Callable

from pratique.net.pump import Pump

BACKLOG = 4096  # connections the kernel keeps while we are busy (no more than its own net.core.somaxconn)
ACCEPTS_MAX = BACKLOG  # connections taken in one turn of the loop: all that wait; most cost a refusal at the most
PAUSE_SECONDS = 1.0  # how long none is taken when the process has no descriptor left
CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 30  # a dead peer is noticed within this time (docs/cpq.md, connection)


async def listen(factory: Callable[[], Pump], address: str, port: int) -> asyncio.Server:
    """Raises OSError when the address cannot be bound."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(factory, address, port, backlog=BACKLOG, reuse_address=True)


def bind(address: str, port: int, *, shared: bool = True) -> socket.socket:
    """A listening socket. `shared`: several processes may each have one of it, and the kernel deals connections out
    between those that are bound alike. Raises OSError."""
    family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(place)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"{address}:{port}: {error.strerror}") from error
    return bound


class Acceptor:
    """Takes connections from a bound socket as fast as they come, and hands each to `take`.

    uvloop's own server takes one in a turn of the loop. Under load turns are long; then the kernel's queue fills and
    clients hear nothing at all, where a refusal would have them try elsewhere, or later.
    """

    def __init__(self, bound: socket.socket, take: Callable[[socket.socket], None]) -> None:
        self._bound = bound
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._closed = False
        self.place: tuple[str, int] = bound.getsockname()[:2]
        self._listen()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._bound, self._ready)

    def _ready(self) -> None:
        if self._closed:
            return  # it was due in the turn in which we closed
        for _ in range(ACCEPTS_MAX):
            try:
                connection, _ = self._bound.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue  # it was given up while it waited
            except OSError:  # no descriptor or no memory: what waits in the queue stays there for a moment
                self._loop.remove_reader(self._bound)
                self._pause = self._loop.call_later(PAUSE_SECONDS, self._listen)
                return
            connection.setblocking(False)
            self._take(connection)

    def close(self) -> None:
        """Take no more, and let the address go."""
        if self._closed:
            return
        self._closed = True
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._bound)
        self._bound.close()


async def dial(factory: Callable[[], Pump], address: str, port: int, *, source: str = "") -> Pump:
    """Connect within CONNECT_SECONDS. Raises OSError (TimeoutError is one)."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    async with asyncio.timeout(CONNECT_SECONDS):
        _, pump = await loop.create_connection(factory, address, port, local_addr=local)
    return pump


def keep_alive(pump: Pump) -> None:
    """Have the kernel notice a peer that vanished (half-open connection)."""
    sock = pump.transport.get_extra_info("socket") if pump.transport else None
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KEEPALIVE_SECONDS * 1000)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS // 2)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
