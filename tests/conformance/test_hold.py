"""The hold: marks in several quarantines, one decision, delays, moves, expiry and overflow."""

import asyncio
from dataclasses import replace

import pytest

from pratique.store.moves import (
    Accept,
    DelayExit,
    DropQuarantine,
    Exited,
    MoveHold,
    MoveRefused,
    PutQuarantine,
)
from tests.conformance.conftest import Bench
from tests.conformance.samples import DAY, GATEWAY, NOW, entry, hold, quarantine


async def test_a_hold_reads_back_in_every_field(manager: Bench) -> None:
    given = hold(
        "Outbreak",
        kind="outbreak",
        reasons=("rule 1", "rule 2"),
        matched='[{"part": "body", "text": "x"}]',
        default_action="release",
        outbreak='{"id": 7}',
    )
    copy = await manager.samples.accepted("HELD", holds=(given,))
    (stored,) = manager.view.holds(copy.mid)
    for field in ["quarantine", "kind", "reasons", "matched", "received", "exit_at", "default_action", "outbreak"]:
        assert getattr(stored, field) == getattr(given, field), field
    assert (stored.mid, stored.mark, stored.cause, stored.actor, stored.decided_at) == (copy.mid, "HELD", "", "", 0)
    await manager.restart()


async def test_a_release_from_the_only_quarantine_offers_the_copy(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    move = manager.samples.exit_hold(copy.mid, "RELEASED", at=NOW + 5)
    before = manager.view.copy(copy.mid)
    audited = len(manager.actions())
    assert await manager.do(move) == Exited("release")
    after = manager.view.copy(copy.mid)
    assert after.custody == "REL"
    assert after.version > before.version
    (mark,) = manager.view.holds(copy.mid)
    assert (mark.mark, mark.cause, mark.actor, mark.decided_at) == ("RELEASED", "manual", "carol", NOW + 5)
    stored = manager.view.transfer(copy.cid, 2)
    assert (stored.peer, stored.state, stored.mid) == (GATEWAY, "X", copy.mid)
    (row,) = manager.view.audit(audited, 10)
    assert (row.actor, row.action, row.mid) == ("carol", "release", copy.mid)
    assert list(manager.view.journal(GATEWAY, 0, 10)) == []
    await manager.restart()


async def test_a_deletion_from_the_only_quarantine_ends_the_copy(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    assert await manager.do(manager.samples.exit_hold(copy.mid, "DELETED", cause="expired")) == Exited("delete")
    assert manager.view.copy(copy.mid).custody == "DEL"
    (mark,) = manager.view.holds(copy.mid)
    assert (mark.mark, mark.cause) == ("DELETED", "expired")
    assert manager.view.transfer(copy.cid, 2) is None
    assert [row.state for row in manager.view.journal(GATEWAY, 0, 10)] == ["DEL"]
    await manager.restart()


async def test_a_deletion_writes_no_transfer_even_if_one_was_brought(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    transfer = manager.samples.transfer(copy.cid, 2)
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED", transfer=transfer))
    assert manager.view.transfer(copy.cid, 2) is None
    assert list(manager.view.open_transfers(GATEWAY, 0, 10)) == []


@pytest.mark.parametrize(
    ("marks", "exits", "custody"),
    [
        (("RELEASED", "RELEASED"), ("none", "release"), "REL"),
        (("RELEASED", "DELETED"), ("none", "delete"), "DEL"),
        (("DELETED", "RELEASED"), ("none", "delete"), "DEL"),
        (("DELETED", "DELETED"), ("none", "delete"), "DEL"),
    ],
)
async def test_a_message_leaves_when_every_quarantine_has_decided(
    manager: Bench, marks: tuple[str, str], exits: tuple[str, str], custody: str
) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    for name, mark, exit_ in zip(("Virus", "Policy"), marks, exits, strict=True):
        assert manager.view.copy(copy.mid).custody == "HELD"
        assert await manager.do(manager.samples.exit_hold(copy.mid, mark, quarantine=name)) == Exited(exit_)
    assert manager.view.copy(copy.mid).custody == custody
    assert (manager.view.transfer(copy.cid, 2) is not None) is (custody == "REL")
    await manager.restart()


async def test_a_release_that_is_not_the_last_writes_no_transfer(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED", transfer=None))
    await manager.refused(manager.samples.exit_hold(copy.mid, "RELEASED", quarantine="Virus", transfer=None))
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED", quarantine="Virus"))
    assert manager.view.transfer(copy.cid, 2).state == "X"


async def test_two_reviewers_race_and_one_wins(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    release = manager.samples.exit_hold(copy.mid, "RELEASED", actor="carol")
    delete = manager.samples.exit_hold(copy.mid, "DELETED", actor="dora", audit=(entry("delete", actor="dora"),))
    audited = len(manager.actions())
    won, lost = await asyncio.gather(manager.do(release), manager.do(delete), return_exceptions=True)
    assert won == Exited("release")
    assert isinstance(lost, MoveRefused)
    (mark,) = manager.view.holds(copy.mid)
    assert (mark.mark, mark.actor) == ("RELEASED", "carol")
    assert manager.actions(audited) == ["release"]


async def test_a_decision_on_an_older_version_is_refused(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    stale = manager.samples.exit_hold(copy.mid, "RELEASED")
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED", quarantine="Virus"))
    await manager.refused(stale)
    await manager.do(replace(stale, version=manager.view.copy(copy.mid).version))


async def test_a_delay_makes_a_decision_stale(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    stale = manager.samples.exit_hold(copy.mid, "DELETED", cause="expired")
    delay = DelayExit(copy.mid, "Policy", NOW + 8 * DAY, (entry("delay", copy.mid),))
    assert await manager.do(delay) is None
    await manager.refused(stale)


@pytest.mark.parametrize("mark", ["HELD", "GONE", ""])
async def test_a_mark_is_a_release_or_a_deletion(manager: Bench, mark: str) -> None:
    copy = await manager.samples.accepted("HELD")
    await manager.refused(replace(manager.samples.exit_hold(copy.mid, "DELETED"), mark=mark))


async def test_a_decision_needs_a_hold_that_is_open(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    await manager.refused(manager.samples.exit_hold(copy.mid, "RELEASED", quarantine="Outbreak"))
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED"))
    await manager.refused(manager.samples.exit_hold(copy.mid, "RELEASED"))  # a mark is not taken back
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED", quarantine="Virus"))
    await manager.refused(manager.samples.exit_hold(copy.mid, "RELEASED", quarantine="Virus"))
    await manager.refused(replace(manager.samples.exit_hold(copy.mid, "DELETED"), mid=copy.mid + 50))


async def test_a_transfer_of_another_copy_is_not_written(manager: Bench) -> None:
    copy, other = await manager.samples.accepted("HELD"), await manager.samples.accepted("HELD")
    foreign = manager.samples.transfer(other.cid, 2)
    await manager.refused(manager.samples.exit_hold(copy.mid, "RELEASED", transfer=foreign))


async def test_a_delay_sets_the_exit_of_one_quarantine(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    await manager.do(DelayExit(copy.mid, "Virus", NOW + 8 * DAY, (entry("delay", copy.mid),)))
    exits = {one.quarantine: one.exit_at for one in manager.view.holds(copy.mid)}
    assert exits == {"Policy": NOW + DAY, "Virus": NOW + 8 * DAY}
    await manager.refused(DelayExit(copy.mid, "Outbreak", NOW, (entry("delay"),)))
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    await manager.refused(DelayExit(copy.mid, "Policy", NOW, (entry("delay"),)))
    await manager.restart()


async def test_a_move_keeps_exit_and_reasons(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy", reasons=("a",), exit_at=NOW + 5),))
    before = manager.view.copy(copy.mid)
    assert await manager.do(MoveHold(copy.mid, "Policy", "Legal", (entry("move", copy.mid),))) is None
    (moved,) = manager.view.holds(copy.mid)
    assert (moved.quarantine, moved.mark, moved.reasons, moved.exit_at) == ("Legal", "HELD", ("a",), NOW + 5)
    assert manager.view.copy(copy.mid).version > before.version
    assert manager.view.copy(copy.mid).custody == "HELD"
    assert manager.view.quarantine_counts().get("Policy", (0, 0)) == (0, 0)
    assert manager.view.quarantine_counts()["Legal"] == (1, copy.extent.length)
    await manager.restart()


async def test_a_moved_hold_overwrites_the_one_in_the_target(manager: Bench) -> None:
    holds = (hold("Policy", reasons=("moved",), exit_at=NOW + 5), hold("Legal", reasons=("old",), exit_at=NOW + 9))
    copy = await manager.samples.accepted("HELD", holds=holds)
    await manager.do(MoveHold(copy.mid, "Policy", "Legal", ()))
    (moved,) = manager.view.holds(copy.mid)
    assert (moved.quarantine, moved.reasons, moved.exit_at) == ("Legal", ("moved",), NOW + 5)
    assert manager.view.quarantine_counts()["Legal"] == (1, copy.extent.length)


@pytest.mark.parametrize("mark", ["DELETED", "RELEASED"])
async def test_a_move_does_not_undo_a_decision_in_the_target(manager: Bench, mark: str) -> None:
    copy = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Legal")))
    await manager.do(manager.samples.exit_hold(copy.mid, mark, quarantine="Legal"))
    await manager.refused(MoveHold(copy.mid, "Policy", "Legal", (entry("move"),)))


async def test_only_what_is_held_is_moved(manager: Bench) -> None:
    copy = await manager.samples.accepted("HELD")
    await manager.refused(MoveHold(copy.mid, "Virus", "Legal", (entry("move"),)))
    await manager.do(manager.samples.exit_hold(copy.mid, "RELEASED"))
    await manager.refused(MoveHold(copy.mid, "Policy", "Legal", (entry("move"),)))


async def test_expired_holds_come_oldest_first_and_only_open_ones(manager: Bench) -> None:
    exits = (NOW + 30, NOW + 10, NOW + 20)
    copies = [await manager.samples.accepted("HELD", holds=(hold(exit_at=at),)) for at in exits]
    both = await manager.samples.accepted("HELD", holds=(hold("Policy", exit_at=NOW + 5), hold("Virus", exit_at=NOW)))
    await manager.do(manager.samples.exit_hold(both.mid, "RELEASED", quarantine="Virus"))

    def expired(now: int, limit: int = 10) -> list[int]:
        return [one.mid for one in manager.view.expired_holds(now, limit)]

    assert expired(NOW + 4) == []
    assert expired(NOW + 20) == [both.mid, copies[1].mid, copies[2].mid]
    assert expired(NOW + 99, limit=2) == [both.mid, copies[1].mid]
    await manager.do(DelayExit(copies[1].mid, "Policy", NOW + DAY, ()))
    assert expired(NOW + 99) == [both.mid, copies[2].mid, copies[0].mid]


async def test_overflow_takes_the_oldest_where_that_is_allowed(manager: Bench) -> None:
    await manager.samples.opened("Policy", overflow='{"free_space": true}')
    await manager.samples.opened("Legal", overflow='{"free_space": false}')
    await manager.samples.opened("Virus", overflow="{}")
    kept = ("Legal", "Virus")
    for name in kept:
        await manager.samples.accepted("HELD", holds=(hold(name, received=NOW - 1000),))
    mids = [
        (await manager.samples.accepted("HELD", holds=(hold("Policy", received=at),))).mid
        for at in (NOW, NOW - 20, NOW - 10)
    ]
    assert [one.mid for one in manager.view.oldest_holds(10)] == [mids[1], mids[2], mids[0]]
    assert [one.mid for one in manager.view.oldest_holds(1)] == [mids[1]]
    await manager.do(manager.samples.exit_hold(mids[1], "DELETED", cause="queue full"))
    assert [one.mid for one in manager.view.oldest_holds(10)] == [mids[2], mids[0]]
    await manager.do(PutQuarantine(quarantine("Policy", overflow='{"free_space": false}'), ()))
    assert list(manager.view.oldest_holds(10)) == []


async def test_quarantines_count_what_they_hold(manager: Bench) -> None:
    one = await manager.samples.accepted("HELD", holds=(hold("Policy"), hold("Virus")))
    two = await manager.samples.accepted("HELD", holds=(hold("Policy"),))
    sizes = one.extent.length, two.extent.length
    assert manager.view.quarantine_counts()["Policy"] == (2, sum(sizes))
    assert manager.view.quarantine_counts()["Virus"] == (1, sizes[0])
    await manager.do(manager.samples.exit_hold(one.mid, "RELEASED"))
    assert manager.view.quarantine_counts()["Policy"] == (1, sizes[1])
    assert manager.view.quarantine_counts()["Virus"] == (1, sizes[0])
    await manager.restart()


async def test_a_quarantine_goes_only_when_it_is_empty(manager: Bench) -> None:
    await manager.samples.opened("Legal")
    copy = await manager.samples.accepted("HELD", holds=(hold("Legal"),))
    drop = DropQuarantine("Legal", (entry("drop"),))
    await manager.refused(drop)
    await manager.do(manager.samples.exit_hold(copy.mid, "DELETED", quarantine="Legal"))
    assert await manager.do(drop) is None
    assert manager.view.quarantines() == ()
    await manager.refused(drop)
    await manager.restart()


async def test_quarantines_read_back_and_are_replaced(manager: Bench) -> None:
    made = quarantine(
        "Legal",
        default_action="release",
        overflow='{"free_space": true}',
        created_by="dora",
        created_at=5,
        suspended=True,
    )
    await manager.do(PutQuarantine(made, (entry("quarantine"),)))
    await manager.do(PutQuarantine(quarantine("Abuse"), ()))
    assert [one.name for one in manager.view.quarantines()] == ["Abuse", "Legal"]
    assert manager.view.quarantines()[1] == made
    await manager.do(PutQuarantine(replace(made, retention_s=60), ()))
    assert manager.view.quarantines()[1].retention_s == 60


async def test_one_quarantine_holds_a_copy_once(manager: Bench) -> None:
    twice = manager.samples.copy("HELD", holds=(hold("Policy"), hold("Policy")))
    await manager.refused(Accept((twice,), ()))
