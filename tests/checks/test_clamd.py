"""clamd's answers, and everything else it may do to us: against a double on a socket, and the real one where it is."""

import asyncio
import os
import shutil
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pratique.checks.clamd import ClamdEngine
from pratique.checks.yara_rules import eicar
from pratique.mail.body import MemoryBody
from pratique.policy.facts import Unknown, VirusResult

MAIL = b"From: a@b.example\r\n\r\nhello\r\n"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Double:
    """Speaks clamd's protocol; `reply` is what a scan answers, `limit` its StreamMaxLength."""

    def __init__(self, reply: bytes = b"stream: OK\0", limit: int = 1 << 30) -> None:
        self.reply = reply
        self.limit = limit
        self.received: list[bytes] = []
        self.commands: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            command = await reader.readuntil(b"\0")
            self.commands.append(command)
            if command == b"zVERSION\0":
                writer.write(b"ClamAV 1.4.6/27500/Mon Jan  6 09:00:00 2025\0")
            else:
                writer.write(await self.stream(reader))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def stream(self, reader: asyncio.StreamReader) -> bytes:
        data = b""
        while length := struct.unpack("!L", await reader.readexactly(4))[0]:
            if len(data) + length > self.limit:
                return b"INSTREAM size limit exceeded. ERROR\0"
            data += await reader.readexactly(length)
        self.received.append(data)
        return self.reply


@asynccontextmanager
async def listening(path: Path, serve: Answer) -> AsyncIterator[str]:
    where = str(path / "clamd.sock")
    server = await asyncio.start_unix_server(serve, where)
    try:
        yield where
    finally:
        server.close()
        await server.wait_closed()


async def ask(where: str, octets: bytes = MAIL, **more: float) -> VirusResult | Unknown:
    engine = ClamdEngine(where, **more)  # type: ignore[arg-type]
    try:
        return await engine.scan(MemoryBody(octets, ""), octets)
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("reply", "result", "name"),
    [
        (b"stream: OK\0", "clean", ""),
        (b"stream: Win.Trojan.Agent-1 FOUND\0", "infected", "Win.Trojan.Agent-1"),
        (b"stream: Eicar-Test-Signature FOUND\0", "infected", "EICAR-AV-Test"),
        (b"stream: Heuristics.Encrypted.Zip FOUND\0", "encrypted", ""),
        (b"stream: Heuristics.Limits.Exceeded.MaxFiles FOUND\0", "unscannable", "Heuristics.Limits.Exceeded.MaxFiles"),
        (b"INSTREAM size limit exceeded. ERROR\0", "unscannable", "too large"),
    ],
)
async def test_replies(tmp_path: Path, reply: bytes, result: str, name: str) -> None:
    async with listening(tmp_path, Double(reply).serve) as where:
        expected = VirusResult("ClamAV", "1.4.6/27500/Mon Jan  6 09:00:00 2025", result, name)
        assert await ask(where) == expected


async def test_the_message_arrives_octet_for_octet_from_memory_and_from_disk(tmp_path: Path) -> None:
    class Stored(MemoryBody):
        def pieces(self) -> Iterator[bytes]:
            yield b""
            yield from super().pieces()

    octets = os.urandom(700_000)
    double = Double()
    async with listening(tmp_path, double.serve) as where:
        engine = ClamdEngine(where)
        await engine.scan(MemoryBody(octets, ""), octets)
        await engine.scan(Stored(octets, ""), None)
    assert double.received == [octets, octets]
    assert double.commands == [b"zVERSION\0", b"zINSTREAM\0", b"zINSTREAM\0"]


async def test_too_large_for_clamd_is_unscannable_whether_or_not_its_words_reach_us(tmp_path: Path) -> None:
    octets = os.urandom(3_000_000)
    async with listening(tmp_path, Double(limit=500_000).serve) as where:
        answer = await ask(where, octets)
    assert isinstance(answer, VirusResult)
    assert (answer.result, answer.name) == ("unscannable", "too large")

    silent = Double()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            writer.write(b"ClamAV 1\0")
            await writer.drain()
        silent.commands.append(command)
        writer.transport.abort()

    (tmp_path / "2").mkdir()
    async with listening(tmp_path / "2", cut) as where:
        answer = await ask(where, octets)
    assert answer == VirusResult("ClamAV", "1", "unscannable", "too large")
    assert silent.commands.count(b"zINSTREAM\0") == 2  # the first may have been a restart


