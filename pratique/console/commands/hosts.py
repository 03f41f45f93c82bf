"""Destinations as an operator sees them: hosts of ordinary mail, and the quarantine's own two, `the.cpq.host` on a
gateway and `the.cpq.release.host` on a manager, per appliance at the other end.

What waits is counted in the store; what was tried, and how it went, the running role knows.
"""

import json
from dataclasses import dataclass, replace

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.parts import CommandRefused, HostCounts, LinkState, Why
from pratique.delivery.routes import CANARY_HOST, CPQ_HOST, RELEASE_HOST
from pratique.runner.suspension import suspended
from pratique.store.interface import View
from pratique.store.moves import Record
from pratique.store.records import Copy, Peer, Waiting

OWN_HOST = {"gateway": CPQ_HOST, "manager": RELEASE_HOST}  # by role: the quarantine's own destination there
PEER_ROLE = {"gateway": "manager", "manager": "gateway"}
NEEDING_MAX = 10_000  # transfers that wait for a person and are looked at


@dataclass(frozen=True, slots=True)
class HostRow:
    """One destination, with all its peers taken together. `active`: recipients that wait; of the quarantine's own
    destinations messages, those that wait for a person included."""

    host: str
    up: bool | None
    active: int
    connections: int
    counts: HostCounts
    peers: tuple["HostRow", ...] = ()  # of the quarantine's own: one each, `host` is the peer's name

    @property
    def down(self) -> bool:
        return self.up is False


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One destination, or one peer of the quarantine's own destinations. `needing`: of `waiting`, messages that only a
    person moves on. Times are ms, 0 = none."""

    state: LinkState
    waiting: Waiting
    needing: int
    oldest_mid: int
    oldest_at: int
    next_attempt_ms: int
    suspended: bool = False  # delivery is, by a person: nothing is tried


@command("top-hosts", Permission.STATUS)
async def top_hosts(desk: Desk, person: Person) -> tuple[HostRow, ...]:
    """All destinations: what waits, what is open, what was done."""

    def read(view: View) -> tuple[dict[str, int], dict[str, int], tuple[Peer, ...]]:
        return dict(view.counts()), _needing(view), view.peers()

    counts, needing, peers = await desk.store.read(read)
    links = _known(desk, peers)
    own = tuple(
        _row_of_peer(link, counts.get(f"transfer.{serial}", 0) + needing.get(serial, 0)) for serial, link in links
    )
    rows = [_together(OWN_HOST[desk.role], own)]
    hosts = {link.destination: link for link in desk.acts.links() if not link.serial}
    waiting = {name.removeprefix("host."): count for name, count in counts.items() if name.startswith("host.")}
    for host in sorted({*hosts, *waiting} - {CANARY_HOST}):
        link = hosts.get(host) or _untried(host)
        rows.append(HostRow(host, link.up, waiting.get(host, 0), link.connections, link.counts))
    return tuple(rows)


def _needing(view: View) -> dict[str, int]:
    found: dict[str, int] = {}
    for transfer in view.unsettled_transfers(NEEDING_MAX):
        found[transfer.peer] = found.get(transfer.peer, 0) + 1
    return found


def _known(desk: Desk, peers: tuple[Peer, ...]) -> list[tuple[str, LinkState]]:
    """The quarantine's own destinations by the peer's serial: those with a link, and those only the store knows."""
    links = {link.serial: link for link in desk.acts.links() if link.serial}
    for peer in peers:
        if peer.role == PEER_ROLE[desk.role] and not peer.withdrawn and peer.serial not in links:
            links[peer.serial] = replace(_untried(OWN_HOST[desk.role]), peer=peer.name, serial=peer.serial)
    return sorted(links.items(), key=lambda item: item[1].peer)


def _untried(host: str) -> LinkState:
    return LinkState(host, "", "", None, "", 0, 0)


def _row_of_peer(link: LinkState, active: int) -> HostRow:
    return HostRow(link.peer, link.up, active, link.connections, link.counts)


def _together(host: str, peers: tuple[HostRow, ...]) -> HostRow:
    """Down when one of them is: mail waits there."""
    up = None
    if peers:
        up = False if any(row.down for row in peers) else all(row.up for row in peers) or None
    return HostRow(
        host,
        up,
        sum(row.active for row in peers),
        sum(row.connections for row in peers),
        _sum([row.counts for row in peers]),
        peers,
    )


def _sum(counts: list[HostCounts]) -> HostCounts:
    return HostCounts(**{name: sum(getattr(one, name) for one in counts) for name in HostCounts.__slots__})


@command("host-status", Permission.STATUS)
async def host_status(desk: Desk, person: Person, host: str) -> tuple[HostStatus, ...]:
    """One destination: its state, counters and gauges, the last error, the next attempt. Of the quarantine's own
    destinations one for each appliance at the other end."""
    host = host.strip().lower().rstrip(".")
    if not host:
        raise CommandRefused(Why.INVALID, "name a host")
    if host in OWN_HOST.values():
        return await _own_status(desk, host)
    link = next((link for link in desk.acts.links() if link.destination == host), None)

    def read(view: View) -> tuple[Waiting, Copy | None]:
        waiting = view.waiting_for_host(host)
        return waiting, view.copy(waiting.oldest_mid)

    waiting, oldest = await desk.store.read(read)
    if link is None and not waiting.count:
        raise CommandRefused(Why.NOT_FOUND, f"nothing waits for {host!a} and nothing was sent there since the start")
    return _steered(desk, [_status(link or _untried(host), waiting, 0, oldest, waiting.next_at)])


async def _own_status(desk: Desk, host: str) -> tuple[HostStatus, ...]:
    if host != OWN_HOST[desk.role]:
        raise CommandRefused(
            Why.NOT_FOUND, f"{host} is no destination of a {desk.role}; here it is {OWN_HOST[desk.role]}"
        )

    known = _known(desk, desk.store.view.peers())

    def read(view: View) -> list[HostStatus]:
        needing, found = _needing(view), []
        for serial, link in known:
            waiting = view.waiting_for_peer(serial)
            oldest = view.copy(waiting.oldest_mid)
            found.append(_status(link, waiting, needing.get(serial, 0), oldest, link.next_attempt_ms))
        return found

    found: list[HostStatus] = await desk.store.read(read)
    if not found:
        raise CommandRefused(
            Why.NOT_FOUND,
            f"no {PEER_ROLE[desk.role]} is enrolled here, so nothing goes to {host}; connect them by `applianceconfig` "
            "on the manager, or see `pratique enroll`",
        )
    return _steered(desk, found)


def _steered(desk: Desk, found: list[HostStatus]) -> tuple[HostStatus, ...]:
    stopped = suspended(desk.store.view).delivery
    return tuple(replace(one, suspended=stopped) for one in found)


def _status(link: LinkState, waiting: Waiting, needing: int, oldest: Copy | None, next_ms: int) -> HostStatus:
    return HostStatus(
        link,
        waiting,
        needing,
        waiting.oldest_mid,
        oldest.at if oldest is not None else 0,
        next_ms if waiting.count else 0,
    )


@command("deliver-now", Permission.QUEUE)
async def deliver_now(desk: Desk, person: Person, host: str) -> int:
    """Try what waits for a host ("" = everything) now. Returns how many destinations or messages were rescheduled."""
    host = host.strip().lower().rstrip(".")
    if suspended(desk.store.view).delivery:
        raise CommandRefused(Why.CONFLICT, "mail delivery is suspended; `resumedel` first")
    woken = desk.queues.wake(host)
    await desk.store.submit(Record((audit(person, "deliver-now", detail=json.dumps({"host": host})),)))
    return woken
