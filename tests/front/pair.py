"""A manager and a gateway in this process, over real loopback sockets and TLS, with a next hop of ours.

Unlike the worlds of tests/e2e they share one loop with the test, so that it can look into them while they run.
"""

import asyncio
import gc
import json
import re
import shutil
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pratique.fleet.peers import change_peer
from pratique.front.appliance import Appliance, build
from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.manager.app import Manager
from pratique.manager.release import Actor, Decided
from pratique.quarantine.lifecycle import Cause, Mark
from tests.e2e.next_hop import NextHop
from tests.e2e.world import SMTP_PORT, free_network

HOLD_ALL = 'hold_all: if (true) { quarantine("Policy"); }'
PASSWORD = "correct horse battery"
CAROL = Actor("carol", "administrator", "password")
SECONDS = 15.0


class Place:
    """One appliance: its directory, and itself while it runs."""

    def __init__(self, role: str, directory: Path, address: str) -> None:
        self.role = role
        self.directory = directory
        self.address = address
        self.running: Appliance | None = None

    @property
    def appliance(self) -> Appliance:
        assert self.running is not None, f"the {self.role} is stopped"
        return self.running

    @property
    def view(self) -> Any:
        return self.appliance.store.view

    @property
    def serial(self) -> str:
        return read_options(self.directory).appliance.serial

    async def start(self) -> None:
        def fatal(error: Exception) -> None:
            raise AssertionError(error)

        self.running = await build(self.directory, read_options(self.directory), on_fatal=fatal)
        await self.running.start()

    async def stop(self) -> None:
        appliance, self.running = self.appliance, None
        await appliance.stop()

    def save(self, name: str) -> Path:
        """A copy of the store of the stopped appliance."""
        assert self.running is None
        saved = self.directory.parent / f"{self.role}-{name}"
        shutil.copytree(self.directory / "store", saved)
        return saved

    def put_back(self, saved: Path, *, keep_witness: bool = False) -> None:
        assert self.running is None
        witness = (self.directory / "store" / "witness").read_bytes()
        shutil.rmtree(self.directory / "store")
        shutil.copytree(saved, self.directory / "store")
        if keep_witness:
            (self.directory / "store" / "witness").write_bytes(witness)

    def log(self) -> str:
        if self.running is not None:
            self.running.mail_log.flush()
        return (self.directory / "log" / "mail.current").read_text(encoding="utf-8")

    def grep(self, pattern: str) -> list[str]:
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def custody(self, state: str) -> int:
        return int(self.view.counts().get(f"copy.{state}", 0))

    async def accept_setback(self, serial: str) -> None:
        """What `pratique enroll DIR --accept-setback SERIAL` does while the appliance runs."""
        appliance = self.appliance
        await change_peer(appliance.store, serial, action="accept-setback", tell=appliance.mail_log.emit)
        appliance.role.peers_changed()


