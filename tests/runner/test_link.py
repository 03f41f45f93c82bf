"""The offering side: what is committed goes across once, whatever happens to connections and stores."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.delivery.custody import Event
from pratique.runner import link as link_module
from pratique.runner import link_session
from pratique.store.moves import HelloFrom, PutPeer, StoreFailed, TakeBack
from pratique.telemetry import events as log
from pratique.transfer.messages import V_STORE, Keyword
from tests.conformance.samples import MESSAGE, NOW, delivery, entry
from tests.runner.pair import Pair
from tests.runner.support import turns, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def test_an_offered_transfer_is_held_there_and_done_here(pair: Pair) -> None:
    pair.run()
    item = await pair.offered()
    await pair.settled(item)
    assert pair.held() == [item.cid]
    assert pair.moved == [(item.mid, Event.ACC)]
    copy = pair.manager.store.view.copy_of_hop(item.cid, 1)
    assert copy is not None and copy.extent is not None
    assert b"".join(pair.manager.store.spool.open(copy.extent, copy.sha256).pieces()) == MESSAGE
    texts = [e.text() for e in pair.gateway.log.events]
    assert [t.partition(" DCID")[0] for t in texts if "MID" in t] == ["Delivery start", "Message done"]
    assert pair.link.health.up is True


async def test_many_go_in_one_session_and_in_order(pair: Pair) -> None:
    pair.run()
    items = [await pair.offered(MESSAGE + b"%d\r\n" % n) for n in range(60)]
    for item in items:
        await pair.settled(item)
    assert [offer.group.xid for offer in pair.taker.offers] == [item.group.xid for item in items]
    assert len(pair.network.connections) == 1


async def test_what_was_committed_before_the_start_is_found_in_the_store(pair: Pair) -> None:
    items = [await pair.accepted(in_memory=False) for _ in range(5)]
    pair.run()
    for item in items:
        await pair.settled(item)
    assert len(pair.held()) == 5


async def test_a_queued_copy_gets_its_intent_before_an_octet_is_sent(pair: Pair) -> None:
    """Q may still take another route; X may not (custody.md §2.2)."""
    item = await pair.accepted(state="Q")
    states: list[str] = []
    take = pair.taker.take

    def watching(offer: object, decided: object) -> None:
        states.append(pair.state(item))
        take(offer, decided)  # type: ignore[arg-type]

    pair.taker.take = watching  # type: ignore[method-assign]
    pair.run()
    pair.link.offer(item)
    await pair.settled(item)
    assert states == ["X"]


async def test_a_queued_copy_offered_on_a_live_session_gets_its_intent_too(pair: Pair) -> None:
    pair.run()
    await pair.settled(await pair.offered())
    item = await pair.offered(state="Q")
    await pair.settled(item)
    assert pair.moved[-1] == (item.mid, Event.ACC)


async def test_no_intent_is_written_while_the_manager_does_not_answer(pair: Pair) -> None:
    pair.network.listening.clear()
    item = await pair.accepted(state="Q")
    pair.run()
    pair.link.offer(item)
    await until(lambda: pair.network.dialled)
    await turns()
    assert pair.state(item) == "Q"
    # so an operator may still take it back, and it is not offered afterwards
    await pair.gateway.store.submit(TakeBack(item.mid, (delivery(),), (entry("take-back", item.mid),)))
    pair.listen()
    pair.link.retry_now()
    other = await pair.offered()
    await pair.settled(other)
    assert pair.held() == [other.cid]


async def test_a_lost_acknowledgement_is_asked_for_again_and_makes_no_second_copy(pair: Pair) -> None:
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    server_end = pair.network.connections[0][1]
    server_end.cut_after = len(server_end.sent)  # the commit happens, its answer is lost
    decide, pair.taker.waiting = pair.taker.waiting[0], None
    decide()
    await until(lambda: pair.held())
    await until(lambda: pair.link.session is None)
    assert pair.state(item) == "X"
    pair.link.retry_now()
    await pair.settled(item)
    assert pair.held() == [item.cid]
    assert len(pair.taker.durable) == 1
    assert pair.manager.log.lines("was here already, acknowledged again")
    first, second = pair.taker.offers
    assert first.group == second.group  # octet for octet


@pytest.mark.parametrize("octets", [1, 300, 2500, 4000])
async def test_a_connection_cut_anywhere_loses_and_doubles_nothing(pair: Pair, octets: int) -> None:
    cuts = [octets]

    def cut(ends: object) -> None:
        if cuts:
            ends[0].cut_after = cuts.pop()  # type: ignore[index]

    pair.network.on_connect = cut
    pair.run()
    items = [await pair.offered(MESSAGE + b"%d\r\n" % n) for n in range(10)]
    await until(lambda: len(pair.network.connections) == 1 and pair.link.session is None)
    pair.link.retry_now()
    for item in items:
        await pair.settled(item)
    assert pair.held() == sorted(item.cid for item in items)


async def test_a_manager_that_is_down_is_named_and_dialled_again(pair: Pair) -> None:
    pair.network.listening.clear()
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.gateway.log.of(log.ConnectionFailed))
    (line,) = pair.gateway.log.lines("Connection Error")
    assert line == (
        "Connection Error: DCID 1 domain: the.cpq.host IP: 192.0.2.7 port: 7025 "
        "details: [Errno 111] Connection refused interface: auto reason: network error"
    )
    await turns()
    health = pair.link.health
    assert (health.up, health.soft_bounced) == (False, 1)
    assert NOW < health.next_attempt_ms <= NOW + 1200  # 1 s and a fifth of it, to either side
    assert pair.readiness[-1] is False
    pair.listen()
    pair.link.retry_now()
    await pair.settled(item)
    assert health.up is True and pair.readiness[-1] is True


async def test_a_suspended_manager_gets_nothing_new(pair: Pair) -> None:
    pair.taker.stands = (Keyword.SUSPENDED, "offline")
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.link.health.last_error == "XQSUSPENDED offline")
    await until(lambda: pair.link.session is None)
    assert pair.taker.offers == [] and pair.state(item) == "X"
    assert pair.link.health.next_attempt_ms == NOW + 30_000
    assert pair.readiness[-1] is False
    pair.taker.stands = (Keyword.READY, "")
    pair.link.retry_now()
    await pair.settled(item)


async def test_a_commit_that_fails_here_offers_again_after_a_pause(pair: Pair) -> None:
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    pair.gateway.store.fail_next(StoreFailed("no space", full=True))
    pair.taker.waiting[0]()
    pair.taker.waiting = None
    await until(lambda: pair.gateway.log.of(log.Fault))
    await until(lambda: pair.link.session is None)
    await turns()
    assert pair.state(item) == "X" and pair.moved == []
    assert pair.link.health.next_attempt_ms > NOW  # not at once: a store that refuses would make a storm
    pair.link.retry_now()
    await pair.settled(item)
    assert pair.held() == [item.cid]


async def test_a_restart_offers_what_was_in_doubt(pair: Pair) -> None:
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    await pair.gateway.tasks.close()  # the process is gone, the manager's commit comes afterwards
    pair.gateway = pair.gateway.again()
    decide, pair.taker.waiting = pair.taker.waiting[0], None
    decide()
    await until(lambda: pair.held())
    pair.known["gateway"].node = pair.gateway
    pair.link = pair.new_link()
    pair.run()
    await pair.settled(item)
    assert pair.held() == [item.cid]


async def test_more_than_the_window_waits_in_the_store(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WINDOW_ITEMS", 3)
    monkeypatch.setattr(link_module, "REFILL_ITEMS", 2)
    pair.network.listening.clear()
    pair.run()
    items = [await pair.offered(MESSAGE + b"%d\r\n" % n) for n in range(12)]
    assert len(pair.link.queue) <= 3
    pair.listen()
    await turns()
    pair.link.retry_now()
    for item in items:
        await pair.settled(item)
    assert len(pair.held()) == 12


async def test_bodies_in_memory_are_bounded_by_octets(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "WINDOW_BYTES", 2 * len(MESSAGE))
    pair.network.listening.clear()
    pair.run()
    await until(lambda: pair.network.dialled)
    pair.link._behind = False
    items = [await pair.offered() for _ in range(5)]
    assert len(pair.link.queue) == 2
    pair.listen()
    await turns()
    pair.link.retry_now()
    for item in items:
        await pair.settled(item)


async def test_an_idle_session_says_what_is_settled_and_ends(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_session, "IDLE_SECONDS", 0.0)
    pair.run()
    item = await pair.offered()
    await pair.settled(item)
    await until(lambda: pair.gateway.log.of(log.DcidClose))
    assert pair.manager.log.of(log.IcidClose)  # QUIT, not a lost connection
    peer = pair.manager.store.view.peer(pair.gateway.serial)
    assert peer is not None and peer.confirmed == item.seq
    other = await pair.offered()
    await pair.settled(other)
    assert len(pair.network.connections) == 2


async def test_stopping_lets_what_was_sent_be_answered(pair: Pair) -> None:
    pair.taker.waiting = []
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.taker.waiting)
    later = await pair.accepted()
    await pair.link.stop()
    pair.link.offer(later)
    for decide in pair.taker.waiting:
        decide()
    pair.taker.waiting = None
    await pair.settled(item)
    await until(lambda: pair.link.session is None)
    assert pair.state(later) == "X"  # nothing new was begun


async def test_a_withdrawn_or_locked_manager_is_not_dialled(pair: Pair) -> None:
    from dataclasses import replace

    peer = pair.link.peer()
    assert peer is not None
    await pair.gateway.store.submit(PutPeer(replace(peer, locked="two machines"), ()))
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.link.health.last_error == "locked: two machines")
    assert pair.network.dialled == []
    await pair.gateway.store.submit(PutPeer(replace(peer, withdrawn=True), ()))
    pair.link.retry_now()
    await turns()
    assert pair.network.dialled == [] and pair.state(item) == "X"


async def test_an_operator_may_suspend_a_link(pair: Pair) -> None:
    pair.link.suspended = True
    pair.run()
    item = await pair.offered()
    await turns()
    assert pair.network.dialled == []
    pair.link.suspended = False
    pair.link.wake()
    await pair.settled(item)


async def test_a_body_that_is_gone_is_alarmed_and_does_not_stop_the_rest(pair: Pair) -> None:
    gone, good = await pair.accepted(in_memory=False), await pair.accepted(in_memory=False)
    copy = pair.gateway.store.view.copy(gone.mid)
    assert copy is not None and copy.extent is not None
    pair.gateway.store.spool.damage(copy.extent, None)
    pair.run()
    await pair.settled(good)
    await pair.settled(gone, "STUCK")
    assert pair.gateway.log.lines("Critical") == [] and pair.gateway.log.lines("cannot be read from the spool")


async def test_a_body_that_changed_on_the_disk_is_never_sent(pair: Pair) -> None:
    item = await pair.accepted(in_memory=False)
    copy = pair.gateway.store.view.copy(item.mid)
    assert copy is not None and copy.extent is not None
    pair.gateway.store.spool.damage(copy.extent, MESSAGE.replace(b"Hello", b"Hullo"))
    pair.run()
    await pair.settled(item, "STUCK")
    assert pair.taker.offers == []
    assert pair.gateway.log.lines("CORRUPT", "does not match its digest")


async def test_the_waits_of_a_dial_grow_and_those_after_a_refusal_are_a_minute(pair: Pair) -> None:
    spans = [pair.link._back_off(attempt, False) for attempt in range(10)]
    assert spans[0] == 0.0
    for attempt, seconds in enumerate(spans[1:], start=1):
        assert 0.79 * min(60, 2 ** (attempt - 1)) <= seconds <= 1.21 * min(60, 2 ** (attempt - 1))
    assert 48 <= pair.link._back_off(1, True) <= 72
    assert V_STORE.code == 451


async def test_a_peers_hello_ends_a_wait_for_a_peer_that_could_not_be_reached(pair: Pair) -> None:
    pair.network.listening.clear()
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.gateway.log.of(log.ConnectionFailed))
    await turns()
    pair.listen()
    pair.link.met()
    await pair.settled(item)


async def test_a_peers_hello_does_not_end_a_wait_that_it_asked_for_but_its_restart_does(pair: Pair) -> None:
    pair.taker.stands = (Keyword.SUSPENDED, "full")
    pair.run()
    item = await pair.offered()
    await until(lambda: pair.network.connections and pair.link.session is None)
    await turns()
    pair.taker.stands = (Keyword.READY, "")
    pair.link.met()
    await turns(200)
    assert len(pair.network.dialled) == 1 and pair.state(item) == "X"
    peer = pair.link.peer()
    assert peer is not None
    hello = HelloFrom(peer.serial, "0c" * 16, peer.inc, peer.seq, "", NOW)  # a new instance says hello
    await pair.gateway.store.submit(hello)
    pair.link.met()
    await pair.settled(item)


async def test_a_manager_that_went_and_came_back_is_up_again_also_when_nothing_waits(pair: Pair) -> None:
    pair.run()
    await pair.settled(await pair.offered())
    pair.network.connections[0][0].lose()
    await until(lambda: pair.link.session is None)
    assert pair.link.health.up is False
    pair.link.retry_now()
    await until(lambda: pair.link.health.up)
    assert pair.link.health.last_error == ""
