"""The oracle: what the world saw, against what the disks say. Every broken promise is one line in `broken`.

Kept all along, where it is cheap: a delivery must have its intent on the disk, and, if it comes out of quarantine, its
release; no hop is taken twice; no body goes that a row names. At the end: every message that was answered 250 is
somewhere, nothing that was refused is anywhere, and a second delivery has a name and a cause (design G1 to G7).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pratique.delivery.custody import Answer
from pratique.mail.ids import make_xid
from pratique.quarantine.lifecycle import Mark
from pratique.store.audit import GENESIS, chained
from pratique.store.memory.store import copies_of
from pratique.store.moves import Cancel, DotSent, ExitHold, Receive, Retarget, Settle, TakeBack
from pratique.store.records import AuditEntry
from tests.sim.plans import FREE, HELD_FATES
from tests.sim.senders import Attempt

DUPLICATE = b"X-Possible-Duplicate: yes\r\n"
TRACE_ID = re.compile(rb"\bid (\d+)")


@dataclass(frozen=True)
class Delivery:
    """One recipient of one message as the destination took it."""

    life: Any
    named: bool  # it says that it may be a duplicate
    connection: Any


class Ledger:
    def __init__(self, world: Any) -> None:
        self._world = world
        self.broken: list[str] = []
        self.attempts: dict[str, Attempt] = {}
        self.cids: defaultdict[str, set[str]] = defaultdict(set)  # of a marker
        self.copies: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)  # (serial, MID) by cid
        # By marker and recipient: copies that a filter doubles cannot always be told apart where they arrive.
        self.deliveries: defaultdict[tuple[str, str], list[Delivery]] = defaultdict(list)
        self.markers: dict[str, str] = {}  # of a cid; a notice has none
        self.intended: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # cids whose end may have been sent
        self.taken: set[str] = set()  # hops that a receiver has taken
        self.overridden: set[str] = set()  # cids that a named actor sent to two gateways
        self.unknown: set[str] = set()  # cids of a commit whose outcome nobody learnt
        self.taken_back: set[str] = set()  # cids that a gateway's operator delivered himself
        self.finished: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # cids recorded as delivered

    def breaks(self, rule: str, text: str) -> None:
        self.broken.append(f"{rule}: {text}")
        self._world.note("BROKEN", self.broken[-1])

    # --- the senders' side
    def sent(self, attempt: Attempt) -> None:
        self.attempts[attempt.marker] = attempt

    def answered(self, attempt: Attempt, reply: str) -> None:
        self._world.note("answer", f"{attempt.marker} by {attempt.gateway.name}: {reply[:60]}")
        if attempt.state == "acked" and not self.cids[attempt.marker]:
            self._look_for(attempt)

    def _look_for(self, attempt: Attempt) -> None:
        """A message that was accepted unjudged is known by its MID only."""
        for copy in attempt.gateway.rows.copies.values():
            if copy.hop == 0 and copy.sha256 == attempt_digest(attempt):
                self.cids[attempt.marker].add(copy.cid)
                return
        self.breaks("G1", f"{attempt.marker} was answered 250 and {attempt.gateway.name} has no durable row of it")

    # --- the disks' side
    def committed(self, life: Any, move: Any, result: Any, error: Exception | None) -> None:
        """A move was applied; its batch is being made durable."""
        if error is not None:
            self._world.note("refused", f"{life} {type(move).__name__} {error}")
            return
        answer = f": {result.answer}" if isinstance(move, Receive | Cancel) else ""
        self._world.note("commit", f"{life} {named(move)}{answer}")
        taken = not isinstance(move, Receive) or result.answer == Answer.COMMIT_ACC
        if taken:
            self._index(life, move)
        if isinstance(move, Receive) and taken:
            self._hop_taken(life, move)
        elif isinstance(move, DotSent):
            for cid, address in self._named(life, move.mid, move.rids):
                self.intended[self._key(cid), address].add(cid)
        elif isinstance(move, Settle):
            self._settled(life, move)
        elif isinstance(move, Retarget) and move.override:
            self.overridden.add(move.cid)
        elif isinstance(move, TakeBack):
            self.taken_back.add(life.store.rows.copies[move.mid].cid)

    def _index(self, life: Any, move: Any) -> None:
        for copy in copies_of(move):
            place = (life.host.serial, copy.mid)
            if place not in self.copies[copy.cid]:
                self.copies[copy.cid].append(place)
            if copy.message_id:
                self.cids[copy.message_id].add(copy.cid)
                self.markers[copy.cid] = copy.message_id
            if life.store.is_unknown:
                self.unknown.add(copy.cid)

    def _hop_taken(self, life: Any, move: Receive) -> None:
        xid = make_xid(move.copy.cid, move.hop)
        if xid in self.taken and move.copy.cid not in self.overridden:
            self.breaks("I3", f"{life} takes {xid}, which was taken before")
        self.taken.add(xid)
        sender = next(a for a in self._world.appliances if a.serial == move.peer)
        offered = sender.rows.transfers.get((move.copy.cid, move.hop))
        if move.copy.cid in self.overridden:
            return
        if offered is None or offered.state == "CANC" or offered.peer != life.host.serial:
            state = "not offered" if offered is None else f"{offered.state} towards {offered.peer}"
            self.breaks("I4", f"{life} takes {xid}, which is {state} at its sender")

    def _key(self, cid: str) -> str:
        return self.markers.get(cid, cid)

    def _named(self, life: Any, mid: int, rids: Iterable[int]) -> list[tuple[str, str]]:
        copy, wanted = life.store.rows.copies[mid], set(rids)
        return [(copy.cid, d.address) for d in life.store.rows.deliveries.get(mid, ()) if d.rid in wanted]

    def _settled(self, life: Any, move: Settle) -> None:
        for cid, address in self._named(life, move.mid, (o.rid for o in move.outcomes if o.state == "DELIVERED")):
            key = self._key(cid), address
            self.finished[key].add(cid)
            if len(self.deliveries[key]) < len(self.finished[key]):
                self.breaks("G2", f"{life} MID {move.mid} to {address} is recorded, but never came")

    def bodies_dropped(self, store: Any, extents: tuple[Any, ...]) -> None:
        gone = set(extents)
        for copy in store.rows.copies.values():
            if copy.extent in gone:
                self.breaks("G6", f"{store.life} drops the body of MID {copy.mid} ({copy.custody}), which a row names")

    # --- the destination's side
    def delivered(self, end: Any, sender: str, recipients: tuple[str, ...], octets: bytes) -> None:
        connection = end._connection
        gateway = next(g for g in self._world.gateways if g.address == connection.hosts[0])
        marker = _header(octets, b"Message-ID")
        self._world.note("delivery", f"by {gateway.name} {marker} to {', '.join(recipients)}")
        if not sender and not marker.endswith("@sim.example>"):
            self._notice(gateway, end, marker, recipients[0], octets)
            return
        for recipient in recipients:
            self._came(gateway, end, marker, recipient, octets)
        self._octets_are_those(marker, octets)

    def _came(self, gateway: Any, end: Any, marker: str, recipient: str, octets: bytes) -> None:
        found = [
            (copy, d)
            for cid in sorted(self.cids[marker])
            for serial, mid in self.copies[cid]
            if serial == gateway.serial and (copy := gateway.rows.copies.get(mid)) is not None
            for d in gateway.rows.deliveries.get(mid, ())
            if d.address == recipient
        ]
        found.sort(key=lambda one: one[0].hop)  # one that the line does not name was split from another at the door
        intended = [(copy, d) for copy, d in found if d.state == "DOT"]
        late = end._connection.harmed
        if not intended and not late:
            self.breaks("G5", f"{marker} came to {recipient} without an intent on the disk of {gateway.name}")
        if not found:
            self.breaks("G2", f"{marker} came to {recipient}, and {gateway.name} knows nothing of it")
            return
        copy, _ = _told_by(octets, intended) or _told_by(octets, found) or (intended or found)[0]
        self._note(marker, recipient, end, octets)
        self._may_leave(marker, copy, recipient)

    def _may_leave(self, marker: str, copy: Any, recipient: str) -> None:
        """G3: out of quarantine by a release alone."""
        attempt = self.attempts[marker]
        if copy.hop == 0:
            if must_be_held(attempt, recipient) and copy.cid not in self.taken_back:
                self.breaks("G3", f"{marker} came to {recipient} without having been held")
            return
        held = self._held_before(copy.cid, copy.hop)
        if held is None:
            self.breaks("G3", f"{marker} came back by hop {copy.hop}, and the manager never held it")
            return
        holds = self._world.manager.rows.holds.get(held.mid, ())
        if held.custody not in ("REL", "RELD", "CLOSED"):
            self.breaks("G3", f"{marker} was delivered and is {held.custody} at the manager")
        if not holds or any(h.mark != Mark.RELEASED or not h.actor for h in holds):
            marks = ", ".join(f"{h.quarantine} {h.mark}" for h in holds)
            self.breaks("G3", f"{marker} was delivered without a release from each quarantine: {marks}")

    def _held_before(self, cid: str, hop: int) -> Any:
        """The manager's copy that was released: a hop that was cancelled is offered anew as hop + 2."""
        rows = self._world.manager.rows
        return next((rows.copies[mid] for h in range(hop - 1, 0, -2) if (mid := rows.mids.get((cid, h)))), None)

    def _octets_are_those(self, marker: str, octets: bytes) -> None:
        accepted = self.attempts[marker].octets
        head = octets[: len(octets) - len(accepted)]
        if not octets.endswith(accepted) or not _only_trace(head):
            self.breaks("I7", f"{marker} was not delivered as it was accepted")

    def _notice(self, gateway: Any, end: Any, marker: str, recipient: str, octets: bytes) -> None:
        mid = int(marker.partition("@")[0].rpartition(".")[2])
        copy = gateway.rows.copies.get(mid)
        if copy is None:
            self.breaks("G2", f"the notice {marker} came, and {gateway.name} knows nothing of it")
            return
        self._note(copy.cid, recipient, end, octets)

    def _note(self, key: str, recipient: str, end: Any, octets: bytes) -> None:
        self.deliveries[key, recipient].append(Delivery(end.other.owner, DUPLICATE in octets, end._connection))

    # --- at the end
    def close(self) -> None:
        for appliance in self._world.appliances:
            self._chain(appliance)
            self._records(appliance)
        for marker, attempt in self.attempts.items():
            self._account(marker, attempt)
        self._deleted()
        for key, came in self.deliveries.items():
            self._twice(key, came)

    def _chain(self, appliance: Any) -> None:
        head = GENESIS
        for number, row in sorted(appliance.rows.audit.items()):
            entry = AuditEntry(row.actor, row.action, row.mid, row.cid, row.detail)
            if chained(head, number, row.at, entry) != row:
                self.breaks("I8", f"{appliance.name}: audit row {number} does not follow from the one before")
                return
            head = row.hash

    def _records(self, appliance: Any) -> None:
        """G7: each mark has its audit row, and no copy is in a state without one that names it."""
        marks: defaultdict[tuple[int, str], int] = defaultdict(int)
        arrived: set[int] = set()
        for row in appliance.rows.audit.values():
            if row.action in ("release", "delete"):
                marks[row.mid, row.action] += 1
            arrived.add(row.mid)
        for mid, holds in appliance.rows.holds.items():
            for mark, action in ((Mark.RELEASED, "release"), (Mark.DELETED, "delete")):
                given = sum(h.mark == mark for h in holds)
                if given != marks[mid, action]:
                    self.breaks("G7", f"{appliance.name} MID {mid}: {given} marks {mark}, {marks[mid, action]} records")
        for mid, copy in appliance.rows.copies.items():
            if mid not in arrived and not copy.parent:
                self.breaks("G7", f"{appliance.name} MID {mid} has no record")

    def _account(self, marker: str, attempt: Attempt) -> None:
        cids = self.cids[marker]
        if attempt.state == "refused":
            if kept := cids - self.unknown:
                self.breaks("I2", f"{marker} was refused, and {', '.join(sorted(kept))} is on disk")
            return
        if attempt.state == "sent" and not cids:
            return  # never answered, never taken
        for recipient in attempt.recipients:
            fates = [fate for cid in sorted(cids) if (fate := self._fate(attempt, cid, recipient))]
            if not fates:
                self.breaks("G2", f"{marker} to {recipient} was answered 250 and is nowhere")
            for fate in fates:
                if fate.startswith("!"):
                    self.breaks("G2", f"{marker} to {recipient}: {fate[1:]}")
                else:
                    self._world.fates[fate] += 1

    def _fate(self, attempt: Attempt, cid: str, recipient: str) -> str:
        """Where the copy is for this recipient; "" = it is not one of it; "!..." = lost."""
        rows = attempt.gateway.rows
        mid = rows.mids.get((cid, 0))
        copy = rows.copies.get(mid)
        if copy is None or all(r.address != recipient for r in copy.envelope.recipients):
            return ""
        return self._at_gateway(attempt.gateway, copy, recipient)

    def _at_gateway(self, gateway: Any, copy: Any, recipient: str) -> str:
        rows = gateway.rows
        deliveries = [d for d in rows.deliveries.get(copy.mid, ()) if d.address == recipient]
        if copy.custody in ("RECEIVED", "Q", "X", "LOC"):
            transfer = rows.transfers.get((copy.cid, copy.hop + 1))
            return "stuck" if transfer is not None and transfer.state == "STUCK" else f"waits ({copy.custody})"
        if copy.custody == "DONE":
            return self._at_manager(copy.cid, copy.hop + 1, recipient)
        if not deliveries:
            ended = {row.action for row in rows.audit.values() if row.mid == copy.mid} & {"drop", "bounce"}
            return min(ended, default=f"!{gateway.name} MID {copy.mid} is {copy.custody} without a decision")
        state = deliveries[0].state
        if state == "DELIVERED":
            if not self.deliveries[self._key(copy.cid), recipient]:
                return "!recorded as delivered, and it never came"
            return "delivered"
        if state == "FAILED":
            return self._told(gateway, copy)
        return "cancelled" if state == "CANCELLED" else "waits (delivery)"

    def _told(self, gateway: Any, copy: Any) -> str:
        if not copy.envelope.sender or any(c.parent == copy.cid for c in gateway.rows.copies.values()):
            return "bounced"
        return "!failed, and its sender was not told"

    def _at_manager(self, cid: str, hop: int, recipient: str) -> str:
        rows = self._world.manager.rows
        copy = rows.copies.get(rows.mids.get((cid, hop)))
        if copy is None:
            return f"!handed over by hop {hop}, and the manager has it not"
        if copy.custody == "HELD":
            return "held"
        if copy.custody == "DEL":
            return "deleted"
        returned = [
            (gateway, h) for gateway in self._world.gateways for c, h in gateway.rows.mids if c == cid and h > hop
        ]
        if returned:
            gateway, last = max(returned, key=lambda one: one[1])
            return self._at_gateway(gateway, gateway.rows.copies[gateway.rows.mids[cid, last]], recipient)
        if copy.custody == "REL" and any(t.cid == cid for t in rows.transfers.values()):
            return "waits (release)"
        return f"!{copy.custody} at the manager, and no gateway has it"

    def _deleted(self) -> None:
        for copy in self._world.manager.rows.copies.values():
            if copy.custody == "DEL" and copy.cid not in self.overridden:
                for gateway in self._world.gateways:
                    if any(cid == copy.cid and hop > copy.hop for cid, hop in gateway.rows.mids):
                        self.breaks("G3", f"{copy.cid} was deleted in hop {copy.hop}, and {gateway.name} got it back")

    def _twice(self, key: tuple[str, str], came: list[Delivery]) -> None:
        """G5: whatever comes more than once for one copy says that it may be a duplicate, and an answer was lost."""
        cids = self.intended[key]
        again = len(came) - len(cids)
        if again <= 0:
            return
        self._world.duplicates += again
        if sum(not one.named for one in came) > len(cids):
            self.breaks("G5", f"{key[0]} came to {key[1]} {len(came)} times, for {len(cids)} copies, unnamed")
        explained = sum(one.connection.harmed or one.life.dead or one.life.store_failed for one in came)
        if explained < again and not cids & self.overridden:
            self.breaks("G5", f"{key[0]} came to {key[1]} again, and no answer was lost")


