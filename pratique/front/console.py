"""The console process: `python -m pratique.front.console HANDED PARENT`, started by `pratique run` alone.

It has the REST API's TLS and HTTP, and SSH. Before it takes a connection it has read its keys and has shut itself out
of all files but the interpreter's; whatever it wants of the appliance it asks custody for (console.remote).
"""

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pratique import __version__
from pratique.confine.landlock import Confines, confine, interpreter
from pratique.console.remote import wire
from pratique.console.remote.far import FarCustody, FarEntry, FarReception, far_desk
from pratique.console.remote.frames import frame_stream
from pratique.console.rest.app import make_app
from pratique.console.serve import ConsoleServer
from pratique.console.ssh.server import SshServer, read_host_keys
from pratique.front.child import die_with_custody
from pratique.front.console_handed import NONE, Handed
from pratique.front.loop import run_loop
from pratique.front.memory import settle_memory
from pratique.net.clock import SystemClock
from pratique.net.tasks import Tasks

CUSTODY_BYTES_MAX = 1 << 30  # custody is believed


class ConsoleProcess:
    def __init__(self, handed: Handed) -> None:
        self._handed = handed
        self._clock = SystemClock()

    async def run(self) -> int:
        """Until custody says stop, or is gone. The exit code. Raises OSError."""
        stream = await frame_stream(socket.socket(fileno=self._handed.stream), bytes_max=CUSTODY_BYTES_MAX)
        tasks = Tasks(lambda name, error: custody.fault(f"{name}: {type(error).__name__}: {error}"))
        custody = FarCustody(stream, tasks.spawn)
        tasks.watch_loop()
        reading = tasks.spawn(custody.read(), "custody")
        faces: list[ConsoleServer | SshServer] = []
        try:
            lacking = await self._start(custody, tasks, faces)
        except OSError as error:
            await stream.send(wire.Fault(f"it cannot start: {error}"))
            return 1
        settle_memory()
        custody.tell(wire.Listening(lacking))
        await reading
        for face in faces:
            await face.stop()
        await tasks.close()
        return 0

    async def _start(self, custody: FarCustody, tasks: Tasks, faces: list[ConsoleServer | SshServer]) -> str:
        """What this process could not be shut out of, and why. Raises OSError."""
        handed = self._handed
        rest = self._rest(custody) if handed.rest != NONE else None
        host_keys = read_host_keys([Path(name) for name in handed.host_keys]) if handed.ssh != NONE else []
        lacking = confine(confines())  # while there is one thread, and no octet from outside
        _ignore_signals()
        if handed.ssh != NONE:
            reception, monotonic = FarReception(custody), self._clock.monotonic
            ssh = SshServer(reception, spawn=tasks.spawn, fault=custody.fault, monotonic=monotonic)
            await ssh.start("", 0, host_keys, bound=socket.socket(fileno=handed.ssh))
            faces.append(ssh)
        if rest is not None:
            await rest.start(socket.socket(fileno=handed.rest))
            faces.append(rest)
        return lacking

    def _rest(self, custody: FarCustody) -> ConsoleServer:
        handed = self._handed
        desk = far_desk(custody, name=handed.name, role=handed.role, version=__version__, clock=self._clock)
        app: Any = make_app(desk, FarEntry(custody), fault=custody.fault)
        server = ConsoleServer(app, address="", port=0, certificate=Path(handed.certificate), key=Path(handed.key))
        server.load()
        custody.renew_certificate = server.use_certificate
        return server


def confines() -> Confines:
    """What is left to it: the interpreter's files. No file to write, no port to dial."""
    return Confines(read=interpreter())


def _ignore_signals() -> None:
    """Custody decides when we end: what ends it reaches the whole process group."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)


async def run_console(handed: str, parent: int) -> int:
    die_with_custody(parent)
    try:
        return await ConsoleProcess(Handed.of(handed)).run()
    except OSError as error:
        print(f"pratique: the console process cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(run_loop(run_console(sys.argv[1], int(sys.argv[2]))))
