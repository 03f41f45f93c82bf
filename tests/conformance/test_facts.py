"""Users, settings, the audit chain, gauges, numbers, and what submit promises."""

import asyncio
from dataclasses import replace

import pytest

from pratique.store.audit import broken_at
from pratique.store.moves import (
    Accept,
    DotSent,
    MoveRefused,
    Outcome,
    PutPeer,
    PutSetting,
    PutUser,
    Record,
    RenewPeer,
    Settle,
)
from pratique.store.records import AuditEntry, User
from tests.conformance.conftest import Bench
from tests.conformance.samples import GATEWAY, MANAGER, NOW, OTHER_GATEWAY, delivery, entry, hold


async def test_users_read_back_and_are_replaced(manager: Bench) -> None:
    carol = User("carol", "operator", "$argon2id$", ("Policy", "Légal"), NOW, True)
    assert await manager.do(PutUser(carol, (entry("user"),))) is None
    await manager.do(PutUser(User("anne", "guest", ""), ()))
    assert manager.view.user("carol") == carol
    assert [user.name for user in manager.view.users()] == ["anne", "carol"]
    await manager.do(PutUser(replace(carol, role="guest", disabled=False), ()))
    assert manager.view.user("carol") == replace(carol, role="guest", disabled=False)
    assert manager.view.user("nobody") is None
    await manager.restart()


async def test_settings_are_texts_by_key(manager: Bench) -> None:
    assert manager.view.setting("suspended") == ""
    assert manager.view.setting("suspended", "no") == "no"
    await manager.do(PutSetting("suspended", "yes", (entry("suspend"),)))
    assert manager.view.setting("suspended", "no") == "yes"
    await manager.do(PutSetting("suspended", ""))
    assert manager.view.setting("suspended", "no") == ""
    await manager.restart()


async def test_the_audit_is_a_chain_in_the_order_of_commits(manager: Bench) -> None:
    entries = (
        AuditEntry("carol", "sign in", 0, "", '{"ip": "192.0.2.9"}'),
        AuditEntry("policy:Überlauf@3", "expire", 7, "ab" * 16, ""),
    )
    assert await manager.do(Record(entries)) is None
    manager.clock.now += 5
    await manager.do(Record((entry("sign out"),)))
    rows = manager.view.audit(0, 10)
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.at for row in rows] == [NOW, NOW, NOW + 5]
    assert (rows[0].actor, rows[0].action, rows[0].detail) == ("carol", "sign in", '{"ip": "192.0.2.9"}')
    assert (rows[1].actor, rows[1].mid, rows[1].cid) == ("policy:Überlauf@3", 7, "ab" * 16)
    assert broken_at(rows) is None
    assert manager.store.audit_head() == rows[-1].hash
    assert manager.store.audit_number() == rows[-1].number
    assert [row.number for row in manager.view.audit(1, 1)] == [2]
    assert list(manager.view.audit(3, 5)) == []
    head = manager.store.audit_head()
    await manager.restart()
    assert manager.store.audit_head() == head
    await manager.do(Record((entry("sign in"),)))


async def test_a_changed_a_lost_and_a_swapped_row_are_found(manager: Bench) -> None:
    await manager.do(Record(tuple(entry("act", mid) for mid in range(1, 5))))
    rows = list(manager.view.audit(0, 10))
    assert broken_at(rows) is None
    assert broken_at([rows[0], replace(rows[1], actor="mallory"), *rows[2:]]) == 2
    assert broken_at([rows[0], *rows[2:]]) == 2
    assert broken_at([rows[0], rows[2], rows[1], rows[3]]) == 2
    assert broken_at(rows[2:], previous=rows[1].hash, number=3) is None


async def test_the_first_head_is_known_before_any_row(manager: Bench) -> None:
    await manager.do(Record((entry("first"),)))
    (row,) = manager.view.audit(0, 10)
    assert manager.store.audit_head() == row.hash
    assert len(row.hash) == 64


async def test_a_refused_move_leaves_no_audit_row(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    before = gateway.actions()
    with pytest.raises(MoveRefused):
        await gateway.do(Accept((gateway.samples.copy(), replace(gateway.samples.copy(), mid=copy.mid)), (entry("x"),)))
    assert gateway.actions() == before


async def test_moves_apply_in_order_and_a_refused_one_fails_alone(gateway: Bench) -> None:
    first = gateway.samples.copy(deliveries=(delivery(0), delivery(1)))
    futures = [
        gateway.store.submit(Accept((first,), (entry("accept"),))),
        gateway.store.submit(DotSent(first.mid, (0,))),
        gateway.store.submit(DotSent(first.mid, (0, 1))),  # refused: 0 is DOT by then
        gateway.store.submit(Settle(first.mid, (Outcome(0, "DELIVERED", "250"),), (entry("deliver"),))),
        gateway.store.submit(Accept((first,), (entry("twice"),))),
        gateway.store.submit(Record((entry("last"),))),
    ]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) is MoveRefused for result in results] == [False, False, True, False, True, False]
    assert [one.state for one in gateway.view.deliveries(first.mid)] == ["DELIVERED", "DUE"]
    assert gateway.actions() == ["accept", "deliver", "last"]


