"""When the quarantines are full: alerts on the way up, the oldest leave early, the exempt stay, mail waits."""

from typing import Any

import pytest

from pratique.manager.expire import Expirer
from pratique.manager.overflow import Pool, changes_of, early_release
from pratique.manager.receive import Reception
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.quarantine.retention import EarlyRelease
from pratique.runner.readiness import Asker
from pratique.store.moves import PutQuarantine
from pratique.store.records import NewCopy
from pratique.transfer.messages import Keyword
from tests.conformance.samples import quarantine
from tests.manager.desk import CAROL, Desk

FREE = '{"free_space": true}'
MARKED = (
    '{"free_space": true, "subject": {"action": "prepend", "text": "[EARLY]"}, '
    '"header": {"name": "Inappropriate-release-early", "text": "True"}, "strip": true}'
)


class World(Desk):
    """`limit` octets of pool; decisions go the way of the role."""

    async def start(self, limit: int) -> "World":
        await self.enrol()
        self.overfull = 0
        self.pool = Pool(self.services, limit, self._overfull)
        self.expirer = Expirer(self.services, self.decide, every_seconds=60, pool=self.pool)
        self.reception = Reception(self.services, lambda peer: None, lambda peer, rows: None, self.pool)
        return self

    def _overfull(self) -> None:
        self.overfull += 1

    async def decide(self, *ordered: Any) -> Any:
        return await self.releaser.decide(*ordered)

    def custody(self, *copies: NewCopy) -> list[str]:
        return [self.store.view.copy(copy.mid).custody for copy in copies]


async def test_the_oldest_leave_by_their_default_action_until_there_is_room() -> None:
    desk = await World().start(250)
    await desk.samples.opened("Policy", overflow=FREE)
    copies = [await desk.held("Policy", default_action="release", body=desk.samples.body(b"x" * 100)) for _ in range(5)]
    assert await desk.expirer.sweep() == 3
    assert desk.custody(*copies) == ["REL", "REL", "REL", "HELD", "HELD"]
    assert (desk.pool.used, desk.pool.full) == (200, False)
    assert desk.lines().count(f'MID {copies[0].mid} released from quarantine "Policy" (queue full) t=4') == 1
    actors = {row.actor for row in desk.store.view.audit(0, 100) if row.action == "release"}
    assert actors == {"policy:overflow@1"}


async def test_a_quarantine_that_is_exempt_keeps_its_mail_though_it_is_older() -> None:
    desk = await World().start(250)
    await desk.samples.opened("Legal", overflow='{"free_space": false}')
    await desk.samples.opened("Policy", overflow=FREE)
    copies = [
        await desk.held(name, body=desk.samples.body(b"x" * 100)) for name in ("Legal", "Legal", "Policy", "Policy")
    ]
    assert await desk.expirer.sweep() == 2
    assert desk.custody(*copies) == ["HELD", "HELD", "DEL", "DEL"]


async def test_when_all_are_exempt_nothing_more_is_taken_and_mail_waits() -> None:
    desk = await World().start(150)
    await desk.samples.opened("Legal", overflow='{"free_space": false}')
    copies = [await desk.held("Legal", body=desk.samples.body(b"x" * 100)) for _ in range(2)]
    for _ in range(2):
        assert await desk.expirer.sweep() == 0
    assert desk.reception.standing() == (Keyword.SUSPENDED, "full")
    assert ("space", "NO", "Free disk space on the manager or raise the quota") in desk.reception.checks(
        Asker(desk.store.view.peers()[0], "1", clock_differs=False, members=(), listening=True)
    )
    assert len([line for line in desk.lines("Critical") if "nothing in them may leave early" in line]) == 1
    await desk.releaser.decide(copies[0].mid, "Legal", Mark.DELETED, Cause.MANUAL, CAROL)
    desk.pool.refresh(desk.store.view)
    assert desk.reception.standing() == (Keyword.READY, "")


async def test_a_quarantine_that_may_free_space_from_now_on_is_looked_at_at_once() -> None:
    desk = await World().start(150)
    await desk.samples.opened("Legal", overflow='{"free_space": false}')
    for _ in range(2):
        await desk.held("Legal", body=desk.samples.body(b"x" * 100))
    await desk.expirer.sweep()
    assert desk.pool.full
    await desk.store.submit(PutQuarantine(quarantine("Legal", overflow=FREE), ()))
    before = desk.overfull
    desk.reception.refresh()
    assert desk.overfull == before + 1
    assert await desk.expirer.sweep() == 1
    assert not desk.pool.full


