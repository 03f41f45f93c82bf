"""Dialling a port as a peer would, for the doctor: the banner, and TLS on the quarantine port. Says no hello.

After the handshake it waits for the first answer: with TLS 1.3 a server refuses a client's certificate only after the
client believes that the handshake is done.
"""

import asyncio
import contextlib
import os
import ssl
from dataclasses import dataclass

PROBE_SECONDS = 5.0
LINE_BYTES_MAX = 4_096
LINES_MAX = 100  # of one reply


class ProbeFailed(Exception):
    """What went wrong, in words for a person."""


async def banner(host: str, port: int) -> str:
    """The greeting of an SMTP port. Raises ProbeFailed unless it is a 220."""
    reader, writer = await _connected(host, port)
    try:
        code, line = await _reply(reader)
    finally:
        await hang_up(writer)
    if code != "220":
        raise ProbeFailed(f"it greets with {line!r} instead of 220")
    return line


@dataclass(frozen=True, slots=True)
class Hello:
    """What an SMTP server said, and how many seconds after the start."""

    greeting: str
    greeted_s: float
    extensions: tuple[str, ...]
    answered_s: float


async def hello(host: str, port: int, name: str) -> Hello:
    """Greeting, EHLO with our `name`, QUIT. Raises ProbeFailed."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await _connected(host, port)
    try:
        code, greeting = await _reply(reader)
        greeted = loop.time() - began
        if code != "220":
            raise ProbeFailed(f"it greets with {greeting!r} instead of 220")
        writer.write(f"EHLO {name}\r\n".encode("ascii"))
        code, lines = await _reply_lines(reader)
        answered = loop.time() - began
        writer.write(b"QUIT\r\n")
    finally:
        await hang_up(writer)
    if code != "250":
        raise ProbeFailed(f"EHLO was answered with {lines[0]!r}")
    return Hello(greeting, greeted, tuple(line[4:] for line in lines[1:]), answered)


async def quarantine_port(host: str, port: int, context: ssl.SSLContext) -> bytes:
    """EHLO, STARTTLS with both certificates, EHLO. The certificate of the other side (DER). Raises ProbeFailed."""
    reader, writer = await _connected(host, port)
    try:
        await _reply(reader)
        await _expect(reader, writer, b"EHLO doctor.invalid\r\n", "250")
        await _expect(reader, writer, b"STARTTLS\r\n", "220")
        async with asyncio.timeout(PROBE_SECONDS):
            await writer.start_tls(context, server_hostname=None)
        await _expect(reader, writer, b"EHLO doctor.invalid\r\n", "250")
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await _expect(reader, writer, b"QUIT\r\n", "221")
    except ssl.SSLError as error:
        raise ProbeFailed(f"TLS failed: {getattr(error, 'verify_message', '') or error.reason or error}") from error
    except (OSError, TimeoutError) as error:
        raise ProbeFailed(f"the connection ended in the TLS handshake: {error or 'timeout'}") from error
    finally:
        await hang_up(writer)
    return found or b""


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close and wait until it is closed; the other side may be gone already."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS):
            await writer.wait_closed()


async def _connected(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await asyncio.open_connection(host, port, limit=LINE_BYTES_MAX)
    except TimeoutError as error:
        raise ProbeFailed(f"no answer in {PROBE_SECONDS:.0f} s") from error
    except OSError as error:
        number = error.errno or 0
        named = os.strerror(number) if number > 0 else error.strerror  # not in the words of asyncio
        raise ProbeFailed(named or str(error)) from error


async def _expect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: bytes, code: str) -> None:
    writer.write(command)
    got, line = await _reply(reader)
    if got != code:
        raise ProbeFailed(f"{command.decode().strip()} was answered with {line!r}")


async def _reply(reader: asyncio.StreamReader) -> tuple[str, str]:
    """The code and the first line of one reply."""
    code, lines = await _reply_lines(reader)
    return code, lines[0]


async def _reply_lines(reader: asyncio.StreamReader) -> tuple[str, list[str]]:
    """The code and all lines of one reply."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            for _ in range(LINES_MAX):
                line = (await reader.readuntil(b"\n")).decode("ascii", "replace").rstrip()
                lines.append(line)
                if line[3:4] != "-" or not line[:3].isdigit():
                    return line[:3], lines
    except TimeoutError as error:
        raise ProbeFailed(f"connected, but it says nothing for {PROBE_SECONDS:.0f} s") from error
    except asyncio.IncompleteReadError as error:
        raise ProbeFailed("it hung up" if not error.partial else f"it hung up after {error.partial!r}") from error
    except asyncio.LimitOverrunError as error:
        raise ProbeFailed("it does not speak SMTP") from error
    raise ProbeFailed("its reply has no end")
