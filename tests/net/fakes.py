"""A transport, a machine, a handler and a loop's clock, all of which only write down what happened."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo


class FakeTransport(asyncio.Transport):
    def __init__(self, *, peer: Any = ("192.0.2.7", 4711), local: Any = ("192.0.2.1", 25)) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.is_aborted = False
        self.reading = True
        self.high_water = 0
        self._names = {"peername": peer, "sockname": local}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._names.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high_water = high or 0

    def write(self, data: Any) -> None:
        assert not self.is_closing(), "written after close"
        self.written += bytes(data)

    def take(self) -> bytes:
        data, self.written = self.written, b""
        return data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class EchoMachine:
    """Each line is one event; what `say` is given is sent."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ended = False
        self._events: deque[Any] = deque()
        self._out: list[bytes] = []
        self._rest = b""

    def receive_data(self, data: bytes) -> None:
        self.received.append(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._events.extend(lines)

    def receive_eof(self) -> None:
        self.ended = True
        self._events.append("eof")

    def next_event(self) -> Any:
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    def say(self, data: bytes) -> None:
        self._out.append(data)


class Notes:
    """A handler that notes what it hears; `react` may do something with an event."""

    def __init__(self, react: Callable[[Any], None] = lambda event: None) -> None:
        self.heard: list[Any] = []
        self.react = react
        self.pump: Pump | None = None

    def opened(self, pump: Pump) -> None:
        self.pump = pump
        self.heard.append("opened")

    def event(self, event: Any) -> None:
        self.heard.append(event)
        self.react(event)

    def settled(self) -> None:
        self.heard.append("settled")

    def tls_up(self, info: TlsInfo) -> None:
        self.heard.append(("tls", info.protocol))

    def tls_failed(self, reason: str) -> None:
        self.heard.append(("tls failed", reason))

    def timed_out(self, what: str) -> None:
        self.heard.append(("timed out", what))

    def drained(self) -> None:
        self.heard.append("drained")

    def closed(self, error: Exception | None) -> None:
        self.heard.append(("closed", error))

    def events(self) -> list[Any]:
        return [h for h in self.heard if h not in ("opened", "settled")]


class FakeTimer:
    def __init__(self, at: float, call: Callable[[], Any]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeLoop:
    """The part of a loop that a pump uses for time; `go(seconds)` lets it pass."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], Any]) -> FakeTimer:
        timer = FakeTimer(self.now + seconds, call)
        self._timers.append(timer)
        return timer

    def go(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [t for t in self._timers if not t.is_cancelled and t.at <= end]:
            timer = min(due, key=lambda t: t.at)
            self._timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = end