async def test_a_dot_that_names_no_delivery_is_refused_whoever_shares_its_batch(gateway: Bench) -> None:
    copy = await gateway.samples.accepted(deliveries=(delivery(0),))
    futures = [gateway.store.submit(DotSent(copy.mid, rids)) for rids in ((), (0,))]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(result) is MoveRefused for result in results] == [True, False]
    assert [one.state for one in gateway.view.deliveries(copy.mid)] == ["DOT"]


async def test_many_moves_at_once_are_all_durable(gateway: Bench) -> None:
    copies = [gateway.samples.copy() for _ in range(150)]
    await asyncio.gather(*(gateway.do(Accept((copy,), (entry("accept", copy.mid),))) for copy in copies))
    assert [row.mid for row in gateway.view.audit(0, 1000)] == [copy.mid for copy in copies]
    await gateway.restart()
    for copy in (copies[0], copies[149]):
        body = gateway.store.spool.open(copy.extent, copy.sha256)
        assert sum(len(piece) for piece in body.pieces()) == copy.extent.length


async def test_a_callback_hears_of_the_commit(gateway: Bench) -> None:
    heard: list[object] = []
    future = gateway.store.submit(PutSetting("a", "1"))
    future.add_done_callback(heard.append)
    await future
    for _ in range(3):
        await asyncio.sleep(0)
    assert heard == [future]
    assert (future.result(), future.exception(), future.cancelled()) == (None, None, False)
    lost = gateway.store.submit(DotSent(1, (0,)))
    with pytest.raises(MoveRefused):
        await lost
    assert isinstance(lost.exception(), MoveRefused)
    with pytest.raises(MoveRefused):
        lost.result()


async def test_a_longer_read_sees_the_same_rows(gateway: Bench) -> None:
    copy = await gateway.samples.accepted()
    assert (await gateway.store.read(lambda view: view.copy(copy.mid))) == gateway.view.copy(copy.mid)
    with pytest.raises(ZeroDivisionError):
        await gateway.store.read(lambda view: 1 // 0)


async def test_numbers_rise_and_a_gap_is_allowed(gateway: Bench) -> None:
    assert gateway.store.committed_seq() == 0
    skipped = gateway.store.next_seq()
    copy = await gateway.samples.accepted("Q")
    assert copy.transfer is not None
    assert copy.transfer.seq > skipped
    assert gateway.store.committed_seq() == copy.transfer.seq
    await gateway.restart()
    assert gateway.store.committed_seq() == copy.transfer.seq
    assert gateway.store.next_seq() > copy.transfer.seq


async def test_a_store_knows_itself_and_each_start_is_another_instance(gateway: Bench) -> None:
    before = gateway.store.identity
    assert (before.serial, before.role) == (GATEWAY, "gateway")
    assert before.inc >= 1
    assert len(before.nonce) == 32
    await gateway.restart()
    after = gateway.store.identity
    assert after.nonce != before.nonce
    assert after.inc == before.inc


async def test_gauges_count_copies_deliveries_and_transfers(gateway: Bench) -> None:
    await gateway.samples.accepted(deliveries=(delivery(0), delivery(1), delivery(2, "x@example.net")))
    await gateway.samples.accepted("RECEIVED")
    await gateway.samples.accepted("Q")
    await gateway.samples.accepted("X")
    gone = await gateway.samples.accepted()
    await gateway.do(DotSent(gone.mid, (0,)))
    counts = gateway.view.counts()
    assert (counts["copy.ACTIVE"], counts["copy.RECEIVED"], counts["copy.Q"], counts["copy.X"]) == (2, 1, 1, 1)
    assert (counts["host.example.com"], counts["host.example.net"]) == (3, 1)
    assert counts[f"transfer.{MANAGER}"] == 2
    await gateway.do(Settle(gone.mid, (Outcome(0, "DELIVERED", ""),), ()))
    counts = gateway.view.counts()
    assert (counts["copy.ACTIVE"], counts["copy.SETTLED"], counts["host.example.com"]) == (1, 1, 2)
    await gateway.restart()


async def test_gauges_of_a_manager(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold(),))
    await manager.samples.accepted("HELD")
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    counts = manager.view.counts()
    assert (counts["copy.HELD"], counts["copy.REL"], counts[f"transfer.{GATEWAY}"]) == (1, 1, 1)


