"""Notices to senders: non-delivery and delay (RFC 3464), as copies that are committed with what caused them."""

import json
from dataclasses import replace

from pratique.delivery.bounce import (
    EXPIRED,
    Attempted,
    Notices,
    Result,
    carries_original,
    classify,
    log_code,
    notices_due,
)
from pratique.delivery.settings import BounceSettings
from pratique.gateway.apply import Plan, deliveries_for
from pratique.mail.dsn import FailedRecipient, bounce
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.mail.received import rfc5322_date
from pratique.mail.reply import Reply
from pratique.runner.delivery_log import bounced_line
from pratique.runner.jobs import Answered
from pratique.runner.services import Services, audit
from pratique.store.interface import Stored
from pratique.store.moves import StoreFailed
from pratique.store.records import Copy, Extent, NewCopy
from pratique.telemetry import events as log

HEAD_BYTES_MAX = 65_536  # how much of the original's header a notice may carry
REFUSED_BY_POLICY = Reply(550, "5.7.1", "message refused by policy")


class Bouncer:
    def __init__(self, services: Services, settings: BounceSettings) -> None:
        self._services = services
        self._settings = settings

    def use(self, settings: BounceSettings) -> None:
        """From the next notice on."""
        self._settings = settings

    def add_bounces(self, plan: Plan) -> None:
        """A filter said bounce(): the notice goes into the same commit as the verdict. Raises StoreFailed, OSError."""
        for copy, _ in plan.bounced:
            rids = range(len(copy.envelope.recipients))
            plan.lines += (bounced_line(REFUSED_BY_POLICY, mid=copy.mid, rid=rid, cid=copy.cid) for rid in rids)
            self._add_notice(plan, copy)
            plan.lines.append(log.Finished(mid=copy.mid, cid=copy.cid))

    def _add_notice(self, plan: Plan, copy: NewCopy) -> None:
        recipients = enumerate(copy.envelope.recipients)
        attempted = [Attempted(rid, Result.FAILED, r.notify) for rid, r in recipients]
        due = notices_due(copy.envelope.sender, attempted, self._settings)
        if not due.failed:
            return
        failed = tuple(
            FailedRecipient(r.address, status="5.7.1", orcpt=r.orcpt, diagnostic=str(REFUSED_BY_POLICY))
            for r in (copy.envelope.recipients[rid] for rid in due.failed)
        )
        made = self._make(copy.envelope, copy.extent, failed)
        plan.copies.append(made)
        plan.audit.append(audit("system", "notice", made.mid, made.cid, detail=json.dumps({"of": copy.mid})))
        plan.lines.append(log.BounceGenerated(mid=made.mid, parent=copy.mid, cid=made.cid))

    def notices(self, copy: Copy, answers: tuple[Answered, ...], due: Notices) -> tuple[NewCopy, ...]:
        """One notice for all failed recipients of the attempt, one for all delayed, one for all relayed. Raises
        StoreFailed, OSError: then nothing may be recorded as failed, for nobody would hear of it."""
        by_rid = {a.target.rid: a for a in answers}
        made = []
        for action, rids in (("failed", due.failed), ("delayed", due.delayed), ("relayed", due.relayed)):
            if rids and copy.extent is not None:
                recipients = tuple(_failed(by_rid[rid], action) for rid in rids)
                made.append(replace(self._make(copy.envelope, copy.extent, recipients), parent=copy.cid))
        return tuple(made)

    def _make(self, envelope: Envelope, extent: Extent, recipients: tuple[FailedRecipient, ...]) -> NewCopy:
        now, services = self._services.clock.now_ms(), self._services
        mid = services.store.next_mid()
        token = services.clock.random(8).hex()
        headers, original = self._original(extent, envelope.ret)
        octets = bounce(
            reporting_mta=services.name,
            from_address=f"MAILER-DAEMON@{services.name}",
            to=envelope.sender,
            envid=envelope.envid,
            ret=envelope.ret,
            recipients=recipients,
            original_headers=headers,
            original=original,
            boundary=f"=_{token}",
            message_id=f"<{token}.{mid}@{services.name}>",
            date=rfc5322_date(now),
        )
        stored = self._store(octets)
        to = Envelope("", (Recipient(envelope.sender),), smtputf8=not envelope.sender.isascii())
        return NewCopy(
            mid=mid,
            cid=make_cid(now, services.clock.random(10)),
            hop=0,
            custody="ACTIVE",
            icid=0,
            at=now,
            envelope=to,
            extent=stored.extent,
            sha256=stored.sha256,
            subject="Delivery Status Notification",
            origin_serial=services.store.identity.serial,
            origin_host=services.name,
            origin_mid=mid,
            deliveries=deliveries_for(to, now),
        )

    def _original(self, extent: Extent, ret: str) -> tuple[bytes, bytes | None]:
        """(header block, whole message or None)."""
        whole = carries_original(ret, extent.length, self._settings)
        wanted = extent.length if whole else min(extent.length, HEAD_BYTES_MAX)
        octets = self._services.store.spool.read(extent, 0, wanted)
        end = octets.find(b"\r\n\r\n")
        headers = octets[: end + 2] if end >= 0 else octets
        return headers, octets if whole else None

    def _store(self, octets: bytes) -> Stored:
        writer = self._services.store.spool.writer()
        try:
            writer.write(octets)
            return writer.finish()
        except StoreFailed:
            writer.abort()
            raise


def _failed(answer: Answered, action: str) -> FailedRecipient:
    expired = action == "failed" and classify(answer.reply) is Result.DEFERRED
    enhanced, phrase, _ = log_code(answer.reply)
    diagnostic = str(answer.reply) if answer.reply.code else f"{phrase}: {answer.reply.text}"
    return FailedRecipient(
        address=answer.target.address,
        orcpt=answer.target.orcpt,
        action=action,
        status=EXPIRED.enhanced if expired else enhanced,
        diagnostic=diagnostic,
        remote_mta=answer.remote if answer.reply.code else "",
        expired=expired,
    )
