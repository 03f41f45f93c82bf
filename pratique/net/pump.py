"""The pump: drives any sans-I/O machine over a TCP connection, in clear text or TLS, with deadlines and back-pressure.

A machine has `receive_data`, `receive_eof`, `next_event`, `data_to_send`. A handler hears its events and answers them
on the machine; an answer that comes later is followed by `pump.run()`. One pump serves smtp and transfer, both sides.
"""

import asyncio
import ssl
from typing import Any, Protocol, cast

from pratique.net.tls import TlsChannel, TlsFailed, TlsInfo

WRITE_HIGH_WATER = 1_048_576  # octets queued for the peer before the handler is told to wait
TIMER_SLACK_SECONDS = 0.001  # a timer may ring this much too soon
CLOSE_SECONDS = 30.0  # a peer that does not read our last words is cut off after so long


class Machine(Protocol):
    def receive_data(self, data: bytes) -> None: ...
    def receive_eof(self) -> None: ...
    def next_event(self) -> Any: ...
    def data_to_send(self) -> bytes: ...


class Handler(Protocol):
    def opened(self, pump: "Pump") -> None:
        """The TCP connection is up."""
        ...

    def event(self, event: Any) -> None: ...
    def settled(self) -> None:
        """All events of this input were handled; a good moment to act on several of them at once."""
        ...

    def tls_up(self, info: TlsInfo) -> None: ...
    def tls_failed(self, reason: str) -> None:
        """The connection is being closed because TLS failed."""
        ...

    def timed_out(self, what: str) -> None:
        """`what` is "idle" or "wall". The handler says its last words and closes."""
        ...

    def drained(self) -> None:
        """What was queued has gone; more may be written."""
        ...

    def closed(self, error: Exception | None) -> None:
        """The connection is gone. Called once."""
        ...


