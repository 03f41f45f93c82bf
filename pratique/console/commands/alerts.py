"""The latest alerts with the fate of their mail, and a test of the way that they go."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.runner.alerts.latest import SETTING, Raised, read
from pratique.store.interface import View
from pratique.store.moves import Record
from pratique.store.records import Delivery

TEST_SECONDS = 30.0  # how long a test waits for the mail server's answer; the mail itself goes on
POLL_SECONDS = 0.2
OPEN = ("DUE", "DOT")


@dataclass(frozen=True, slots=True)
class Fate:
    """Of one recipient. `state`: sent, waiting, failed; `reply`: the last answer, "" = none yet."""

    address: str
    state: str
    reply: str


@dataclass(frozen=True, slots=True)
class Shown:
    alert: Raised
    fates: tuple[Fate, ...]


@command("alerts", Permission.STATUS)
async def latest(desk: Desk, person: Person) -> tuple[Shown, ...]:
    """The latest alerts, newest first, and what became of their mail."""

    def found(view: View) -> tuple[Shown, ...]:
        return tuple(_shown(view, raised) for raised in reversed(read(view.setting(SETTING))))

    shown: tuple[Shown, ...] = await desk.store.read(found)
    return shown


@command("test-alert", Permission.QUEUE)
async def test(desk: Desk, person: Person) -> Shown:
    """Send a test alert to every recipient, and wait for the mail server's answers."""
    if desk.alerts is None:
        raise CommandRefused(Why.UNAVAILABLE, "the appliance does not run; start it first")
    await desk.store.submit(Record((audit(person, "test-alert"),)))
    try:
        raised = await desk.alerts.test()
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"the mail could not be stored: {error}") from error
    if not raised.mid:
        raise CommandRefused(Why.CONFLICT, "alerts have no recipients: add some to [alerts] of the configuration")
    deadline = desk.clock.monotonic() + TEST_SECONDS
    while True:
        shown = _shown(desk.store.view, raised)
        tried = all(fate.reply or fate.state != "waiting" for fate in shown.fates)
        if tried or desk.clock.monotonic() >= deadline:
            return shown
        await asyncio.sleep(POLL_SECONDS)


def _shown(view: View, raised: Raised) -> Shown:
    rows: Sequence[Delivery] = view.deliveries(raised.mid) if raised.mid else ()
    return Shown(raised, tuple(Fate(row.address, _state(row), row.reply) for row in rows))


def _state(row: Delivery) -> str:
    return "sent" if row.state == "DELIVERED" else "waiting" if row.state in OPEN else "failed"
