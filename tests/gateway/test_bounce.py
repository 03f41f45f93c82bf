"""Notices to senders, as copies that are committed with what caused them."""

import email
import re
from dataclasses import replace
from email.message import Message
from typing import Any

import pytest

from pratique.delivery.bounce import Notices
from pratique.delivery.settings import BounceSettings
from pratique.gateway.apply import Plan
from pratique.gateway.bounce import HEAD_BYTES_MAX, Bouncer
from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.reply import Reply
from pratique.policy.decision import Disposition
from pratique.runner.jobs import Answered, Target
from pratique.store.moves import Accept, StoreFailed
from pratique.store.records import Copy, NewCopy
from tests.conformance.samples import MESSAGE, entry
from tests.gateway.office import judged, reception
from tests.runner.support import Node

BOUNCED = Disposition((0, 1), "DEFAULT", "bounce", by="message filter 'no'")


class Desk:
    def __init__(self, **settings: Any) -> None:
        self.node = Node()
        self.bouncer = Bouncer(self.node.services, BounceSettings(**settings))

    def plan(self, *, sender: str = "a@sender.example", notify: str = "") -> Plan:
        from pratique.gateway.apply import Planner

        given = reception(self.node, "b@example.com", "c@example.com", sender=sender)
        if notify:
            recipients = tuple(replace(r, notify=notify) for r in given.envelope.recipients)
            given = replace(given, envelope=replace(given.envelope, recipients=recipients))
        plan = Planner(self.node.services).plan(given, judged(BOUNCED))
        self.bouncer.add_bounces(plan)
        return plan

    async def copy(self, octets: bytes = MESSAGE, **envelope: Any) -> Copy:
        recipients = (Recipient("b@example.com", "", "rfc822;B@example.com"), Recipient("c@example.com"))
        made = self.node.samples.copy(
            "ACTIVE",
            body=self.node.samples.body(octets),
            envelope=Envelope(**{"sender": "a@sender.example", "recipients": recipients, **envelope}),
        )
        await self.node.store.submit(Accept((made,), (entry("accept"),)))
        found = self.node.store.view.copy(made.mid)
        assert found is not None
        return found

    def text(self, notice: NewCopy) -> Message:
        body = self.node.store.spool.open(notice.extent, notice.sha256)
        return email.message_from_bytes(b"".join(body.pieces()))


def _answered(*replies: Reply) -> tuple[Answered, ...]:
    names = ("b@example.com", "c@example.com")
    return tuple(
        Answered(Target(rid, names[rid], "", "rfc822;B@example.com" if not rid else ""), reply)
        for rid, reply in enumerate(replies)
    )


def _parts(message: Message) -> list[Message]:
    found = message.get_payload()
    assert isinstance(found, list)
    return [part for part in found if isinstance(part, Message)]


async def test_a_filters_bounce_tells_the_sender_about_all_recipients_in_the_same_commit() -> None:
    desk = Desk()
    plan = desk.plan()
    original, notice = plan.copies
    assert (notice.custody, notice.envelope.sender) == ("ACTIVE", "")
    assert [r.address for r in notice.envelope.recipients] == ["a@sender.example"]
    assert [d.host for d in notice.deliveries] == ["sender.example"]
    message = desk.text(notice)
    assert message.get_content_type() == "multipart/report"
    status = _parts(message)[1].as_string()
    assert status.count("Action: failed") == 2 and status.count("Status: 5.7.1") == 2
    mid = original.mid
    refused = "5.7.1 - Delivery not authorized, message refused ('550', ['message refused by policy']) []"
    assert [line.text() for line in plan.lines][-5:] == [
        f"MID {mid} Bounced by message filter 'no' in the inbound table",
        f"Bounced: DCID 0 MID {mid} to RID 0 - {refused}",
        f"Bounced: DCID 0 MID {mid} to RID 1 - {refused}",
        f"MID {notice.mid} was generated for bounce of MID {mid}",
        f"Message finished MID {mid} done",
    ]
    assert plan.audit[-1].action == "notice" and str(original.mid) in plan.audit[-1].detail
    await desk.node.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))


