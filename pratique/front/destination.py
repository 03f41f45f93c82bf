"""The demo's destination: a small mail server that keeps each message it takes as a file.

`<folder>/<number>.eml` holds the octets, `<number>.json` the envelope. It is a part of the demo, not of the
product, and does not sync.
"""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pratique.mail import reply as replies
from pratique.net.listener import listen
from pratique.net.pump import Pump
from pratique.net.tls import TlsInfo
from pratique.smtp import events as smtp
from pratique.smtp.server import ServerConnection, ServerSettings


class Destination:
    """`delivered` counts messages; `on_message(octets, recipients)` hears of each."""

    def __init__(self, folder: Path, on_message: Callable[[bytes, list[str]], None] | None = None) -> None:
        self.folder = folder
        self.delivered = 0
        self._on_message = on_message
        self._server: asyncio.Server | None = None
        folder.mkdir(parents=True, exist_ok=True)

    async def start(self, address: str, port: int) -> None:
        self._server = await listen(self._session, address, port)

    def hear(self, on_message: Callable[[bytes, list[str]], None]) -> None:
        """From now on `on_message` is told of each message."""
        self._on_message = on_message

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def _session(self) -> Pump:
        machine = ServerConnection(hostname="destination.example", settings=ServerSettings())
        return Pump(machine, _Session(self, machine))

    def keep(self, octets: bytes, sender: str, recipients: list[str]) -> None:
        self.delivered += 1
        name = f"{self.delivered:06d}"
        envelope = json.dumps({"from": sender, "to": recipients})
        (self.folder / f"{name}.json").write_text(envelope + "\n", encoding="utf-8")
        part = self.folder / f".{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(descriptor, octets)
        finally:
            os.close(descriptor)
        part.rename(self.folder / f"{name}.eml")
        if self._on_message is not None:
            self._on_message(octets, recipients)


class _Session:
    def __init__(self, destination: Destination, machine: ServerConnection) -> None:
        self._destination = destination
        self._core = machine
        self._pump: Pump | None = None
        self._sender = ""
        self._recipients: list[str] = []
        self._chunks: list[bytes] = []

    def opened(self, pump: Pump) -> None:
        self._pump = pump
        self._core.greet()

    def event(self, event: smtp.ServerEvent) -> None:
        match event:
            case smtp.MailGiven():
                self._sender, self._recipients, self._chunks = event.sender, [], []
                self._core.reply(replies.R250_SENDER_OK)
            case smtp.RcptGiven():
                self._recipients.append(event.address)
                self._core.reply(replies.R250_RECIPIENT_OK)
            case smtp.BodyChunk():
                self._chunks.append(event.data)
            case smtp.BodyEnded():
                self._destination.keep(b"".join(self._chunks), self._sender, self._recipients)
                self._core.reply(replies.R250_OK)
            case smtp.ConnectionEnded():
                assert self._pump is not None
                self._pump.close()
            case _:
                return

    def settled(self) -> None:
        return

    def tls_up(self, info: TlsInfo) -> None:
        return

    def tls_failed(self, reason: str) -> None:
        return

    def timed_out(self, what: str) -> None:
        return

    def drained(self) -> None:
        return

    def closed(self, error: Any) -> None:
        return
