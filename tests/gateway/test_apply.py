"""Acting on a decision: which copies are stored, what is offered and delivered, what the log and the audit say."""

import json
from dataclasses import replace

import pytest

from pratique.gateway import context as stored
from pratique.gateway.apply import NoManager, Plan, Planner, deliveries_for, item_of
from pratique.mail.envelope import Envelope, Recipient
from pratique.policy.decision import Disposition, HeaderChange, QuarantineWish
from pratique.policy.facts import Attachment, Unknown, VirusResult
from pratique.store.moves import Accept
from pratique.transfer.metadata import decode
from pratique.transfer.seal import seal_of
from tests.conformance.samples import MANAGER, MESSAGE, NOW
from tests.gateway.office import clean, infected, judged, plain_message, reception
from tests.runner.support import Node

POLICY = QuarantineWish("Policy", "policy", ("message filter:big",), (("1", "Offer"),), 3600)
VIRUS = QuarantineWish("Virus", "virus", ("antivirus:EICAR",))
OUTBREAK = QuarantineWish("Outbreak", "outbreak", ("rule 7",), retention_s=60, outbreak_id="7", outbreak_level=4)


class Desk:
    def __init__(self, *, manager: bool = True, ready: bool = True) -> None:
        self.node = Node()
        self.planner = Planner(self.node.services)
        self.planner.manager = MANAGER if manager else ""
        self.planner.ready = ready

    def plan(self, *dispositions: Disposition, recipients: int = 1, **how: object) -> Plan:
        self.reception = reception(self.node, *(f"r{n}@example.com" for n in range(recipients)))
        return self.planner.plan(self.reception, judged(*dispositions, **how))  # type: ignore[arg-type]


def _texts(plan: Plan, mid: int) -> list[str]:
    return [line.text() for line in plan.lines if f"MID {mid} " in line.text()]


async def test_mail_that_passes_is_one_copy_with_its_deliveries() -> None:
    desk = Desk()
    plan = desk.plan(Disposition((0, 1), "DEFAULT", "deliver"), recipients=2)
    (copy,) = plan.copies
    assert (copy.mid, copy.cid, copy.custody, copy.hop) == (desk.reception.mid, desk.reception.cid, "ACTIVE", 0)
    assert [(d.rid, d.address, d.host, d.next_at) for d in copy.deliveries] == [
        (0, "r0@example.com", "example.com", NOW),
        (1, "r1@example.com", "example.com", NOW),
    ]
    assert copy.transfer is None
    assert stored.decode(copy.context).trace == (desk.reception.trace,)
    assert [(e.actor, e.action, e.mid) for e in plan.audit] == [("smtp:198.51.100.7", "accept", copy.mid)]
    assert _texts(plan, copy.mid) == [
        f"MID {copy.mid} Message-ID '<1@example.org>'",
        f"MID {copy.mid} Subject 'Offer'",
        f"MID {copy.mid} ready {len(MESSAGE)} bytes from <a@sender.example>",
        f"MID {copy.mid} matched all recipients for per-recipient policy DEFAULT in the inbound table",
        f"MID {copy.mid} queued for delivery",
    ]
    await desk.node.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))


async def test_held_mail_is_one_copy_whose_transfer_is_sealed_over_envelope_metadata_and_digest() -> None:
    desk = Desk()
    plan = desk.plan(Disposition((0,), "Staff", "deliver", quarantines=(POLICY, VIRUS)))
    (copy,) = plan.copies
    transfer = copy.transfer
    assert transfer is not None
    assert (copy.custody, copy.deliveries) == ("X", ())
    assert (transfer.cid, transfer.hop, transfer.peer, transfer.state) == (copy.cid, 1, MANAGER, "X")
    assert transfer.seal == seal_of(transfer.commands, transfer.metadata)
    commands = transfer.commands.decode()
    assert commands.startswith(f"MAIL FROM:<a@sender.example> SIZE={len(MESSAGE)} XQXID={copy.cid}.1 ")
    assert f"XQSHA256={copy.sha256} XQSEQ={transfer.seq}\r\nRCPT TO:<r0@example.com>\r\n" in commands
    metadata = decode(transfer.metadata, hop=1)
    assert (metadata.origin.mid, metadata.origin.serial) == (copy.mid, desk.node.serial)
    assert [(q.name, q.kind, q.reasons) for q in metadata.quarantines] == [
        ("Policy", "policy", ("message filter:big",)),
        ("Virus", "virus", ("antivirus:EICAR",)),
    ]
    assert metadata.quarantines[0].exit == NOW + 3_600_000
    assert metadata.quarantines[1].exit == 0  # the quarantine's own retention
    assert [(m.part, m.text) for m in metadata.quarantines[0].matched] == [("1", "Offer")]
    assert metadata.policy.name == "Staff" and not metadata.copy
    item = item_of(copy, MESSAGE)
    assert (item.mid, item.hop, item.seq, item.octets, item.intended) == (copy.mid, 1, transfer.seq, MESSAGE, True)
    assert _texts(plan, copy.mid)[-2:] == [
        f'MID {copy.mid} enqueued for transfer to centralized quarantine "Policy" (message filter:big)',
        f'MID {copy.mid} enqueued for transfer to centralized quarantine "Virus" (antivirus:EICAR)',
    ]
    await desk.node.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))


