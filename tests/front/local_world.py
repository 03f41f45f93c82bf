"""Appliances in directories of their own, stopped or running in this process, for the machine's own commands."""

import itertools
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pratique.front.appliance import Appliance, build
from pratique.front.faces import Faces
from pratique.front.files import read_options
from pratique.front.init import initialise
from pratique.front.local import stopped_bench
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.store.moves import PutQuarantine
from pratique.store.records import NewCopy, Quarantine
from pratique.transfer.metadata import encode
from tests.conformance.samples import Samples
from tests.transfer.test_metadata import example

PASSWORD = "correct horse"
_hosts = itertools.count(1)


def free_address() -> str:
    """127.<process>.<n>.1 with the ports that an appliance takes."""
    while True:
        address = f"127.{100 + os.getpid() % 150}.{next(_hosts) % 250 + 1}.1"
        with socket.socket() as sock:
            try:
                sock.bind((address, 7025))
            except OSError:
                continue
        return address


async def made(role: str, directory: Path, **overrides: str) -> str:
    """`pratique init`; the address that it listens on."""
    address = free_address()
    options = {"cpq.address": f'"{address}"', "web.address": f'"{address}"', "web.port": "8443", "ssh.enabled": "false"}
    if role == "gateway":
        options |= {
            "gateway.listeners.0.address": f'"{address}"',
            "gateway.listeners.0.port": "2525",
            "gateway.virus.builtin": "false",
        }
    options |= {"ssh.address": f'"{address}"', **overrides}
    await initialise(role, directory, name=f"{role}.example", overrides=options, password=PASSWORD)
    return address


async def fill(directory: Path, *copies: dict[str, Any]) -> list[NewCopy]:
    """Store copies in a stopped appliance; on a manager each is held as a gateway would hand it over."""
    stored = []
    async with stopped_bench(directory, read_options(directory)) as bench:
        store = bench.desk.store
        for kind in SYSTEM_MADE.values() if bench.desk.role == "manager" else ():
            quarantine = Quarantine(kind.name, kind.kind, kind.retention_s, kind.default_action)
            await store.submit(PutQuarantine(quarantine, ()))
        samples = Samples(store)
        for fields in copies:
            held = {"custody": "HELD", "hop": 1, "context": encode(example())}
            base = held if bench.desk.role == "manager" else {}
            stored.append(await samples.accepted(**(base | fields)))
    return stored


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Appliance]:
    appliance = await build(directory, read_options(directory), on_fatal=lambda error: None)
    await appliance.start()
    faces = Faces(appliance)
    try:
        await faces.start()
        yield appliance
    finally:
        await faces.stop()
        await appliance.stop()


async def custody(directory: Path, mid: int) -> str:
    async with stopped_bench(directory, read_options(directory)) as bench:
        copy = bench.desk.store.view.copy(mid)
        assert copy is not None
        return copy.custody


def mail_log(directory: Path) -> str:
    return (directory / "log" / "mail.current").read_text(encoding="utf-8")
