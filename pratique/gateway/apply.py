"""Acting on a decision: the copies to be stored in one commit, and what the log says of them.

One message becomes one copy per group of recipients with the same fate, plus one per duplicate that a filter ordered.
"""

import json
from dataclasses import dataclass, field, replace

import msgspec

from pratique.delivery.custody import GatewayCopy
from pratique.gateway import context as stored
from pratique.gateway.pipeline import Judged, Source
from pratique.mail.address import domain_of
from pratique.mail.envelope import Envelope
from pratique.mail.ids import make_cid, make_xid
from pratique.mail.values import value
from pratique.policy.decision import Disposition, HeaderChange, QuarantineWish
from pratique.policy.facts import Unknown, VirusResult
from pratique.runner.link_items import Item
from pratique.runner.services import Services
from pratique.store.interface import Stored
from pratique.store.records import AuditEntry, NewCopy, NewDelivery, NewTransfer
from pratique.telemetry import events as log
from pratique.transfer.messages import SealedGroup
from pratique.transfer.metadata import (
    Change,
    Client,
    HistoryEntry,
    Matched,
    Metadata,
    Origin,
    OutbreakRef,
    PolicyRef,
    QuarantineRef,
    Trace,
    VerdictRef,
    encode,
)
from pratique.transfer.seal import sealed_group

HISTORY_MAX = 10  # docs/cpq.md, metadata


@value
class Reception:
    """One accepted message before it is judged."""

    mid: int
    cid: str  # of the first copy made of it
    icid: int
    at: int
    source: Source
    client: Client
    trace: Trace
    envelope: Envelope
    stored: Stored
    octets: bytes | None
    actor: str  # for the audit: "smtp:<ip>"


@dataclass(slots=True)
class Plan:
    """What one decision leads to: `copies` and `audit` are committed together; the rest follows the commit."""

    copies: list[NewCopy] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    lines: list[log.Event] = field(default_factory=list)
    bounced: list[tuple[NewCopy, Disposition]] = field(default_factory=list)


class NoManager(Exception):
    """The decision holds mail, and no manager is enrolled to hold it."""


@value
class _Share:
    """The recipients of one disposition, as a copy to be."""

    reception: Reception
    judged: Judged
    disposition: Disposition
    envelope: Envelope
    mid: int
    cid: str