class Pair:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.network = free_network()
        self.hop = NextHop(f"{self.network}.9", SMTP_PORT)
        self.manager = Place("manager", base / "manager", f"{self.network}.1")
        self.gateways: list[Place] = []

    @property
    def gateway(self) -> Place:
        return self.gateways[0]

    async def make_manager(self, **options: object) -> None:
        await self._init(self.manager, {key.replace("__", "."): json.dumps(value) for key, value in options.items()})

    async def make_gateway(self) -> Place:
        number = len(self.gateways) + 2
        gateway = Place("gateway", self.base / f"gateway{number}", f"{self.network}.{number}")
        address = json.dumps(gateway.address)
        await self._init(
            gateway,
            {
                "gateway.listeners.0.address": address,
                "gateway.listeners.0.port": str(SMTP_PORT),
                "gateway.listeners.0.recipients.0.match": '"ALL"',
                "gateway.virus.builtin": "false",
                "gateway.policy.filters": json.dumps(HOLD_ALL),
                "delivery.smtproutes": json.dumps([f"ALL {self.hop.address}:{self.hop.port}"]),
            },
        )
        self.gateways.append(gateway)
        for here, there in ((self.manager, gateway), (gateway, self.manager)):
            await enrol_stopped(here.directory, own_enrolment(there.directory))
        return gateway

    async def _init(self, place: Place, overrides: dict[str, str]) -> None:
        address = json.dumps(place.address)
        common = {"cpq.address": address, "cpq.source": address, "web.enabled": "false", "web.address": address}
        common["ssh.enabled"] = "false"
        name = f"{place.directory.name}.test"
        await initialise(
            place.role,
            place.directory,
            name=name,
            overrides=common | overrides,
            password=PASSWORD,  # type: ignore[arg-type]
        )

    async def start(self) -> None:
        for place in (self.manager, *self.gateways):
            await place.start()

    async def close(self) -> None:
        for place in (*self.gateways, self.manager):
            if place.running is not None:
                await place.stop()
        await asyncio.to_thread(self.hop.close)

    async def send(self, *subjects: str, gateway: Place | None = None) -> None:
        place = gateway or self.gateway
        octets = [
            f"From: a@partner.example\r\nSubject: {subject}\r\n\r\nHello {subject}.\r\n".encode()
            for subject in subjects
        ]
        await asyncio.to_thread(_send, place.address, octets)

    async def send_octets(self, octets: bytes) -> None:
        await asyncio.to_thread(_send, self.gateway.address, [octets])

    async def held(self, count: int) -> None:
        await until(lambda: self.manager.custody("HELD") == count, f"{count} messages held")

    async def handed_over(self, count: int) -> None:
        """So many are held, and the gateway has read the acknowledgements: now it knows how far the manager was."""
        await self.held(count)
        await until(lambda: self.gateway.custody("DONE") == count, f"{count} acknowledged")

    def mid_of(self, subject: str) -> int:
        found = [mid for mid, _, _ in self.manager.view.live_bodies() if self.manager.view.copy(mid).subject == subject]
        return int(found[-1])

    async def decide(self, subject: str, mark: Mark = Mark.RELEASED) -> Decided:
        role = self.manager.appliance.role
        assert isinstance(role, Manager)
        return await role.decide(self.mid_of(subject), "Policy", mark, Cause.MANUAL, CAROL)

    def delivered(self) -> list[str]:
        found = [re.search(rb"^Subject: (.*?)\r?$", m.octets, re.MULTILINE) for m in list(self.hop.messages)]
        return sorted(match[1].decode() for match in found if match)


def _send(address: str, messages: list[bytes]) -> None:
    with socket.create_connection((address, SMTP_PORT), timeout=10) as sock, sock.makefile("rwb") as wire:

        def say(line: str, code: bytes) -> None:
            if line:
                wire.write(line.encode() + b"\r\n")
                wire.flush()
            while True:
                answer = wire.readline()
                assert answer.startswith(code), answer
                if answer[3:4] == b" ":
                    return

        say("", b"220")
        say("EHLO client.example", b"250")
        for octets in messages:
            say("MAIL FROM:<a@partner.example>", b"250")
            say("RCPT TO:<b@demo.example>", b"250")
            say("DATA", b"354")
            wire.write(octets)
            say(".", b"250")
        say("QUIT", b"221")


async def until(probe: Callable[[], object], what: str = "", seconds: float = SECONDS) -> None:
    """Let the loop run until `probe` is true."""
    try:
        async with asyncio.timeout(seconds):
            while not probe():  # noqa: ASYNC110 - a test watches from outside
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what or probe}") from None


@asynccontextmanager
async def pair(base: Path, **manager_options: object) -> AsyncIterator[Pair]:
    """Made and enrolled, not started."""
    made = Pair(base)
    try:
        await made.make_manager(**manager_options)
        await made.make_gateway()
        yield made
    finally:
        await made.close()
        with warnings.catch_warnings():  # here, and not in whichever test runs when the garbage is collected
            warnings.simplefilter("ignore", ResourceWarning)  # asyncio leaves one that it accepts while a server closes
            gc.collect()
