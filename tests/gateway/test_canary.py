"""The canary: a real pair, the whole way round, and every way in which it must not end."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.routes import CANARY_HOST, RouteError, Routes, Way, is_canary, is_virtual
from pratique.gateway import canary as module
from pratique.gateway.app import Gateway
from pratique.gateway.canary import Canary
from tests.front.local_world import made, running
from tests.front.pair import Pair, pair, until


def _canary(both: Pair) -> Canary:
    role = both.gateway.appliance.role
    assert isinstance(role, Gateway)
    return role.canary


async def _met(both: Pair) -> None:
    await both.start()
    role: Any = both.gateway.appliance.role
    await until(lambda: role.planner.ready, "the first hello")


async def test_it_is_held_released_comes_back_and_is_discarded_on_record(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _met(both)
        flight = await _canary(both).fly()
        assert flight.why == ""
        here, there = both.gateway.view, both.manager.view
        sent = here.copy(flight.mid)
        back, held = here.copy_of_hop(sent.cid, 2), there.copy_of_hop(sent.cid, 1)
        assert (sent.custody, back.custody) == ("DONE", "SETTLED")
        assert [d.state for d in here.deliveries(back.mid)] == ["CANCELLED"]
        await until(lambda: there.copy(held.mid).custody == "CLOSED", "the manager hears of its end")
        assert [(h.quarantine, h.mark, h.actor) for h in there.holds(held.mid)] == [
            ("Unclassified", "RELEASED", "policy:canary@1")
        ]
        actions = [
            (row.actor, row.action) for row in here.audit(0, 1_000) if row.cid == sent.cid or row.mid == back.mid
        ]
        assert ("system", "accept") in actions
        assert ("policy:smtproutes", "discard") in actions
        released = [row for row in there.audit(0, 1_000) if row.action == "release"]
        assert [(row.actor, row.mid) for row in released] == [("policy:canary@1", held.mid)]
        assert both.delivered() == []
        assert both.gateway.grep(f"MID {flight.mid} canary came back after ")
        assert both.gateway.appliance.counters.values()["canary_returned"] == 1
        assert _canary(both).last == flight


async def test_two_at_once_do_not_take_each_other_s_return(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _met(both)
        one, two = await asyncio.gather(_canary(both).fly(), _canary(both).fly())
        assert (one.why, two.why) == ("", "")
        assert one.mid != two.mid
        assert both.delivered() == []


async def test_one_that_does_not_come_back_says_how_far_it_came_and_still_reaches_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETURN_SECONDS", 0.5)
    async with pair(tmp_path) as both:
        await _met(both)
        role: Any = both.manager.appliance.role
        freed = role.reception.canary_held
        role.reception.canary_held = lambda copy: None  # a manager that knows no canaries
        flight = await _canary(both).fly()
        assert flight.why == "the manager has it and did not release it in time"
        assert both.gateway.grep(f"Warning: MID {flight.mid} canary did not come back: the manager has it")
        assert both.gateway.appliance.counters.values()["canary_lost"] == 1
        held = both.manager.view.copy_of_hop(both.gateway.view.copy(flight.mid).cid, 1)
        assert held.custody == "HELD"
        freed(held_as_new(both, held.mid))  # a reviewer or the timer lets it go later
        await until(lambda: both.manager.view.copy(held.mid).custody == "CLOSED", "released and discarded")
        assert both.delivered() == []


def held_as_new(both: Pair, mid: int) -> Any:
    from types import SimpleNamespace

    holds = [SimpleNamespace(quarantine=h.quarantine) for h in both.manager.view.holds(mid)]
    return SimpleNamespace(mid=mid, cid=both.manager.view.copy(mid).cid, holds=holds)


async def test_a_manager_that_is_away_gets_it_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETURN_SECONDS", 0.2)
    async with pair(tmp_path) as both:
        await both.gateway.start()
        flight = await _canary(both).fly()
        assert flight.why == "the manager has not acknowledged it in time"
        await both.manager.start()
        both.gateway.appliance.role.peers_changed()
        cid = both.gateway.view.copy(flight.mid).cid
        await until(lambda: both.gateway.view.copy_of_hop(cid, 2) is not None, "it comes back after all")
        await until(lambda: both.gateway.view.copy_of_hop(cid, 2).custody == "SETTLED")
        assert both.delivered() == []


async def test_mail_from_outside_is_no_canary(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _met(both)
        reply = await asyncio.to_thread(_rcpt, both.gateway.address, f"canary@{CANARY_HOST}")
        assert reply.startswith("550")
        reply = await asyncio.to_thread(_rcpt, both.gateway.address, f"canary@{CANARY_HOST.upper()}")
        assert reply.startswith("550")


def _rcpt(address: str, recipient: str) -> str:
    from tests.e2e.talk import Talk
    from tests.e2e.world import SMTP_PORT

    with Talk(address, SMTP_PORT) as talk:
        talk.greeted()
        talk.say("MAIL FROM:<a@partner.example>")
        return talk.say(f"RCPT TO:<{recipient}>")


async def test_without_a_manager_nothing_is_sent(tmp_path: Path) -> None:
    await made("gateway", tmp_path / "gw")
    async with running(tmp_path / "gw") as appliance:
        role: Any = appliance.role
        assert (await role.canary.fly()).why == "no manager is enrolled"
        assert appliance.store.view.counts() == {}


def test_its_host_has_no_route_but_away() -> None:
    table = Routes({"*": ["192.0.2.1:25"], ".cpq.canary": ["192.0.2.1:25"], ".canary": ["192.0.2.1:25"]})
    for domain in (CANARY_HOST, CANARY_HOST.upper(), CANARY_HOST + "."):
        assert table.find(domain).way is Way.DISCARD
    assert is_virtual(CANARY_HOST)
    with pytest.raises(RouteError, match="follows the enrolment"):
        Routes({CANARY_HOST: ["192.0.2.1:25"]})


def test_one_other_recipient_makes_it_ordinary_mail() -> None:
    assert is_canary([f"canary@{CANARY_HOST}"])
    assert not is_canary([f"canary@{CANARY_HOST}", "bob@example.com"])
    assert not is_canary([f"canary@not.{CANARY_HOST}"])
    assert not is_canary([])
