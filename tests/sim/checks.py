"""The engines of a simulated gateway: a virus engine that is slow or fails by seed; content is read in this process."""

import asyncio
from typing import Any

from pratique.checks.content import SCAN_BYTES_MAX
from pratique.checks.content_worker import Wanted, read_content
from pratique.mail.body import Body
from pratique.mail.headers import read_headers
from pratique.policy.facts import Message, Unknown, VirusResult

MARK = b"X-Sim-Virus: yes"
SCAN_SECONDS = 20.0


class Engine:
    """Infected is what carries MARK. While `world.scanner_fails`, answers are late or unknown; never clean for MARK."""

    name = "SIM"

    def __init__(self, world: Any, life: Any) -> None:
        self._world, self._life = world, life

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        world = self._world
        slow = world.random.random()
        if world.scanner_fails and slow < 0.5:
            world.injected["scanner"] += 1
            await asyncio.sleep(SCAN_SECONDS)
            return Unknown("the engine did not answer")
        if world.scanner_fails:
            world.injected["scanner"] += 1
            await asyncio.sleep(world.random.uniform(0.0, SCAN_SECONDS))
        elif slow < 0.3:
            await asyncio.sleep(slow)
        try:
            octets = octets if octets is not None else b"".join(body.pieces())
        except OSError as error:
            return Unknown(str(error))
        if MARK in octets:
            return VirusResult(engine=self.name, version="1", result="infected", name="SIM-Test")
        return VirusResult(engine=self.name, version="1", result="clean")


class Content:
    """A ContentReader without workers."""

    def __init__(self, world: Any, life: Any) -> None:
        self._world = world

    def read_now(self, octets: bytes, *, attachments: bool, texts: bool) -> Message | None:
        if self._world.scanner_fails and self._world.random.random() < 0.3:
            return None  # as if it were too large to be read here
        return self._read(octets, len(octets), attachments=attachments, texts=texts)

    async def read(self, body: Body, octets: bytes | None, *, attachments: bool, texts: bool) -> Message:
        if self._world.scanner_fails:
            self._world.injected["scanner"] += 1
            await asyncio.sleep(self._world.random.uniform(0.0, 9.0))
        whole = octets if octets is not None else b"".join(body.pieces())
        return self._read(whole, body.size, attachments=attachments, texts=texts)

    def _read(self, octets: bytes, size: int, *, attachments: bool, texts: bool) -> Message:
        wanted = Wanted(attachments=attachments, texts=texts, size=size, text_bytes_max=SCAN_BYTES_MAX)
        return read_content(octets, read_headers(octets), wanted)
