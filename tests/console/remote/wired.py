"""Both ends of a console process's stream in one process: custody's port, and the appliance as the console has it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pratique.console.access.signin import SignIn
from pratique.console.commands.desk import Desk
from pratique.console.remote import wire
from pratique.console.remote.entry import LocalEntry
from pratique.console.remote.far import FarCustody
from pratique.console.remote.frames import FrameStream, frame_stream
from pratique.console.remote.port import ConsolePort, Duties
from pratique.console.remote.reception import LocalReception
from pratique.net.tasks import Tasks


@dataclass
class Wired:
    """`serving` ends with why the console was left; `raw` is the console's end where `custody` does not read it."""

    custody: FarCustody
    port: ConsolePort
    raw: FrameStream
    serving: "asyncio.Task[str]"
    faults: list[str]
    heard: list[str]


@asynccontextmanager
async def wired(
    desk: Desk, signin: SignIn, reception: LocalReception, *, read: bool = True, faults: list[str] | None = None
) -> AsyncIterator[Wired]:
    """`read` False: what custody says is for the test. `faults` gathers what custody says to its log."""
    faults = [] if faults is None else faults
    heard: list[str] = []
    tasks = Tasks(lambda name, error: faults.append(f"{name}: {error!r}"))
    here, there = socket.socketpair()
    duties = Duties(desk, LocalEntry(desk, signin), reception, tasks.spawn, faults.append, heard.append)
    port = ConsolePort(duties, await frame_stream(here, bytes_max=wire.TO_CUSTODY_BYTES_MAX))
    raw = await frame_stream(there, bytes_max=1 << 30)
    custody = FarCustody(raw, tasks.spawn)
    serving = asyncio.create_task(port.serve())
    if read:
        tasks.spawn(custody.read(), "custody")
    try:
        yield Wired(custody, port, raw, serving, faults, heard)
    finally:
        raw.close()
        await serving
        await tasks.close(1.0)
