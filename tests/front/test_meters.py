"""Counters of a running appliance: kept over a restart, reset by a person, and the gauges of its roles."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.front.meters import SETTING, RunningMeters
from pratique.gateway.app import Gateway
from pratique.store.moves import StoreFailed
from pratique.telemetry import events as log
from pratique.telemetry.counters import Counters
from pratique.telemetry.lives import Totals
from tests.conformance.samples import entry
from tests.gateway.office import Office
from tests.runner.support import until


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    made = await Office(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def test_the_next_life_goes_on_counting(office: Office) -> None:
    counters = Counters()
    meters = RunningMeters.of(office.gateway, counters)
    counters.emit(log.MidReady(mid=1, size=9, sender="a@b.example"))
    await meters.keep()
    later = RunningMeters.of(Gateway(office.node.again().services, office.parts), Counters())
    assert later.lives.totals("received") == Totals(1, 0, 1)


async def test_an_idle_appliance_writes_nothing(office: Office) -> None:
    meters = RunningMeters.of(office.gateway, Counters())
    await meters.keep()
    office.node.store.manual = True
    await meters.keep()
    assert office.node.store.pending == []
    office.node.store.manual = False


async def test_a_reset_is_on_record_and_concerns_the_destinations_too(office: Office) -> None:
    meters = RunningMeters.of(office.gateway, Counters())
    await office.send()
    await until(lambda: office.gateway.deliverer.destinations["example.com"].health.delivered == 1)
    await meters.reset(entry("reset-counters", actor="olga"))
    assert office.gateway.deliverer.destinations["example.com"].health.delivered == 0
    assert office.node.store.view.audit(0, 100)[-1].actor == "olga"
    assert str(meters.lives.reset_ms) in office.node.store.view.setting(SETTING)


async def test_a_store_that_fails_ends_no_counting(office: Office) -> None:
    office.node.store.fail_next(StoreFailed("disk full", full=True))
    await RunningMeters.of(office.gateway, Counters()).keep()


async def test_what_is_open_and_who_is_connected(office: Office) -> None:
    meters = RunningMeters.of(office.gateway, Counters())
    await office.ready(address="198.51.100.7")
    await office.ready(address="198.51.100.7")
    await office.ready(address="198.51.100.8")
    gauges = meters.gauges()
    assert (gauges.connections_in, gauges.icid, gauges.mid) == (3, 3, office.node.store.newest_mid())
    assert meters.clients() == {
        ("unknown", "198.51.100.7", "InboundMail"): 2,
        ("unknown", "198.51.100.8", "InboundMail"): 1,
    }
