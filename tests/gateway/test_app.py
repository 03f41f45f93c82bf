"""The gateway role as a whole."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.routes import RouteError, Way
from pratique.gateway.app import routes_of
from pratique.gateway.settings import HostAccess, RecipientAccess
from pratique.policy.evaluate import Program
from pratique.policy.settings import PolicySettings
from pratique.runner.suspension import CPQ_LISTENER, Suspension
from pratique.store.moves import PutPeer
from tests.conformance.samples import GATEWAY, MANAGER, MESSAGE
from tests.gateway.office import QUARANTINES, Office, infected, reception
from tests.manager.fleet import HOLD, Fleet
from tests.runner.support import turns, until

Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    offices: list[Office] = []

    async def one(*, manager: bool = True, **how: Any) -> Office:
        offices.append(Office(tmp_path / str(len(offices)), monkeypatch, **how))
        return await offices[-1].made(manager=manager)

    yield one
    for office in offices:
        await office.close()


def test_routes_are_read_line_by_line() -> None:
    routes = routes_of(("example.org mail.example.org:2525, 192.0.2.9", ".example.net /dev/null", "ALL relay.example"))
    assert [(hop.host, hop.port) for hop in routes.find("example.org").hops] == [
        ("mail.example.org", 2525),
        ("192.0.2.9", 25),
    ]
    assert routes.find("x.example.net").way is Way.DISCARD
    assert routes.find("anything.example").hops[0].host == "relay.example"
    with pytest.raises(RouteError):
        routes_of(("example.org host:port",))


async def test_the_gateway_dials_the_manager_that_is_enrolled_and_no_other(make: Make) -> None:
    office = await make(manager=False)
    assert office.gateway.link is None and office.gateway.planner.manager == ""
    await office.node.store.submit(PutPeer(office.managers.peer(), ()))
    office.gateway.peers_changed()
    assert office.gateway.link is not None and office.gateway.planner.manager == MANAGER
    await until(lambda: office.network.dialled == [("192.0.2.7", 7025)])
    peer = office.node.store.view.peer(MANAGER)
    assert peer is not None
    await office.node.store.submit(PutPeer(replace(peer, withdrawn=True), ()))
    office.gateway.peers_changed()
    assert office.gateway.link is None and office.gateway.planner.manager == ""
    assert (await office.send()).startswith("250")  # ordinary mail always flows
    await until(lambda: office.hop.messages)


async def test_mail_accepted_unjudged_before_a_start_is_judged(make: Make) -> None:
    office = await make(virus=True, judge_deadline_seconds=0.001)
    office.engine.gate = asyncio.Event()
    came = asyncio.Event()
    office.gateway.judging.take(reception(office.node), lambda mid, reply: came.set())
    await came.wait()
    office.gateway.judging._judging.clear()
    office.engine.answers.append(infected())
    office.engine.gate.set()
    office.node.tasks.spawn(office.gateway._judge_left_over(), "left over")
    await until(lambda: office.copies()[0].custody != "RECEIVED")
    assert len(office.copies()) == 1


async def test_new_filters_tables_and_routes_serve_the_next_message(make: Make) -> None:
    office = await make()
    await office.send()
    await until(lambda: office.hop.messages)
    settings = office.parts.settings
    (listener,) = settings.listeners
    stricter = replace(
        listener,
        recipients=(RecipientAccess("only.example"),),
        hosts=(HostAccess("203.0.113.0/24", "REJECT"), HostAccess()),
    )
    program = Program.compile(PolicySettings(filters=HOLD), QUARANTINES)
    delivery = replace(office.parts.delivery, smtproutes=("ALL 192.0.2.66",))
    office.gateway.reconfigure(replace(settings, listeners=(stricter,)), delivery, program)
    assert (await office.send("b@example.com")).startswith("550 5.7.1")
    assert (await office.send("b@only.example")).startswith("250")
    assert office.copies()[-1].custody in ("Q", "X")
    client = await office.client(address="203.0.113.5")
    assert (await client.reply()).startswith("554")


async def test_mail_that_the_manager_would_not_take_is_ours_again_by_name(make: Make) -> None:
    from pratique.delivery.custody import Event
    from pratique.runner.link_items import Item
    from pratique.transfer.messages import SealedGroup

    office = await make()
    item = Item("ab" * 16, 1, 7, (0,), SealedGroup("ab" * 16 + ".1", b"", b"{}", "00" * 32, 1), 3, None)
    office.gateway._moved(item, Event.ACC)
    assert not office.lines("ours again")
    office.gateway._moved(item, Event.CANC)
    assert office.lines("MID 7 was not taken by the manager and is ours again", "pratique list")


async def test_the_whole_path_many_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = await Fleet(tmp_path, monkeypatch).made()
    for number in range(25):
        assert (await fleet.office.send(f"r{number}@example.com", octets=MESSAGE + b"%d\r\n" % number)).startswith(
            "250"
        )
    mids = await fleet.held(count=26)
    for mid in mids:
        assert (await fleet.release(mid)).done
    await until(lambda: len(fleet.office.hop.messages) == 26)
    await until(lambda: all(fleet.custody(mid) == "CLOSED" for mid in mids))
    recipients = [r for _, (r,), _ in fleet.office.hop.messages]
    assert len(set(recipients)) == len(recipients) == 26
    await turns()
    await fleet.close()


async def test_two_appliances_that_both_wait_do_not_call_each_other_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work waits in both directions and both are suspended: each hello of one must not end the other's pause."""
    fleet = await Fleet(tmp_path, monkeypatch).made()
    (mid,) = await fleet.held()
    links = (fleet.office.gateway.link, fleet.manager.links[GATEWAY])
    fleet.manager.suspend(Suspension((CPQ_LISTENER,)))
    fleet.office.gateway.reinject.suspended = "service"
    for link in links:
        assert link is not None
        await until(lambda one=link: one.session is None or one.session.pump.abort() or True)
        await until(lambda one=link: one.session is None)
    await fleet.release(mid)
    await fleet.office.send()
    await turns(3000)
    assert len(fleet.office.network.dialled) < 12
    fleet.manager.suspend(Suspension())
    fleet.office.gateway.reinject.suspended = ""
    for link in links:
        assert link is not None
        link.retry_now()
    await until(lambda: fleet.office.hop.messages)
    await until(lambda: {c.custody for c in fleet.office.copies()} == {"DONE", "SETTLED"})
    await fleet.close()
