"""The verbs of the queues over real roles: what they change is what the role does next."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.console.commands.desk import Desk
from pratique.delivery.settings import RetrySettings
from pratique.front.acts import GatewayActs, ManagerActs
from pratique.front.queues import GatewayQueues, ManagerQueues
from pratique.store.moves import Intend
from pratique.telemetry.counters import Counters
from tests.console.verbs.hearing import hear
from tests.console.verbs.queue_world import ADMIN
from tests.gateway.office import Office
from tests.manager.fleet import Desk as ManagerDesk
from tests.runner.support import until

HOLD = 'hold: if (subject == "^hold") { quarantine("Policy"); }'
HELD = b"From: a@sender.example\r\nSubject: hold this\r\n\r\nHello.\r\n"
Make = Callable[..., Awaitable[Office]]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Office] = []

    async def one(**how: Any) -> Office:
        delivery = {"retry": RetrySettings(jitter_percent=0)}
        made.append(await Office(tmp_path, monkeypatch, filters=HOLD, delivery=delivery, **how).made())
        return made[-1]

    yield one
    for office in made:
        await office.close()


def desk_of(office: Office) -> Desk:
    gateway, node = office.gateway, office.node
    acts, queues = GatewayActs(gateway, Counters()), GatewayQueues(gateway)
    return Desk("gw1.example", "gateway", "0.1.0", node.store, node.clock, node.log, acts, queues=queues)


async def said(desk: Desk, line: str) -> tuple[int, str, str]:
    heard, status = await hear(desk, ADMIN, line)
    return status, heard.text, "\n".join(heard.complaints)


async def test_mail_that_waits_for_a_manager_that_is_down_is_ended_but_not_what_it_may_have(make: Make) -> None:
    office = await make()
    for _ in range(3):
        await office.send(octets=HELD)
    first, *_ = office.copies("Q")
    await office.node.store.submit(Intend(((first.cid, 1),)))
    desk = desk_of(office)
    status, text, errors = await said(desk, "deleterecipients host the.cpq.host yes")
    assert (status, text.split("\n")[-1]) == (1, "2 messages deleted.")
    assert errors.startswith(f"MID {first.mid}: not deleted: it was offered to the manager and may be held there")
    assert [copy.mid for copy in office.copies("X")] == [first.mid]
    (state,) = json.loads((await said(desk, "hoststatus the.cpq.host --json"))[1])["states"]
    assert (state["active"], state["counters"]["deleted"]) == (1, 2)


async def test_a_bounce_reaches_the_sender(make: Make) -> None:
    office = await make()
    office.hop.script["RCPT"].append("450 4.2.0 later")
    await office.send("b@slow.example", octets=b"Subject: Offer\r\n\r\nHello.\r\n")
    (copy,) = office.copies()
    await until(lambda: office.node.store.view.deliveries(copy.mid)[0].attempts == 1)
    await until(lambda: not office.gateway.deliverer.sessions)
    assert (await said(desk_of(office), "bouncerecipients host slow.example yes"))[1].endswith("1 messages bounced.")
    await until(lambda: office.hop.messages)
    sender, recipients, octets = office.hop.messages[0]
    assert (sender, recipients) == ("", ["a@sender.example"])
    assert b"Action: failed" in octets


async def test_delivernow_tries_what_waits(make: Make) -> None:
    office = await make()
    office.hop.script["RCPT"].append("450 4.2.0 later")
    await office.send("b@slow.example", octets=b"Subject: Offer\r\n\r\nHello.\r\n")
    (copy,) = office.copies()
    await until(lambda: office.node.store.view.deliveries(copy.mid)[0].attempts == 1)
    await until(lambda: not office.gateway.deliverer.sessions)
    assert (await said(desk_of(office), "delivernow host slow.example"))[0] == 0
    await until(lambda: office.copies("SETTLED"))
    tried = len(office.network.dialled)
    await said(desk_of(office), "delivernow all")
    await until(lambda: len(office.network.dialled) > tried)


async def test_a_release_that_is_on_its_way_is_not_deleted_on_a_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await ManagerDesk(tmp_path, monkeypatch).made()
    mid = await world.held()
    await world.decide(mid)
    manager, node = world.manager, world.node
    acts, queues = ManagerActs(manager, Counters()), ManagerQueues(manager)
    desk = Desk("sma.example", "manager", "0.1.0", node.store, node.clock, node.log, acts, queues=queues)
    status, text, errors = await said(desk, "deleterecipients all yes")
    assert (status, text.split("\n")[-1]) == (1, "0 messages deleted.")
    assert errors.startswith(f"MID {mid}: not deleted: its release was offered to gateway.example.net")
    assert world.custody(mid) == "REL"
    assert (await said(desk, "delivernow host the.cpq.release.host"))[0] == 0
    assert (await said(desk, "delivernow host a.example"))[0] == 0
    await world.close()