class Pump(asyncio.Protocol):
    """One connection. `serves`: the machine answers what it reads, so while the peer does not read its answers nothing
    more is read from it, and memory stays bounded. A client must read while it writes."""

    __slots__ = (
        "_asks",
        "_close_timer",
        "_closing",
        "_holds",
        "_idle_seconds",
        "_last_input",
        "_loop",
        "_lost",
        "_running",
        "_serves",
        "_timer",
        "_timer_at",
        "_tls",
        "_tls_up",
        "_wall_at",
        "congested",
        "handler",
        "local",
        "machine",
        "peer",
        "transport",
    )

    def __init__(self, machine: Machine, handler: Handler, *, serves: bool = False) -> None:
        self.machine = machine
        self.handler = handler
        self.transport: asyncio.Transport | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)
        self.congested = False
        self._loop = asyncio.get_running_loop()
        self._tls: TlsChannel | None = None
        self._tls_up = False
        self._running = False
        self._closing = False
        self._serves = serves
        self._asks = hasattr(machine, "asking")
        self._holds: frozenset[str] = frozenset()  # why nothing is read at the moment
        self._lost = False
        self._idle_seconds = 0.0
        self._last_input = 0.0
        self._wall_at = 0.0  # 0: none
        self._timer: asyncio.TimerHandle | None = None  # one for both times: thousands of sessions wait
        self._timer_at = 0.0
        self._close_timer: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self.peer = _address(transport.get_extra_info("peername"))
        self.local = _address(transport.get_extra_info("sockname"))
        self._last_input = self._loop.time()
        self.handler.opened(self)
        if self._closing:  # it was given up while it was being dialled: only now is there something to abort
            transport.abort()
        self.run()

    def data_received(self, data: bytes) -> None:
        self._last_input = self._loop.time()
        if self._closing:
            return
        if self._asks and self.machine.asking:  # type: ignore[attr-defined]
            self._hold("question")  # the peer sends on while a question is unanswered
        if self._tls is None:
            self.machine.receive_data(data)
        elif not self._receive_tls(data):
            return
        self.run()

    def _hold(self, why: str) -> None:
        """Let TCP hold the peer back, so that memory stays bounded."""
        if not self._holds:
            self.pause_reading()
        self._holds |= {why}

    def _let_in(self, why: str) -> None:
        if why in self._holds:
            self._holds -= {why}
            if not self._holds:
                self.resume_reading()

    def _receive_tls(self, data: bytes) -> bool:
        assert self._tls is not None
        try:
            plain = self._tls.receive(data)
        except TlsFailed as error:
            self._write_tls()  # the alert, so that the peer learns why
            self.handler.tls_failed(str(error))
            self.close()
            return False
        if self._tls.established and not self._tls_up:
            self._tls_up = True
            self._write_tls()
            self.handler.tls_up(self._tls.info())
        if plain:
            self.machine.receive_data(plain)
        if self._tls.peer_closed:
            self.machine.receive_eof()
        self._write_tls()
        return True

    def eof_received(self) -> bool:
        if self._tls is not None and not self._tls_up:
            self.handler.tls_failed("the peer closed the connection during the handshake")
            self.close()
            return False
        if not self._closing:
            self.machine.receive_eof()
            self.run()
        return not self._closing  # keep the sending half open while answers are owed

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._lost = True
        for timer in (self._timer, self._close_timer):
            if timer is not None:
                timer.cancel()
        self.handler.closed(exc)

    def pause_writing(self) -> None:
        self.congested = True
        if self._serves:
            self._hold("unread answers")

    def resume_writing(self) -> None:
        self.congested = False
        self._let_in("unread answers")
        self.handler.drained()
        self.run()

    # --- for handlers
    def run(self) -> None:
        """Hand out events until the machine has none, then write what it has to say."""
        if self._running:
            return
        self._running = True
        try:
            while not self._closing and (event := self.machine.next_event()) is not None:
                self.handler.event(event)
            self.handler.settled()
        finally:
            self._running = False
        self.flush()
        if self._holds and self._asks and not self.machine.asking:  # type: ignore[attr-defined]
            self._let_in("question")

    def flush(self) -> None:
        data = self.machine.data_to_send()
        if not data or self._closing or self.transport is None:
            return  # close() has written what was due
        if self._tls is None:
            self.transport.write(data)
        elif self._tls_up:  # during the handshake nothing can be said: a session that ends there only closes
            self._tls.send(data)
            self._write_tls()

    def _write_tls(self) -> None:
        assert self._tls is not None and self.transport is not None
        data = self._tls.outgoing()
        if data and not self._lost:
            self.transport.write(data)

    def start_tls(self, context: ssl.SSLContext, *, server_side: bool) -> None:
        """Write what is due in clear text; from here on every octet is TLS."""
        self.flush()
        self._tls = TlsChannel(context, server_side=server_side)
        self._tls.start()
        self._write_tls()

    def expect_within(self, seconds: float) -> None:
        """No input for that long -> `timed_out("idle")`. 0 switches it off."""
        self._idle_seconds = seconds
        if seconds:
            self._look_within(seconds)

    def touch(self) -> None:
        """Count the idle time from now."""
        self._last_input = self._loop.time()

    def live_at_most(self, seconds: float) -> None:
        """After that long -> `timed_out("wall")`."""
        self._wall_at = self._loop.time() + seconds
        self._look_within(seconds)

    def _look_within(self, seconds: float) -> None:
        """Look at the clock then, or before: a look that finds nothing due is cheaper than a timer that is moved."""
        at = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_later(seconds, self._look), at

    def _look(self) -> None:
        self._timer = None
        if self._closing:
            return
        soon = self._loop.time() + TIMER_SLACK_SECONDS
        if self._wall_at and self._wall_at <= soon:
            self._wall_at = 0.0
            self.handler.timed_out("wall")
            self.run()
            self._abort_later()
        elif self._idle_seconds and self._last_input + self._idle_seconds <= soon:
            self._idle_seconds = 0.0
            self.handler.timed_out("idle")
            self.run()
        due = [at for at in (self._wall_at, self._idle_seconds and self._last_input + self._idle_seconds) if at]
        if due and not self._closing:
            self._look_within(max(0.0, min(due) - self._loop.time()))

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Write what is due, then close; a connection that is still being dialled ends as soon as it is there."""
        if self._closing:
            return
        if self.transport is None:
            self._closing = True
            return
        self.flush()
        self._closing = True
        if self._tls is not None and self._tls_up:
            self._tls.close()
            self._write_tls()
        self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        if not self._lost and self._close_timer is None:
            self._close_timer = self._loop.call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """End now; a connection that is still being dialled ends as soon as it is there."""
        self._closing = True
        if self.transport is not None and not self._lost:
            self.transport.abort()


def _address(name: Any) -> tuple[str, int]:
    return (name[0], name[1]) if isinstance(name, tuple) else ("local", 0)
