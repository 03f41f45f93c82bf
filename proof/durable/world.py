"""A gateway, a manager and a destination on loopback addresses of their own, put back to a saved state each time."""

import asyncio
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise
from proof.durable.hop import PORT, Hop
from proof.durable.ledger import End, Promise
from proof.durable.place import Place, Plan, reply, wait
from proof.durable.shim import Fault

QUIET_SECONDS = 20.0
FILTERS = (
    'hold: if (subject == "^hold") { quarantine("Policy"); } wait: if (subject == "^wait") { quarantine("Outbreak"); }'
)
PASSWORD = "correct horse battery"
RESTARTS_MAX = 4
PATIENCE_SECONDS = 15.0  # an appliance that ends after a failed disk may take its time


class Stuck(Exception):
    """The world did not come to rest in time; the text says what it waited for."""


@dataclass(slots=True)
class World:
    base: Path
    network: str
    gateway: Place
    manager: Place
    hop: Hop
    promises: list[Promise] = field(default_factory=list)
    serial: int = 0  # of tokens; never used twice
    running: list[Place] = field(default_factory=list)
    marks: Callable[[str], None] = lambda text: None  # told what the outside has heard

    def reset(self, saved: str, *, running: tuple[str, ...] = ("manager", "gateway")) -> None:
        """The directories as they were at `save(saved)`; nothing runs."""
        for place in self.places:
            assert not place.pid
            shutil.rmtree(place.directory, ignore_errors=True)
            shutil.copytree(self.base / saved / place.role, place.directory)
            place.log.unlink(missing_ok=True)
            place.log.with_suffix(".err").unlink(missing_ok=True)
            place.plan, place.ends, place.starts = Plan(), [], 0
        self.promises = []
        self.hop.forget()
        self.running = [p for p in self.places if p.role in running]

    def save(self, name: str) -> None:
        for place in self.places:
            assert not place.pid
            shutil.copytree(place.directory, self.base / name / place.role, ignore=shutil.ignore_patterns("*.sock"))

    @property
    def places(self) -> tuple[Place, Place]:
        return self.manager, self.gateway

    # --- life
    def start(self) -> None:
        for place in self.running:
            place.launch()
        for place in self.running:
            place.wait_ready()
        self.tend()

    def tend(self) -> None:
        """Who has ended is started again, without a fault: the disk is whole from now on."""
        for place in self.running:
            while not place.alive():
                if place.starts >= RESTARTS_MAX:
                    raise Stuck(f"the {place.role} ended {len(place.ends)} times: {place.errors()[-600:]}")
                place.plan = unharmed(place.plan)
                if place.ends[-1] == 0:
                    raise Stuck(f"the {place.role} ended by itself with exit code 0")
                place.start()

    def until(self, probe: Callable[[], object], what: str, seconds: float = QUIET_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.tend()
            if probe():
                return
            if time.monotonic() > deadline:
                raise Stuck(f"not within {seconds:g} s: {what}")
            wait()

    def stop(self) -> list[str]:
        """A clean end of both; what was wrong with it. One that fails is started again and stopped again."""
        wrong = []
        for place in reversed(self.running):
            code = place.stop()
            if code not in (0, None) and place.starts < RESTARTS_MAX:
                place.plan = unharmed(place.plan)
                if place.start():
                    code = place.stop()
            if code != 0:
                wrong.append(f"the {place.role} did not end cleanly: {code} {place.errors()[-600:]}")
        return wrong

    def kill(self) -> None:
        for place in self.places:
            if place.alive():
                place.stop(signal.SIGKILL)

    # --- acts
    def send(self, kind: str, end: End, *, size: int = 0) -> None:
        """Until it is taken: each attempt has a token of its own, and what was said to it is promised."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self.serial += 1
            token = f"{kind}{self.serial}"
            octets = message(token, size)
            host = "nowhere.example" if end is End.BOUNCED else "demo.example"
            answer = self.gateway.send(f"{token}@{host}", octets, sender=f"s{token}@partner.example")
            self.promises.append(Promise(token, answer, end, octets))
            self.marks(f"said {token} {answer[:3]}")
            if answer.startswith("250"):
                return
            self.until(lambda: self.gateway.alive(), "the gateway runs")
            wait()
        raise Stuck(f"nothing was taken in {PATIENCE_SECONDS:g} s: {self.promises[-1].answer!r}")

    def break_off(self, *, size: int) -> None:
        """A client that goes away in the middle of a large message: nothing of it may stay."""
        with suppress(OSError), socket.create_connection((self.gateway.address, PORT), timeout=10) as sock:
            wire = sock.makefile("rwb")
            say = ("", "EHLO c.example", "MAIL FROM:<a@partner.example>", "RCPT TO:<b@demo.example>", "DATA")
            for line in say:
                reply(wire, line.encode() + b"\r\n" if line else b"")
            wire.write(b"Subject: broken off\r\n\r\n" + b"x\r\n" * (size // 3))
            wire.flush()

    def decide(self, command: str, mids: list[int]) -> None:
        """Until the manager says that it is done, or that it was done before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            done = self.manager.ask(command, mids=mids, quarantine="")
            if done is not None:
                self.marks(f"{command} {' '.join(str(m) for m in mids if m not in done['untouched'])}")
                left = done["untouched"]
                held = {row[0] for row in self.manager.rows("SELECT mid FROM copy WHERE custody = 'HELD'")}
                mids = [mid for mid in left if mid in held]
                if not mids:
                    return
            self.until(lambda: self.manager.alive(), "the manager runs")
            wait()
        raise Stuck(f"{command} was not done in {PATIENCE_SECONDS:g} s")


def unharmed(plan: Plan) -> Plan:
    return replace(plan, fault=Fault.NONE, at=0, hear=None)


def message(token: str, size: int = 0) -> bytes:
    """Its octets are its own: two messages never look alike."""
    head = f"From: a@partner.example\r\nSubject: {token}\r\nMessage-ID: <{token}@partner.example>\r\n\r\n"
    line = f"{token} " * 12 + "\r\n"
    return (head + line * (1 + size // len(line))).encode()


def build(base: Path, number: int, heard: Callable[[list[str]], None] | None = None) -> World:
    """Made and enrolled with each other, not started; saved as "new"."""
    network = _free_network(number)
    hop = Hop(f"{network}.9", base / "hop.jsonl", heard or (lambda _: None))
    manager = Place("manager", base / "manager", f"{network}.1", base / "manager.log")
    gateway = Place("gateway", base / "gateway", f"{network}.2", base / "gateway.log")
    for place in (manager, gateway):
        asyncio.run(_init(place, hop))
    for here, there in ((manager, gateway), (gateway, manager)):
        asyncio.run(enrol_stopped(here.directory, own_enrolment(there.directory)))
    world = World(base, network, gateway, manager, hop)
    world.save("new")
    return world


async def _init(place: Place, hop: Hop) -> None:
    address = json.dumps(place.address)
    options = {"cpq.address": address, "cpq.source": address, "web.enabled": "false", "web.address": address}
    options["ssh.enabled"] = "false"
    if place.role == "gateway":
        options |= {
            "gateway.listeners.0.address": address,
            "gateway.listeners.0.port": "2525",
            "gateway.listeners.0.reverse_dns": "false",
            "gateway.listeners.0.recipients.0.match": '"ALL"',
            "gateway.virus.builtin": "false",
            "gateway.policy.filters": FILTERS,
            "gateway.judge_deadline_seconds": "0.0",
            "delivery.smtproutes": json.dumps([f"ALL {hop.address}:{PORT}"]),
            "delivery.retry.initial_s": "0",
        }
    await initialise(place.role, place.directory, name=f"{place.role}.test", overrides=options, password=PASSWORD)


def _free_network(number: int) -> str:
    for part in range(number, 250):
        network = f"127.{1 + os.getpid() % 250}.{part}"
        try:
            for host, port in ((1, 7025), (2, 7025), (2, 2525), (9, 2525)):
                with socket.socket() as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.bind((f"{network}.{host}", port))
        except OSError:
            continue
        return network
    raise OSError("no free loopback addresses for ports 2525 and 7025; stop other runs first")
