"""What an operator suspends at a gateway: nothing comes, leaves or is judged, and a restart knows it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.gateway.app import Gateway
from pratique.runner.suspension import Suspension, suspended
from pratique.transfer.messages import Keyword
from tests.gateway.office import Office
from tests.runner.hop import HopSession
from tests.runner.support import turns, until

Make = Callable[..., Any]


class Mute(HopSession):
    """It lets us in and says nothing more."""

    def data_received(self, data: bytes) -> None:
        if b"EHLO" in data:
            self._say("250 hop")


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    offices: list[Office] = []

    async def one(**how: Any) -> Office:
        offices.append(Office(tmp_path / str(len(offices)), monkeypatch, **how))
        return await offices[-1].made()

    yield one
    for office in offices:
        await office.close()


async def test_a_suspended_listener_says_421_and_its_sessions_end_when_the_time_is_over(make: Make) -> None:
    office = await make()
    gateway, before = office.gateway, await office.ready()
    gateway.suspend(Suspension(("InboundMail",)))
    assert (await (await office.client()).reply()).startswith("421 4.3.2 not taking mail")
    assert gateway.receiving_under_way()
    assert (await before.say("NOOP")).startswith("250")
    gateway.end_suspended()
    assert (await before.reply()).startswith("421")
    await until(lambda: not gateway.receiving_under_way())
    gateway.suspend(Suspension())
    assert (await office.send()).startswith("250")


async def test_while_delivery_is_suspended_nothing_leaves_and_new_mail_to_be_held_stays_ours(make: Make) -> None:
    office = await make(filters='hold: if (subject == "^hold") { quarantine("Policy"); }')
    gateway = office.gateway
    gateway.planner.ready = True
    gateway.suspend(Suspension(delivery=True))
    dialled = len(office.network.dialled)
    await office.send(octets=b"Subject: hold\r\n\r\nHello.\r\n")
    await office.send()
    assert [copy.custody for copy in office.copies()] == ["Q", "ACTIVE"]
    gateway.deliverer.retry_now()
    assert gateway.link is not None
    gateway.link.hello_again()
    await turns(200)
    assert len(office.network.dialled) == dialled
    gateway.suspend(Suspension())
    await until(lambda: office.hop.messages)
    await until(lambda: ("192.0.2.7", 7025) in office.network.dialled[dialled:])


async def test_a_restart_and_a_new_enrolment_find_what_was_suspended(make: Make) -> None:
    office = await make()
    await office.node.store.submit(Suspension(("cpq_listener",), delivery=True).put(()))
    gateway = Gateway(office.node.again().services, office.parts)
    gateway.suspend(suspended(gateway.services.store.view))
    gateway.peers_changed()
    assert gateway.link is not None and gateway.link.suspended
    assert gateway.reinject.standing() == (Keyword.SUSPENDED, "operator")
    gateway.suspend(Suspension())
    assert not gateway.link.suspended
    assert gateway.reinject.standing() == (Keyword.READY, "")
    await gateway.link.stop()
    await gateway.services.tasks.close()


async def test_what_is_being_delivered_is_broken_off_before_its_end_was_sent(make: Make) -> None:
    office = await make()
    office.network.listening["192.0.2.25", 25] = lambda: Mute(office.hop)
    await office.send()
    gateway = office.gateway
    await until(lambda: gateway.deliverer.under_way() or gateway.deliverer.sessions)
    gateway.suspend(Suspension(delivery=True))
    assert gateway.delivering()
    gateway.break_off()
    await until(lambda: not gateway.delivering())
    (copy,) = office.copies()
    assert [d.state for d in office.node.store.view.deliveries(copy.mid)] == ["DUE"]
