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
from pratique.policy.decision import Disposition, HeaderChange, QuarantineWish
from pratique.policy.facts import Message, Unknown, VirusResult
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


@dataclass(frozen=True, slots=True)
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
    items: list[Item] = field(default_factory=list)  # transfers to offer to the manager
    lines: list[log.Event] = field(default_factory=list)
    bounced: list[tuple[NewCopy, Disposition]] = field(default_factory=list)


class NoManager(Exception):
    """The decision holds mail, and no manager is enrolled to hold it."""


class Planner:
    """Makes plans. `manager` is the serial of the enrolled manager, "" = none; `ready` tells whether its last hello
    was READY (then the intent X is part of the verdict's commit)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.manager = ""
        self.ready = False

    def plan(self, reception: Reception, judged: Judged) -> Plan:
        plan = Plan()
        plan.lines += _verdict_lines(reception, judged)
        mid = reception.mid
        for disposition in judged.decision.dispositions:
            self._dispose(plan, reception, judged, disposition, mid)
            mid = 0
        if judged.virus and not isinstance(judged.virus, Unknown):
            plan.lines += _virus_lines(reception.mid, judged.virus)
        return plan

    def _dispose(self, plan: Plan, reception: Reception, judged: Judged, disposition: Disposition, mid: int) -> None:
        if not mid:
            mid = self._services.store.next_mid()
            plan.lines.append(log.Generated(mid=mid, parent=reception.mid, by=f"policy {disposition.policy}"))
        plan.lines.append(log.PolicyMatched(mid=mid, policy=disposition.policy, table=reception.source.table))
        plan.lines += [log.CustomEntry(mid=mid, entry=entry) for entry in disposition.log_entries]
        if disposition.outcome == "drop":
            self._drop(plan, reception, judged, disposition, mid)
        elif disposition.outcome == "bounce":
            self._bounce(plan, reception, judged, disposition, mid)
        elif disposition.quarantines:
            self._hold(plan, reception, judged, disposition, mid, disposition.quarantines, copy=False)
        else:
            self._deliver(plan, reception, judged, disposition, mid)
        for wish in disposition.duplicates:
            copy_mid = self._services.store.next_mid()
            plan.lines.append(log.Generated(mid=copy_mid, parent=mid, by="message filter"))
            self._hold(plan, reception, judged, disposition, copy_mid, (wish,), copy=True)

    def _hold(
        self,
        plan: Plan,
        reception: Reception,
        judged: Judged,
        disposition: Disposition,
        mid: int,
        wishes: tuple[QuarantineWish, ...],
        *,
        copy: bool,
    ) -> None:
        if not self.manager:
            raise NoManager
        envelope = _share(reception.envelope, disposition)
        cid = self._cid_for(reception, mid)
        seq = self._services.store.next_seq()
        xid = make_xid(cid, 1)
        metadata = self._metadata(reception, judged, disposition, wishes, mid=mid, xid=xid, copy=copy)
        stored_body = reception.stored
        group = sealed_group(
            xid=xid,
            envelope=envelope,
            size=stored_body.size,
            sha256=stored_body.sha256,
            seq=seq,
            metadata=encode(metadata),
        )
        state = GatewayCopy.IN_DOUBT if self.ready else GatewayCopy.QUEUED
        transfer = NewTransfer(cid, 1, self.manager, seq, state, group.seal, group.command_octets, group.metadata)
        names = [w.name for w in wishes]
        self._add(plan, reception, judged.message, envelope, mid, cid, custody=state, transfer=transfer)
        plan.audit.append(AuditEntry(reception.actor, "accept", mid, cid, json.dumps({"quarantine": names})))
        for wish in wishes:
            reason = wish.reasons[0] if wish.reasons else disposition.policy
            plan.lines.append(log.Enqueued(mid=mid, quarantine=wish.name, reason=reason, cid=cid))
        rids = tuple(range(len(envelope.recipients)))
        plan.items.append(Item(cid, 1, mid, rids, group, seq, reception.octets))

    def _deliver(self, plan: Plan, reception: Reception, judged: Judged, disposition: Disposition, mid: int) -> None:
        envelope = _share(reception.envelope, disposition)
        cid = self._cid_for(reception, mid)
        context = stored.Context(trace=(reception.trace,), changes=_changes(disposition.changes))
        deliveries = deliveries_for(envelope, reception.at)
        self._add(
            plan,
            reception,
            judged.message,
            envelope,
            mid,
            cid,
            custody="ACTIVE",
            context=stored.encode(context),
            deliveries=deliveries,
        )
        plan.audit.append(AuditEntry(reception.actor, "accept", mid, cid, ""))
        plan.lines.append(log.QueuedForDelivery(mid=mid, cid=cid))

    def _drop(self, plan: Plan, reception: Reception, judged: Judged, disposition: Disposition, mid: int) -> None:
        envelope = _share(reception.envelope, disposition)
        cid = self._cid_for(reception, mid)
        self._add(plan, reception, judged.message, envelope, mid, cid, custody="SETTLED")
        plan.audit.append(AuditEntry(reception.actor, "accept", mid, cid, ""))
        plan.audit.append(AuditEntry("policy:" + disposition.policy, "drop", mid, cid, json.dumps(disposition.by)))
        plan.lines.append(log.Dropped(mid=mid, by=disposition.by, table=reception.source.table, cid=cid))
        plan.lines.append(log.Finished(mid=mid, cid=cid))

    def _bounce(self, plan: Plan, reception: Reception, judged: Judged, disposition: Disposition, mid: int) -> None:
        envelope = _share(reception.envelope, disposition)
        cid = self._cid_for(reception, mid)
        self._add(plan, reception, judged.message, envelope, mid, cid, custody="SETTLED")
        plan.audit.append(AuditEntry(reception.actor, "accept", mid, cid, ""))
        plan.audit.append(AuditEntry("policy:" + disposition.policy, "bounce", mid, cid, json.dumps(disposition.by)))
        plan.bounced.append((plan.copies[-1], disposition))

    def _add(
        self,
        plan: Plan,
        reception: Reception,
        message: Message,
        envelope: Envelope,
        mid: int,
        cid: str,
        *,
        custody: str,
        context: bytes = b"",
        deliveries: tuple[NewDelivery, ...] = (),
        transfer: NewTransfer | None = None,
    ) -> None:
        identity = self._services.store.identity
        plan.copies.append(
            NewCopy(
                mid=mid,
                cid=cid,
                hop=0,
                custody=custody,
                icid=reception.icid,
                at=reception.at,
                envelope=envelope,
                extent=reception.stored.extent,
                sha256=reception.stored.sha256,
                subject=message.subject,
                from_header=message.from_header,
                message_id=message.message_id,
                origin_serial=identity.serial,
                origin_host=self._services.name,
                origin_ip=reception.client.ip,
                origin_mid=mid,
                context=context,
                deliveries=deliveries,
                transfer=transfer,
            )
        )

    def hold_again(
        self, copy: NewCopy, metadata: Metadata, wishes: tuple[QuarantineWish, ...], *, size: int
    ) -> NewCopy:
        """A returned copy whose new verdict sends it back to quarantine: the next hop of the same copy."""
        hop = copy.hop + 1
        xid, seq = make_xid(copy.cid, hop), self._services.store.next_seq()
        ended = HistoryEntry(
            hop=copy.hop,
            serial=self._services.store.identity.serial,
            mid=copy.mid,
            at=copy.at,
            ended="heldagain",
        )
        again = msgspec.structs.replace(
            metadata,
            xid=xid,
            quarantines=tuple(_quarantine(w, copy.at) for w in wishes),
            history=(*metadata.history, ended),
            release=None,
        )
        group = sealed_group(
            xid=xid, envelope=copy.envelope, size=size, sha256=copy.sha256, seq=seq, metadata=encode(again)
        )
        state = GatewayCopy.IN_DOUBT if self.ready else GatewayCopy.QUEUED
        transfer = NewTransfer(
            copy.cid, hop, self.manager, seq, state, group.seal, group.command_octets, group.metadata
        )
        return replace(copy, custody=state, deliveries=(), transfer=transfer)

    def _cid_for(self, reception: Reception, mid: int) -> str:
        if mid == reception.mid:
            return reception.cid
        return make_cid(reception.at, self._services.clock.random(10))

    def _metadata(
        self,
        reception: Reception,
        judged: Judged,
        disposition: Disposition,
        wishes: tuple[QuarantineWish, ...],
        *,
        mid: int,
        xid: str,
        copy: bool,
    ) -> Metadata:
        source = reception.source
        return Metadata(
            xid=xid,
            origin=Origin(
                serial=self._services.store.identity.serial,
                host=self._services.name,
                ip=reception.client.ip,
                mid=mid,
                icid=reception.icid,
                listener=source.listener,
                at=reception.at,
            ),
            client=reception.client,
            trace=(reception.trace,),
            policy=PolicyRef(name=disposition.policy, table=source.table),
            quarantines=tuple(_quarantine(w, reception.at) for w in wishes),
            verdicts=_verdicts(judged.virus),
            changes=_changes(disposition.changes),
            copy=copy,
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
    return Item(transfer.cid, transfer.hop, copy.mid, rids, group, transfer.seq, octets)


def deliveries_for(envelope: Envelope, now_ms: int) -> tuple[NewDelivery, ...]:
    """One delivery per recipient, due now."""
    return tuple(
        NewDelivery(rid, r.address, domain_of(r.address), now_ms, r.notify, r.orcpt)
        for rid, r in enumerate(envelope.recipients)
    )


def _share(envelope: Envelope, disposition: Disposition) -> Envelope:
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


def _verdict_lines(reception: Reception, judged: Judged) -> list[log.Event]:
    mid, message = reception.mid, judged.message
    lines: list[log.Event] = []
    if message.message_id:
        lines.append(log.MessageId(mid=mid, value=message.message_id))
    lines.append(log.Subject(mid=mid, value=message.subject))
    lines.append(log.MidReady(mid=mid, size=reception.stored.size, sender=reception.envelope.sender))
    if not isinstance(message.attachments, Unknown):
        lines += [log.AttachmentSeen(mid=mid, name=a.filename) for a in message.attachments if a.filename]
    return lines


_VIRUS_WORDS = {"clean": "CLEAN", "infected": "VIRAL", "encrypted": "ENCRYPTED", "unscannable": "UNSCANNABLE"}
_VIRUS_VERDICTS = {"clean": "negative", "infected": "positive"}


def _virus_lines(mid: int, results: tuple[VirusResult, ...]) -> list[log.Event]:
    lines: list[log.Event] = [
        log.InterimVirus(mid=mid, engine=r.engine, result=_VIRUS_WORDS[r.result]) for r in results
    ]
    worst = max(results, key=lambda r: ("clean", "encrypted", "unscannable", "infected").index(r.result))
    lines.append(log.Virus(mid=mid, verdict=_VIRUS_VERDICTS.get(worst.result, worst.result), name=worst.name))
    return lines