def test_while_the_manager_is_not_ready_the_copy_stays_ours() -> None:
    plan = Desk(ready=False).plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(POLICY,)))
    assert plan.copies[0].custody == "Q"
    assert not item_of(plan.copies[0], None).intended


def test_without_a_manager_nothing_can_be_held() -> None:
    desk = Desk(manager=False)
    with pytest.raises(NoManager):
        desk.plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(POLICY,)))


async def test_recipients_with_different_fates_are_different_copies_of_one_body() -> None:
    desk = Desk()
    plan = desk.plan(
        Disposition((0, 2), "Staff", "deliver"),
        Disposition((1,), "Guests", "deliver", quarantines=(POLICY,)),
        Disposition((3,), "None", "drop", by="message filter 'x'"),
        recipients=4,
    )
    first, second, third = plan.copies
    assert first.mid == desk.reception.mid
    assert len({c.mid for c in plan.copies}) == len({c.cid for c in plan.copies}) == 3
    assert {c.extent for c in plan.copies} == {desk.reception.stored.extent}
    assert [[r.address for r in c.envelope.recipients] for c in plan.copies] == [
        ["r0@example.com", "r2@example.com"],
        ["r1@example.com"],
        ["r3@example.com"],
    ]
    assert [c.custody for c in plan.copies] == ["ACTIVE", "X", "SETTLED"]
    assert f"MID {second.mid} was generated based on MID {first.mid} by policy Guests" in _texts(plan, second.mid)
    assert f"MID {third.mid} Dropped by message filter 'x' in the inbound table" in _texts(plan, third.mid)
    assert [d.rid for d in first.deliveries] == [0, 1]
    await desk.node.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))
    everyone = sorted(r.address for c in plan.copies for r in c.envelope.recipients)
    assert everyone == [f"r{n}@example.com" for n in range(4)]  # a partition: nobody twice, nobody missing


async def test_a_duplicate_goes_to_quarantine_and_the_original_goes_on() -> None:
    desk = Desk()
    plan = desk.plan(Disposition((0,), "DEFAULT", "deliver", duplicates=(POLICY,)))
    original, duplicate = plan.copies
    assert (original.custody, duplicate.custody) == ("ACTIVE", "X")
    assert duplicate.mid != original.mid and duplicate.cid != original.cid
    assert duplicate.transfer is not None
    metadata = decode(duplicate.transfer.metadata, hop=1)
    assert metadata.copy
    assert f"MID {duplicate.mid} was generated based on MID {original.mid} by message filter big" in _texts(
        plan, duplicate.mid
    )
    await desk.node.store.submit(Accept(tuple(plan.copies), tuple(plan.audit)))


def test_a_drop_is_accepted_ended_and_on_record() -> None:
    plan = Desk().plan(Disposition((0,), "DEFAULT", "drop", by="message filter 'spam'"))
    (copy,) = plan.copies
    assert (copy.custody, copy.deliveries, copy.transfer) == ("SETTLED", (), None)
    assert [(e.actor, e.action) for e in plan.audit] == [
        ("smtp:198.51.100.7", "accept"),
        ("policy:DEFAULT", "drop"),
    ]
    assert json.loads(plan.audit[1].detail) == "message filter 'spam'"
    assert _texts(plan, copy.mid)[-2] == f"MID {copy.mid} Dropped by message filter 'spam' in the inbound table"
    assert plan.lines[-1].text() == f"Message finished MID {copy.mid} done"


def test_a_bounce_is_left_to_who_writes_notices() -> None:
    disposition = Disposition((0,), "DEFAULT", "bounce", by="message filter 'no'")
    plan = Desk().plan(disposition)
    assert plan.bounced == [(plan.copies[0], disposition)]
    assert plan.copies[0].custody == "SETTLED"
    assert [e.action for e in plan.audit] == ["accept", "bounce"]


