"""Enrolments as both roles handle them in the command line: print ours, add the other's, take one away and say first
what still waits. What is done with peers is fleet/peers.py.
"""

from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.fleet.enrolment import Enrolment, EnrolmentError, read_enrolment
from pratique.fleet.peers import EnrolRefused, add_peer, change_peer, check_new
from pratique.store.interface import Search, View
from pratique.store.records import Peer

COUNTED_MAX = 100_000  # held messages that are looked through for a gateway's own


@dataclass(frozen=True, slots=True)
class Waits:
    """What still belongs to a peer. `held`: on a manager, messages of this gateway by quarantine. `transfers`: on their
    way to it. `stuck`: transfers that need a person."""

    held: dict[str, int]
    transfers: int
    stuck: int

    @property
    def nothing(self) -> bool:
        return not (self.held or self.transfers or self.stuck)


def own(desk: Desk) -> Enrolment:
    try:
        return desk.paired().enrolment()
    except (OSError, ValueError) as error:
        raise CommandRefused(Why.UNAVAILABLE, f"our own keys cannot be read: {error}") from error


def read(desk: Desk, text: str) -> Enrolment:
    """The other's enrolment, fit to be added. Raises CommandRefused."""
    try:
        paper = read_enrolment(text, own_role=desk.role)
        check_new(desk.store, paper)
    except (EnrolmentError, EnrolRefused) as error:
        raise CommandRefused(Why.INVALID, str(error)) from error
    if desk.role == "gateway":
        others = [p for p in active(desk, "manager") if p.serial != paper.serial]
        if others:
            raise CommandRefused(
                Why.CONFLICT,
                f"a gateway has one manager, and {others[0].name} ({others[0].serial}) is enrolled; "
                f"`smaconfig delete {others[0].serial}` first",
            )
    return paper


def active(desk: Desk, role: str) -> tuple[Peer, ...]:
    return tuple(p for p in desk.store.view.peers() if p.role == role and not p.withdrawn)


@command("print-enrolment", Permission.ADMINISTER)
async def print_enrolment(desk: Desk, person: Person) -> Enrolment:
    """What another appliance must know of this one."""
    return own(desk)


@command("add-enrolment", Permission.ADMINISTER)
async def add_enrolment(desk: Desk, person: Person, text: str, *, label: str = "") -> Peer:
    """Add the appliance of this enrolment: a file's text, or the one word. Durable on return."""
    fleet = desk.paired()
    paper = read(desk, text)
    try:
        peer = await add_peer(desk.store, paper, actor=person.name, label=label)
    except EnrolRefused as error:
        raise CommandRefused(Why.CONFLICT, str(error)) from error
    fleet.changed()
    return peer


@command("peers", Permission.ADMINISTER)
async def list_peers(desk: Desk, person: Person) -> tuple[Peer, ...]:
    """The enrolled appliances."""
    return active(desk, "manager" if desk.role == "gateway" else "gateway")


@command("waits-for-peer", Permission.ADMINISTER)
async def waits_for(desk: Desk, person: Person, serial: str) -> Waits:
    """What still belongs to a peer."""
    _known(desk, serial)

    def look(view: View) -> Waits:
        names = tuple(q.name for q in view.quarantines()) if desk.role == "manager" else ()
        held: dict[str, int] = {}
        found = view.search(Search(names, limit=COUNTED_MAX)).copies if names else ()
        for copy, holds in found:
            for hold in holds if copy.origin_serial == serial else ():
                if hold.mark == "HELD":
                    held[hold.quarantine] = held.get(hold.quarantine, 0) + 1
        stuck = sum(t.peer == serial for t in view.unsettled_transfers(COUNTED_MAX))
        return Waits(held, view.waiting_for_peer(serial).count, stuck)

    found: Waits = await desk.store.read(look)
    return found


@command("withdraw-peer", Permission.ADMINISTER)
async def withdraw(desk: Desk, person: Person, serial: str) -> Peer:
    """Nothing is exchanged with it any more. What waits stays. Durable on return."""
    fleet = desk.paired()
    _known(desk, serial)
    peer = await change_peer(desk.store, serial, action="withdraw", actor=person.name)
    fleet.changed()
    return peer


def _known(desk: Desk, serial: str) -> Peer:
    peer = desk.store.view.peer(serial)
    if peer is None or peer.withdrawn:
        raise CommandRefused(Why.NOT_FOUND, f"no appliance {serial!a} is enrolled here")
    return peer
