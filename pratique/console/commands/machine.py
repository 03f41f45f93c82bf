"""The machine under the appliance: the checks of the doctor, the room on its disks, its cache of the DNS."""

import asyncio

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import NOT_RUNNING, CommandRefused, Disk, Examined, Machine, Why
from pratique.store.moves import Record


@command("examine", Permission.QUEUE)
async def examine(desk: Desk, person: Person) -> Examined:
    """Every check of the doctor, each with its cure. A gateway sends a canary around."""
    return await _machine(desk).examine()


@command("disk-usage", Permission.STATUS)
async def disk_usage(desk: Desk, person: Person) -> tuple[Disk, ...]:
    """What the appliance has on its disks, and what is free there."""
    machine = _machine(desk)
    try:
        return await asyncio.to_thread(machine.disks)
    except OSError as error:
        raise CommandRefused(Why.UNAVAILABLE, f"a disk cannot be looked at: {error}") from error


@command("flush-names", Permission.QUEUE)
async def flush_names(desk: Desk, person: Person) -> None:
    """Forget what the DNS said: hosts are looked up anew."""
    machine = _machine(desk)
    await desk.store.submit(Record((audit(person, "flush-names"),)))
    machine.flush_names()


def _machine(desk: Desk) -> Machine:
    if desk.machine is None:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
    return desk.machine
