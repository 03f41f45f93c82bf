"""What another appliance may do here over SSH: sign in with the key that it was enrolled with, and ask where our
quarantine port is. Nothing that it can ask changes anything.
"""

from pratique.console.access.roles import APPLIANCE, Permission, Person
from pratique.console.access.signin import SignInRefused
from pratique.console.commands.desk import Desk, command
from pratique.fleet.place import MACHINE_USER, Place
from pratique.store.records import Peer

__all__ = ["MACHINE_USER", "Place", "cpq_status", "machine_of", "machine_person"]


def machine_of(desk: Desk, line: str) -> str:
    """The serial of the enrolled appliance that signs in with this public key, "" when there is none."""
    key = " ".join(line.split()[:2])
    return (
        next((p.serial for p in desk.store.view.peers() if p.ssh_client_key == key and _counts(p)), "") if key else ""
    )


def machine_person(desk: Desk, serial: str) -> Person:
    """Who it is, as of now. Raises SignInRefused when the enrolment was withdrawn or locked meanwhile."""
    peer = desk.store.view.peer(serial)
    if peer is None or not _counts(peer):
        raise SignInRefused
    return Person(f"peer:{serial}", APPLIANCE, "key")


def _counts(peer: Peer) -> bool:
    return bool(peer.ssh_client_key) and not peer.withdrawn and not peer.locked


@command("cpq-status", Permission.MACHINE)
async def cpq_status(desk: Desk, person: Person) -> Place:
    """Which interface and port take mail from the other appliances, and whether they do now."""
    return desk.paired().place()