async def test_over_tcp() -> None:
    server = await asyncio.start_server(Double().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer = await ask(f"127.0.0.1:{port}")
    server.close()
    await server.wait_closed()
    refused = await ask(f"127.0.0.1:{port}")
    assert isinstance(answer, VirusResult)
    assert answer.result == "clean"
    assert isinstance(refused, Unknown)
    assert f"ClamAV at 127.0.0.1:{port}: " in refused.why
    assert "see that clamd runs" in refused.why


async def test_no_socket_is_unknown(tmp_path: Path) -> None:
    answer = await ask(str(tmp_path / "none"))
    assert isinstance(answer, Unknown)
    assert "No such file" in answer.why


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:http-alt?"])
async def test_an_address_that_is_none_is_unknown(address: str) -> None:
    assert isinstance(await ask(address), Unknown)


async def test_clamd_that_says_something_else_is_unknown(tmp_path: Path) -> None:
    async with listening(tmp_path, Double(b"stream: Can't allocate memory ERROR\0").serve) as where:
        answer = await ask(where)
    assert isinstance(answer, Unknown)
    assert "Can't allocate memory" in answer.why


async def test_clamd_that_closes_without_a_word_is_unknown(tmp_path: Path) -> None:
    async with listening(tmp_path, Double(b"").serve) as where:
        answer = await ask(where)
    assert isinstance(answer, Unknown)
    assert "without an answer" in answer.why


async def test_deadline(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    async with listening(tmp_path, hang) as where:
        answer = await ask(where, deadline_s=0.1)
        released.set()
    assert isinstance(answer, Unknown)
    assert "no answer within 0.1 s" in answer.why


async def test_message_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    class Broken(MemoryBody):
        def pieces(self) -> Iterator[bytes]:
            raise OSError(5, "Input/output error")

    async with listening(tmp_path, Double().serve) as where:
        answer = await ClamdEngine(where).scan(Broken(b"x", ""), None)
    assert isinstance(answer, Unknown)
    assert "Input/output error" in answer.why


CLAMD = shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@pytest.fixture
def clamd_socket(tmp_path: Path) -> Iterator[str]:
    """A clamd of our own with one signature of our own; it listens once it has loaded that."""
    if CLAMD is None:
        pytest.skip("no clamd: `apt-get install clamav-daemon` on Debian to run this test")
    data = tmp_path / "db"
    data.mkdir()
    (data / "own.ndb").write_text(f"Own.Test.File:0:*:{eicar().hex()}\n")
    where = tmp_path / "clamd.sock"
    user = "root" if os.getuid() == 0 else os.environ.get("USER", "nobody")
    (tmp_path / "clamd.conf").write_text(
        f"LocalSocket {where}\nDatabaseDirectory {data}\nForeground yes\nStreamMaxLength 1M\nUser {user}\n"
    )
    with (tmp_path / "clamd.log").open("wb") as log:
        daemon = subprocess.Popen([CLAMD, "-c", str(tmp_path / "clamd.conf")], stdout=log, stderr=log)
    try:
        for _ in range(600):
            if where.exists() or daemon.poll() is not None:
                break
            time.sleep(0.05)
        assert where.exists(), (tmp_path / "clamd.log").read_text()
        yield str(where)
    finally:
        daemon.kill()
        daemon.wait()


async def test_real_clamd(clamd_socket: str) -> None:
    clean = await ask(clamd_socket)
    found = await ask(clamd_socket, MAIL + eicar() + b"\r\n")
    large = await ask(clamd_socket, MAIL + os.urandom(3_000_000))
    assert isinstance(clean, VirusResult)
    assert isinstance(found, VirusResult)
    assert isinstance(large, VirusResult)
    assert clean.result == "clean"
    assert clean.version.startswith(("0.", "1."))
    assert (found.result, found.name) == ("infected", "Own.Test.File.UNOFFICIAL")
    assert (large.result, large.name) == ("unscannable", "too large")
