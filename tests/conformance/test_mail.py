"""A gateway's mail through the store: accepted, judged, sent, settled, let go."""

import json
from dataclasses import replace

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.moves import (
    Accept,
    Acknowledged,
    DotSent,
    JournalIn,
    Judge,
    LetGo,
    Outcome,
    Settle,
    Settled,
    TransfersAnswered,
)
from pratique.store.records import Waiting
from tests.conformance.conftest import Bench
from tests.conformance.samples import DAY, GATEWAY, MANAGER, MESSAGE, NOW, SEAL, delivery, entry

FIELDS = (
    "mid cid hop custody icid at envelope extent sha256 subject from_header message_id parent origin_serial "
    "origin_host origin_ip origin_mid context attachments"
)


async def test_an_accepted_copy_reads_back_in_every_field(gateway: Bench) -> None:
    given = gateway.samples.copy(
        "ACTIVE",
        body=gateway.samples.body(MESSAGE),
        parent="ab" * 16,
        context=b'{"client":{}}',
        attachments='[["a.pdf",1200]]',
        deliveries=(delivery(0), delivery(1, "carl@example.net", notify="FAILURE", orcpt="rfc822;c@example.net")),
    )
    assert await gateway.do(Accept((given,), (entry("accept", given.mid, given.cid),))) is None
    copy = gateway.view.copy(given.mid)
    for field in FIELDS.split():
        assert getattr(copy, field) == getattr(given, field), field
    assert copy.size == len(MESSAGE)
    first, second = gateway.view.deliveries(given.mid)
    assert (first.rid, first.address, first.host, first.state) == (0, "bob@example.com", "example.com", "DUE")
    assert (first.attempts, first.next_at, first.reply, first.delayed) == (0, NOW, "", False)
    assert (second.host, second.notify, second.orcpt) == ("example.net", "FAILURE", "rfc822;c@example.net")
    body = gateway.store.spool.open(copy.extent, copy.sha256)
    assert b"".join(body.pieces()) == MESSAGE
    assert (body.size, body.sha256) == (len(MESSAGE), given.sha256)
    await gateway.restart()


async def test_the_whole_envelope_is_kept(gateway: Bench) -> None:
    envelope = Envelope(
        "",
        (Recipient("älice@example.com", "SUCCESS,FAILURE", "rfc822;a+2Bb@example.com"), Recipient("b@example.com")),
        eight_bit=True,
        smtputf8=True,
        ret="HDRS",
        envid="QQ314159",
    )
    copy = await gateway.samples.accepted(envelope=envelope)
    assert gateway.view.copy(copy.mid).envelope == envelope


async def test_several_copies_are_accepted_together_or_not_at_all(gateway: Bench) -> None:
    first, second = gateway.samples.copy(), gateway.samples.copy("Q")
    await gateway.do(Accept((first, second), (entry("accept"),)))
    third = gateway.samples.copy()
    await gateway.refused(Accept((third, replace(third, mid=third.mid + 1)), (entry("accept"),)))
    assert gateway.view.copy(third.mid) is None
    await gateway.do(Accept((third,), (entry("accept"),)))
    assert gateway.view.copy(third.mid).cid == third.cid


@pytest.mark.parametrize("same", ["mid", "cid"])
async def test_a_mid_or_a_copy_is_accepted_once(gateway: Bench, same: str) -> None:
    copy = await gateway.samples.accepted()
    other = replace(gateway.samples.copy(), **{same: getattr(copy, same)})
    await gateway.refused(Accept((other,), (entry("accept"),)))


