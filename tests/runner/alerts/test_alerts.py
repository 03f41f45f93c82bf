"""Alerts in an appliance without sockets: what is stored, offered, repeated, and told of its end."""

import asyncio
from typing import Any

import pytest

from pratique.runner.alerts.alerts import STORE_RETRY_SECONDS, Alerts
from pratique.runner.alerts.latest import KEPT_MAX
from pratique.runner.alerts.settings import AlertRecipient, AlertSettings
from pratique.store.moves import Outcome, Settle, StoreFailed
from pratique.store.records import NewCopy
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition
from tests.runner.support import Node, turns, until

OPS = AlertRecipient("ops@example.org")
PEERS_ONLY = AlertRecipient("peers@example.org", classes=("Appliances",))
CRITICAL = AlertRecipient("boss@example.org", severities=("Critical",))
FAULT = log.Fault(error="sweeper: KeyError: 1")
LOCKED = log.Alarm(message="gw2 is locked: cloned", condition=Condition.LOCKED, subject="S2")
UNLOCKED = log.Over(message="gw2 is not locked any more", condition=Condition.LOCKED, subject="S2")


class Office:
    def __init__(self, *recipients: AlertRecipient, node: Node | None = None, **settings: Any) -> None:
        self.node = node or Node()
        self.offered: list[NewCopy] = []
        self.alerts = Alerts(
            self.node.services, AlertSettings(recipients=recipients, **settings), offer=self.offered.append
        )

    async def hears(self, *events: log.Event) -> None:
        self.alerts.hear([(event, 0) for event in events])
        await self.alerts.round()
        await turns()  # the list of the latest is written beside

    def later(self, seconds: float) -> None:
        self.node.clock.now += int(seconds * 1000)

    def body(self, number: int = -1) -> str:
        copy = self.offered[number]
        return self.node.store.spool.read(copy.extent, 0, copy.extent.length).decode()

    async def settle(self, copy: NewCopy, *states: tuple[str, str]) -> None:
        outcomes = tuple(Outcome(rid, state, reply) for rid, (state, reply) in enumerate(states))
        await self.node.store.submit(Settle(copy.mid, outcomes, ()))
        self.alerts.finished(copy.mid)


async def test_an_alert_is_durable_before_it_is_offered() -> None:
    office = Office(OPS)
    await office.hears(FAULT)
    (copy,) = office.offered
    stored = office.node.store.view.copy(copy.mid)
    assert stored is not None and (stored.custody, stored.envelope.sender) == ("ACTIVE", "")
    assert [row.address for row in office.node.store.view.deliveries(copy.mid)] == ["ops@example.org"]
    assert "Subject: Warning <System> gateway.example.net: An application fault occurred: sweeper" in office.body()
    assert office.node.log.lines("A System/Warning alert was raised", f"MID {copy.mid}")


async def test_everybody_hears_what_he_wants_to() -> None:
    office = Office(OPS, PEERS_ONLY, CRITICAL)
    await office.hears(FAULT, LOCKED)
    asked = [[r.address for r in copy.envelope.recipients] for copy in office.offered]
    assert asked == [["ops@example.org"], ["ops@example.org", "peers@example.org", "boss@example.org"]]
    assert "peers@example.org" not in office.body()


@pytest.mark.parametrize("settings", [{"recipients": ()}, {"recipients": (OPS,), "enabled": False}])
async def test_without_recipients_it_is_only_logged(settings: dict[str, Any]) -> None:
    office = Office(*settings.pop("recipients"), **settings)
    await office.hears(LOCKED)
    assert office.offered == []
    assert office.node.log.lines("A Appliances/Critical alert was raised", "no mail")
    assert [one.text for one in office.alerts.latest] == ["gw2 is locked: cloned"]


async def test_repeats_come_with_their_count_and_the_end_is_told() -> None:
    office = Office(OPS)
    await office.hears(LOCKED, LOCKED, LOCKED)
    assert len(office.offered) == 1
    office.later(301)
    await office.hears()
    assert len(office.offered) == 2 and "It was raised 2 times more" in office.body()
    await office.hears(UNLOCKED, UNLOCKED)
    assert (
        len(office.offered) == 3 and "Subject: Critical <Appliances> gateway.example.net: over: gw2 is" in office.body()
    )
    assert office.alerts.counts() == {
        "alerts.Appliances.Critical.raised": 3,
        "alerts.Appliances.Critical.suppressed": 2,
    }