class Planner:
    """Makes plans. `manager` is the serial of the enrolled manager, "" = none; `ready` tells whether its last hello
    was READY (then the intent X is part of the verdict's commit). `seals`: transfers get their number and seal here;
    an edge process leaves both to custody (`Planner.transfer`), where numbers are drawn in the order of commits."""

    def __init__(self, services: Services, *, seals: bool = True) -> None:
        self._services = services
        self._seals = seals
        self.manager = ""
        self.ready = False

    def plan(self, reception: Reception, judged: Judged) -> Plan:
        """Raises NoManager."""
        plan = Plan()
        plan.lines += _message_lines(reception, judged)
        first = True
        for disposition in judged.decision.dispositions:
            self._dispose(plan, self._share(plan, reception, judged, disposition, first=first))
            first = False
        return plan

    def _share(
        self, plan: Plan, reception: Reception, judged: Judged, disposition: Disposition, *, first: bool
    ) -> _Share:
        """The first keeps MID and cid of the message; the others are generated from it."""
        envelope = _envelope_of(reception.envelope, disposition)
        if first:
            return _Share(reception, judged, disposition, envelope, reception.mid, reception.cid)
        share = _Share(
            reception, judged, disposition, envelope, self._services.store.next_mid(), self._new_cid(reception)
        )
        by = f"policy {disposition.policy}"
        plan.lines.append(log.Generated(mid=share.mid, parent=reception.mid, by=by, cid=share.cid))
        return share

    def _dispose(self, plan: Plan, share: _Share) -> None:
        disposition, mid, cid = share.disposition, share.mid, share.cid
        table = share.reception.source.table
        plan.lines.append(log.PolicyMatched(mid=mid, policy=disposition.policy, table=table, cid=cid))
        if any(wish.kind == "outbreak" for wish in disposition.quarantines):
            plan.lines.append(log.Outbreak(mid=mid, verdict="positive", cid=cid))
        plan.lines += [log.CustomEntry(mid=mid, entry=entry, cid=cid) for entry in disposition.log_entries]
        if disposition.outcome == "drop":
            self._end(plan, share, "drop")
            plan.lines.append(log.Dropped(mid=mid, by=disposition.by, table=table, cid=cid))
            plan.lines.append(log.Finished(mid=mid, cid=cid))
        elif disposition.outcome == "bounce":
            self._end(plan, share, "bounce")
            plan.lines.append(log.BouncedBy(mid=mid, by=disposition.by, table=table, cid=cid))
            plan.bounced.append((plan.copies[-1], disposition))
        elif disposition.quarantines:
            self._hold(plan, share, disposition.quarantines, duplicate=False)
        else:
            self._deliver(plan, share)
        for wish in disposition.duplicates:
            self._hold(plan, self._duplicate(plan, share, wish), (wish,), duplicate=True)

    def _duplicate(self, plan: Plan, share: _Share, wish: QuarantineWish) -> _Share:
        mid, cid = self._services.store.next_mid(), self._new_cid(share.reception)
        kind, _, name = wish.reasons[0].partition(":")  # "message filter:x"
        by = f"{kind} {name}"
        plan.lines.append(log.Generated(mid=mid, parent=share.mid, by=by, cid=cid))
        return replace(share, mid=mid, cid=cid)

    def _hold(self, plan: Plan, share: _Share, wishes: tuple[QuarantineWish, ...], *, duplicate: bool) -> None:
        metadata = self._metadata(share, wishes, duplicate=duplicate)
        body = share.reception.stored
        transfer = self.transfer(share.cid, 1, share.envelope, body.size, body.sha256, encode(metadata))
        self._add(plan, share, custody=transfer.state, transfer=transfer)
        detail = msgspec.json.encode({"quarantine": [w.name for w in wishes]}).decode()
        plan.audit.append(AuditEntry(share.reception.actor, "accept", share.mid, share.cid, detail))
        for wish in wishes:
            reason = wish.reasons[0] if wish.reasons else share.disposition.policy
            plan.lines.append(log.Enqueued(mid=share.mid, quarantine=wish.name, reason=reason, cid=share.cid))

    def transfer(self, cid: str, hop: int, envelope: Envelope, size: int, sha256: str, metadata: bytes) -> NewTransfer:
        """Number, seal and state of a hop to the manager. Raises NoManager."""
        if not self.manager:
            raise NoManager
        if not self._seals:
            return NewTransfer(cid, hop, self.manager, 0, GatewayCopy.QUEUED.value, "", b"", metadata)
        seq = self._services.store.next_seq()
        group = sealed_group(
            xid=make_xid(cid, hop), envelope=envelope, size=size, sha256=sha256, seq=seq, metadata=metadata
        )
        state = (GatewayCopy.IN_DOUBT if self.ready else GatewayCopy.QUEUED).value  # plain text: cheaper to store
        return NewTransfer(cid, hop, self.manager, seq, state, group.seal, group.command_octets, group.metadata)

    def _deliver(self, plan: Plan, share: _Share) -> None:
        reception = share.reception
        context = stored.Context(trace=(reception.trace,), changes=_changes(share.disposition.changes))
        deliveries = deliveries_for(share.envelope, reception.at)
        self._add(plan, share, custody="ACTIVE", context=stored.encode(context), deliveries=deliveries)
        plan.audit.append(AuditEntry(reception.actor, "accept", share.mid, share.cid))
        plan.lines.append(log.QueuedForDelivery(mid=share.mid, cid=share.cid))

    def _end(self, plan: Plan, share: _Share, action: str) -> None:
        """Accepted and ended by a decision on record."""
        self._add(plan, share, custody="SETTLED")
        disposition = share.disposition
        plan.audit.append(AuditEntry(share.reception.actor, "accept", share.mid, share.cid))
        actor, detail = f"policy:{disposition.policy}", json.dumps(disposition.by)
        plan.audit.append(AuditEntry(actor, action, share.mid, share.cid, detail))

    def _add(
        self,
        plan: Plan,
        share: _Share,
        *,
        custody: str,
        context: bytes = b"",
        deliveries: tuple[NewDelivery, ...] = (),
        transfer: NewTransfer | None = None,
    ) -> None:
        reception, message = share.reception, share.judged.message
        plan.copies.append(
            NewCopy(
                mid=share.mid,
                cid=share.cid,
                hop=0,
                custody=custody,
                icid=reception.icid,
                at=reception.at,
                envelope=share.envelope,
                extent=reception.stored.extent,
                sha256=reception.stored.sha256,
                subject=message.subject,
                from_header=message.from_header,
                message_id=message.message_id,
                origin_serial=self._services.store.identity.serial,
                origin_host=self._services.name,
                origin_ip=reception.client.ip,
                origin_mid=share.mid,
                context=context,
                deliveries=deliveries,
                transfer=transfer,
            )
        )

    def hold_again(
        self, copy: NewCopy, metadata: Metadata, wishes: tuple[QuarantineWish, ...], *, size: int
    ) -> NewCopy:
        """A returned copy whose new verdict sends it back to quarantine: the next hop of the same copy."""
        hop, serial = copy.hop + 1, self._services.store.identity.serial
        ended = HistoryEntry(hop=copy.hop, serial=serial, mid=copy.mid, at=copy.at, ended="heldagain")
        again = msgspec.structs.replace(
            metadata,
            xid=make_xid(copy.cid, hop),
            quarantines=tuple(_quarantine(w, copy.at) for w in wishes),
            history=(*metadata.history, ended)[-HISTORY_MAX:],
            release=None,
        )
        transfer = self.transfer(copy.cid, hop, copy.envelope, size, copy.sha256, encode(again))
        return replace(copy, custody=transfer.state, deliveries=(), transfer=transfer)

    def _new_cid(self, reception: Reception) -> str:
        return make_cid(reception.at, self._services.clock.random(10))

    def _metadata(self, share: _Share, wishes: tuple[QuarantineWish, ...], *, duplicate: bool) -> Metadata:
        reception = share.reception
        return Metadata(
            xid=make_xid(share.cid, 1),
            origin=Origin(
                serial=self._services.store.identity.serial,
                host=self._services.name,
                ip=reception.client.ip,
                mid=share.mid,
                icid=reception.icid,
                listener=reception.source.listener,
                at=reception.at,
            ),
            client=reception.client,
            trace=(reception.trace,),
            policy=PolicyRef(name=share.disposition.policy, table=reception.source.table),
            quarantines=tuple(_quarantine(w, reception.at) for w in wishes),
            verdicts=_verdicts(share.judged.virus),
            changes=_changes(share.disposition.changes),
            copy=duplicate,
            judged=("filters", "virus", "outbreak"),
        )


