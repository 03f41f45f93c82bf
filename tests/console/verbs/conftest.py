"""A manager's desk with a mail log, and a gateway whose configuration can be changed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pratique.console.commands.desk import Desk
from pratique.telemetry.mail_log import MailLog
from tests.console.rest_world import RestWorld, open_world
from tests.console.verbs.configured import Configured, configured, make_gateway


@dataclass
class Logged:
    rest: RestWorld
    desk: Desk
    mail_log: MailLog


@pytest.fixture
async def logged(tmp_path: Path) -> AsyncIterator[Logged]:
    rest = await open_world(tmp_path)
    mail_log = MailLog(
        tmp_path / "log",
        version="0.1.0-001",
        serial="0123456789ABCDEF0123",
        clock=rest.clock.now_ms,
        host="sma.example",
    )
    yield Logged(rest, replace(rest.desk, logs=mail_log), mail_log)
    mail_log.close()
    await rest.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_gateway(tmp_path_factory.mktemp("made") / "gw")


@pytest.fixture
async def gw(made: Path, tmp_path: Path) -> AsyncIterator[Configured]:
    async with configured(made, tmp_path) as world:
        yield world
