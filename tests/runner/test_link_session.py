"""One session of a link: what each verdict makes of a transfer, and what ends a session."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.delivery.custody import Event
from pratique.fleet.identity import create
from pratique.runner import link_session
from pratique.store.moves import PutPeer
from pratique.telemetry import events as log
from pratique.transfer.messages import (
    V_CONFLICT,
    V_DENIED,
    V_META_BAD,
    V_STORE,
    V_SUSPENDED_QUARANTINE,
    Keyword,
    Verdict,
)
from tests.conformance.samples import GATEWAY, MESSAGE, NOW
from tests.runner.pair import Pair
from tests.runner.support import turns, until

DIGEST = Verdict(554, "5.6.0", Keyword.DIGEST)


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def _over(pair: Pair) -> None:
    """The first session has ended."""
    await until(lambda: pair.network.connections and pair.link.session is None)


async def test_a_store_that_fails_there_is_tried_again_later(pair: Pair) -> None:
    pair.taker.verdicts.append(V_STORE)
    pair.run()
    item = await pair.offered()
    await _over(pair)
    await turns()
    assert pair.link.health.next_attempt_ms == NOW + 5_000
    (line,) = pair.gateway.log.lines("Delayed: ")
    assert line == (
        f"Delayed: DCID 1 MID {item.mid} to RID 0 - 4.3.0 - Quarantine did not take the message ('451', ['XQSTORE']) []"
    )
    pair.link.retry_now()
    await pair.settled(item)
    assert pair.held() == [item.cid]


async def test_a_quarantine_that_takes_nothing_pauses_half_a_minute(pair: Pair) -> None:
    pair.taker.verdicts.append(V_SUSPENDED_QUARANTINE)
    pair.run()
    item = await pair.offered()
    await _over(pair)
    await turns()
    assert pair.link.health.next_attempt_ms == NOW + 30_000
    assert pair.state(item) == "X"


@pytest.mark.parametrize("verdict", [V_META_BAD, V_DENIED])
async def test_a_defect_is_cancelled_there_and_ours_again_here(pair: Pair, verdict: Verdict) -> None:
    pair.taker.verdicts.append(verdict)
    pair.run()
    item = await pair.offered()
    await pair.settled(item, "CANC")
    assert pair.moved == [(item.mid, Event.CANC)]
    copy = pair.gateway.store.view.copy(item.mid)
    assert copy is not None and copy.custody == "LOC"
    assert pair.held() == []
    assert [e.level for e in pair.gateway.log.events if e.text().endswith(f"was answered {verdict.keyword}")] == [
        "Critical"
    ]
    other = await pair.offered()  # the session went on
    await pair.settled(other)
    assert len(pair.network.connections) == 1


async def test_a_conflict_waits_for_a_person_and_is_never_sent_again(pair: Pair) -> None:
    pair.taker.verdicts.append(V_CONFLICT)
    pair.run()
    item = await pair.offered()
    await pair.settled(item, "STUCK")
    other = await pair.offered()
    await pair.settled(other)
    assert [offer.group.xid for offer in pair.taker.offers] == [item.group.xid, other.group.xid]
    transfer = pair.gateway.store.view.transfer(item.cid, 1)
    assert transfer is not None and transfer.error == "XQCONFLICT"
    assert pair.gateway.log.lines("waits for a person: XQCONFLICT")


async def test_a_digest_that_differs_is_read_again_sent_once_more_then_cancelled(pair: Pair) -> None:
    pair.taker.verdicts += [DIGEST, DIGEST]
    pair.run()
    item = await pair.offered()
    await pair.settled(item, "CANC")
    assert len(pair.taker.offers) == 2


async def test_a_digest_that_differs_because_our_disk_changed_the_body_is_corrupt(pair: Pair) -> None:
    pair.taker.verdicts += [DIGEST]
    item = await pair.accepted()
    copy = pair.gateway.store.view.copy(item.mid)
    assert copy is not None and copy.extent is not None
    pair.gateway.store.spool.damage(copy.extent, MESSAGE.upper())
    pair.link._behind = False
    pair.run()
    pair.link.offer(item)
    await pair.settled(item, "STUCK")
    assert len(pair.taker.offers) == 1
    assert pair.gateway.log.lines("waits for a person: CORRUPT")


async def test_a_cancel_that_came_too_late_is_an_acknowledgement(pair: Pair) -> None:
    """The group was committed in an older session; the manager then denies a repeat; the cancel tells the truth."""
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    end = pair.network.connections[0][1]
    end.cut_after = len(end.sent)
    pair.taker.waiting[0]()
    pair.taker.waiting = None
    await until(lambda: pair.held())
    await _over(pair)
    pair.taker.verdicts.append(V_DENIED)
    pair.link.retry_now()
    await pair.settled(item)
    assert pair.moved == [(item.mid, Event.ACC)]


async def test_a_large_body_is_streamed_and_small_ones_follow(pair: Pair) -> None:
    large = b"Subject: large\r\n\r\n" + b"x" * 78 * 40_000 + b"\r\n"
    pair.run()
    first = await pair.offered(large, in_memory=False)
    second = await pair.offered()
    await pair.settled(first)
    await pair.settled(second)
    copy = pair.manager.store.view.copy_of_hop(first.cid, 1)
    assert copy is not None and copy.extent is not None
    assert b"".join(pair.manager.store.spool.open(copy.extent, copy.sha256).pieces()) == large


async def test_several_recipients_are_listed(pair: Pair) -> None:
    pair.run()
    item = await pair.offered(recipients=3)
    await pair.settled(item)
    assert pair.gateway.log.lines("Delivery start DCID 1", "to RID [0, 1, 2] to Centralized Policy Quarantine")
    assert pair.gateway.log.lines("Message done DCID 1", "to RID [0, 1, 2] (centralized policy quarantine)")


async def test_a_manager_that_does_not_know_us_is_a_refusal_and_mail_waits(pair: Pair) -> None:
    peer = pair.manager.store.view.peer(GATEWAY)
    assert peer is not None
    await pair.manager.store.submit(PutPeer(replace(peer, withdrawn=True), ()))
    pair.service.trust.refresh()
    pair.run()
    item = await pair.offered()
    await _over(pair)
    await turns()
    assert pair.gateway.log.of(log.DcidTlsFailed)
    assert pair.gateway.log.of(log.DcidTls) == []  # "TLS success" is said only when the refusal can come no more
    assert NOW + 48_000 <= pair.link.health.next_attempt_ms <= NOW + 72_000
    assert pair.state(item) == "X"
    assert pair.manager.log.of(log.IcidTlsFailed)


async def test_somebody_else_on_the_managers_address_gets_nothing(pair: Pair, tmp_path: Path) -> None:
    pair.service.trust._keys = create(tmp_path / "other", name="other", serial="X" * 20, addresses=(), signing=False)
    pair.service.trust.refresh()
    pair.run()
    item = await pair.offered()
    await _over(pair)
    assert pair.gateway.log.lines("TLS failed: certificate verify failed")
    assert pair.state(item) == "X" and pair.taker.offers == []


async def test_a_peer_that_closes_before_its_verdict_on_us_is_a_tls_failure(pair: Pair) -> None:
    def cut(ends: object) -> None:
        ends[1].cut_after = 400  # type: ignore[index]  # in the middle of the handshake

    pair.network.on_connect = cut
    pair.run()
    item = await pair.offered()
    await _over(pair)
    assert pair.link.health.up is False
    assert pair.state(item) == "X" and pair.gateway.log.of(log.DcidTls) == []


async def test_after_the_wall_nothing_new_is_begun(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.run()
    await pair.settled(await pair.offered())
    session = pair.link.session
    assert session is not None
    session.timed_out("wall")
    item = await pair.offered()
    await pair.settled(item)
    assert len(pair.network.connections) == 2  # dialled anew
    assert link_session.WALL_SECONDS < 900


async def test_a_peer_that_does_not_answer_in_time_leaves_everything_in_doubt(pair: Pair) -> None:
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    session = pair.link.session
    assert session is not None
    session.timed_out("idle")
    await _over(pair)
    assert pair.link.health.last_error == "no reply in time"
    assert pair.state(item) == "X"
    pair.taker.waiting = None
    pair.link.retry_now()
    await pair.settled(item)


async def test_the_idle_clock_does_not_run_before_the_hello_is_answered(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_session, "IDLE_SECONDS", 0.0)
    pair.run()
    for count in range(1, 4):
        await pair.settled(await pair.offered())
        await until(lambda: pair.link.session is None)
        assert len(pair.network.connections) == count
