"""A session of the quarantine port: who is let in, hello, fences, and that nothing is answered before it is durable."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.store.moves import FoundOld, PutPeer, StoreFailed
from pratique.telemetry import events as log
from pratique.transfer import events as cpq
from pratique.transfer.client import ClientConnection
from pratique.transfer.messages import V_CLOSING, HelloReply, Keyword
from tests.conformance.samples import GATEWAY, MESSAGE, NOW
from tests.runner.pair import Pair, Probe
from tests.runner.support import Known, Node, join, turns, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


def _connect(pair: Pair, *, nonce: str = "", known: Known | None = None, source: str = "192.0.2.1") -> Probe:
    probe = Probe(known or pair.known["gateway"], pair.known["manager"], nonce=nonce)
    ends = join(probe.pump, pair.service.new_session(), source=source, address="192.0.2.7", port=7025)
    pair.network.connections.append(ends)
    return probe


async def _ready(pair: Pair, *, nonce: str = "") -> Probe:
    probe = _connect(pair, nonce=nonce)
    await probe.secure()
    reply = await probe.hello()
    assert isinstance(reply, HelloReply) and reply.keyword is Keyword.READY
    return probe


def _peer(pair: Pair) -> Any:
    return pair.manager.store.view.peer(GATEWAY)


async def test_a_hello_is_durable_before_it_is_answered(pair: Pair) -> None:
    pair.manager.store.manual = True
    probe = _connect(pair)
    await probe.secure()
    probe.core.hello(_hello(probe, seq=17))
    probe.pump.run()
    await until(lambda: pair.manager.store.pending)
    await turns()
    assert probe.of(cpq.HelloAnswered) == []
    pair.manager.store.manual = False
    pair.manager.store.commit()
    await until(lambda: probe.of(cpq.HelloAnswered))
    peer = _peer(pair)
    assert (peer.nonce, peer.inc, peer.seq, peer.endpoint) == (probe.nonce, 1, 17, "192.0.2.1:7025")
    assert pair.taker.peers_met == [GATEWAY]


def _hello(probe: Probe, **fields: Any) -> Any:
    from pratique.transfer.messages import Hello

    return replace(Hello(GATEWAY, probe.nonce, 1, 0, 0, 0, NOW, "192.0.2.1:7025"), **fields)


async def test_the_reply_says_who_we_are_and_what_we_take(pair: Pair) -> None:
    probe = _connect(pair)
    await probe.secure()
    reply = await probe.hello()
    assert reply.me.serial == pair.manager.serial
    assert reply.me.nonce == pair.manager.store.identity.nonce
    assert (reply.limits.window, reply.limits.message_bytes, reply.level) == (256, 104_857_600, "OK")
    assert (reply.journal_in, reply.journal_out) == (0, 0)


async def test_a_certificate_of_nobody_we_know_is_refused_and_named(pair: Pair, tmp_path: Path) -> None:
    stranger = Known(tmp_path / "stranger", Node("gateway", serial="STRANGER00000000GW09"))
    probe = _connect(pair, known=stranger, source="203.0.113.9")
    await until(lambda: probe.is_closed)
    assert probe.of(cpq.Secure) == []
    (line,) = pair.manager.log.lines("TLS failed")
    assert line.startswith("ICID 1 TLS failed: certificate verify failed")
    assert line.endswith("(address 203.0.113.9)")
    assert pair.manager.log.lines("New CPQ ICID 1", "address 203.0.113.9")


async def test_a_locked_peer_is_refused_and_named(pair: Pair) -> None:
    await pair.manager.store.submit(PutPeer(replace(_peer(pair), locked="two machines"), ()))
    pair.service.trust.refresh()
    probe = _connect(pair)
    await until(lambda: probe.is_closed)
    (ended,) = probe.of(cpq.ClientEnded)
    assert (ended.keyword, ended.refused) == ("XQNOTENROLLED", True)
    (refused,) = pair.manager.log.lines(" refused: ")
    assert "address 192.0.2.1 refused: appliance" in refused and "is locked: two machines" in refused


async def test_a_serial_that_is_not_the_certificates_is_denied(pair: Pair) -> None:
    probe = _connect(pair)
    await probe.secure()
    ended = await probe.hello(serial="SOMEBODYELSE00000001")
    assert ended.keyword == "XQDENIED"
    (line,) = pair.manager.log.lines("refused: ")
    assert "refused: it says serial SOMEBODYELSE00000001, its certificate belongs to" in line
    assert _peer(pair).nonce == ""


async def test_a_suspended_role_says_why(pair: Pair) -> None:
    pair.taker.stands = (Keyword.SUSPENDED, "transfers")
    probe = _connect(pair)
    await probe.secure()
    reply = await probe.hello()
    assert (reply.keyword, reply.why) == (Keyword.SUSPENDED, "transfers")
    assert pair.taker.peers_met == [GATEWAY]


async def test_a_hello_that_cannot_be_stored_ends_the_session(pair: Pair) -> None:
    probe = _connect(pair)
    await probe.secure()
    pair.manager.store.fail_next(StoreFailed("no space", full=True))
    ended = await probe.hello()
    assert ended.keyword == "XQCLOSING"


async def test_a_clock_far_from_ours_is_told_to_the_role_and_alarmed(pair: Pair) -> None:
    probe = _connect(pair)
    await probe.secure()
    await probe.hello(at_ms=NOW + 301_000)
    assert pair.taker.differing == [True]
    assert pair.manager.log.lines("the clock of gateway.example.net differs from ours by more than 5 minutes")


# --- instances
async def test_a_newer_instance_ends_the_sessions_of_an_older_one(pair: Pair) -> None:
    old = await _ready(pair, nonce="0a" * 16)
    new = await _ready(pair, nonce="0b" * 16)
    await until(lambda: old.is_closed)
    assert old.of(cpq.ClientEnded)[0].keyword == "XQFENCED"
    assert not new.is_closed
    assert _peer(pair).locked == ""


async def test_an_old_instance_on_a_session_from_before_is_only_closed(pair: Pair) -> None:
    """Its EHLO was answered before the newer nonce was committed: that proves nothing (docs/cpq.md, session hello)."""
    first = await _ready(pair, nonce="0a" * 16)
    late = _connect(pair, nonce="0a" * 16)
    await late.secure()
    await _ready(pair, nonce="0b" * 16)
    ended = await late.hello()
    assert ended.keyword == "XQFENCED"
    assert first.is_closed
    assert _peer(pair).locked == ""


async def test_an_old_instance_on_a_new_session_is_a_clone_and_locks_the_identity(pair: Pair) -> None:
    await _ready(pair, nonce="0a" * 16)
    new = await _ready(pair, nonce="0b" * 16)
    clone = _connect(pair, nonce="0a" * 16)
    await clone.secure()
    assert (await clone.hello()).keyword == "XQFENCED"
    await until(lambda: _peer(pair).locked)
    await until(lambda: new.is_closed)  # neither of the two is believed
    assert pair.manager.log.lines("appliance gateway.example.net", "is locked: two machines use this identity")
    actions = [row.action for row in pair.manager.store.view.audit(0, 100)]
    assert actions[-1] == "lock-peer"
    again = _connect(pair, nonce="0b" * 16)
    await until(lambda: again.is_closed)
    assert again.of(cpq.ClientEnded)[0].keyword == "XQNOTENROLLED"


async def test_the_same_instance_may_have_several_sessions(pair: Pair) -> None:
    first, second = await _ready(pair), await _ready(pair)
    assert not first.is_closed and not second.is_closed


async def test_what_an_old_instance_sends_is_not_committed(pair: Pair) -> None:
    old = await _ready(pair, nonce="0a" * 16)
    pair.taker.waiting = []
    item = await pair.accepted()
    old.core.send_group("token", item.group, (MESSAGE,))
    old.pump.run()
    await until(lambda: pair.taker.waiting)
    await _ready(pair, nonce="0b" * 16)
    for decide in pair.taker.waiting:
        decide()  # the decision comes after the newer instance's hello
    await turns()
    assert pair.held() == [] and pair.taker.durable == []


# --- transfers
async def _sent(pair: Pair, probe: Probe, item: Any) -> Any:
    before = len(probe.of(cpq.UnitAnswered))
    probe.core.send_group(item, item.group, (MESSAGE,))
    probe.pump.run()
    await until(lambda: len(probe.of(cpq.UnitAnswered)) > before or probe.is_closed)
    return probe.of(cpq.UnitAnswered)[-1].verdict


async def test_a_group_is_answered_after_its_commit(pair: Pair) -> None:
    probe = await _ready(pair)
    item = await pair.accepted()
    pair.manager.store.manual = True
    probe.core.send_group(item, item.group, (MESSAGE,))
    probe.pump.run()
    await until(lambda: pair.manager.store.pending)
    await turns()
    assert probe.of(cpq.UnitAnswered) == []
    pair.manager.store.manual = False
    pair.manager.store.commit()
    await until(lambda: probe.of(cpq.UnitAnswered))
    assert probe.of(cpq.UnitAnswered)[0].verdict.keyword is Keyword.ACC
    assert pair.held() == [item.cid]
    live = dict(pair.manager.store.view.counts())
    assert live["copy.HELD"] == 1


async def test_a_commit_that_fails_is_said_to_be_tried_again(pair: Pair) -> None:
    probe = await _ready(pair)
    item = await pair.accepted()
    free = pair.manager.store.spool.free_bytes()
    pair.manager.store.fail_next(StoreFailed("no space", full=True))
    assert (await _sent(pair, probe, item)).keyword is Keyword.STORE
    assert pair.manager.store.spool.free_bytes() == free  # nothing half-kept
    assert pair.manager.log.lines("An application fault occurred: store: no space; the peer keeps its message")
    assert (await _sent(pair, probe, item)).keyword is Keyword.ACC


async def test_a_full_spool_is_said_before_anything_is_kept(pair: Pair) -> None:
    probe = await _ready(pair)
    item = await pair.accepted()
    pair.manager.store.spool.capacity = 0
    assert (await _sent(pair, probe, item)).keyword is Keyword.FULL
    assert pair.taker.offers == []
    pair.manager.store.spool.capacity = 1 << 30
    assert (await _sent(pair, probe, item)).keyword is Keyword.ACC


async def test_a_role_that_was_suspended_in_mid_session_takes_nothing(pair: Pair) -> None:
    probe = await _ready(pair)
    item = await pair.accepted()
    free = pair.manager.store.spool.free_bytes()
    pair.taker.stands = (Keyword.SUSPENDED, "offline")
    assert (await _sent(pair, probe, item)).keyword is Keyword.SUSPENDED
    assert pair.manager.store.spool.free_bytes() == free
    pair.taker.stands = (Keyword.READY, "")
    assert (await _sent(pair, probe, item)).keyword is Keyword.ACC


async def test_a_role_that_refuses_gives_its_verdict_and_nothing_is_kept(pair: Pair) -> None:
    from pratique.transfer.messages import V_META_BAD

    probe = await _ready(pair)
    item = await pair.accepted()
    free = pair.manager.store.spool.free_bytes()
    pair.taker.verdicts.append(V_META_BAD)
    assert (await _sent(pair, probe, item)).keyword is Keyword.META_BAD
    assert pair.manager.store.spool.free_bytes() == free
    assert pair.manager.log.lines(f"transfer {item.group.xid} refused: XQMETABAD")


async def test_cancel_confirm_and_stat(pair: Pair) -> None:
    probe = await _ready(pair)
    item = await pair.accepted()
    probe.core.send_cancel("cancel", item.group.xid, item.group.seal)
    probe.core.send_confirm("confirm", item.seq)
    probe.core.send_stat(("UNKNOWN0000000000001",))
    probe.pump.run()
    await until(lambda: len(probe.of(cpq.UnitAnswered)) == 2 and probe.of(cpq.StatAnswered))
    assert [e.verdict.keyword for e in probe.of(cpq.UnitAnswered)] == [Keyword.CANC, Keyword.CONFIRMED]
    assert _peer(pair).confirmed == item.seq
    assert probe.of(cpq.StatAnswered)[0].reply.checks[-1] == ("members", "NO", "enrol UNKNOWN0000000000001")
    assert (await _sent(pair, probe, item)).keyword is Keyword.CANCELLED


async def _checks(probe: Probe, number: int) -> dict[str, str]:
    probe.core.send_stat(())
    probe.pump.run()
    await until(lambda: len(probe.of(cpq.StatAnswered)) == number)
    return {name: answer for name, answer, _ in probe.of(cpq.StatAnswered)[-1].reply.checks}


async def test_stat_says_what_is_true_when_it_is_asked(pair: Pair) -> None:
    """On one session, while the world around it changes."""
    probe = await _ready(pair)
    before = _peer(pair).fingerprint
    well = dict.fromkeys(("enrolled", "service", "committed", "accepting", "clock", "version", "members"), "YES")
    assert await _checks(probe, 1) == well | {"service": "NO"}  # these pipes are no port
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    pair.service.server = server
    assert await _checks(probe, 2) == well
    server.close()
    assert await _checks(probe, 3) == well | {"service": "NO"}
    pair.service.server = None
    pair.taker.stands = (Keyword.SUSPENDED, "full")
    assert (await _checks(probe, 4))["accepting"] == "NO"
    pair.taker.stands = (Keyword.READY, "")
    await pair.manager.store.submit(PutPeer(replace(_peer(pair), fingerprint="ab" * 32), ()))
    pair.service.trust.refresh()
    assert await _checks(probe, 5) == well | {"service": "NO", "enrolled": "NO", "accepting": "NO"}
    await pair.manager.store.submit(PutPeer(replace(_peer(pair), fingerprint=before), ()))
    pair.service.trust.refresh()
    assert (await _checks(probe, 6))["accepting"] == "YES"
    await pair.manager.store.submit(FoundOld(1, 9_999, ()))
    assert await _checks(probe, 7) == well | {"service": "NO", "accepting": "NO"}


async def test_a_clock_that_is_wrong_shows_in_stat(pair: Pair) -> None:
    probe = _connect(pair)
    await probe.secure()
    probe.core.hello(replace(_hello(probe, seq=1), at_ms=NOW - 400_000))
    probe.pump.run()
    await until(lambda: probe.of(cpq.HelloAnswered))
    assert (await _checks(probe, 1))["clock"] == "NO"


async def test_rows_of_the_peers_journal_are_applied_once_and_gaps_are_named(pair: Pair) -> None:
    from pratique.transfer.messages import Row

    probe = await _ready(pair)
    row = Row(5, "FIN", "ab" * 16 + ".2", "-", NOW, (("R", "delivered"),))
    probe.core.send_journal("one", 0, (row,), 5)
    probe.pump.run()
    await until(lambda: probe.of(cpq.UnitAnswered))
    probe.core.send_journal("two", 9, (replace(row, seq=10),), 10)
    probe.pump.run()
    await until(lambda: len(probe.of(cpq.UnitAnswered)) == 2)
    first, second = (event.verdict for event in probe.of(cpq.UnitAnswered))
    assert (first.keyword, first.words) == (Keyword.JACK, ("5",))
    assert (second.keyword, second.words) == (Keyword.GAP, ("5",))
    assert json.dumps([r.seq for r in pair.taker.rows[:1]]) == "[5]"


# --- ends
async def test_a_silent_peer_is_closed_with_a_word(pair: Pair) -> None:
    probe = await _ready(pair)
    (session,) = pair.service.sessions
    session.timed_out("idle")  # type: ignore[attr-defined]
    await until(lambda: probe.is_closed)
    assert probe.of(cpq.ClientEnded)[0].keyword == "XQCLOSING"


async def test_quit_is_a_clean_end_and_a_lost_connection_is_not(pair: Pair) -> None:
    probe = await _ready(pair)
    probe.core.quit()
    probe.pump.run()
    await until(lambda: not pair.service.sessions)
    assert pair.manager.log.of(log.IcidClose) and not pair.manager.log.of(log.IcidLost)
    await _ready(pair)
    pair.network.connections[-1][0].lose()
    await until(lambda: not pair.service.sessions)
    assert len(pair.manager.log.of(log.IcidLost)) == 1


async def test_a_body_half_received_is_forgotten_with_its_connection(pair: Pair) -> None:
    probe = await _ready(pair)
    free = pair.manager.store.spool.free_bytes()
    item = await pair.accepted()
    probe.core.begin_group("t", item.group)
    probe.core.send_body(MESSAGE[:20])
    probe.pump.run()
    await turns()
    pair.network.connections[-1][0].lose()
    await until(lambda: not pair.service.sessions)
    assert pair.manager.store.spool.free_bytes() == free
    assert pair.taker.offers == []
    assert V_CLOSING.code == 421 and isinstance(probe.core, ClientConnection)