def item_of(copy: NewCopy, octets: bytes | None) -> Item:
    """The transfer of a copy that was just committed."""
    transfer = copy.transfer
    assert transfer is not None
    group = SealedGroup(
        make_xid(transfer.cid, transfer.hop),
        transfer.commands,
        transfer.metadata,
        transfer.seal,
        copy.extent.length,
    )
    rids = tuple(range(len(copy.envelope.recipients)))
    intended = transfer.state == GatewayCopy.IN_DOUBT
    return Item(transfer.cid, transfer.hop, copy.mid, rids, group, transfer.seq, octets, intended)


def deliveries_for(envelope: Envelope, now_ms: int) -> tuple[NewDelivery, ...]:
    """One delivery per recipient, due now."""
    return tuple(
        NewDelivery(rid, r.address, domain_of(r.address), now_ms, r.notify, r.orcpt)
        for rid, r in enumerate(envelope.recipients)
    )


def _envelope_of(envelope: Envelope, disposition: Disposition) -> Envelope:
    if len(disposition.recipients) == len(envelope.recipients):
        return envelope
    recipients = tuple(envelope.recipients[i] for i in disposition.recipients)
    return Envelope(envelope.sender, recipients, envelope.eight_bit, envelope.smtputf8, envelope.ret, envelope.envid)


def _quarantine(wish: QuarantineWish, at: int) -> QuarantineRef:
    outbreak = OutbreakRef(id=wish.outbreak_id, level=wish.outbreak_level) if wish.outbreak_id else None
    return QuarantineRef(
        name=wish.name,
        kind=wish.kind,
        reasons=wish.reasons,
        matched=tuple(Matched(part=p, text=t) for p, t in wish.matched),
        received=at,
        exit=at + wish.retention_s * 1000 if wish.retention_s else 0,
        outbreak=outbreak,
    )


def _changes(changes: tuple[HeaderChange, ...]) -> tuple[Change, ...]:
    return tuple(Change(op=c.op, name=c.name, value=c.value, by=c.by) for c in changes)


def _verdicts(virus: tuple[VirusResult, ...] | Unknown) -> tuple[VerdictRef, ...]:
    if isinstance(virus, Unknown):
        return (VerdictRef(engine="virus", result="unknown", detail=virus.why[:256]),)
    return tuple(VerdictRef(engine=v.engine, version=v.version, result=v.result, detail=v.name) for v in virus)


def _message_lines(reception: Reception, judged: Judged) -> list[log.Event]:
    mid, cid, message = reception.mid, reception.cid, judged.message
    lines: list[log.Event] = []
    if message.message_id:
        lines.append(log.MessageId(mid=mid, value=message.message_id, cid=cid))
    lines.append(log.Subject(mid=mid, value=message.subject, cid=cid))
    lines.append(log.MidReady(mid=mid, size=reception.stored.size, sender=reception.envelope.sender, cid=cid))
    if not isinstance(message.attachments, Unknown):
        lines += [log.AttachmentSeen(mid=mid, name=a.filename, cid=cid) for a in message.attachments if a.filename]
    if judged.virus and not isinstance(judged.virus, Unknown):
        lines += _virus_lines(reception, judged.virus)
    return lines


_VIRUS_WORDS = {"clean": "CLEAN", "infected": "VIRAL", "encrypted": "ENCRYPTED", "unscannable": "UNSCANNABLE"}
_VIRUS_VERDICTS = {"clean": "negative", "infected": "positive"}


def _virus_lines(reception: Reception, results: tuple[VirusResult, ...]) -> list[log.Event]:
    mid, cid = reception.mid, reception.cid
    lines: list[log.Event] = [
        log.InterimVirus(mid=mid, engine=r.engine, result=_VIRUS_WORDS[r.result], cid=cid) for r in results
    ]
    worst = max(results, key=lambda r: ("clean", "encrypted", "unscannable", "infected").index(r.result))
    lines.append(log.Virus(mid=mid, verdict=_VIRUS_VERDICTS.get(worst.result, worst.result), name=worst.name, cid=cid))
    return lines
