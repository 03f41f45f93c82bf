"""What would a message meet on this gateway? Nothing is accepted, stored or sent."""

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.parts import NOT_RUNNING, CommandRefused, Why
from pratique.gateway.traced import NoListener, Probe, Stage

__all__ = ["OCTETS_MAX", "Probe", "Stage", "trace"]

OCTETS_MAX = 262_144  # of a message that is typed


@command("trace", Permission.SETTINGS)
async def trace(desk: Desk, person: Person, probe: Probe) -> tuple[Stage, ...]:
    """Each stage that it would meet, in order, with what was found there."""
    if desk.trace is None:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
    try:
        return await desk.trace(probe)
    except NoListener as error:
        raise CommandRefused(Why.NOT_FOUND, str(error)) from error
