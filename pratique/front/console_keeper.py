"""The console process as custody has it: started, kept, answered, ended.

Custody binds the listeners (only it needs a low port) and keeps them open: while the process starts, or is started
again, connections wait in the kernel. Mail waits for nothing of it.
"""

import asyncio
import os
import socket
import sys

from pratique.console.commands.desk import Desk
from pratique.console.remote import wire
from pratique.console.remote.entry import LocalEntry
from pratique.console.remote.frames import frame_stream
from pratique.console.remote.port import ConsolePort, Duties
from pratique.console.remote.reception import LocalReception
from pratique.fleet.identity import create_host_keys
from pratique.front.appliance import Appliance
from pratique.front.console_handed import NONE, Handed
from pratique.front.options import SshSettings, WebSettings
from pratique.mail.text import log_text
from pratique.net.listener import bind
from pratique.telemetry import events as log

START_SECONDS = 60.0  # a process that does not take connections by then is killed and started again
STOP_SECONDS = 8.0  # requests may finish what they have begun; then the process is killed
LINGER_SECONDS = 1.0  # a process whose stream has ended is ending; its status tells more than our signal
COMPONENT = "console process"


class ConsoleKeeper:
    """`entry`: of the REST API; `reception`: of SSH."""

    def __init__(self, appliance: Appliance, desk: Desk, entry: LocalEntry, reception: LocalReception) -> None:
        self._appliance = appliance
        self._desk = desk
        self._entry = entry
        self._reception = reception
        self._bound: dict[str, socket.socket] = {}
        self._listening = False
        self._port: ConsolePort | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._kept: asyncio.Task[None] | None = None
        self._stopping = False
        self._said: set[str] = set()

    async def start(self) -> None:
        """Bind the listeners and start the process. Raises OSError: what does not work, while the rest does."""
        options = self._appliance.options
        wanted: dict[str, WebSettings | SshSettings] = {"REST API": options.web, "SSH": options.ssh}
        failures = []
        for name, face in wanted.items():
            try:
                if face.enabled:
                    self._bound[name] = bind(face.address, face.port, shared=False)
            except OSError as error:
                failures.append(f"{name}: {error}")
        if "SSH" in self._bound:
            await asyncio.to_thread(create_host_keys, self._appliance.keys)  # half a second, the first time
        if self._bound:
            self._kept = self._appliance.services.supervisor.keep(COMPONENT, self._run)
        if failures:
            raise OSError("; ".join(failures))

    async def _run(self) -> None:
        """One life of the process. Raises OSError at its end, unless we stop."""
        mine, theirs = socket.socketpair()
        stream = await frame_stream(mine, bytes_max=wire.TO_CUSTODY_BYTES_MAX)
        try:
            self._process = process = await self._spawned(theirs)
        except BaseException:
            stream.close()
            raise
        finally:
            theirs.close()
        self._listening = False
        self._port = port = ConsolePort(self._duties(), stream)
        late = asyncio.get_running_loop().call_later(START_SECONDS, self._look, process)
        if self._stopping:
            process.kill()
        try:
            why = await port.serve()
            code = await _ended(process)
        finally:
            late.cancel()
            if process.returncode is None:
                process.kill()
        if not self._stopping:
            raise OSError(f"status {code}; {why}")

    async def _spawned(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        handed = await self._handed(theirs)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pratique.front.console", handed.text(), str(os.getpid())),
            pass_fds=handed.descriptors(),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # custody decides when it ends, not a terminal's Ctrl-C
        )

    def _look(self, process: asyncio.subprocess.Process) -> None:
        if not self._listening and process.returncode is None:
            process.kill()

    async def _handed(self, theirs: socket.socket) -> Handed:
        keys = self._appliance.keys
        ssh = self._bound.get("SSH")
        host_keys = await asyncio.to_thread(create_host_keys, keys) if ssh is not None else []
        rest = self._bound.get("REST API")
        return Handed(
            name=self._appliance.options.appliance.name,
            role=self._appliance.options.appliance.role,
            stream=theirs.fileno(),
            rest=rest.fileno() if rest is not None else NONE,
            ssh=ssh.fileno() if ssh is not None else NONE,
            certificate=str(keys.web_certificate),
            key=str(keys.web_key),
            host_keys=[str(path) for path in host_keys],
        )

    def _duties(self) -> Duties:
        return Duties(
            desk=self._desk,
            entry=self._entry,
            reception=self._reception,
            spawn=self._appliance.services.tasks.spawn,
            fault=self._fault,
            listening=self._listens,
        )

    def _fault(self, text: str) -> None:
        """It reads hostile octets, so what it says is escaped and cut."""
        self._appliance.mail_log.emit(log.Fault(error=log_text(f"{COMPONENT}: {text}")))

    def _listens(self, lacking: str) -> None:
        if lacking and lacking not in self._said:
            self._said.add(lacking)
            text = log_text(f"the {COMPONENT} is not shut out of all that it needs not: {lacking}")
            self._appliance.mail_log.emit(log.Trouble(message=text))
        if not self._listening and "SSH" in self._bound:
            self._appliance.services.tasks.spawn(self._reception.prepare(), "verbs")
        self._listening = True

    def renew_certificate(self) -> None:
        """Connections that begin from now on see what the files hold. Raises OSError."""
        keys = self._appliance.keys
        if self._port is not None:
            self._port.renew_certificate(keys.web_certificate.read_bytes(), keys.web_key.read_bytes())

    async def stop(self) -> None:
        """It takes nothing new, and ends; sessions are told."""
        self._stopping = True
        if self._port is not None:
            self._port.stop()
        if self._process is not None and self._process.returncode is None:
            if not self._listening:  # it still loads its libraries, and has nobody to tell
                self._process.kill()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._kept is not None:
            self._kept.cancel()
        for bound in self._bound.values():
            bound.close()


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Its status; it is killed when it does not end."""
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
