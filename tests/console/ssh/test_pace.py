"""How fast one address may connect."""

import pytest

from pratique.console.ssh import pace as pace_module
from pratique.console.ssh.limits import CONNECTIONS_BURST, CONNECTIONS_PER_SECOND
from pratique.console.ssh.pace import Pace


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_a_rate_for_each_address_of_its_own() -> None:
    time = Time()
    pace = Pace(time)
    assert [pace.allows("a") for _ in range(CONNECTIONS_BURST + 3)] == [True] * CONNECTIONS_BURST + [False] * 3
    assert pace.allows("b")
    time.now += 2.5 / CONNECTIONS_PER_SECOND
    assert [pace.allows("a") for _ in range(3)] == [True, True, False]
    time.now += 1_000
    assert [pace.allows("a") for _ in range(CONNECTIONS_BURST + 1)] == [True] * CONNECTIONS_BURST + [False]


def test_a_flood_from_many_addresses_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "ADDRESSES_MAX", 10)
    pace = Pace(Time())
    assert all(pace.allows(f"192.0.2.{n}") for n in range(200))
    assert len(pace._full_at) == 10