async def test_a_closed_store_has_committed_what_was_submitted(gateway: Bench) -> None:
    copy = gateway.samples.copy()
    future = gateway.store.submit(Accept((copy,), (entry("accept"),)))
    await gateway.store.close()
    assert await future is None
    gateway.store = gateway.samples.store = await gateway.harness.reopen(gateway.store)
    assert gateway.view.copy(copy.mid).cid == copy.cid


async def test_a_body_is_written_in_pieces_and_read_in_parts(gateway: Bench) -> None:
    writer = gateway.store.spool.writer()
    for piece in (b"abc", b"", b"def", b"g"):
        writer.write(piece)
    assert writer.size == 7
    assert writer.octets() == b"abcdefg"
    stored = writer.finish()
    assert (stored.size, stored.extent.length) == (7, 7)
    writer.abort()  # harmless by now
    copy = gateway.samples.copy(body=stored)
    await gateway.do(Accept((copy,), ()))
    assert gateway.store.spool.read(stored.extent, 2, 3) == b"cde"
    assert gateway.store.spool.read(stored.extent, 5, 100) == b"fg"
    assert gateway.store.spool.free_bytes() > 0


async def test_an_empty_and_a_long_body_are_bodies(gateway: Bench) -> None:
    long = bytes(range(256)) * 12_000  # three megabytes: more than stays in memory
    for octets in (b"", long):
        writer = gateway.store.spool.writer()
        for start in range(0, len(octets), 60_000):
            writer.write(octets[start : start + 60_000])
        assert writer.octets() == (None if octets else b"")
        copy = gateway.samples.copy(body=writer.finish())
        await gateway.do(Accept((copy,), ()))
        body = gateway.store.spool.open(copy.extent, copy.sha256)
        assert b"".join(body.pieces()) == octets
        assert (body.size, body.sha256) == (len(octets), copy.sha256)
    await gateway.restart()
    assert b"".join(gateway.store.spool.open(copy.extent, copy.sha256).pieces()) == long


async def test_an_aborted_body_leaves_room(gateway: Bench) -> None:
    writer = gateway.store.spool.writer()
    writer.write(b"x" * 1000)
    writer.abort()
    copy = await gateway.samples.accepted()
    assert gateway.store.spool.read(copy.extent, 0, 5) == b"From:"


@pytest.mark.parametrize(
    "bad",
    [
        {"seq": 10**19 - 1},  # XQSEQ has up to 19 digits (cpq.md §3), more than a row can hold
        {"seal": "\udcff"},
    ],
)
async def test_a_group_that_no_row_can_hold_is_refused_alone(manager: Bench, bad: dict[str, object]) -> None:
    await manager.samples.enrolled()
    good, odd = manager.samples.copy("HELD"), manager.samples.copy("HELD")
    outcomes = await asyncio.wait_for(
        asyncio.gather(
            manager.do(manager.samples.receive(odd, **bad)),
            manager.do(manager.samples.receive(good)),
            return_exceptions=True,
        ),
        10,
    )
    assert isinstance(outcomes[0], MoveRefused)
    assert outcomes[1].answer == "commit ACC"
    assert manager.view.copy(odd.mid) is None


@pytest.mark.parametrize(
    "bad", [{"subject": "\udcff"}, {"sha256": "no digest"}, {"at": 1 << 63}, {"cid": "no id"}, {"cid": "ab" * 15}]
)
async def test_a_copy_that_no_row_can_hold_is_refused_alone(gateway: Bench, bad: dict[str, object]) -> None:
    odd, good = replace(gateway.samples.copy(), **bad), gateway.samples.copy()
    futures = [gateway.do(Accept((copy,), (entry("accept", copy.mid),))) for copy in (odd, good)]
    refused, done = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 10)
    assert isinstance(refused, MoveRefused)
    assert done is None
    assert [row.mid for row in gateway.view.audit(0, 9)] == [good.mid]


async def test_a_peers_certificate_is_renewed_and_nothing_else_of_it(manager: Bench) -> None:
    before = await manager.samples.enrolled(fingerprint="aa" * 32, certificate="old")
    move = RenewPeer(GATEWAY, "aa" * 32, "new", "bb" * 32, (entry("renew-peer-certificate"),))
    await manager.do(move)
    assert manager.view.peer(GATEWAY) == replace(before, certificate="new", fingerprint="bb" * 32)
    await manager.refused(move)  # the present one is another now
    await manager.do(PutPeer(replace(before, fingerprint="bb" * 32, withdrawn=True), ()))
    await manager.refused(replace(move, before="bb" * 32))
    await manager.refused(replace(move, serial=OTHER_GATEWAY))
    await manager.restart()
