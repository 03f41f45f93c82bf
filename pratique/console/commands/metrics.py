"""What a monitor measures, read at once: the state of the appliance and what is beside it for machines alone.

Everything is read when it is asked for; nothing is counted here.
"""

from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.status import Health, health
from pratique.store.interface import View


@dataclass(frozen=True, slots=True)
class Measured:
    """`oldest_seconds`: how long the first message for a peer has waited, by serial; a peer for which nothing waits is
    not in it."""

    health: Health
    oldest_seconds: dict[str, float]
    audit_number: int
    started_seconds: float | None  # Unix time; None: the appliance does not run
    connections_in: int | None
    connections_out: int | None


@command("metrics", Permission.STATUS)
async def metrics(desk: Desk, person: Person) -> Measured:
    """Counters and gauges for a monitor, in the text format of Prometheus."""
    found = await health(desk, person)
    serials = [link.serial for link in found.links if link.serial]
    now = desk.clock.now_ms()

    def read(view: View) -> dict[str, float]:
        since = {serial: _oldest(view, serial) for serial in serials}
        return {serial: max(0, now - at) / 1_000 for serial, at in since.items() if at is not None}

    oldest = await desk.store.read(read)
    meters = desk.meters
    open_now = meters.gauges() if meters is not None else None
    return Measured(
        health=found,
        oldest_seconds=oldest,
        audit_number=desk.store.audit_number(),
        started_seconds=meters.lives.started_ms / 1_000 if meters is not None else None,
        connections_in=open_now.connections_in if open_now is not None else None,
        connections_out=open_now.connections_out if open_now is not None else None,
    )


def _oldest(view: View, serial: str) -> int | None:
    """When the message that was first offered to this peer, and waits, was accepted."""
    waiting = view.open_transfers(serial, 0, 1)
    copy = view.copy(waiting[0].mid) if waiting else None
    return copy.at if copy is not None else None
