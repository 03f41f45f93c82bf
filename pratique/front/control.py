"""The local socket of a running appliance, DIR/run/control.sock: one JSON object a line in, one a line out.

{"command": "release", "arguments": {...}} -> {"ok": true, "result": ...} or {"ok": false, "error": "..."}. Whoever can
open it acts as this machine's administrator: mode 0600 in a directory 0700, and the peer's user id is checked as well.
The first line is a word made of the appliance's key: our own edge processes have the same user and must not command us,
and the key is out of their reach (confine).
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pratique.console.access.roles import Person, local_person
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import CommandRefused
from pratique.fleet.identity import Keys
from pratique.front.appliance import Appliance
from pratique.front.local_acts import LOCAL_ACTS, BadArguments, Bench
from pratique.front.shell_talk import UNASKED, send, serve_line
from pratique.gateway.app import Gateway
from pratique.telemetry import events as log

SOCKET_DIRECTORY = "run"
SOCKET_NAME = "control.sock"
LINE_BYTES_MAX = 4_194_304  # an enrolment is 3 KB, ten thousand mids 200 KB
WORD_SECONDS = 5.0  # the client sends it at once
SESSIONS_MAX = 16  # people and scripts on the machine itself are few
_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


@contextlib.contextmanager
def socket_path(directory: Path) -> Iterator[str]:
    """A path to the socket that fits the 108 octets of sockaddr_un however deep DIR lies. Raises OSError."""
    descriptor = os.open(directory / SOCKET_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


def first_line(directory: Path) -> bytes:
    """What a client says before all else. Raises OSError when it cannot read the key."""
    key = Keys(directory / "keys").cpq_key.read_bytes()
    return hashlib.sha256(b"control socket\0" + key).hexdigest().encode() + b"\n"


class Control:
    def __init__(self, appliance: Appliance, desk: Desk) -> None:
        self._appliance = appliance
        role = appliance.role
        canary = role.canary.fly if isinstance(role, Gateway) else None
        self._bench = Bench(desk, role.peers_changed, canary)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Raises OSError. A socket that a crash left is replaced: the store's lock says that nobody else runs."""
        directory = self._appliance.directory
        (directory / SOCKET_DIRECTORY).mkdir(mode=0o700, exist_ok=True)
        sock = _bound(directory)
        sock.setblocking(False)
        self._server = await asyncio.start_unix_server(self._session, sock=sock, limit=LINE_BYTES_MAX)

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        (self._appliance.directory / SOCKET_DIRECTORY / SOCKET_NAME).unlink(missing_ok=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        person = _peer(writer)
        if person is None or len(self._writers) >= SESSIONS_MAX:
            writer.close()
            return
        self._writers.add(writer)
        desk = self._bench.desk.for_session()
        try:
            if not await self._knows_us(reader):
                return
            while line := await reader.readline():
                asked = _object(line)
                if asked is not None and any(key in asked for key in UNASKED):
                    continue
                if asked is not None and asked.get("command") == "verb":
                    answer = await self._verb(desk, person, asked.get("arguments"), reader=reader, writer=writer)
                else:
                    answer = await self._answer(person, asked)
                send(writer, answer)
                await writer.drain()
        except (OSError, ValueError):
            pass  # the other side left, or its line is beyond LINE_BYTES_MAX
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _knows_us(self, reader: asyncio.StreamReader) -> bool:
        """Raises OSError, ValueError."""
        async with asyncio.timeout(WORD_SECONDS):  # TimeoutError is an OSError
            return hmac.compare_digest(await reader.readline(), first_line(self._appliance.directory))

    async def _verb(
        self,
        desk: Desk,
        person: Person,
        arguments: Any,
        *,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> dict[str, Any]:
        if not isinstance(arguments, dict):
            return {"ok": False, "error": "not a command"}
        try:
            return await serve_line(desk, person, arguments, reader=reader, writer=writer)
        except (OSError, ValueError):
            raise  # the client left, or does not speak our words
        except Exception as error:  # noqa: BLE001 - as below
            return self._defect("shell", error)

    async def _answer(self, person: Person, asked: dict[str, Any] | None) -> dict[str, Any]:
        if asked is None or "command" not in asked or "arguments" not in asked:
            return {"ok": False, "error": "not a command"}
        command, arguments = asked["command"], asked["arguments"]
        act = LOCAL_ACTS.get(command) if isinstance(command, str) else None
        if act is None or not isinstance(arguments, dict):
            return {"ok": False, "error": "this appliance does not know the command; is it of another version?"}
        try:
            return {"ok": True, "result": await act(self._bench, person, arguments)}
        except CommandRefused as refused:
            return {"ok": False, "error": refused.text}
        except BadArguments as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - the session of one command must not end the appliance
            return self._defect(command, error)

    def _defect(self, command: str, error: Exception) -> dict[str, Any]:
        self._appliance.mail_log.emit(log.Fault(error=f"local {command}: {type(error).__name__}: {error}"))
        return {"ok": False, "error": f"{command} failed: {error}; the log says more"}


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) else None


def _bound(directory: Path) -> socket.socket:
    with socket_path(directory) as path:
        Path(path).unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            Path(path).chmod(0o600)
        except OSError:
            sock.close()
            raise
    return sock


def _peer(writer: asyncio.StreamWriter) -> Person | None:
    """Who is at the other end: root or the user that the appliance runs as; anybody else is none."""
    sock = writer.get_extra_info("socket")
    _, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return local_user(uid) if uid in (0, os.geteuid()) else None


def local_user(uid: int) -> Person:
    """The person for the record: the user's name on this machine, marked as local."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return local_person(f"local:{name}")
