"""Is this gateway ready for the quarantine service, and if not, what is to be done?"""

from pratique.console.access.roles import Permission, Person, may
from pratique.console.commands.desk import Desk, command
from pratique.runner.ready import Readiness

__all__ = ["Readiness", "readiness"]


@command("readiness", Permission.STATUS)
async def readiness(desk: Desk, person: Person) -> tuple[Readiness, ...]:
    """Every named check between this gateway and its manager, and what is to be so here."""
    able = may(person, Permission.ADMINISTER)
    cure = "" if able else "Sign in as an administrator: other roles may look, and cannot switch the service"
    role = Readiness("role", able, f"you are {person.role}", cure)
    return (role, *await desk.paired().readiness())
