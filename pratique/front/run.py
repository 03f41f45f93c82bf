"""`pratique run`: an appliance in the foreground, from the first check to the clean end.

Mail is taken before the console loads: the REST API's libraries cost more to import than the listeners to start.
"""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pratique.front.appliance import Appliance, build
from pratique.front.failures import of_file, of_listening
from pratique.front.files import BadConfiguration, read_options
from pratique.front.memory import settle_memory
from pratique.front.options import GatewayOptions
from pratique.front.plausible import missing_keys
from pratique.policy.evaluate import ProgramError
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log


@dataclass(slots=True)
class Ending:
    """Why the appliance ends."""

    event: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""

    def now(self) -> None:
        self.event.set()

    def fatal(self, error: StoreFailed) -> None:
        self.failure = f"the store failed: {error}"
        self.event.set()


async def run(directory: Path) -> int:
    """Returns the exit code: 0 after a clean stop, 1 when it could not start or had to end."""
    try:
        options = read_options(directory)
    except BadConfiguration as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command talks to its user
        return 1
    if absent := [f"{why}; {cure}" for _, why, cure in missing_keys(directory, options)]:
        return _failed("\n".join(absent))
    ending = Ending()
    try:
        appliance = await build(directory, options, on_fatal=ending.fatal)
    except OSError as error:
        return _failed(f"{options.appliance.name} cannot start: {of_file(error)}")
    except (StoreFailed, ProgramError, ValueError) as error:
        return _failed(f"{options.appliance.name} cannot start: {error}")
    try:
        await appliance.start()
    except OSError as error:
        await appliance.stop(started=False)
        return _failed(f"{options.appliance.name} cannot listen: {of_listening(error)}")
    return await _serve(appliance, ending)


async def _serve(appliance: Appliance, ending: Ending) -> int:
    from pratique.front.faces import Faces  # late: see above

    _on_signals(appliance, ending)
    faces = Faces(appliance)
    try:
        await faces.start()
    except OSError as error:
        appliance.mail_log.emit(log.Fault(error=f"console: {error}; mail flows, that face does not work"))
    settle_memory()
    _say(ready_line(appliance))
    _tell_systemd("READY=1")
    await ending.event.wait()
    _tell_systemd("STOPPING=1")
    await faces.stop()
    await appliance.stop()
    return _failed(ending.failure) if ending.failure else 0


def ready_line(appliance: Appliance) -> str:
    options = appliance.options
    places = []
    if isinstance(options, GatewayOptions):
        places += [f"smtp {listener.address}:{listener.port}" for listener in options.gateway.listeners]
    places.append(f"quarantine port {options.cpq.address}:{options.cpq.port}")
    if options.web.enabled:
        places.append(f"REST https://{options.web.address}:{options.web.port}")
    if options.ssh.enabled:
        places.append(f"ssh {options.ssh.address}:{options.ssh.port}")
    return f"{options.appliance.name} ready ({options.appliance.role}): {', '.join(places)}"


def _on_signals(appliance: Appliance, ending: Ending) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.now)
    spawn = appliance.services.tasks.spawn
    loop.add_signal_handler(signal.SIGHUP, lambda: spawn(appliance.reload_by("SIGHUP"), "reload"))


def _tell_systemd(state: str) -> None:
    """sd_notify(3): a datagram to the socket that systemd names, nothing where it names none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(state.encode())
        except OSError:
            return  # a supervisor that does not listen is no reason not to run


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _failed(why: str) -> int:
    print(f"pratique: {why}", file=sys.stderr)  # noqa: T201
    return 1