def must_be_held(attempt: Attempt, recipient: str) -> bool:
    if attempt.mail.fate == "outbreak":
        return not recipient.endswith("@" + FREE)
    if attempt.mail.fate == "virus":
        return attempt.gateway.world.plan.virus and not recipient.endswith("@" + FREE)
    return attempt.mail.fate in HELD_FATES


def attempt_digest(attempt: Attempt) -> str:
    from hashlib import sha256

    return sha256(attempt.octets).hexdigest()


def _told_by(octets: bytes, found: list[Any]) -> Any:
    """The copy whose MID stands in the newest Received line, which a gateway writes at the door and at a return."""
    mid = TRACE_ID.search(octets)
    return next(((copy, d) for copy, d in found if mid is not None and copy.mid == int(mid[1])), None)


def _header(octets: bytes, name: bytes) -> str:
    start = (b"\r\n" + octets).find(b"\r\n" + name + b": ")
    return octets[start + len(name) + 2 :].partition(b"\r\n")[0].decode() if start >= 0 else ""


def _only_trace(head: bytes) -> bool:
    names = {b"Received", b"X-Possible-Duplicate", b"X-Sim-Marked"}
    return all(line[:1] in b" \t" or line.partition(b":")[0] in names for line in head.split(b"\r\n") if line)


def named(move: Any) -> str:
    """A move in a line of the trace."""
    what = type(move).__name__
    match move:
        case DotSent(mid=mid, rids=rids):
            return f"{what} MID {mid} RID {rids}"
        case Settle(mid=mid, outcomes=outcomes):
            return f"{what} MID {mid} {[(o.rid, o.state) for o in outcomes]}"
        case ExitHold(mid=mid, quarantine=quarantine, mark=mark, actor=actor):
            return f"{what} MID {mid} {quarantine} {mark} by {actor}"
    copies = copies_of(move)
    if copies:
        return what + "".join(f" MID {c.mid} {c.custody} {c.cid[-6:]}.{c.hop}" for c in copies)
    for name in ("mid", "cid", "hops", "answers", "serial", "peer", "mids"):
        if hasattr(move, name):
            return f"{what} {name}={getattr(move, name)}"
    return what
