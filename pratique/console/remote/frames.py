"""One end of the stream between a console process and custody: whole frames in, frames out with flow control."""

import asyncio
from typing import Any

from pratique.console.remote.wire import ToConsole, ToCustody, encode

LENGTH = 4


class BadFrame(Exception):
    """The other end says what cannot be read."""


class FrameStream:
    """`bytes_max` of one frame that comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, bytes_max: int) -> None:
        self._reader = reader
        self._writer = writer
        self._bytes_max = bytes_max

    async def next(self) -> bytes | None:
        """None at the end of the stream. Raises BadFrame when one is too long."""
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH))
            if length > self._bytes_max:
                raise BadFrame(f"a frame of {length} octets")
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return None

    def put(self, said: ToCustody | ToConsole) -> None:
        """Without waiting: for what is short and seldom. Lost when the other end has gone."""
        octets = encode(said)
        if not self._writer.is_closing():
            self._writer.write(len(octets).to_bytes(LENGTH) + octets)

    async def send(self, said: ToCustody | ToConsole) -> None:
        """Returns when the other end has taken most of what was said. Raises OSError when it has gone."""
        self.put(said)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


async def frame_stream(sock: Any, *, bytes_max: int) -> FrameStream:
    """Over a connected Unix socket, which it takes over. Raises OSError."""
    sock.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return FrameStream(reader, writer, bytes_max=bytes_max)
