"""What a port says to somebody who looks at it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pratique.net import probe
from pratique.net.probe import ProbeFailed, banner


@asynccontextmanager
async def port_that_says(octets: bytes, *, stays: bool = False) -> AsyncIterator[int]:
    """A port of ours; `stays`: the connection is left open."""
    over = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        await writer.drain()
        if stays:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def test_the_greeting_is_the_first_line_of_a_220() -> None:
    async with port_that_says(b"220-sma.example ESMTP\r\n220 Pratique\r\n") as port:
        assert await banner("127.0.0.1", port) == "220-sma.example ESMTP"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"554 go away\r\n", "it greets with '554 go away' instead of 220"),
        (b"SSH-2.0-x\r\n", "it greets with 'SSH-2.0-x' instead of 220"),
        (b"", "it hung up"),
        (b"220 half", "it hung up after b'220 half'"),
        (b"x" * 9_000, "it does not speak SMTP"),
        (b"220-more\r\n" * 200, "its reply has no end"),
    ],
)
async def test_what_is_no_greeting_is_said(octets: bytes, why: str) -> None:
    async with port_that_says(octets) as port:
        with pytest.raises(ProbeFailed) as failed:
            await banner("127.0.0.1", port)
    assert str(failed.value) == why


async def test_a_silent_port_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.05)
    async with port_that_says(b"", stays=True) as port:
        with pytest.raises(ProbeFailed, match="says nothing"):
            await banner("127.0.0.1", port)


async def test_a_closed_port_is_named_as_such() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(ProbeFailed, match="refused"):
            await banner("127.0.0.1", sock.getsockname()[1])
