"""The commands that work on the machine itself: asked of the running appliance over its socket, else done on the
stopped one's store under its lock. The lock decides which of the two it is, so nothing is ever done twice.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pratique import __version__
from pratique.console.access.passwords import hash_password
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import CommandRefused
from pratique.fleet.identity import Keys, load_signing_key
from pratique.front.acts import StoppedActs
from pratique.front.appliance import BUILD
from pratique.front.control import LINE_BYTES_MAX, SOCKET_DIRECTORY, SOCKET_NAME, first_line, local_user, socket_path
from pratique.front.files import read_options
from pratique.front.init import ADMINISTRATOR
from pratique.front.local_acts import LOCAL_ACTS, BadArguments, Bench
from pratique.front.options import ManagerOptions, Options
from pratique.front.stopped import opened
from pratique.manager.release import Releaser
from pratique.net.clock import SystemClock
from pratique.net.probe import hang_up
from pratique.net.tasks import Tasks
from pratique.runner.services import Numbers, Services
from pratique.store.moves import StoreFailed, StoreInUse
from pratique.telemetry import events as log
from pratique.telemetry.mail_log import MailLog

ANSWER_SECONDS = 120.0  # ten thousand decisions on a slow disk


class LocalRefused(Exception):
    """Why nothing was done, and what to do."""


async def ask(directory: Path, command: str, **arguments: Any) -> Any:
    """One act; its result as JSON values. Raises LocalRefused, BadConfiguration, StoreFailed."""
    if (directory / SOCKET_DIRECTORY / SOCKET_NAME).exists():
        try:
            return await _ask_running(directory, command, arguments)
        except (ConnectionRefusedError, FileNotFoundError):
            pass  # a crash left the socket: nobody listens behind it
    options = read_options(directory)  # not before: what runs can be steered whatever the file says meanwhile
    try:
        async with stopped_bench(directory, options) as bench:
            return await LOCAL_ACTS[command](bench, local_user(os.getuid()), arguments)
    except CommandRefused as refused:
        raise LocalRefused(refused.text) from refused
    except BadArguments as error:
        raise LocalRefused(str(error)) from error
    except StoreInUse as error:
        raise LocalRefused(f"{error}; if the appliance is just starting, try again in a moment") from error
    except StoreFailed as error:
        raise LocalRefused(str(error)) from error


async def _ask_running(directory: Path, command: str, arguments: dict[str, Any]) -> Any:
    try:
        with socket_path(directory) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE_BYTES_MAX)
    except PermissionError as error:
        raise LocalRefused(
            f"{directory} belongs to another user; run this as that user or as root, for instance with sudo"
        ) from error
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(first_line(directory))
            writer.write(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
            await writer.drain()
            answer = json.loads(await reader.readline() or b'{"ok": false, "error": "the appliance hung up"}')
    except TimeoutError as error:
        raise LocalRefused(
            f"the appliance gave no answer in {ANSWER_SECONDS:.0f} s; see its log, then try again"
        ) from error
    finally:
        await hang_up(writer)
    if not answer.get("ok"):
        raise LocalRefused(str(answer.get("error", "the appliance refused")))
    return answer["result"]


@asynccontextmanager
async def stopped_bench(directory: Path, options: Options) -> AsyncIterator[Bench]:
    """The desk of an appliance that does not run. Raises StoreFailed when it does."""
    clock = SystemClock()
    settings = options.appliance
    async with opened(directory, options) as store:
        mail_log = MailLog(
            directory / options.log.directory,
            version=f"{__version__}-{BUILD}",
            serial=settings.serial,
            clock=clock.now_ms,
            host=settings.name,
            rollover_bytes=options.log.rollover_bytes,
            keep_files=options.log.keep_files,
            json=options.log.json,
            debug=options.log.debug,
        )
        tasks = Tasks(lambda name, error: mail_log.emit(log.Fault(error=f"{name}: {error}")))
        services = Services(settings.name, store, mail_log, clock, tasks, Numbers())
        releaser = None
        if isinstance(options, ManagerOptions):
            key = load_signing_key(Keys(directory / "keys"))
            releaser = Releaser(services, key=key, rescan=options.manager.rescan)
        desk = Desk(
            name=settings.name,
            role=settings.role,
            version=__version__,
            store=store,
            clock=clock,
            telemetry=mail_log,
            acts=StoppedActs(releaser),
            logs=mail_log,
        )
        try:
            yield Bench(desk, lambda: None)
        finally:
            await tasks.close()
            mail_log.close()


# --- what other commands of this room use
async def enrol(directory: Path, text: str) -> str:
    return str(await ask(directory, "enrol", text=text))


async def change_peer(directory: Path, serial: str, action: str) -> str:
    return str(await ask(directory, "change-peer", serial=serial, action=action))


async def set_password(directory: Path, user: str, password: str) -> str:
    """Raises LocalRefused also for a pass phrase that cannot be used."""
    done = await ask(directory, "passwd", user=user, hash=hashed(password), create=ADMINISTRATOR)
    still = "; it is disabled still, see `pratique user enable`" if done["disabled"] else ""
    return f"{done['user']} ({done['role']}) has a new pass phrase; all its sessions ended{still}"


def hashed(password: str) -> str:
    """For the acts: the pass phrase itself stays in this process. Raises LocalRefused when it cannot be used."""
    try:
        return hash_password(password)
    except ValueError as error:
        raise LocalRefused(str(error)) from error
