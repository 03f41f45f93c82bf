"""Serves an appliance's REST API: one ASGI application behind one TLS port.

The server takes no signals, writes no log of its own and bounds what a client may cost: header octets, connections,
and the time until a request is complete (the framework's server waits for ever for the first one).
"""

import asyncio
import json
import logging
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pratique.console.rest.errors import error_body

HEADER_BYTES_MAX = 65_536  # of one request: line and fields
CONNECTIONS_MAX = 1_000  # beyond it clients get 503: reviewers and connectors are tens
REQUEST_SECONDS = 30.0  # a tick: a request that is still arriving after a whole one ends its connection
KEEP_ALIVE_SECONDS = 15
STOP_SECONDS = 5
BACKLOG = 128


class _Protocol(H11Protocol):
    """Ends connections on which a request does not arrive within one or two ticks; answers garbage in JSON."""

    _tick: asyncio.TimerHandle | None = None
    _arriving: tuple[object] | None = None  # the exchange that was still arriving at the last tick

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._tick = self.loop.call_later(REQUEST_SECONDS, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._tick is not None:
            self._tick.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        cycle: Any = self.cycle
        begun_anew = cycle is not None and cycle.response_complete and self.timeout_keep_alive_task is None
        arriving = (cycle,) if cycle is None or cycle.more_body or begun_anew else None
        if arriving is not None and arriving == self._arriving:
            self.transport.abort()
            return
        self._arriving = arriving
        self._tick = self.loop.call_later(REQUEST_SECONDS, self._check)

    def send_400_response(self, msg: str) -> None:
        unread, _ = self.conn.trailing_data
        long_line = len(unread) > HEADER_BYTES_MAX and b"\n" not in unread
        status, reason = (414, "URI Too Long") if long_line else (400, "Bad Request")
        text = "The URI is too long." if long_line else "The request cannot be read."
        body = json.dumps(error_body(status, text)).encode()
        head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()


class ConsoleServer:
    """Raises OSError from `start` when the address cannot be bound."""

    def __init__(self, app: Any, *, address: str, port: int, certificate: Path, key: Path) -> None:
        self._address = address
        self._port = port
        self._app = app
        self._config = uvicorn.Config(
            self._bounded,
            interface="asgi3",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            ssl_certfile=certificate,
            ssl_keyfile=str(key),
        )
        quiet = logging.getLogger("uvicorn")  # it would else write to standard error; our log has its own events
        quiet.addHandler(logging.NullHandler())
        quiet.propagate = False
        self._server = _Server(self._config)
        self._socket: socket.socket | None = None

    async def _bounded(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, or 503 beyond CONNECTIONS_MAX: the framework's own limit does not answer in JSON."""
        if len(self._server.server_state.connections) <= CONNECTIONS_MAX:
            await self._app(scope, receive, send)
            return
        body = json.dumps(error_body(503, "Too many connections. Try again later.")).encode()
        fields = (("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close"))
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @property
    def port(self) -> int:
        """The one that it listens on; a test may ask for 0."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else self._port

    @property
    def serves(self) -> bool:
        """Is its listener open?"""
        return self._server.listens

    def load(self) -> None:
        """Read certificate and key. Raises OSError."""
        if not self._config.loaded:
            self._config.load()
            assert self._config.ssl is not None
            self._config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2

    async def start(self, bound: socket.socket | None = None) -> None:
        """On a socket that is bound already, or on the address."""
        self.load()
        self._socket = bound or _bound(self._address, self._port)
        try:
            await self._server.begin(self._socket)
        except BaseException:
            self._socket.close()
            raise

    def renew_certificate(self) -> None:
        """Connections that begin from now on see what the files hold. Raises OSError."""
        if self._config.loaded and self._config.ssl is not None:
            self._config.ssl.load_cert_chain(str(self._config.ssl_certfile), str(self._config.ssl_keyfile))

    def use_certificate(self, certificate: bytes, key: bytes) -> None:
        """As renew_certificate, where no file can be reached: the library takes names, so they are those of memory.
        Raises OSError."""
        assert self._config.ssl is not None
        opened = [os.memfd_create(name) for name in ("certificate", "key")]
        try:
            for descriptor, octets in zip(opened, (certificate, key), strict=True):
                os.write(descriptor, octets)
            self._config.ssl.load_cert_chain(*[f"/proc/self/fd/{descriptor}" for descriptor in opened])
        finally:
            for descriptor in opened:
                os.close(descriptor)

    async def stop(self) -> None:
        if self._server.started:
            await self._server.end(self._socket)
        if self._socket is not None:
            self._socket.close()


class _Server(uvicorn.Server):
    """Started and ended by us instead of running until a signal comes."""

    async def begin(self, sock: socket.socket) -> None:
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[sock])

    @property
    def listens(self) -> bool:
        return self.started and any(server.is_serving() for server in self.servers)

    async def end(self, sock: socket.socket | None) -> None:
        self.should_exit = True
        await self.shutdown(sockets=[sock] if sock is not None else None)


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
