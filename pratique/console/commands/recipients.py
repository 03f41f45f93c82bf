"""What waits, message by message: for a host, from a sender, or all of it; the quarantine's own destinations included.

On a manager a person sees the messages of those quarantines alone that he may see; of others no trace.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pratique.console.access.roles import SEE_ALL, Permission, Person
from pratique.console.commands.desk import Desk, audit, command
from pratique.console.commands.hosts import NEEDING_MAX, OWN_HOST
from pratique.console.commands.parts import CommandRefused, Why
from pratique.delivery.routes import Hop, RouteError, parse_hop
from pratique.runner.redirects import Redirect, put, redirects
from pratique.store.interface import View
from pratique.store.records import Copy, Delivery, Transfer

LISTED_MAX = 1_000  # messages in a listing; a listing is for people
RECIPIENTS_LISTED_MAX = 100  # of each message; a list may have 50,000
SCANNED_MAX = 200_000  # rows looked at for one
PAGE_ROWS = 2_000
AT_ONCE = 64  # messages that are ended in one round; they share commits
NO_LIMIT = 1 << 62


class By(StrEnum):
    HOST = "host"
    SENDER = "sender"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Pick:
    """Which messages are meant. `value`: a host, or an envelope sender ("" = the null sender)."""

    by: By
    value: str = ""

    @classmethod
    def of(cls, by: By, value: str) -> "Pick":
        """Raises CommandRefused when it names nothing."""
        value = value.strip().lower()
        if by is By.SENDER:
            value = value.removeprefix("<").removesuffix(">")
        elif by is By.HOST:
            value = value.rstrip(".")
            if not value:
                raise CommandRefused(Why.INVALID, "name a host")
        return cls(by, "" if by is By.ALL else value)

    def means(self, copy: Copy) -> bool:
        return self.by is not By.SENDER or copy.envelope.sender.lower() == self.value

    def host(self) -> str:
        return self.value if self.by is By.HOST else ""


@dataclass(frozen=True, slots=True)
class Queued:
    """One recipient of a message that waits. `state`: DUE, DOT."""

    rid: int
    address: str
    host: str
    attempts: int
    state: str
    reply: str
    next_at: int


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """`state`: "" for ordinary mail; for a transfer Q (not offered yet), X (offered, no verdict yet), STUCK (waits for
    a person), CANC (the peer will never take it); LOC (ours again, waits for a person). `peer`: its name."""

    mid: int
    size: int
    at: int
    sender: str
    subject: str
    recipients: tuple[Queued, ...]
    state: str = ""
    host: str = ""
    peer: str = ""
    error: str = ""
    more: int = 0  # recipients that are not listed


@dataclass(frozen=True, slots=True)
class Ending:
    """How many messages were ended, and why others were not: by reason, the MIDs in order."""

    messages: int
    refused: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    messages: tuple[QueuedMessage, ...]
    complete: bool  # false: there are more


@command("show-recipients", Permission.QUEUE)
async def show_recipients(desk: Desk, person: Person, pick: Pick) -> Listing:
    """What waits for a host, from a sender, or all of it: message by message, the oldest first."""
    seen = _seen(desk, person)

    def read(view: View) -> Listing:
        found: list[QueuedMessage] = []
        for message in waiting_messages(view, desk.role, pick):
            if message is None or len(found) >= LISTED_MAX:
                return Listing(tuple(found), False)
            if seen is None or _is_seen(view, message.mid, seen):
                found.append(message)
        return Listing(tuple(found), True)

    listing: Listing = await desk.store.read(read)
    return listing


@command("delete-recipients", Permission.QUEUE)
async def delete_recipients(desk: Desk, person: Person, pick: Pick) -> Ending:
    """Delete what waits for a host, from a sender, or all of it: it is delivered to nobody, and nobody is told."""
    return await _end(desk, person, pick, bounced=False)


@command("bounce-recipients", Permission.QUEUE)
async def bounce_recipients(desk: Desk, person: Person, pick: Pick) -> Ending:
    """End what waits for a host, from a sender, or all of it, with a notice to each sender."""
    return await _end(desk, person, pick, bounced=True)


async def _end(desk: Desk, person: Person, pick: Pick, *, bounced: bool) -> Ending:
    """What the other appliance may have is left alone, by number and with the cure (docs/custody.md)."""
    own, ordinary = await desk.store.read(lambda view: _meant(view, desk.role, pick))
    seen = _seen(desk, person)
    done: set[int] = set()
    refused: dict[int, str] = {}
    if pick.host() != OWN_HOST[desk.role]:
        ended = await desk.queues.end_waiting(pick.host(), ordinary, person.name, bounced=bounced)
        done |= ended.mids
        refused |= ended.refused
    mine = [mid for mid in own if seen is None or _is_seen(desk.store.view, mid, seen)]
    for start in range(0, len(mine), AT_ONCE):
        some = mine[start : start + AT_ONCE]
        reasons = await asyncio.gather(*(desk.queues.end_own(m, person.name, bounced=bounced) for m in some))
        refused |= {mid: why for mid, why in zip(some, reasons, strict=True) if why}
        done |= {mid for mid, why in zip(some, reasons, strict=True) if not why}
    return Ending(len(done), _by_reason(refused))


def _meant(view: View, role: str, pick: Pick) -> tuple[list[int], frozenset[int] | None]:
    """(messages for the quarantine's own destination, messages of ordinary mail; None = all to the host picked)."""
    own: list[int] = []
    if pick.by is not By.HOST or pick.value == OWN_HOST[role]:
        for transfer in _transfers(view, NO_LIMIT):
            copy = view.copy(transfer.mid) if transfer is not None else None
            if copy is not None and pick.means(copy):
                own.append(copy.mid)
    if pick.by is not By.SENDER:
        return own, None
    found = (copy for copy, _ in _delivered(view, "", NO_LIMIT))
    return own, frozenset(copy.mid for copy in found if copy is not None and pick.means(copy))


@command("redirect-recipients", Permission.QUEUE)
async def redirect_recipients(desk: Desk, person: Person, pick: Pick, to: str) -> int:
    """Send ordinary mail that waits for a host, from a sender, or all of it to another host; "" = the usual way again.
    Mail that comes later is not meant. Returns how many messages."""
    if desk.role != "gateway" or pick.host() == OWN_HOST[desk.role]:
        raise CommandRefused(
            Why.CONFLICT,
            "mail for the quarantine follows the enrolment and is not redirected; a release goes to another gateway "
            "with `pratique release DIR MID --to SERIAL`",
        )
    try:
        target = "" if not to else _written(parse_hop(to.strip().lower()))
    except RouteError as error:
        raise CommandRefused(Why.INVALID, str(error)) from error
    desk.running()
    _, ordinary = await desk.store.read(lambda view: _meant(view, desk.role, pick))
    sender = pick.value if pick.by is By.SENDER else None
    rule = Redirect(target, desk.store.newest_mid(), pick.host(), sender)
    detail = json.dumps({"to": target, "host": pick.host(), "sender": sender, "upto": rule.upto})
    entry = audit(person, "redirect-recipients", detail=detail)
    await desk.store.submit(put((*redirects(desk.store.view), rule), (entry,)))
    return desk.queues.redirect(pick.host(), ordinary, target)


def _written(hop: Hop) -> str:
    return f"[{hop.host}]:{hop.port}" if ":" in hop.host else f"{hop.host}:{hop.port}"


def _by_reason(refused: dict[int, str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    found: dict[str, list[int]] = {}
    for mid in sorted(refused):
        found.setdefault(refused[mid], []).append(mid)
    return tuple((why, tuple(mids)) for why, mids in found.items())


def _seen(desk: Desk, person: Person) -> frozenset[str] | None:
    """Quarantines whose messages on their way the person may see; None = all."""
    return None if person.role in SEE_ALL or desk.role == "gateway" else frozenset(desk.quarantines(person))


def _is_seen(view: View, mid: int, seen: frozenset[str]) -> bool:
    return any(hold.quarantine in seen for hold in view.holds(mid))


def waiting_messages(view: View, role: str, pick: Pick) -> Iterator[QueuedMessage | None]:
    """Those that the pick means; None = the limit of what is looked at was reached."""
    own = OWN_HOST[role]
    if pick.by is not By.HOST or pick.value == own:
        names = {peer.serial: peer.name for peer in view.peers()}
        for transfer in _transfers(view, SCANNED_MAX):
            if transfer is None:
                yield None
                return
            copy = view.copy(transfer.mid)
            if copy is not None and pick.means(copy):
                yield _transferred(copy, transfer, own, names.get(transfer.peer, transfer.peer))
    if pick.host() == own:
        return
    for copy, deliveries in _delivered(view, pick.host(), SCANNED_MAX):
        if copy is None:
            yield None
            return
        if pick.means(copy):
            yield _ordinary(copy, deliveries)


def _transfers(view: View, most: int) -> Iterator[Transfer | None]:
    """Open ones of each peer, in the order in which they are offered; then those that wait for a person."""
    looked_at = 0
    for peer in view.peers():
        after = -1
        while rows := view.open_transfers(peer.serial, after, PAGE_ROWS):
            yield from rows
            after = rows[-1].seq
            looked_at += len(rows)
            if looked_at >= most:
                yield None
                return
    yield from view.unsettled_transfers(NEEDING_MAX)


def _delivered(view: View, host: str, most: int) -> Iterator[tuple[Copy | None, list[Delivery]]]:
    """Copies with their open deliveries (to `host`); a copy of None = the limit was reached."""
    after, looked_at = (0, -1), 0
    while rows := view.due_deliveries(after, PAGE_ROWS, host=host):
        last = rows[-1].mid
        if len(rows) == PAGE_ROWS:  # the last message may go on behind the page: it is read whole
            rows = [row for row in rows if row.mid != last]
            rows += [row for row in view.deliveries(last) if row.state in ("DUE", "DOT") and host in ("", row.host)]
        by_mid: dict[int, list[Delivery]] = {}
        for row in rows:
            by_mid.setdefault(row.mid, []).append(row)
        for mid, deliveries in by_mid.items():
            copy = view.copy(mid)
            if copy is not None:
                yield copy, deliveries
        after = (last, 1 << 62)
        looked_at += len(rows)
        if looked_at >= most:
            yield None, []
            return


def _transferred(copy: Copy, transfer: Transfer, host: str, peer: str) -> QueuedMessage:
    attempts = transfer.attempts
    state = "LOC" if copy.custody == "LOC" else transfer.state
    recipients = tuple(
        Queued(rid, r.address, host, attempts, transfer.state, transfer.error, 0)
        for rid, r in enumerate(copy.envelope.recipients[:RECIPIENTS_LISTED_MAX])
    )
    more = len(copy.envelope.recipients) - len(recipients)
    return replace(_listed(copy, recipients, more), state=state, host=host, peer=peer, error=transfer.error)


def _ordinary(copy: Copy, deliveries: list[Delivery]) -> QueuedMessage:
    recipients = tuple(
        Queued(d.rid, d.address, d.host, d.attempts, d.state, d.reply, d.next_at)
        for d in deliveries[:RECIPIENTS_LISTED_MAX]
    )
    return _listed(copy, recipients, len(deliveries) - len(recipients))


def _listed(copy: Copy, recipients: tuple[Queued, ...], more: int) -> QueuedMessage:
    return QueuedMessage(copy.mid, copy.size, copy.at, copy.envelope.sender, copy.subject, recipients, more=more)
