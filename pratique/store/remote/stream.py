"""One end of the stream between an edge and custody: octets in, frames out. What is said in one turn is one write."""

import asyncio
from collections.abc import Iterator
from typing import cast

from pratique.store.remote.wire import Frames, ToCustody, ToEdge, encode


class Stream(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None  # what is said from here on reaches nobody

    def frames(self, data: bytes) -> Iterator[memoryview]:
        """The frames that are whole with `data`. Raises BadFrame."""
        return self._frames.take(data)

    def say(self, said: ToCustody | ToEdge) -> None:
        if not self._out:
            self._loop.call_soon(self._write)
        self._out.append(encode(said))

    def _write(self) -> None:
        octets, self._out = b"".join(self._out), []
        if self._transport is not None and octets:
            self._transport.write(octets)

    def close(self) -> None:
        """What was said goes out before."""
        self._write()
        if self._transport is not None:
            self._transport.close()