async def test_the_disk_alone_is_the_limit_when_none_is_set() -> None:
    desk = await World().start(0)
    await desk.samples.opened("Policy", overflow=FREE)
    await desk.held("Policy")
    desk.pool.placed(10**12)
    assert await desk.expirer.sweep() == 0
    assert (desk.pool.used, desk.pool.full, desk.overfull, desk.lines()) == (0, False, 0, [])


async def test_alerts_come_on_the_way_up_only() -> None:
    desk = await World().start(1_000)
    steps = (700, 50, 50, 50, 90, 20, 30)  # 70 75 80 85 94 96 99 %
    seen = []
    for octets in steps:
        desk.pool.placed(octets)
        seen.append([line.split(" %")[0].rpartition(" ")[2] for line in desk.lines()])
        desk.events.clear()
    assert seen == [[], ["75"], [], ["85"], [], ["95"], []]
    desk.pool.placed(20)
    assert desk.overfull == 1


async def test_the_last_alert_is_critical_and_a_leap_gives_the_highest() -> None:
    desk = await World().start(1_000)
    desk.pool.placed(800)
    desk.pool.placed(199)
    assert [len(desk.lines(level)) for level in ("Warning", "Critical")] == [1, 1]
    assert "95 %" in desk.lines("Critical")[0]


async def test_an_early_release_declares_its_changes_and_a_reviewer_s_does_not() -> None:
    desk = await World().start(150)
    await desk.samples.opened("Policy", overflow=MARKED)
    early = await desk.held("Policy", default_action="release", body=desk.samples.body(b"x" * 100))
    later = await desk.held("Policy", default_action="release", body=desk.samples.body(b"x" * 100))
    await desk.expirer.sweep()
    await desk.releaser.decide(later.mid, "Policy", Mark.RELEASED, Cause.MANUAL, CAROL)
    declared = [(c.op, c.name, c.value, c.by) for c in desk.offered(early)[1].changes]
    assert declared == [
        ("subject-prepend", "Subject", "[EARLY]", "policy:overflow@1"),
        ("add-header", "Inappropriate-release-early", "True", "policy:overflow@1"),
        ("strip-attachments", "", "", "policy:overflow@1"),
    ]
    assert desk.offered(later)[1].changes == ()
    line = f'MID {early.mid} released (attachments stripped) from quarantine "Policy" (queue full) t=1'
    assert desk.lines().count(line) == 1
    assert not [text for text in desk.lines() if "stripped" in text and f"MID {later.mid} " in text]


async def test_a_deletion_by_overflow_strips_nothing() -> None:
    desk = await World().start(50)
    await desk.samples.opened("Policy", overflow=MARKED)
    copy = await desk.held("Policy", default_action="delete", body=desk.samples.body(b"x" * 100))
    await desk.expirer.sweep()
    assert desk.custody(copy) == ["DEL"]
    assert not [line for line in desk.lines() if "stripped" in line]


async def test_changes_of_all_quarantines_that_let_it_go_early_each_once() -> None:
    desk = await World().start(50)
    await desk.samples.opened("Legal", overflow='{"free_space": true, "strip": true}')
    await desk.samples.opened("Policy", overflow=MARKED)
    await desk.samples.opened("Virus", overflow='{"free_space": true, "header": {"name": "X-Never", "text": "1"}}')
    copy = await desk.held("Legal", "Policy", "Virus", default_action="release")
    for name, cause in (("Legal", Cause.QUEUE_FULL), ("Policy", Cause.QUEUE_FULL), ("Virus", Cause.MANUAL)):
        desk.clock.now += 1
        await desk.releaser.decide(copy.mid, name, Mark.RELEASED, cause, CAROL)
    ops = [change.op for change in desk.offered(copy)[1].changes]
    assert ops == ["strip-attachments", "subject-prepend", "add-header"]
    assert changes_of((), {}) == ()


@pytest.mark.parametrize("overflow", ["{}", FREE])
def test_settings_that_say_nothing_change_nothing(overflow: str) -> None:
    assert early_release(quarantine(overflow=overflow)) == early_release(None) == EarlyRelease()
