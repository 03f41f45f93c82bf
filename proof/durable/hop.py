"""The organisation's mail server: a process that writes down each message before it answers for it.

Own SMTP, a few lines, so that a fault of the product's cannot hide in it. Recipients at `nowhere.*` are refused.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proof.durable.shim import end_with_parent

REFUSED = "nowhere."
PORT = 2525


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message for one recipient. `named`: it says itself that it may be a duplicate."""

    recipient: str
    octets: bytes
    named: bool


class Hop:
    """`heard(recipients)` is called in the process of the destination, before it answers for a message."""

    def __init__(self, address: str, file: Path, heard: Callable[[list[str]], None] = lambda _: None) -> None:
        self.address = address
        self.file = file
        self._read_to = 0
        self._buffer: list[Arrived] = []
        file.touch()
        ready, told = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                end_with_parent()
                os.close(ready)
                asyncio.run(_serve(address, file, told, heard))
            finally:
                os._exit(0)
        os.close(told)
        assert os.read(ready, 1) == b"r", "the destination did not start"
        os.close(ready)

    def arrived(self) -> list[Arrived]:
        """All since `forget`."""
        with self.file.open("rb") as file:
            file.seek(self._read_to)
            lines = file.read().splitlines()
        return [_arrived(json.loads(line)) for line in lines]

    def forget(self) -> None:
        self._read_to = self.file.stat().st_size

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _arrived(told: dict[str, str]) -> Arrived:
    octets = told["octets"].encode("latin-1")
    head = octets.partition(b"\r\n\r\n")[0].lower()
    return Arrived(told["to"], octets, b"x-possible-duplicate: yes" in head)


async def _serve(address: str, file: Path, told: int, heard: Callable[[list[str]], None]) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND)

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _talk(reader, writer, descriptor, heard)
        except (OSError, asyncio.IncompleteReadError):
            pass  # a gateway that was killed leaves broken connections: that is the point
        finally:
            writer.close()

    server = await asyncio.start_server(session, address, PORT, limit=1 << 22)
    os.write(told, b"r")
    await server.serve_forever()


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, descriptor: int, heard: Callable[[list[str]], None]
) -> None:
    def say(text: str) -> None:
        writer.write(text.encode() + b"\r\n")

    say("220 destination.example")
    recipients: list[str] = []
    while line := (await reader.readline()).decode().rstrip("\r\n"):
        verb = line.partition(" ")[0].upper()
        if verb == "MAIL":
            recipients = []
        if verb == "RCPT":
            address = line.partition("<")[2].partition(">")[0]
            if address.partition("@")[2].startswith(REFUSED):
                say("550 5.1.1 nobody of that name")
                continue
            recipients.append(address)
        if verb == "DATA":
            say("354 go on" if recipients else "554 no recipient")
            if not recipients:
                continue
            octets = b"\r\n" + await reader.readuntil(b"\r\n.\r\n")
            octets = octets[:-3].replace(b"\r\n.", b"\r\n")[2:]
            told: list[dict[str, Any]] = [{"to": r, "octets": octets.decode("latin-1")} for r in recipients]
            os.write(descriptor, "".join(json.dumps(one) + "\n" for one in told).encode())
            heard(recipients)
        if verb == "QUIT":
            say("221 bye")
            return
        say("250-destination.example\r\n250-PIPELINING\r\n250 8BITMIME" if verb == "EHLO" else "250 ok")
