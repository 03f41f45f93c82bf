"""displayalerts and testalert: what was told, to whom, and what the mail server said."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pratique.console.access.roles import Person
from pratique.console.commands import alerts as commands
from pratique.net.tasks import Tasks
from pratique.runner.alerts.alerts import Alerts
from pratique.runner.alerts.latest import SETTING, Raised, written
from pratique.runner.alerts.settings import AlertRecipient, AlertSettings
from pratique.runner.services import Numbers, Services
from pratique.store.moves import Outcome, PutSetting, Settle
from tests.conformance.samples import NOW
from tests.console.verbs.queue_world import World

LOCKED = Raised(NOW, "Appliances", "Critical", "Critical <Appliances> gw: x", "gw2 is locked: \\x1b", 3)
OVER = replace(LOCKED, at=NOW + 1000, over=True, more=0)


async def test_the_latest_come_first(world: World) -> None:
    await world.store.submit(PutSetting(SETTING, written([LOCKED, OVER])))
    text = await world.said("displayalerts")
    first, second = text.split("\n\n")
    assert "It is over: gw2 is locked" in first and "Severity: Critical    Class: Appliances" in first
    assert "Raised 3 more times" in second and "(nobody gets it)" in second
    assert await world.said("displayalerts 1") == first
    assert await world.said("alerts all") == text
    rows = json.loads(await world.said("alerts --json"))["alerts"]
    assert [(row["class"], row["over"], row["repeated"], row["mid"]) for row in rows] == [
        ("Appliances", True, 0, None),
        ("Appliances", False, 3, None),
    ]


async def test_none_is_said(world: World) -> None:
    assert await world.said("displayalerts") == "No alerts."


@pytest.mark.parametrize("line", ["displayalerts x", "displayalerts 1 2", "alerts -1", "testalert now"])
async def test_words_that_mean_nothing_are_refused(world: World, line: str) -> None:
    assert "Usage:" in await world.refused(line)


async def test_who_may_not_is_refused(world: World) -> None:
    assert "may not" in await world.refused("displayalerts", Person("g", "guest", "password"))
    assert "may not" in await world.refused("testalert", Person("r", "read-only-operator", "password"))


def _alerts(world: World, *addresses: str, states: tuple[tuple[str, str, int], ...] = ()) -> None:
    """Alerts whose mail server answers at once."""
    services = Services("gw", world.store, world, world.clock, Tasks(lambda n, e: None), Numbers())  # type: ignore[arg-type]

    def offer(copy: Any) -> None:
        outcomes = tuple(Outcome(rid, state, reply, at) for rid, (state, reply, at) in enumerate(states))
        world.store.submit(Settle(copy.mid, outcomes, ()))

    settings = AlertSettings(recipients=tuple(AlertRecipient(address) for address in addresses))
    world.desk = replace(world.desk, alerts=Alerts(services, settings, offer=offer))


async def test_a_test_shows_the_answers(world: World) -> None:
    _alerts(world, "a@x.example", "b@x.example", states=(("DELIVERED", "250 ok", 0), ("FAILED", "550 no \x1b", 0)))
    status, talk = await world.run("testalert")
    assert status == 1
    assert talk.said[0] == "Sending a test alert..."
    assert "to a@x.example: sent: 250 ok" in talk.said[1]
    assert "to b@x.example: failed: 550 no \\x1b" in talk.said[1]
    assert [action for _, action, _, _ in world.audited()][:2] == ["test-alert", "alert"]


async def test_one_that_waits_says_why(world: World) -> None:
    _alerts(world, "a@x.example", states=(("DUE", "451 later", NOW + 60_000),))
    status, talk = await world.run("testalert --json")
    (row,) = json.loads(talk.text)["recipients"]
    assert (status, row["state"], row["reply"]) == (1, "waiting", "451 later")


async def test_no_answer_in_time_is_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "TEST_SECONDS", 0.0)
    _alerts(world, "a@x.example", states=())
    _, talk = await world.run("testalert")
    assert talk.text.endswith("to a@x.example: waiting")


async def test_without_recipients_or_a_running_appliance_nothing_is_sent(world: World) -> None:
    assert "does not run" in await world.refused_after("testalert")
    _alerts(world)
    assert "no recipients" in await world.refused_after("testalert")


@pytest.fixture
def world() -> World:
    return World("gateway")
