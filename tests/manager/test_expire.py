"""Scheduled exits on a clock that tests move."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.manager import expire
from pratique.manager.expire import BATCH, JUMP_MS_MAX
from pratique.policy.decision import QuarantineWish
from pratique.store.corrupt import found
from pratique.store.moves import PutQuarantine, StoreFailed
from tests.conformance.samples import NOW
from tests.manager.fleet import POLICY, Desk
from tests.runner.support import turns

Make = Callable[..., Any]
VIRUS = QuarantineWish("Virus", "virus", ("antivirus:EICAR",), retention_s=7200)
OUTBREAK = QuarantineWish("Outbreak", "outbreak", ("rule",), retention_s=3600, outbreak_id="7", outbreak_level=4)
HOUR = 3_600_000


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    desks: list[Desk] = []

    async def one(**settings: Any) -> Desk:
        desks.append(Desk(tmp_path / str(len(desks)), monkeypatch, **settings))
        return await desks[-1].made()

    yield one
    for desk in desks:
        await desk.close()


async def test_what_stays_too_long_leaves_by_its_default_action(make: Make) -> None:
    desk = await make()
    policy, outbreak = await desk.held(POLICY), await desk.held(OUTBREAK)
    desk.node.clock.now = NOW + HOUR - 1
    assert await desk.manager.expirer.sweep() == 0
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 2
    assert (desk.custody(policy), desk.custody(outbreak)) == ("DEL", "REL")
    assert desk.lines(f'MID {policy} deleted from quarantine "Policy" (expired) t=3600')
    assert desk.lines(f'MID {outbreak} released from quarantine "Outbreak" (expired) t=3600')
    acts = [row for row in desk.node.store.view.audit(0, 100) if row.action in ("release", "delete")]
    assert {row.actor for row in acts} == {"policy:retention@1"}
    assert await desk.manager.expirer.sweep() == 0


async def test_each_quarantine_of_a_message_has_its_own_time(make: Make) -> None:
    desk = await make()
    mid = await desk.held(OUTBREAK, VIRUS)
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 1
    assert desk.custody(mid) == "HELD"
    desk.node.clock.now = NOW + 2 * HOUR
    assert await desk.manager.expirer.sweep() == 1
    assert desk.custody(mid) == "DEL"  # Virus deletes by default: deleted once is never delivered


async def test_a_clock_that_jumped_stops_the_timers_until_somebody_has_looked(make: Make) -> None:
    """No decision depends on the wall clock alone (I13)."""
    desk = await make()
    mid = await desk.held()
    steady = desk.node.clock.monotonic

    class Jumping:
        by = 0

    desk.node.clock.monotonic = lambda: steady() - Jumping.by / 1000  # type: ignore[method-assign]
    Jumping.by = JUMP_MS_MAX + 1000
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 0
    assert desk.custody(mid) == "HELD"
    assert desk.lines("the clock jumped by 301 s: scheduled exits are suspended")
    Jumping.by = 0  # setting it back is no cure: an administrator restarts
    assert await desk.manager.expirer.sweep() == 0
    assert len(desk.lines("the clock jumped")) == 1


async def test_small_corrections_of_the_clock_are_no_matter(make: Make) -> None:
    desk = await make()
    await desk.held()
    steady = desk.node.clock.monotonic
    desk.node.clock.monotonic = lambda: steady() - 200  # type: ignore[method-assign]
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 1


async def test_timers_wait_while_a_gateways_clock_differs(make: Make) -> None:
    desk = await make()
    await desk.held()
    desk.node.clock.now = NOW + HOUR
    desk.manager.reception.clocks(desk.peer(), differ=True)
    assert await desk.manager.expirer.sweep() == 0
    desk.manager.reception.clocks(desk.peer(), differ=False)
    assert await desk.manager.expirer.sweep() == 1


async def test_more_than_a_batch_leaves_in_one_round(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire, "BATCH", 3)
    assert BATCH > 3
    desk = await make()
    for _ in range(8):
        await desk.held()
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 8


async def test_what_cannot_be_decided_keeps_nothing_behind_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy whose body is corrupt is not released. It stays first in every page of what has expired."""
    monkeypatch.setattr(expire, "BATCH", 3)
    desk = await make()
    mids = [await desk.held(OUTBREAK) for _ in range(9)]
    await desk.node.store.submit(found(desk.node.store.view, dict.fromkeys(mids[:4], "rotten")))
    desk.node.clock.now = NOW + HOUR
    assert await desk.manager.expirer.sweep() == 5
    assert [desk.custody(mid) for mid in mids] == ["HELD"] * 4 + ["REL"] * 5


async def test_room_is_made_behind_what_cannot_be_decided(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire, "BATCH", 2)
    desk = await make(pool_bytes=250)
    quarantine = {q.name: q for q in desk.node.store.view.quarantines()}["Policy"]
    freeing = replace(quarantine, default_action="release", overflow='{"free_space": true}')
    await desk.node.store.submit(PutQuarantine(freeing, ()))
    desk.manager.reception.refresh()
    release = replace(POLICY, retention_s=0)
    mids = [await desk.held(release) for _ in range(5)]
    await desk.node.store.submit(found(desk.node.store.view, dict.fromkeys(mids[:2], "rotten")))
    await desk.manager.expirer._make_room()
    assert [desk.custody(mid) for mid in mids[:2]] == ["HELD", "HELD"]
    assert desk.custody(mids[2]) == "REL"
    assert not desk.lines("the quarantines are full")


async def test_over_the_pool_the_oldest_leave_early(make: Make) -> None:
    desk = await make(pool_bytes=250)
    quarantine = {q.name: q for q in desk.node.store.view.quarantines()}["Policy"]
    freeing = replace(quarantine, default_action="release", overflow='{"free_space": true}')
    await desk.node.store.submit(PutQuarantine(freeing, ()))
    desk.manager.reception.refresh()
    mids = [await desk.held() for _ in range(5)]
    await desk.manager.expirer._make_room()
    states = [desk.custody(mid) for mid in mids]
    assert states[0] != "HELD" and states[-1] == "HELD"  # first in, first out
    assert sum(size for _, size in desk.node.store.view.quarantine_counts().values()) <= 250
    assert desk.lines('from quarantine "Policy" (queue full)')
    acts = [row for row in desk.node.store.view.audit(0, 100) if row.action in ("release", "delete")]
    assert {row.actor for row in acts} == {"policy:overflow@1"}


async def test_a_store_that_fails_ends_the_round_and_not_the_timer(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    desk.node.clock.now = NOW + HOUR
    desk.node.store.fail_next(StoreFailed("no space", full=True))
    assert await desk.manager.expirer.sweep() == 0
    assert desk.lines("scheduled exits: no space; tried again later")
    assert await desk.manager.expirer.sweep() == 1
    assert desk.custody(mid) == "DEL"
    await turns()
