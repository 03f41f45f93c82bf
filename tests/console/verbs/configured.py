"""A desk over the configuration of a gateway in a directory of its own, without the gateway."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk
from pratique.front.configuration import KeptConfiguration
from pratique.front.files import BadConfiguration, read_options
from pratique.front.init import initialise
from pratique.front.options import FILE
from pratique.front.own_file import OwnFile
from pratique.front.restart import needs_restart
from pratique.telemetry.mail_log import MailLog
from tests.console.rest_world import RestWorld, open_world
from tests.console.verbs.hearing import Hearing, hear

ADMIN = Person("admin", "administrator", "password")
ANNA = Person("anna", "administrator", "password")
MAIL = Person("mary", "email-administrator", "password")
READER = Person("rita", "read-only-operator", "password")
OVERRIDES = {
    "cpq.address": "127.0.0.9",
    "web.port": "8443",
    "gateway.virus.builtin": "false",
    "gateway.listeners.0.port": "2525",
    "gateway.listeners.0.recipients.0.match": "here.example",
}


def make_gateway(directory: Path) -> Path:
    asyncio.run(initialise("gateway", directory, name="gw.test", overrides=OVERRIDES, password="x"))
    return directory


@dataclass
class Configured:
    """`reloads`: how often the file came into force."""

    directory: Path
    rest: RestWorld
    desk: Desk
    own: OwnFile
    reloads: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.directory / FILE

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    def audit(self) -> list[tuple[str, str, str]]:
        rows = self.rest.store.view.audit(0, 10_000)
        return [(row.actor, row.action, row.detail) for row in rows if row.action.endswith("configuration")]

    async def do(self, line: str, *answers: str, person: Person = ADMIN) -> str:
        heard, status = await hear(self.desk, person, line, *answers)
        assert (status, heard.complaints) == (0, []), heard
        return heard.text

    async def refused(self, line: str, *answers: str, person: Person = ADMIN) -> str:
        heard, status = await hear(self.desk, person, line, *answers)
        assert status != 0
        return "\n".join(heard.complaints)

    async def asked(self, line: str, *answers: str, person: Person = ADMIN) -> Hearing:
        return (await hear(self.desk, person, line, *answers))[0]


@asynccontextmanager
async def configured(made: Path, place: Path) -> AsyncIterator[Configured]:
    """`made`: the directory of a gateway, which is copied."""
    directory = place / "gw"
    shutil.copytree(made, directory)
    rest = await open_world(place)
    running = read_options(directory)
    reloads: list[str] = []

    def in_force() -> list[str]:
        try:
            options = read_options(directory)
        except BadConfiguration:
            return []
        reloads.append((directory / FILE).read_text("utf-8"))
        return needs_restart(running, options)

    own = OwnFile(directory, rest.store, rest.clock, in_force)
    await own.settle()
    kept = KeptConfiguration(directory, own, options=running, clock=rest.clock)
    serial = running.appliance.serial
    mail_log = MailLog(place / "log", version="0.1.0-001", serial=serial, clock=rest.clock.now_ms, host="gw.test")
    desk = replace(rest.desk, name="gw.test", role="gateway", configuration=kept, logs=mail_log)
    yield Configured(directory, rest, desk, own, reloads)
    mail_log.close()
    await rest.close()
