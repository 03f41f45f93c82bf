"""One message by its MID: shown, ended, kept as a file; and the oldest that waits.

The content of mail is nobody's business without a record: each reading is audited. On a manager a person reaches those
messages alone that are, or were, in a quarantine that he may see.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pratique.console.access.roles import SEE_ALL, Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.mail.mbox import mbox
from pratique.store.interface import View
from pratique.store.moves import Record
from pratique.store.records import Copy

SHOWN_BYTES = 102_400  # of a message that is shown
_STATES = {
    "RECEIVED": "in the work queue: accepted, not judged yet",
    "ACTIVE": "in the delivery queue",
    "SETTLED": "done: no recipient is open",
    "Q": "waits for the manager, not offered yet",
    "X": "offered to the manager, no verdict yet",
    "DONE": "the manager has it",
    "LOC": "refused for good by the manager, ours again, waits for a person",
    "HELD": "held in quarantine",
    "REL": "released, waits for a gateway",
    "RELD": "released, a gateway has it",
    "CLOSED": "released, its gateway has reported the end",
    "DEL": "deleted from quarantine",
    "DOUBT": "in doubt, waits for a person",
}


@dataclass(frozen=True, slots=True)
class Message:
    """`octets`: the beginning of it; `whole`: all of it. None: the body has been let go."""

    copy: Copy
    state: str
    octets: bytes | None
    whole: bool

    @property
    def head(self) -> bytes | None:
        return None if self.octets is None else self.octets.partition(b"\r\n\r\n")[0]


@command("show-message", Permission.QUEUE)
async def show_message(desk: Desk, person: Person, mid: int) -> Message:
    """One message: its state, its header and the beginning of its text. Audited as `view`."""
    copy = _reached(desk, person, mid)
    await desk.store.submit(Record((audit(person, "view", mid, copy.cid),)))
    octets = None
    if copy.extent is not None:
        extent, length = copy.extent, min(copy.size, SHOWN_BYTES)
        try:
            octets = await asyncio.to_thread(desk.store.spool.read, extent, 0, length)
        except OSError as error:
            raise CommandRefused(Why.UNAVAILABLE, f"the body of MID {mid} cannot be read: {error}") from error
    return Message(
        copy, _STATES.get(copy.custody, copy.custody), octets, octets is not None and len(octets) == copy.size
    )


@command("oldest-message", Permission.QUEUE)
async def oldest_message(desk: Desk, person: Person) -> int:
    """MID of the oldest message that waits: of ordinary mail, or, when none waits, for the appliance at the other end.
    0 = nothing waits."""

    def read(view: View) -> int:
        ordinary = view.waiting_for_host("").oldest_mid
        others = [view.waiting_for_peer(peer.serial).oldest_mid for peer in view.peers()]
        return ordinary or min((mid for mid in others if mid), default=0)

    found: int = await desk.store.read(read)
    return found


@command("remove-message", Permission.QUEUE)
async def remove_message(desk: Desk, person: Person, mid: int) -> None:
    """Delete one message that waits: it is delivered to nobody, and nobody is told."""
    copy = _reached(desk, person, mid)
    if copy.custody == "HELD":
        raise CommandRefused(Why.CONFLICT, f"MID {mid} is held; delete it in its quarantine")
    if copy.custody == "RECEIVED":
        raise CommandRefused(Why.CONFLICT, f"MID {mid} is being judged; when it has a verdict it can be removed")
    if copy.custody != "ACTIVE":
        why = await desk.queues.end_own(mid, person.name, bounced=False)
    else:
        ended = await desk.queues.end_waiting("", frozenset({mid}), person.name, bounced=False)
        why = ended.refused.get(mid, "" if mid in ended.mids else "it does not wait any more")
    if why:
        raise CommandRefused(Why.CONFLICT, f"MID {mid} was not removed: {why}")


@command("archive-message", Permission.QUEUE)
async def archive_message(desk: Desk, person: Person, mid: int) -> Path:
    """Keep a message as a file of the appliance's archive. Audited as `archive`. Returns where it is."""
    copy = _reached(desk, person, mid)
    if desk.archive is None:
        raise CommandRefused(Why.UNAVAILABLE, "the appliance does not run; start it first")
    if copy.extent is None:
        raise CommandRefused(Why.CONFLICT, f"the body of MID {mid} has been let go")
    await desk.store.submit(Record((audit(person, "archive", mid, copy.cid),)))
    pieces = mbox(copy.envelope.sender, copy.at, _proved(desk, copy))
    try:
        return await asyncio.to_thread(desk.archive.keep, f"oldmessage_{mid}.mbox", pieces)
    except OSError as error:
        raise CommandRefused(Why.CONFLICT, f"MID {mid} was not saved: {error.strerror or error}") from error


def _proved(desk: Desk, copy: Copy) -> Iterator[bytes]:
    """The octets; OSError at their end when they are not what was accepted."""
    assert copy.extent is not None
    digest = hashlib.sha256()
    for piece in desk.store.spool.open(copy.extent, copy.sha256).pieces():
        digest.update(piece)
        yield piece
    if digest.hexdigest() != copy.sha256:
        raise OSError("the stored body is not what was accepted")


def _reached(desk: Desk, person: Person, mid: int) -> Copy:
    copy = desk.store.view.copy(mid)
    if copy is not None and desk.role == "manager" and person.role not in SEE_ALL:
        seen = desk.quarantines(person)
        if not any(hold.quarantine in seen for hold in desk.store.view.holds(mid)):
            copy = None
    if copy is None:
        raise CommandRefused(Why.NOT_FOUND, f"there is no MID {mid} here")
    return copy
