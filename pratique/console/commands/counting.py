"""The appliance in numbers: counters since the reset, the start and in all; gauges, rates, the oldest that waits."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.hosts import OWN_HOST, PEER_ROLE
from pratique.console.commands.parts import CommandRefused, Gauges, Load, Why
from pratique.runner.supervisor import Component
from pratique.runner.suspension import Suspension, suspended, system_status
from pratique.store.interface import View
from pratique.store.records import Waiting
from pratique.telemetry.lives import Totals

# What a page calls it, and the counters that it sums (telemetry/counters.py).
COUNTERS: dict[str, tuple[str, ...]] = {
    "messages_received": ("received",),  # those of a hand-over among them
    "recipients_received": ("recipients",),
    "bounces_generated": ("bounces_made",),
    "recipients_rejected": ("refused",),
    "messages_dropped": ("dropped",),
    "soft_bounced_events": ("delayed",),
    "recipients_completed": ("bounced", "delivered", "recipients_deleted"),
    "hard_bounced": ("bounced",),
    "hard_bounced_dns": ("bounced_dns",),
    "hard_bounced_5xx": ("bounced_5xx",),
    "hard_bounced_filter": ("bounced_filter",),
    "hard_bounced_expired": ("bounced_expired",),
    "hard_bounced_other": ("bounced_other",),
    "recipients_delivered": ("delivered",),
    "recipients_deleted": ("recipients_deleted",),
    "messages_transferred": ("transferred",),
    "messages_returned": ("returned",),
    "messages_held": ("held",),
    "messages_released": ("released",),
    "messages_deleted": ("deleted",),
}
NO_NEW_MAIL = 999  # as the reference system has it
RATED = (
    "messages_received",
    "recipients_received",
    "soft_bounced_events",
    "recipients_completed",
    "hard_bounced",
    "recipients_delivered",
    "messages_transferred",
)


@dataclass(frozen=True, slots=True)
class Oldest:
    mid: int = 0  # 0 = nothing waits
    at: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """`active`: recipients that wait for ordinary hosts; `transfers`: messages for the quarantine's own destination.
    `oldest` of the first, `oldest_transfer` of the second. `held`: (messages, octets) of the quarantines that the
    person may see. `hosts`: destinations that something waits for. `load`: None where the machine does not say it.
    Times are ms, 0 = never."""

    now: int
    started: int
    reset: int
    status: str
    suspended: Suspension
    counters: dict[str, Totals]
    rates: dict[str, tuple[int, ...]]
    gauges: Gauges
    active: Waiting
    transfers: Waiting
    oldest: Oldest
    oldest_transfer: Oldest
    work_queue: int
    free_bytes: int
    held: dict[str, tuple[int, int]]
    components: tuple[Component, ...] = ()
    hosts: int = 0
    load: Load | None = None

    @property
    def conservation(self) -> int:
        """How far mail is slowed down to spare resources: not at all, or NO_NEW_MAIL."""
        return NO_NEW_MAIL if self.free_bytes <= 0 else 0


@command("figures", Permission.STATUS)
async def figures(desk: Desk, person: Person) -> Figures:
    """All numbers of a running appliance."""
    meters = desk.running()

    def read(view: View) -> tuple[Waiting, Waiting, Oldest, Oldest, dict[str, int], dict[str, tuple[int, int]]]:
        active, transfers = view.waiting_for_host(""), _transfers(view, desk.role)
        oldest = _oldest(view, active.oldest_mid), _oldest(view, transfers.oldest_mid)
        return active, transfers, *oldest, dict(view.counts()), dict(view.quarantine_counts())

    active, transfers, oldest, oldest_transfer, counts, held = await desk.store.read(read)
    load = await _load(desk)
    now, state, seen = desk.clock.now_ms(), suspended(desk.store.view), desk.quarantines(person)
    return Figures(
        now=now,
        started=meters.lives.started_ms,
        reset=meters.lives.reset_ms,
        status=system_status(state, desk.queues.listeners()),
        suspended=state,
        counters={name: _sum(meters.lives.totals(one) for one in parts) for name, parts in COUNTERS.items()},
        rates={name: _rates(desk, name, now) for name in RATED},
        gauges=meters.gauges(),
        active=active,
        transfers=transfers,
        oldest=oldest,
        oldest_transfer=oldest_transfer,
        work_queue=counts.get("copy.RECEIVED", 0),
        free_bytes=desk.store.spool.free_bytes(),
        held={name: numbers for name, numbers in held.items() if name in seen},
        components=desk.components(),
        hosts=sum(count > 0 for name, count in counts.items() if name.startswith("host.")),
        load=load,
    )


async def _load(desk: Desk) -> Load | None:
    """A disk that cannot be looked at takes no other figure away."""
    if desk.machine is None:
        return None
    try:
        return await asyncio.to_thread(desk.machine.load)
    except OSError:
        return None


def _transfers(view: View, role: str) -> Waiting:
    """To all peers together."""
    found = [view.waiting_for_peer(p.serial) for p in view.peers() if p.role == PEER_ROLE[role]]
    oldest = [one.oldest_mid for one in found if one.oldest_mid]
    return Waiting(sum(w.count for w in found), sum(w.attempted for w in found), min(oldest, default=0))


def _oldest(view: View, mid: int) -> Oldest:
    copy = view.copy(mid) if mid else None
    return Oldest(mid, copy.at) if copy is not None else Oldest()


def _sum(parts: Iterable[Totals]) -> Totals:
    found = list(parts)
    return Totals(sum(t.reset for t in found), sum(t.uptime for t in found), sum(t.lifetime for t in found))


def _rates(desk: Desk, name: str, now: int) -> tuple[int, ...]:
    lives = desk.running().lives
    each = [lives.rates(part, now) for part in COUNTERS[name]]
    return tuple(map(sum, zip(*each, strict=True)))


@command("reset-counters", Permission.QUEUE)
async def reset_counters(desk: Desk, person: Person) -> int:
    """Let the counters "since the reset", and those of each destination, begin anew. Returns the time, in ms."""
    await desk.running().reset(audit(person, "reset-counters"))
    return desk.clock.now_ms()


@dataclass(frozen=True, slots=True)
class Client:
    """Open connections of one address at one listener."""

    name: str
    address: str
    listener: str
    connections: int


@command("top-in", Permission.STATUS)
async def top_in(desk: Desk, person: Person) -> tuple[Client, ...]:
    """Who is connected to the listeners, the most connections first."""
    found = [Client(*key, count) for key, count in desk.running().clients().items()]
    return tuple(sorted(found, key=lambda c: (-c.connections, c.address, c.listener)))


@command("work-queue", Permission.STATUS)
async def work_queue(desk: Desk, person: Person) -> tuple[str, int]:
    """(why it is paused, "" = it is not; messages in it)."""
    if desk.role != "gateway":
        raise CommandRefused(Why.CONFLICT, "a manager judges no mail, so it has no work queue")
    counts = await desk.store.read(lambda view: view.counts())
    return suspended(desk.store.view).work_queue, counts.get("copy.RECEIVED", 0)


__all__ = ["COUNTERS", "OWN_HOST", "Client", "Figures", "figures", "reset_counters", "top_in", "work_queue"]
