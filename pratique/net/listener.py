"""Listening and dialling: TCP sockets set up the way mail wants them."""

import asyncio
import socket
from collections.abc import Callable

from pratique.net.pump import Pump

BACKLOG = 4096  # connections the kernel keeps while we are busy (no more than its own net.core.somaxconn)
CONNECT_SECONDS = 10.0
KEEPALIVE_SECONDS = 30  # a dead peer is noticed within this time (docs/cpq.md, connection)


async def listen(factory: Callable[[], asyncio.Protocol], address: str, port: int) -> asyncio.Server:
    """Raises OSError when the address cannot be bound."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(factory, address, port, backlog=BACKLOG, reuse_address=True)


def bind(address: str, port: int) -> socket.socket:
    """A bound socket that several processes may each have one of: the kernel deals connections out between those that
    are bound alike. Raises OSError."""
    family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(place)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


async def listen_on(factory: Callable[[], asyncio.Protocol], bound: socket.socket) -> asyncio.Server:
    """On a socket that is bound already. It must know its protocol (TCP), or asyncio leaves Nagle's delay on."""
    return await asyncio.get_running_loop().create_server(factory, sock=bound, backlog=BACKLOG)


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
