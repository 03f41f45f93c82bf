"""How the appliance is: its state, its links, its numbers; and, on a gateway, the mail that is its own again.

A gateway's own copies (custody LOC) are those that its manager refused for good; a person delivers them or gives them
up. What is in doubt (X, STUCK) is never touched here: the manager may hold it (delivery/custody.py).
"""

import json
from dataclasses import dataclass, replace

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, LinkState, Why
from pratique.mail.address import domain_of
from pratique.runner.supervisor import Component, Life
from pratique.runner.suspension import suspended
from pratique.store.interface import View
from pratique.store.moves import MoveRefused, Outcome, TakeBack
from pratique.store.records import Copy, NewDelivery

SCANNED_MAX = 200_000  # copies looked at for a listing; a listing is for people
LISTED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Health:
    """`status`: ok, degraded (mail waits for something), failed (nothing is taken)."""

    status: str
    reasons: tuple[str, ...]
    committed: int
    free_bytes: int
    counters: dict[str, float]
    gauges: dict[str, int]
    quarantines: dict[str, tuple[int, int]]
    links: tuple[LinkState, ...]
    components: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnCopy:
    """A gateway's copy that needs a person, or waits for an answer."""

    mid: int
    state: str  # LOC, STUCK, DOUBT
    sender: str
    recipients: tuple[str, ...]
    subject: str
    size: int
    error: str


@dataclass(frozen=True, slots=True)
class Queue:
    hosts: tuple[LinkState, ...]
    gauges: dict[str, int]
    own: tuple[OwnCopy, ...]
    complete: bool  # false: there are more than the listing looked at


async def bare_state(desk: Desk) -> str:
    """For whoever asks, signed in or not: no name, no number."""
    if desk.elsewhere is not None:
        return await desk.elsewhere.state()
    return "ok" if desk.store.spool.free_bytes() > 0 else "failed"


@command("health", Permission.STATUS)
async def health(desk: Desk, person: Person) -> Health:
    """State, counters, gauges, links, last commit, free space."""

    def read(view: View) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        return dict(view.counts()), dict(view.quarantine_counts())

    counts, held = await desk.store.read(read)
    free = desk.store.spool.free_bytes()
    links = _with_transfers(desk.acts.links(), counts)
    reasons = ["no free space: new mail is refused"] if free <= 0 else []
    reasons += [f"{link.peer} is not reached: {link.last_error}" for link in links if link.serial and link.up is False]
    reasons += [f"an operator has suspended {what}" for what in _suspended(desk)]
    components = desk.components()
    reasons += [f"{one.name} does not run: {one.last_error}" for one in components if one.life is Life.WAITING]
    seen = desk.quarantines(person)
    return Health(
        status="failed" if free <= 0 else "degraded" if reasons else "ok",
        reasons=tuple(reasons),
        committed=desk.store.committed_seq(),
        free_bytes=free,
        counters=desk.acts.counters(),
        gauges=counts,
        quarantines={name: numbers for name, numbers in held.items() if name in seen},
        links=links,
        components=components,
    )


def _suspended(desk: Desk) -> list[str]:
    now = suspended(desk.store.view)
    found = [f"receiving at {', '.join(now.listeners)}"] if now.listeners else []
    found += ["delivery"] if now.delivery else []
    found += ["transfers"] if now.transfers else []
    return found + (["the work queue"] if now.work_queue else [])


def _with_transfers(links: tuple[LinkState, ...], counts: dict[str, int]) -> tuple[LinkState, ...]:
    return tuple(replace(k, waiting=counts.get(f"transfer.{k.serial}", 0)) if k.serial else k for k in links)