@pytest.mark.parametrize(("sender", "notify"), [("", ""), ("a@sender.example", "NEVER")])
async def test_nobody_is_told_who_is_not_there_or_does_not_want_to_know(sender: str, notify: str) -> None:
    plan = Desk().plan(sender=sender, notify=notify)
    assert len(plan.copies) == 1
    assert plan.lines[-1].text() == f"Message finished MID {plan.copies[0].mid} done"


async def test_failures_of_one_attempt_share_a_notice_and_each_kind_has_its_own() -> None:
    desk = Desk()
    copy = await desk.copy(envid="q1")
    answers = _answered(Reply(550, "5.1.1", "no such user"), Reply(450, "4.2.0", "later"))
    failed, delayed = desk.bouncer.notices(copy, answers, Notices(failed=(0,), delayed=(1,)))
    assert failed.parent == delayed.parent == copy.cid
    status = _parts(desk.text(failed))[1].as_string()
    assert "Original-Envelope-Id: q1" in status
    assert re.search(r"^Original-Recipient: rfc822; ?B@example\.com$", status, re.MULTILINE)
    assert re.search(r"^Final-Recipient: rfc822; ?b@example\.com$", status, re.MULTILINE)
    assert "Status: 5.1.1" in status and "no such user" in status
    assert "Action: delayed" in _parts(desk.text(delayed))[1].as_string()
    assert "c@example.com" not in status


async def test_giving_up_after_delays_is_said_as_such() -> None:
    desk = Desk()
    copy = await desk.copy()
    (last,) = _answered(Reply(451, "4.3.0", "busy"))
    (notice,) = desk.bouncer.notices(copy, (replace(last, remote="mx.example.com"),), Notices(failed=(0,)))
    told, status, _ = (part.as_string() for part in _parts(desk.text(notice)))
    assert "Status: 5.4.7" in status and "Diagnostic-Code: smtp; 451 4.3.0 busy" in status
    assert "Remote-MTA: dns; mx.example.com" in status
    assert "the time for its delivery ran out; the last attempt:" in told
    assert "mx.example.com said: 451 4.3.0 busy" in told


async def test_a_host_that_never_answered_is_named_in_words() -> None:
    desk = Desk()
    copy = await desk.copy()
    (notice,) = desk.bouncer.notices(copy, _answered(Reply(0, "5.1.2", "x does not exist")), Notices(failed=(0,)))
    status = _parts(desk.text(notice))[1].as_string()
    assert "Status: 5.1.2" in status and "Bad destination host" in status


async def test_small_mail_comes_back_whole_and_large_mail_as_its_header() -> None:
    desk = Desk(original_bytes_max=1000)
    small = await desk.copy()
    (notice,) = desk.bouncer.notices(small, _answered(Reply(550, "", "no")), Notices(failed=(0,)))
    original = _parts(desk.text(notice))[2]
    assert original.get_content_type() == "message/rfc822"
    large = await desk.copy(MESSAGE + b"x" * 2000 + b"\r\n")
    (notice,) = desk.bouncer.notices(large, _answered(Reply(550, "", "no")), Notices(failed=(0,)))
    headers = _parts(desk.text(notice))[2]
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "Subject: Offer" in headers.as_string() and "Hello" not in headers.as_string()


async def test_ret_hdrs_is_honoured() -> None:
    desk = Desk()
    copy = await desk.copy(ret="HDRS")
    (notice,) = desk.bouncer.notices(copy, _answered(Reply(550, "", "no")), Notices(failed=(0,)))
    assert _parts(desk.text(notice))[2].get_content_type() == "text/rfc822-headers"


async def test_a_monstrous_header_does_not_make_a_monstrous_notice() -> None:
    desk = Desk()
    copy = await desk.copy(b"X-Long: " + b"y" * (3 * HEAD_BYTES_MAX) + b"\r\n\r\nx\r\n")
    (notice,) = desk.bouncer.notices(copy, _answered(Reply(550, "", "no")), Notices(failed=(0,)))
    assert notice.extent.length < 2 * HEAD_BYTES_MAX


async def test_a_disk_that_takes_no_notice_loses_no_failure() -> None:
    """Whoever asked is told with an error, so that the outcome is not recorded while nobody could be told."""
    desk = Desk()
    copy = await desk.copy()
    desk.node.store.spool.capacity = 0
    with pytest.raises(StoreFailed):
        desk.bouncer.notices(copy, _answered(Reply(550, "", "no")), Notices(failed=(0,)))