async def test_the_fate_of_each_recipient_is_logged() -> None:
    office = Office(OPS, CRITICAL)
    await office.hears(LOCKED)
    await office.settle(office.offered[0], ("DELIVERED", "250 ok"), ("FAILED", "550 5.1.1 nobody"))
    assert office.node.log.lines("alert was sent to ops@example.org with subject")
    (failed,) = office.node.log.of(log.AlertNotSent)
    assert (failed.to, failed.why, failed.level) == ("boss@example.org", "550 5.1.1 nobody", "Critical")
    assert office.alerts.counts()["alerts.Appliances.Critical.failed"] == 1


async def test_a_failed_alert_raises_none() -> None:
    office = Office(OPS)
    await office.hears(LOCKED)
    await office.settle(office.offered[0], ("FAILED", "550 no"))
    await office.hears(*office.node.log.events)
    assert len(office.offered) == 1


async def test_what_ended_during_a_restart_is_logged_after_it() -> None:
    office = Office(OPS)
    await office.hears(LOCKED)
    await office.node.store.submit(Settle(office.offered[0].mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    again = Office(OPS, node=office.node)
    assert [one.mid for one in again.alerts.latest] == [office.offered[0].mid]
    again.alerts.take_up()
    again.alerts.take_up()
    assert len(again.node.log.of(log.AlertSent)) == 1


async def test_a_store_that_refuses_gets_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(OPS)
    submit = office.node.store.submit

    def refuse(move: Any) -> Any:
        refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(StoreFailed("no space", full=True))
        return refused

    monkeypatch.setattr(office.node.store, "submit", refuse)
    await office.hears(LOCKED)
    assert office.offered == []
    monkeypatch.setattr(office.node.store, "submit", submit)
    office.later(STORE_RETRY_SECONDS + 1)
    await office.hears()
    assert len(office.offered) == 1


async def test_a_test_goes_to_all_whatever_they_want() -> None:
    office = Office(OPS, PEERS_ONLY, CRITICAL)
    raised = await office.alerts.test()
    assert raised.to == ("ops@example.org", "peers@example.org", "boss@example.org")
    assert raised.mid == office.offered[0].mid
    await office.alerts.test()
    assert len(office.offered) == 2


async def test_the_list_is_bounded_and_its_rows_go_with_it() -> None:
    office = Office(OPS, initial_seconds=1, max_seconds=1)
    for number in range(KEPT_MAX + 1):
        event = log.Alarm(message="x", condition=Condition.LINK, subject=str(number))
        await office.hears(event)
        await office.settle(office.offered[-1], ("DELIVERED", "250 ok"))
    assert len(office.alerts.latest) == KEPT_MAX
    assert [one.mid for one in Office(node=office.node).alerts.latest] == [one.mid for one in office.alerts.latest]


async def test_the_loop_wakes_when_something_is_heard() -> None:
    office = Office(OPS)
    office.node.tasks.spawn(office.alerts.run(), "alerts")
    office.alerts.hear([(FAULT, 0)])
    await until(lambda: office.offered)
    await office.node.tasks.close()


async def test_new_recipients_hold_from_the_next_alert_on() -> None:
    office = Office(OPS)
    office.alerts.use(AlertSettings(recipients=(CRITICAL,)))
    await office.hears(LOCKED)
    assert [r.address for r in office.offered[0].envelope.recipients] == ["boss@example.org"]


async def test_an_appliance_that_crashes_again_and_again_sends_one_mail_an_interval() -> None:
    node, mails, event = Node(), 0, log.Trouble(message="not clean", condition=Condition.UNCLEAN)
    for _ in range(20):  # a start every 30 s
        office = Office(OPS, node=node)
        await office.hears(event)
        mails += len(office.offered)
        node.clock.now += 30_000
    assert mails == 2
    node.clock.now += 3_600_000
    office = Office(OPS, node=node)
    await office.hears(event)
    assert len(office.offered) == 1


async def test_an_end_is_told_by_the_next_process() -> None:
    office = Office(OPS)
    await office.hears(LOCKED)
    again = Office(OPS, node=office.node)
    again.later(1)
    await again.hears(UNLOCKED)
    assert "over: gw2 is not locked" in again.body()
