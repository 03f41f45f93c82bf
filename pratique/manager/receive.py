"""Quarantined mail arrives: from a group and its metadata to a held copy.

The role's half of the quarantine port on a manager (runner.cpq_server.Taker).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from pratique.delivery.routes import is_canary
from pratique.mail.headers import decode_value, read_headers
from pratique.mail.ids import parse_xid
from pratique.manager.attachments import list_attachments
from pratique.manager.overflow import Pool
from pratique.runner.cpq_parts import Decided, Offer, alarm_refused, read_metadata
from pratique.runner.readiness import Asker, Line, common_lines, line
from pratique.runner.services import Services, audit
from pratique.store.moves import JournalTaken, Receive
from pratique.store.records import NewCopy, NewHold, Peer, Quarantine
from pratique.telemetry import events as log
from pratique.transfer.messages import (
    V_DENIED,
    V_FULL,
    V_SUSPENDED_QUARANTINE,
    Keyword,
    Row,
    Verdict,
)
from pratique.transfer.metadata import Metadata, QuarantineRef

UNCLASSIFIED = "Unclassified"
HEAD_BYTES_MAX = 262_144
NAMED_MAX, NAME_CHARS = 3, 64  # unknown quarantines in one cure
UNKNOWN_MAX = 1_000  # names that are remembered as said, so that nothing a gateway sends fills the log or the memory


@dataclass(slots=True)
class Reception:
    services: Services
    gateway_met: Callable[[Peer], None]
    journal_heard: Callable[[Peer, tuple[Row, ...]], None]
    pool: Pool
    side: str = "manager"
    canary_held: Callable[[NewCopy], None] = lambda copy: None  # a message that proves the round trip is ours
    suspended: str = ""
    uncommitted: Callable[[], str] = lambda: ""  # what is to be done about changes that are not in force
    quarantines: dict[str, Quarantine] = field(default_factory=dict)
    unknown: set[tuple[str, str]] = field(default_factory=set)  # (serial, name) that the log was told of
    wrong_clocks: set[str] = field(default_factory=set)  # gateways whose clock is not ours: no timer acts (I13)

    def refresh(self) -> None:
        """Quarantines were made, changed or dropped."""
        self.quarantines = {q.name: q for q in self.services.store.view.quarantines()}
        self.unknown.clear()
        self.pool.placed(0)  # one may free space now

    def standing(self) -> tuple[Keyword, str]:
        if self.suspended:
            return Keyword.SUSPENDED, self.suspended
        if self.services.store.spool.free_bytes() <= 0 or self.pool.full:
            return Keyword.SUSPENDED, "full"
        return Keyword.READY, ""

    def suspended_quarantines(self) -> tuple[str, ...]:
        return tuple(q.name for q in self.quarantines.values() if q.suspended)

    def checks(self, asker: Asker) -> tuple[Line, ...]:
        store = self.services.store
        free = store.spool.free_bytes() > 0 and not self.pool.full
        enrolled = {p.serial for p in store.view.peers() if not p.withdrawn and not p.locked}
        missing = ", ".join(m for m in asker.members if m not in enrolled)
        return (
            *common_lines(
                asker,
                standing=self.standing(),
                suspended=self.suspended,
                uncommitted=self.uncommitted(),
                here="manager",
            ),
            line("migration", self._migration(asker)),
            line("space", "" if free else "Free disk space on the manager or raise the quota"),
            line("members", f"Enrol {missing} on the manager" if missing else ""),
        )

    def _migration(self, asker: Asker) -> str:
        """Has each quarantine for which this gateway has held mail a place here?"""
        serial = asker.peer.serial if asker.peer is not None else ""
        names = sorted(name for gateway, name in self.unknown if gateway == serial)
        if not names:
            return ""
        named = ", ".join(f'"{name[:NAME_CHARS]}"' for name in names[:NAMED_MAX]) + ", ..." * (len(names) > NAMED_MAX)
        return f"Make the quarantine {named} on the manager: mail held for it goes to {UNCLASSIFIED}"

    def clocks(self, peer: Peer, *, differ: bool) -> None:
        if differ:
            self.wrong_clocks.add(peer.name)
        else:
            self.wrong_clocks.discard(peer.name)

    def met(self, peer: Peer) -> None:
        self.gateway_met(peer)

    def journal(self, peer: Peer, rows: tuple[Row, ...], taken: JournalTaken) -> None:
        if not taken.gap:
            self.journal_heard(peer, rows)

    def take(self, offer: Offer, decided: Decided) -> None:
        cid, hop = parse_xid(offer.group.xid)
        metadata = read_metadata(self.services, offer)
        if isinstance(metadata, Verdict):
            decided(metadata)
            return
        if metadata.origin.serial != offer.peer.serial and hop == 1:
            alarm_refused(self.services, offer, f"it offers mail of {metadata.origin.serial}")
            decided(V_DENIED)
            return
        if hop > 1 and not self._was_released_to(offer.peer, cid, hop):
            alarm_refused(self.services, offer, f"hop {hop} does not follow a release to this gateway")
            decided(V_DENIED)
            return
        holds = tuple(self._hold(q, offer) for q in metadata.quarantines)
        if any(self.quarantines[h.quarantine].suspended for h in holds if h.quarantine in self.quarantines):
            decided(V_SUSPENDED_QUARANTINE)
            return
        if self.services.store.spool.free_bytes() <= 0 or self.pool.full:
            decided(V_FULL)
            return
        decided(self._move(offer, cid, hop, metadata, _merged(holds)))

    def _was_released_to(self, peer: Peer, cid: str, hop: int) -> bool:
        transfer = self.services.store.view.transfer(cid, hop - 1)
        if transfer is None:  # released in a life that we have lost: the gateway told so when we recovered
            return self.services.store.view.was_told(cid, hop - 1, peer.serial)
        return transfer.peer == peer.serial

    def _hold(self, wanted: QuarantineRef, offer: Offer) -> NewHold:
        """A name that is unknown here goes to Unclassified (docs/operate/quarantine.md)."""
        known = self.quarantines.get(wanted.name)
        if known is None:
            self._name_unknown(wanted.name, offer.peer)
            known = self.quarantines[UNCLASSIFIED]
        received = self.services.clock.now_ms()
        return NewHold(
            quarantine=known.name,
            kind=known.kind,
            reasons=wanted.reasons or ("unknown",),
            received=received,
            exit_at=received + (max(0, wanted.exit - wanted.received) or known.retention_s * 1000),
            default_action=wanted.default or known.default_action,
            matched=json.dumps([{"part": m.part, "text": m.text} for m in wanted.matched]) if wanted.matched else "[]",
            outbreak=json.dumps({"id": wanted.outbreak.id, "level": wanted.outbreak.level}) if wanted.outbreak else "",
        )

    def _name_unknown(self, name: str, peer: Peer) -> None:
        """Once for each name and gateway, until the quarantines change."""
        if (peer.serial, name) in self.unknown or len(self.unknown) >= UNKNOWN_MAX:
            return
        self.unknown.add((peer.serial, name))
        self.services.telemetry.emit(
            log.Trouble(
                message=f'{peer.name} ({peer.serial}) holds mail for the quarantine "{name}", which is not here: '
                f"it goes to {UNCLASSIFIED}. Make that quarantine here (docs/rest.md), or correct the gateway's filters"
            )
        )

    def _move(self, offer: Offer, cid: str, hop: int, metadata: Metadata, holds: tuple[NewHold, ...]) -> Receive:
        group, origin, mid = offer.group, metadata.origin, self.services.store.next_mid()
        octets = offer.octets
        if octets is None:
            octets = self.services.store.spool.read(offer.stored.extent, 0, min(offer.stored.size, HEAD_BYTES_MAX))
        headers = read_headers(octets)
        copy = NewCopy(
            mid=mid,
            cid=cid,
            hop=hop,
            custody="HELD",
            icid=offer.icid,
            at=self.services.clock.now_ms(),
            envelope=group.envelope,
            extent=offer.stored.extent,
            sha256=group.sha256,
            subject=decode_value(headers.get("subject") or b""),
            from_header=decode_value(headers.get("from") or b""),
            message_id=decode_value(headers.get("message-id") or b""),
            parent=metadata.parent,
            origin_serial=origin.serial,
            origin_host=origin.host,
            origin_ip=offer.remote_ip,
            origin_mid=origin.mid,
            context=group.metadata,
            attachments=list_attachments(octets, headers),
            holds=holds,
        )
        entry = audit(f"peer:{offer.peer.serial}", "hold", mid, cid)
        return Receive(
            peer=offer.peer.serial,
            nonce="",
            inc=0,
            hop=hop,
            seal=group.seal,
            seq=group.seq,
            copy=copy,
            audit=(entry,),
        )

    def taken(self, offer: Offer, move: Receive) -> None:
        copy = move.copy
        mid, icid, cid = copy.mid, copy.icid, copy.cid
        self.pool.placed(offer.group.size * len(copy.holds))
        emit = self.services.telemetry.emit
        emit(log.StartMid(mid=mid, icid=icid, cid=cid))
        emit(log.MidFrom(mid=mid, icid=icid, sender=copy.envelope.sender, cid=cid))
        for rid, recipient in enumerate(copy.envelope.recipients):
            emit(log.MidTo(mid=mid, icid=icid, rid=rid, recipient=recipient.address, cid=cid))
        if copy.message_id:
            emit(log.MessageId(mid=mid, value=copy.message_id, cid=cid))
        emit(log.Subject(mid=mid, value=copy.subject, cid=cid))
        emit(log.MidReady(mid=mid, size=offer.group.size, sender=copy.envelope.sender, cid=cid))
        emit(
            log.ReceivedFromGateway(
                mid=mid, origin_mid=copy.origin_mid, host=copy.origin_host, serial=copy.origin_serial, cid=cid
            )
        )
        for hold in copy.holds:
            emit(log.Quarantined(mid=mid, quarantine=hold.quarantine, reason=hold.reasons[0], cid=cid))
        if copy.hop == 1 and is_canary(r.address for r in copy.envelope.recipients):
            self.canary_held(copy)


def _merged(holds: tuple[NewHold, ...]) -> tuple[NewHold, ...]:
    """One hold per quarantine: two unknown names both end in Unclassified."""
    return tuple({h.quarantine: h for h in reversed(holds)}.values())[::-1]
