"""The manager role as a whole: links, decisions that travel, gateways that come and go."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.custody import Event
from pratique.manager.places import announced_endpoint
from pratique.quarantine.lifecycle import Mark
from pratique.store.moves import PutPeer
from pratique.store.records import Peer
from tests.conformance.samples import GATEWAY, OTHER_GATEWAY, peer
from tests.manager.fleet import CAROL, Desk, Fleet
from tests.runner.support import turns, until

Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    desks: list[Desk] = []

    async def one(**settings: Any) -> Desk:
        desks.append(Desk(tmp_path / str(len(desks)), monkeypatch, **settings))
        return await desks[-1].made()

    yield one
    for desk in desks:
        await desk.close()


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    made = await Fleet(tmp_path, monkeypatch).made()
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("", ("192.0.2.1", 7025)),
        ("198.51.100.4:7777", ("198.51.100.4", 7777)),
        ("gw.example.net:7025", ("gw.example.net", 7025)),
        ("0.0.0.0:7777", ("192.0.2.1", 7777)),
        ("[::]:7777", ("192.0.2.1", 7777)),
        ("no endpoint", ("192.0.2.1", 7025)),
    ],
)
def test_releases_go_where_the_gateway_said_at_its_last_hello(endpoint: str, place: tuple[str, int]) -> None:
    assert announced_endpoint(peer(endpoint=endpoint)) == place


async def test_a_message_is_held_released_and_delivered_in_one_process(fleet: Fleet) -> None:
    (mid,) = await fleet.held()
    assert (await fleet.release(mid)).done
    await until(lambda: fleet.office.hop.messages)
    await until(lambda: fleet.custody(mid) == "CLOSED")  # the gateway told how it ended
    assert len(fleet.office.hop.messages) == 1
    assert {c.custody for c in fleet.office.copies()} == {"DONE", "SETTLED"}


async def test_a_deletion_reaches_the_gateway_and_nothing_is_delivered(fleet: Fleet) -> None:
    (mid,) = await fleet.held()
    await fleet.manager.decide(mid, "Policy", Mark.DELETED, "manual", CAROL)  # type: ignore[arg-type]
    await until(lambda: fleet.node.store.view.peer(GATEWAY).journal_out > 0)
    await until(lambda: fleet.office.copies()[0].extent is None)  # its shadow there is gone
    await turns()
    assert fleet.office.hop.messages == []


async def test_a_release_waits_for_a_gateway_that_is_down(fleet: Fleet) -> None:
    (mid,) = await fleet.held()
    await until(lambda: fleet.manager.links[GATEWAY].session is None or True)
    listener = fleet.office.network.listening.pop((fleet.office.mine.address, 7025))
    link = fleet.manager.links[GATEWAY]
    if link.session is not None:
        link.session.pump.abort()
    await until(lambda: link.session is None)
    await fleet.release(mid)
    await turns(100)
    assert fleet.custody(mid) == "REL" and fleet.office.hop.messages == []
    fleet.office.network.listening[fleet.office.mine.address, 7025] = listener
    fleet.manager.reception.met(fleet.node.store.view.peer(GATEWAY))  # its hello ends the waiting
    await until(lambda: fleet.office.hop.messages)


async def test_gateways_come_and_go(make: Make) -> None:
    desk = await make()
    desk.manager.peers_changed()
    assert set(desk.manager.links) == {GATEWAY}
    await desk.node.store.submit(PutPeer(peer(OTHER_GATEWAY, host="192.0.2.2"), ()))
    with pytest.raises(Exception, match="PEM"):  # a certificate that is none is found at once, not at the first session
        desk.manager.peers_changed()
    await desk.node.store.submit(PutPeer(replace(peer(OTHER_GATEWAY), withdrawn=True), ()))
    gone = desk.node.store.view.peer(GATEWAY)
    assert isinstance(gone, Peer)
    await desk.node.store.submit(PutPeer(replace(gone, withdrawn=True), ()))
    desk.manager.peers_changed()
    assert desk.manager.links == {}


async def test_a_release_to_a_gateway_that_is_gone_waits_and_is_alarmed(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    await desk.decide(mid)
    assert desk.custody(mid) == "REL"
    assert desk.lines(f"MID {mid} is released but its gateway is not enrolled any more; it waits")


async def test_a_cancelled_release_without_an_alternate_is_alarmed(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    await desk.decide(mid)
    copy = desk.node.store.view.copy(mid)
    from pratique.store.moves import Acknowledged, TransfersAnswered

    await desk.node.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, Event.CANC, 1, 9),), "manager"))
    link = desk.manager._new_link(GATEWAY)
    item = link.item_of(desk.node.store.view.transfer(copy.cid, 2))
    desk.manager._moved(item, Event.CANC)
    await until(lambda: desk.lines(f"MID {mid}", "alternate"))
