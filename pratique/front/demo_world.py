"""The demo's world: a manager, two gateways and a destination on loopback addresses of their own, as real processes."""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass, field
from pathlib import Path

from pratique.fleet.enrolment import Enrolment
from pratique.front import sample
from pratique.front.destination import Destination
from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise

READY_SECONDS = 30.0
STOP_SECONDS = 15.0
SMTP_PORT, CPQ_PORT, WEB_PORT, SSH_PORT = 2525, 7025, 8443, 2222
PORTS = (SMTP_PORT, CPQ_PORT, WEB_PORT, SSH_PORT)
NETWORKS = range(77, 120)  # 127.0.n.x: the first n whose ports are free


class DemoFailed(Exception):
    """Why the demo cannot go on, and what to do."""


@dataclass(slots=True)
class Member:
    name: str
    role: str
    address: str
    directory: Path
    user: str = ""
    password: str = ""
    process: asyncio.subprocess.Process | None = None

    def described(self) -> dict[str, str | None]:
        smtp = f"{self.address}:{SMTP_PORT}" if self.role == "gateway" else None
        return {
            "name": self.name,
            "role": self.role,
            "smtp": smtp,
            "cpq": f"{self.address}:{CPQ_PORT}",
            "ssh": f"{self.address}:{SSH_PORT}",
            "web": f"{self.address}:{WEB_PORT}",
            "user": self.user,
            "password": self.password,
            "dir": str(self.directory),
        }


@dataclass(slots=True)
class World:
    base: Path
    network: int
    keep: bool
    hold_all: bool
    members: list[Member] = field(default_factory=list)
    destination: Destination | None = None

    @property
    def destination_address(self) -> str:
        return f"127.0.{self.network}.9"

    @property
    def manager(self) -> Member:
        return self.members[0]

    @property
    def gateways(self) -> list[Member]:
        return self.members[1:]

    def described(self) -> dict[str, object]:
        assert self.destination is not None
        return {
            "appliances": [m.described() for m in self.members],
            "destination": {
                "smtp": f"{self.destination_address}:{SMTP_PORT}",
                "mail": str(self.destination.folder),
            },
        }


def new_world(directory: Path | None, *, hold_all: bool) -> World:
    base = directory or Path(tempfile.mkdtemp(prefix="pratique-demo-"))
    base.mkdir(parents=True, exist_ok=True)
    if any(base.iterdir()):
        raise DemoFailed(f"{base} is not empty; choose an empty directory")
    return World(base, _free_network(), keep=directory is not None, hold_all=hold_all)


def _free_network() -> int:
    for number in NETWORKS:
        places = [(f"127.0.{number}.{host}", port) for host in (1, 2, 3) for port in PORTS]
        places.append((f"127.0.{number}.9", SMTP_PORT))
        if all(_is_free(place) for place in places):
            return number
    raise DemoFailed("no free loopback addresses for ports 2222, 2525, 7025 and 8443; stop other demos first")


def _is_free(place: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(place)
        except OSError:
            return False
    return True


async def start(world: World) -> None:
    """Make, enrol and run everything. Raises DemoFailed."""
    names = (("sma", "manager", 1), ("gw1", "gateway", 2), ("gw2", "gateway", 3))
    for name, role, host in names:
        member = Member(f"{name}.demo.example", role, f"127.0.{world.network}.{host}", world.base / name)
        made = await initialise(role, member.directory, name=member.name, overrides=_overrides(world, member))
        member.user, member.password = made.user, made.password
        world.members.append(member)
    await _enrol(world)
    world.destination = Destination(world.base / "destination")
    await world.destination.start(world.destination_address, SMTP_PORT)
    await asyncio.gather(*(_launch(m) for m in world.members))


def _overrides(world: World, member: Member) -> dict[str, str]:
    quoted = json.dumps(member.address)
    common = {
        "cpq.address": quoted,
        "cpq.source": quoted,
        "web.address": quoted,
        "web.port": str(WEB_PORT),
        "ssh.address": quoted,
        "ssh.port": str(SSH_PORT),
    }
    if member.role == "manager":
        return common
    filters = sample.HOLD_ALL if world.hold_all else sample.FILTERS
    outbreak = {f"gateway.policy.outbreak_rules.0.{k}": json.dumps(v) for k, v in sample.OUTBREAK.items()}
    return {
        **common,
        "gateway.listeners.0.address": quoted,
        "gateway.listeners.0.port": str(SMTP_PORT),
        "gateway.listeners.0.connections_per_address": "200",
        "gateway.listeners.0.recipients.0.match": '"ALL"',
        "gateway.policy.filters": filters,
        **outbreak,
        "delivery.smtproutes": json.dumps([f"ALL {world.destination_address}:{SMTP_PORT}"]),
    }


async def _enrol(world: World) -> None:
    papers: dict[str, Enrolment] = {m.name: own_enrolment(m.directory) for m in world.members}
    for gateway in world.gateways:
        await enrol_stopped(gateway.directory, papers[world.manager.name])
        await enrol_stopped(world.manager.directory, papers[gateway.name])


async def _launch(member: Member) -> None:
    member.process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pratique", "run", str(member.directory), stdout=PIPE, stderr=STDOUT
    )
    assert member.process.stdout is not None
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = (await member.process.stdout.readline()).decode(errors="replace").strip()
    except TimeoutError:
        line = ""
    if " ready (" not in line:
        raise DemoFailed(
            f"{member.name} did not start: {line or 'no answer'}; its log is in {member.directory / 'log'}"
        )


async def stop(world: World) -> None:
    """Stop all processes cleanly; the files go unless the user chose where they lie."""
    for member in world.members:
        if member.process is not None and member.process.returncode is None:
            member.process.terminate()
    for member in world.members:
        if member.process is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await member.process.wait()
            except TimeoutError:
                member.process.kill()
    if world.destination is not None:
        world.destination.stop()
    if not world.keep:
        shutil.rmtree(world.base, ignore_errors=True)