def test_declared_changes_travel_with_the_copy_and_touch_no_octet() -> None:
    change = HeaderChange("add-header", "X-A", "1", "filter a")
    delivered = Desk().plan(Disposition((0,), "DEFAULT", "deliver", changes=(change,)))
    (kept,) = stored.decode(delivered.copies[0].context).changes
    assert (kept.op, kept.name, kept.value, kept.by) == ("add-header", "X-A", "1", "filter a")
    held = Desk().plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(POLICY,), changes=(change,)))
    transfer = held.copies[0].transfer
    assert transfer is not None
    assert [c.name for c in decode(transfer.metadata, hop=1).changes] == ["X-A"]


def test_an_outbreak_hold_names_its_rule() -> None:
    desk = Desk()
    plan = desk.plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(OUTBREAK,)))
    transfer = plan.copies[0].transfer
    assert transfer is not None
    (quarantine,) = decode(transfer.metadata, hop=1).quarantines
    assert quarantine.outbreak is not None
    assert (quarantine.outbreak.id, quarantine.outbreak.level) == ("7", 4)
    assert f"MID {plan.copies[0].mid} Outbreak Filters: verdict positive" in _texts(plan, plan.copies[0].mid)


@pytest.mark.parametrize(
    ("virus", "lines"),
    [
        ((clean(),), ["interim AV verdict using FAKE CLEAN", "antivirus negative"]),
        ((infected(),), ["interim AV verdict using FAKE VIRAL", "antivirus positive 'EICAR-AV-Test'"]),
        (
            (clean(), VirusResult("Other", "2", "unscannable", "too large")),
            [
                "interim AV verdict using FAKE CLEAN",
                "interim AV verdict using Other UNSCANNABLE",
                "antivirus unscannable 'too large'",
            ],
        ),
        (Unknown("no answer"), []),
        ((), []),
    ],
)
def test_verdicts_are_logged_and_carried(virus: object, lines: list[str]) -> None:
    plan = Desk().plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(VIRUS,)), virus=virus)
    mid, transfer = plan.copies[0].mid, plan.copies[0].transfer
    assert [
        t.partition(f"MID {mid} ")[2]
        for t in _texts(plan, mid)
        if "AV verdict" in t or ("antivirus " in t and "enq" not in t)
    ] == lines
    assert transfer is not None
    results = [v.result for v in decode(transfer.metadata, hop=1).verdicts]
    expected = ["unknown"] if isinstance(virus, Unknown) else [v.result for v in virus]  # type: ignore[attr-defined]
    assert results == expected


def test_attachments_and_log_entries_are_logged() -> None:
    evil = Attachment("evil\r\n.exe", "application/octet-stream", 5, 8, "2")
    with_parts = replace(plain_message(), attachments=(evil, replace(evil, filename="")))
    plan = Desk().plan(Disposition((0,), "DEFAULT", "deliver", log_entries=("seen $x",)), message=with_parts)
    texts = _texts(plan, plan.copies[0].mid)
    assert any(t.endswith("Custom Log Entry: seen $x") for t in texts)
    assert sum(" attachment 'evil" in t for t in texts) == 1  # a part without a name has no line
    assert not any("\r" in t or "\n" in t for t in texts)


async def test_a_returned_copy_can_be_held_again_by_the_next_hop_of_the_same_copy() -> None:
    desk = Desk()
    plan = desk.plan(Disposition((0,), "DEFAULT", "deliver", quarantines=(POLICY,)))
    transfer = plan.copies[0].transfer
    assert transfer is not None
    metadata = decode(transfer.metadata, hop=1)
    returned = desk.node.samples.copy(
        "ACTIVE",
        cid=plan.copies[0].cid,
        hop=2,
        envelope=Envelope("a@sender.example", (Recipient("r0@example.com"),)),
        deliveries=deliveries_for(plan.copies[0].envelope, NOW),
    )
    again = desk.planner.hold_again(returned, metadata, (VIRUS,), size=len(MESSAGE))
    assert again.transfer is not None
    assert (again.custody, again.transfer.hop, again.deliveries) == ("X", 3, ())
    held = decode(again.transfer.metadata, hop=3)
    assert [q.name for q in held.quarantines] == ["Virus"]
    assert (held.release, held.history[-1].ended, held.xid) == (None, "heldagain", f"{again.cid}.3")
    assert held.origin == metadata.origin  # whoever answered 250 stays on record
    assert item_of(again, None).seq == again.transfer.seq
