"""What lasts in a running pair, and its end, on a clock that the test moves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.front import watch as module
from pratique.front.watch import CERTIFICATES_SECONDS, Watch, ends_at_ms
from pratique.manager.app import Manager
from pratique.runner.suspension import Suspension
from pratique.store.moves import PutPeer
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition
from tests.front.pair import pair


class Clock:
    def __init__(self, true: Any) -> None:
        self.true, self.ahead = true, 0.0

    def now_ms(self) -> int:
        return int(self.true.now_ms() + self.ahead * 1000)

    def monotonic(self) -> float:
        return float(self.true.monotonic() + self.ahead)

    def random(self, count: int) -> bytes:
        return bytes(self.true.random(count))


class Heard:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def emit(self, event: log.Event) -> None:
        self.events.append(event)

    def taken(self) -> list[tuple[Condition, str, str]]:
        events, self.events = self.events, []
        return [(e.condition, e.subject, e.text()) for e in events]


async def test_what_begins_and_ends_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pair(tmp_path) as world:
        await world.manager.start()
        appliance = world.manager.appliance
        role = appliance.role
        assert isinstance(role, Manager)
        clock, heard, trouble = Clock(appliance.services.clock), Heard(), [""]
        services = replace(appliance.services, clock=clock, telemetry=heard)  # type: ignore[arg-type]
        watch = Watch(role, appliance.keys, link_down_seconds=600, index_trouble=lambda: trouble[0])
        watch._services = services
        serial = world.gateway.serial
        watch.look()
        assert heard.taken() == []

        role.links[serial].health.up = False
        role.links[serial].health.last_error = "refused"
        watch.look()
        clock.ahead = 599
        watch.look()
        assert heard.taken() == []
        clock.ahead = 601
        watch.look()
        ((condition, subject, text),) = heard.taken()
        assert (condition, subject) == (Condition.LINK, serial)
        assert "has not been reached for 601 s, mail for it waits: refused" in text
        role.links[serial].health.up = True
        watch.look()
        assert heard.taken() == [(Condition.LINK, serial, "gateway2.test is reached again")]

        peer = world.manager.view.peer(serial)
        await appliance.store.submit(PutPeer(replace(peer, locked="cloned"), ()))
        watch.look()
        await appliance.store.submit(PutPeer(peer, ()))
        watch.look()
        assert heard.taken() == [(Condition.LOCKED, serial, "gateway2.test is not locked any more")]

        await appliance.store.submit(Suspension(("cpq_listener",), True, True).put(()))
        watch.look()
        ((condition, _, text),) = heard.taken()
        assert "suspended receiving at cpq_listener, delivery, transfers;" in text
        await appliance.store.submit(Suspension().put(()))
        watch.look()
        assert [c for c, _, _ in heard.taken()] == [Condition.SUSPENDED]

        monkeypatch.setattr(module, "ends_at_ms", lambda path: clock.now_ms() + 29 * 86_400_000 + 5_000)
        clock.ahead += CERTIFICATES_SECONDS
        watch.look()
        found = [one for one in heard.taken() if one[0] is Condition.CERTIFICATE]  # the link tries by itself
        assert {(c, s) for c, s, _ in found} == {(Condition.CERTIFICATE, "quarantine"), (Condition.CERTIFICATE, "web")}
        assert "ends in 29 days; renew it" in found[0][2]

        trouble[0] = "OperationalError: disk I/O error"
        watch.look()
        watch.look()
        trouble[0] = ""
        watch.look()
        (index,) = [c for c in services.supervisor.components() if c.name == "search index"]
        assert (index.restarts, index.last_error) == (1, "OperationalError: disk I/O error")


def test_a_certificate_that_cannot_be_read_is_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no certificate")
    assert ends_at_ms(tmp_path / "x") == ends_at_ms(tmp_path / "absent") == 0