async def test_the_store_says_which_mid_comes_next_also_after_a_restart(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    assert gateway.store.next_mid() > copy.mid
    await gateway.restart()
    assert gateway.store.next_mid() > copy.mid


async def test_judging_puts_the_verdict_in_the_place_of_the_received_copy(gateway: Bench) -> None:
    received = await gateway.samples.accepted("RECEIVED")
    before = gateway.view.copy(received.mid)
    assert [copy.mid for copy in gateway.view.received_copies(0, 10)] == [received.mid]
    judged = replace(received, custody="ACTIVE", subject="[SPAM] Offer", deliveries=(delivery(),))
    child = gateway.samples.copy("Q", parent=received.cid)
    child = replace(child, extent=received.extent, sha256=received.sha256)
    assert await gateway.do(Judge(received.mid, (judged, child), (entry("judge", received.mid),))) is None
    copy = gateway.view.copy(received.mid)
    assert (copy.custody, copy.subject) == ("ACTIVE", "[SPAM] Offer")
    assert copy.version > before.version
    assert [one.rid for one in gateway.view.deliveries(received.mid)] == [0]
    assert gateway.view.copy(child.mid).parent == received.cid
    assert gateway.view.transfer(child.cid, 1).mid == child.mid
    assert gateway.view.received_copies(0, 10) in ([], ())
    await gateway.restart()


async def test_a_copy_is_judged_once(gateway: Bench) -> None:
    received = await gateway.samples.accepted("RECEIVED")
    judged = replace(received, custody="ACTIVE", deliveries=(delivery(),))
    await gateway.do(Judge(received.mid, (judged,), ()))
    await gateway.refused(Judge(received.mid, (judged,), (entry("judge"),)))


async def test_a_verdict_on_another_copy_is_refused(gateway: Bench) -> None:
    received = await gateway.samples.accepted("RECEIVED")
    await gateway.refused(Judge(received.mid, (gateway.samples.copy(),), ()))
    await gateway.refused(Judge(received.mid + 100, (received,), ()))


async def test_received_copies_are_paged_by_mid(gateway: Bench) -> None:
    mids = [(await gateway.samples.accepted("RECEIVED")).mid for _ in range(3)]
    assert [copy.mid for copy in gateway.view.received_copies(0, 2)] == mids[:2]
    assert [copy.mid for copy in gateway.view.received_copies(mids[1], 2)] == mids[2:]


async def test_the_dot_is_recorded_before_it_is_sent(gateway: Bench) -> None:
    copy = await gateway.samples.accepted(deliveries=(delivery(0), delivery(1), delivery(2)))
    assert await gateway.do(DotSent(copy.mid, (0, 2))) is None
    assert [one.state for one in gateway.view.deliveries(copy.mid)] == ["DOT", "DUE", "DOT"]
    await gateway.restart()


async def test_a_dot_needs_due_deliveries(gateway: Bench) -> None:
    copy = await gateway.samples.accepted(deliveries=(delivery(0), delivery(1)))
    await gateway.do(DotSent(copy.mid, (0,)))
    await gateway.refused(DotSent(copy.mid, (1, 0)))
    await gateway.refused(DotSent(copy.mid, (5,)))
    await gateway.refused(DotSent(copy.mid + 100, (0,)))


async def test_settling_ends_deliveries_and_at_last_the_copy(gateway: Bench) -> None:
    copy = await gateway.samples.accepted(deliveries=(delivery(0), delivery(1)))
    await gateway.do(DotSent(copy.mid, (0,)))
    done = await gateway.do(Settle(copy.mid, (Outcome(0, "DELIVERED", "250 ok"),), (entry("deliver", copy.mid),)))
    assert done == Settled(False)
    assert gateway.view.copy(copy.mid).custody == "ACTIVE"
    later = Outcome(1, "DUE", "451 later", next_at=NOW + 900_000, delayed=True)
    assert await gateway.do(Settle(copy.mid, (later,), ())) == Settled(False)
    first, second = gateway.view.deliveries(copy.mid)
    assert (first.state, first.reply) == ("DELIVERED", "250 ok")
    assert (second.state, second.reply, second.next_at) == ("DUE", "451 later", NOW + 900_000)
    assert (second.delayed, second.attempts) == (True, 1)
    done = await gateway.do(Settle(copy.mid, (Outcome(1, "FAILED", "550 no"),), (entry("bounce", copy.mid),)))
    assert done == Settled(True)
    assert gateway.view.copy(copy.mid).custody == "SETTLED"
    assert gateway.view.deliveries(copy.mid)[1].delayed is True  # a warning that went out stays known
    assert gateway.view.deliveries(copy.mid)[1].attempts == 2
    await gateway.restart()


async def test_a_bounce_is_accepted_in_the_commit_that_ends_the_delivery(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    bounce = gateway.samples.copy(subject="Undelivered mail")
    failed = Settle(copy.mid, (Outcome(0, "FAILED", "550 no"),), (entry("bounce"),), spawned=(bounce,))
    await gateway.do(failed)
    assert gateway.view.copy(bounce.mid).subject == "Undelivered mail"
    # Settled once: a second try neither ends it again nor sends a second bounce.
    await gateway.refused(replace(failed, spawned=(gateway.samples.copy(),)))


@pytest.mark.parametrize("outcome", [Outcome(7, "DELIVERED", ""), Outcome(0, "HELD", ""), Outcome(0, "DOT", "")])
async def test_an_outcome_must_fit_an_open_delivery(gateway: Bench, outcome: Outcome) -> None:
    copy = await gateway.samples.accepted()
    await gateway.refused(Settle(copy.mid, (outcome,), (entry("deliver"),)))


async def test_one_recipient_has_one_outcome(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    twice = (Outcome(0, "DUE", "451"), Outcome(0, "DELIVERED", "250"))
    await gateway.refused(Settle(copy.mid, twice, (entry("deliver"),)))


async def test_a_cancelled_delivery_is_ended(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    assert await gateway.do(Settle(copy.mid, (Outcome(0, "CANCELLED", ""),), ())) == Settled(True)
    assert gateway.view.due_deliveries((0, -1), 10) in ([], ())


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (("DELIVERED", "DELIVERED"), "delivered"),
        (("FAILED", "DELIVERED"), "delivered"),
        (("FAILED", "CANCELLED"), "bounced"),
        (("CANCELLED", "CANCELLED"), "dropped"),
    ],
)
async def test_the_end_of_a_released_copy_is_told_to_the_manager(
    gateway: Bench, ends: tuple[str, str], told: str
) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = gateway.samples.copy("ACTIVE", hop=2, deliveries=(delivery(0), delivery(1)))
    await gateway.do(gateway.samples.receive(copy))
    await gateway.do(Settle(copy.mid, (Outcome(0, ends[0], ""),), ()))
    assert gateway.view.journal(MANAGER, 0, 10) in ([], ())
    before = gateway.store.committed_seq()
    await gateway.do(Settle(copy.mid, (Outcome(1, ends[1], ""),), ()))
    (row,) = gateway.view.journal(MANAGER, 0, 10)
    assert (row.cid, row.hop, row.state, row.seal, row.peer) == (copy.cid, 2, "FIN", SEAL, MANAGER)
    assert json.loads(row.pairs)["R"] == told
    assert row.seq > before
    assert gateway.store.committed_seq() == row.seq
    assert gateway.view.journal(MANAGER, row.seq, 10) in ([], ())
    await gateway.restart()


async def test_a_released_copy_that_the_verdict_drops_is_told_too(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = gateway.samples.copy("RECEIVED", hop=2)
    await gateway.do(gateway.samples.receive(copy))
    await gateway.do(Judge(copy.mid, (replace(copy, custody="SETTLED"),), (entry("judge"),)))
    (row,) = gateway.view.journal(MANAGER, 0, 10)
    assert (row.state, json.loads(row.pairs)["R"]) == ("FIN", "dropped")


async def test_only_a_release_has_an_end_to_tell(manager: Bench) -> None:
    await manager.samples.enrolled()
    await manager.do(manager.samples.receive(manager.samples.copy("SETTLED", hop=1)))
    assert list(manager.view.journal(GATEWAY, 0, 10)) == []


async def test_the_end_of_a_copy_from_smtp_is_nobody_elses_business(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    await gateway.do(Settle(copy.mid, (Outcome(0, "DELIVERED", ""),), ()))
    assert gateway.view.journal(MANAGER, 0, 10) in ([], ())


async def test_due_deliveries_are_paged_in_order_and_include_doubtful_ones(gateway: Bench) -> None:
    one = await gateway.samples.accepted(deliveries=(delivery(1), delivery(0), delivery(2)))
    two = await gateway.samples.accepted(deliveries=(delivery(0),))
    await gateway.do(DotSent(one.mid, (1,)))
    await gateway.do(Settle(one.mid, (Outcome(2, "DELIVERED", ""),), ()))
    keys = [(one.mid, 0), (one.mid, 1), (two.mid, 0)]

    def page(after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
        return [(due.mid, due.rid) for due in gateway.view.due_deliveries(after, limit)]

    assert page((0, -1), 10) == keys
    assert page((0, -1), 2) == keys[:2]
    assert page(keys[0], 2) == keys[1:]
    assert page(keys[2], 2) == []


async def test_a_body_goes_only_when_nothing_needs_it(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    await gateway.refused(LetGo((copy.mid,)))
    assert gateway.view.disposable(1 << 60, 10) in ([], ())
    await gateway.do(Settle(copy.mid, (Outcome(0, "DELIVERED", ""),), ()))
    assert list(gateway.view.disposable(0, 10)) == [copy.mid]
    assert list(gateway.view.live_bodies()) == [(copy.mid, copy.extent, copy.sha256)]
    assert gateway.view.body(copy.mid) == (copy.extent, copy.sha256)
    assert tuple(await gateway.do(LetGo((copy.mid,)))) == (copy.extent,)
    assert gateway.view.copy(copy.mid).extent is None
    assert gateway.view.copy(copy.mid).size == copy.extent.length
    assert list(gateway.view.live_bodies()) == []
    assert gateway.view.body(copy.mid) is None
    assert list(gateway.view.disposable(1 << 60, 10)) == []
    assert tuple(await gateway.do(LetGo((copy.mid,)))) == ()
    await gateway.restart()


async def test_copies_that_share_a_body_keep_it_until_the_last_lets_go(gateway: Bench) -> None:
    body = gateway.samples.body(MESSAGE)
    one, two = gateway.samples.copy("SETTLED", body=body), gateway.samples.copy("SETTLED", body=body)
    await gateway.do(Accept((one, two), ()))
    assert tuple(await gateway.do(LetGo((one.mid,)))) == ()
    assert gateway.store.spool.read(body.extent, 0, 5) == MESSAGE[:5]
    assert [mid for mid, _, _ in gateway.view.live_bodies()] == [two.mid]
    assert tuple(await gateway.do(LetGo((two.mid,)))) == (body.extent,)
    assert list(gateway.view.live_bodies()) == []


async def test_a_split_message_keeps_its_body_until_the_last_part_lets_go(gateway: Bench) -> None:
    received = await gateway.samples.accepted("RECEIVED")
    same = {"extent": received.extent, "sha256": received.sha256}
    children = tuple(gateway.samples.copy("SETTLED", parent=received.cid, **same) for _ in range(2))
    await gateway.do(Judge(received.mid, (replace(received, custody="SETTLED"), *children), ()))
    for copy in children:
        assert tuple(await gateway.do(LetGo((copy.mid,)))) == ()
    assert tuple(await gateway.do(LetGo((received.mid,)))) == (received.extent,)


async def test_several_let_go_of_a_shared_body_at_once(gateway: Bench) -> None:
    body = gateway.samples.body()
    copies = [gateway.samples.copy("SETTLED", body=body) for _ in range(3)]
    await gateway.do(Accept(tuple(copies), ()))
    assert tuple(await gateway.do(LetGo(tuple(copy.mid for copy in copies)))) == (body.extent,)


async def test_a_shadow_is_kept_for_its_time(gateway: Bench) -> None:
    copy = await gateway.samples.accepted("X")
    gateway.clock.now = NOW + 9 * DAY  # the manager was away for long: the shadow's time begins now
    await gateway.do(TransfersAnswered((Acknowledged(copy.cid, 1, "ACC", 1, 5),), "gateway"))
    shadow_since = NOW + 9 * DAY
    assert list(gateway.view.disposable(shadow_since - 1, 10)) == []
    assert list(gateway.view.disposable(shadow_since + 1, 10)) == [copy.mid]
    assert tuple(await gateway.do(LetGo((copy.mid,)))) == (copy.extent,)
    assert list(gateway.view.disposable(shadow_since + 1, 10)) == []


async def test_the_shadow_of_a_deleted_message_need_not_wait(gateway: Bench) -> None:
    await gateway.samples.enrolled(MANAGER, "manager")
    copy = await gateway.samples.accepted("X")
    await gateway.do(JournalIn(MANAGER, 0, 9, ((9, "DEL", copy.cid, 1, "-", NOW, "{}"),)))
    assert list(gateway.view.disposable(0, 10)) == [copy.mid]


async def test_what_waits_for_a_host_is_found_and_counted(gateway: Bench) -> None:
    both = (delivery(0, "a@slow.example", next_at=NOW + 9), delivery(1, "b@fast.example"))
    one = await gateway.samples.accepted(deliveries=both)
    two = await gateway.samples.accepted(deliveries=(delivery(0, "c@slow.example", next_at=NOW + 7),))
    await gateway.do(Settle(one.mid, (Outcome(0, "DUE", "451 later", NOW + 8),), ()))

    found = gateway.view.due_deliveries((0, -1), 10, host="slow.example")
    assert [(due.mid, due.rid) for due in found] == [(one.mid, 0), (two.mid, 0)]
    page = gateway.view.due_deliveries((one.mid, 0), 10, host="slow.example")
    assert [due.mid for due in page] == [two.mid]
    assert gateway.view.waiting_for_host("slow.example") == Waiting(2, 1, one.mid, NOW + 7)
    assert gateway.view.waiting_for_host("fast.example") == Waiting(1, 0, one.mid, NOW)
    assert gateway.view.waiting_for_host("idle.example") == Waiting()
    assert gateway.view.waiting_for_host("") == Waiting(3, 1, one.mid, NOW)
    await gateway.do(Settle(one.mid, (Outcome(0, "DELIVERED", ""),), ()))
    assert gateway.view.waiting_for_host("slow.example") == Waiting(1, 0, two.mid, NOW + 7)