@command("queue", Permission.QUEUE)
async def queue(desk: Desk, person: Person) -> Queue:
    """A gateway's queue: what waits for which host, and the copies that need a person."""

    def read(view: View) -> tuple[dict[str, int], tuple[OwnCopy, ...], bool]:
        return dict(view.counts()), *_own_copies(view)

    counts, own, complete = await desk.store.read(read)
    known = _with_transfers(desk.acts.links(), counts)
    named = {link.destination for link in known}
    others = [  # a stopped appliance has no links, but its store knows what waits
        LinkState(name.removeprefix("host."), "", "", None, "", 0, count)
        for name, count in counts.items()
        if name.startswith("host.") and name.removeprefix("host.") not in named
    ]
    return Queue((*known, *others), counts, own, complete)


def _own_copies(view: View) -> tuple[tuple[OwnCopy, ...], bool]:
    found: list[OwnCopy] = []
    for number, (mid, _, _) in enumerate(view.live_bodies()):
        if number >= SCANNED_MAX or len(found) >= LISTED_MAX:
            return tuple(found), False
        copy = view.copy(mid)
        if copy is None or copy.custody not in ("LOC", "X", "DOUBT"):
            continue
        transfer = view.release_of(mid)
        error = transfer.error if transfer is not None else ""
        state = copy.custody
        if state == "X":
            if transfer is None or transfer.state != "STUCK":
                continue
            state = "STUCK"
        found.append(_own(copy, state, error))
    return tuple(found), True


def _own(copy: Copy, state: str, error: str) -> OwnCopy:
    recipients = tuple(r.address for r in copy.envelope.recipients)
    return OwnCopy(copy.mid, state, copy.envelope.sender, recipients, copy.subject, copy.size, error)


@command("deliver-own", Permission.QUEUE)
async def deliver_own(desk: Desk, person: Person, mids: tuple[int, ...]) -> int:
    """Deliver a gateway's own copies to their recipients without the manager. Returns how many."""
    done = 0
    for copy in _local(desk, mids):
        now = desk.clock.now_ms()
        entry = audit(person, "deliver-own", copy.mid, copy.cid)
        if await _taken_back(desk, TakeBack(copy.mid, _deliveries(copy, now), (entry,))):
            desk.acts.deliver(copy.mid)
            done += 1
    return done


@command("give-up-own", Permission.QUEUE)
async def give_up_own(desk: Desk, person: Person, mids: tuple[int, ...]) -> int:
    """Give up a gateway's own copies: they are delivered to nobody. Returns how many."""
    done = 0
    for copy in _local(desk, mids):
        deliveries = _deliveries(copy, desk.clock.now_ms())
        detail = json.dumps({"recipients": [d.address for d in deliveries]})
        entries = (
            audit(person, "give-up-own", copy.mid, copy.cid, detail=detail),
            audit(person, "cancel", copy.mid, copy.cid),
        )
        outcomes = tuple(Outcome(d.rid, "CANCELLED", f"given up by {person.name}") for d in deliveries)
        if await _taken_back(desk, TakeBack(copy.mid, deliveries, entries, outcomes)):
            desk.acts.row_written()
            done += 1
    return done


def _local(desk: Desk, mids: tuple[int, ...]) -> list[Copy]:
    """Those that are this gateway's own. Raises CommandRefused for one whose fate is not known."""
    found = []
    for mid in dict.fromkeys(mids):
        copy = desk.store.view.copy(mid)
        if copy is None:
            continue
        if copy.custody in ("X", "DOUBT"):
            raise CommandRefused(
                Why.CONFLICT,
                f"MID {mid} was offered to the manager and its answer is not known; it may be held there. "
                "Bring the link up (`pratique doctor`), then release or delete it at the manager",
            )
        if copy.custody == "LOC":
            found.append(copy)
    return found


def _deliveries(copy: Copy, at: int) -> tuple[NewDelivery, ...]:
    return tuple(
        NewDelivery(rid, r.address, domain_of(r.address), at, r.notify, r.orcpt)
        for rid, r in enumerate(copy.envelope.recipients)
    )


async def _taken_back(desk: Desk, move: TakeBack) -> bool:
    try:
        await desk.store.submit(move)
    except MoveRefused:
        return False
    return True
