"""A manager's SSH face in one process: the real server over a real store, asyncssh's client at the other end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncssh

from pratique.console.commands.desk import Desk
from pratique.console.remote.far import FarReception
from pratique.console.remote.interface import Reception
from pratique.console.remote.reception import LocalReception
from pratique.console.ssh.server import SshServer, read_host_keys
from pratique.console.verbs.verb import load_verbs
from pratique.fleet.identity import Keys, create_host_keys
from pratique.net.tasks import Tasks
from pratique.store.moves import PutUser
from pratique.telemetry import events as log
from pratique.telemetry.mail_log import MailLog
from tests.console.remote.wired import wired
from tests.console.rest_world import PASSWORD, RestWorld, open_world

load_verbs()  # before a fixture remembers the registry
SECONDS = 10.0
SERIAL = "0123456789ABCDEF0123"


@dataclass
class House:
    rest: RestWorld
    desk: Desk
    server: SshServer
    mail_log: MailLog
    host_key: Path
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def connect(self, user: str = "administrator", password: str | None = PASSWORD, **options: Any) -> Any:
        """An async context manager; raises asyncssh.PermissionDenied and the like when it is entered."""
        given: dict[str, Any] = {
            "username": user,
            "password": password,
            "known_hosts": None,
            "client_keys": None,
            "agent_path": None,
            "config": [],
            "preferred_auth": "password",
        }
        return asyncssh.connect("127.0.0.1", self.server.port, **(given | options))

    async def said(self, command: str, user: str = "administrator", **options: Any) -> tuple[str, str, int]:
        """What one command wrote to both streams, and its exit status."""
        async with self.connect(user, **options) as connection:
            done = await asyncio.wait_for(connection.run(command, stdin=asyncssh.DEVNULL), SECONDS)
        return str(done.stdout), str(done.stderr), int(done.exit_status or 0)

    async def change(self, name: str, **fields: Any) -> None:
        user = self.rest.store.view.user(name)
        assert user is not None
        await self.rest.store.submit(PutUser(replace(user, **fields), ()))

    def later(self, seconds: int) -> None:
        self.rest.clock.now += seconds * 1_000

    def note(self, text: str) -> None:
        """A line in the mail log, written."""
        self.mail_log.emit(log.Note(message=text))
        self.mail_log.flush()


@asynccontextmanager
async def open_house(
    directory: Path, host_keys: Path, *, far: bool = False, **desk_fields: Any
) -> AsyncIterator[House]:
    """`far`: SSH is served as in a console process, over a stream."""
    rest = await open_world(directory)
    mail_log = MailLog(
        directory / "log", version="0.1.0-001", serial=SERIAL, clock=rest.clock.now_ms, host="sma.example"
    )
    desk = replace(rest.desk, logs=mail_log, **desk_fields)
    notes: list[tuple[str, str, str]] = []
    faults: list[str] = []
    tasks = Tasks(lambda name, error: faults.append(f"{name}: {error!r}"))
    ends = AsyncExitStack()
    signin = rest_signin(rest)
    reception: Reception = LocalReception(desk, signin, note=lambda *said: notes.append(said))
    if far:
        assert isinstance(reception, LocalReception)
        reception = FarReception((await ends.enter_async_context(wired(desk, signin, reception))).custody)
    paths = create_host_keys(Keys(host_keys))
    server = SshServer(reception, spawn=tasks.spawn, fault=faults.append, monotonic=desk.clock.monotonic)
    await server.start("127.0.0.1", 0, read_host_keys(paths))
    house = House(rest, desk, server, mail_log, paths[0], notes, faults)
    try:
        yield house
    finally:
        await server.stop()
        await tasks.close(1.0)
        await ends.aclose()
        mail_log.close()
        await rest.close()
    assert faults == []


def rest_signin(rest: RestWorld) -> Any:
    from pratique.console.access.sessions import Sessions
    from pratique.console.access.signin import SignIn

    def seconds() -> int:
        return rest.clock.now_ms() // 1_000

    return SignIn(
        rest.store.view.user,
        Sessions(b"s" * 32, now=seconds, random=rest.clock.random),
        monotonic=rest.clock.monotonic,
        now=seconds,
        secret=b"k" * 32,
    )
