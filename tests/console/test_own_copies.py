"""A gateway's own copies are delivered or given up by a person, on record, and the manager hears of the end."""

import pytest

from pratique.console.commands.parts import CommandRefused
from pratique.console.commands.status import deliver_own, give_up_own
from pratique.delivery.custody import Event
from pratique.store.moves import Acknowledged, TransfersAnswered
from pratique.store.records import NewCopy
from tests.console.verbs.queue_world import ADMIN, World


async def _refused_by_the_manager(world: World) -> NewCopy:
    copy = await world.samples.accepted("X")
    await world.store.submit(TransfersAnswered((Acknowledged(copy.cid, 1, Event.CANC, 1, 5),), "gateway"))
    return copy


async def test_one_that_is_given_up_is_delivered_to_nobody_and_the_manager_hears_of_it() -> None:
    world = World("gateway")
    copy = await _refused_by_the_manager(world)
    assert await give_up_own(world.desk, ADMIN, (copy.mid, 999)) == 1
    assert [d.state for d in world.store.view.deliveries(copy.mid)] == ["CANCELLED"]
    assert world.acts.rows == 1
    assert [row.action for row in world.store.view.audit(0, 100)][-2:] == ["give-up-own", "cancel"]
    assert await give_up_own(world.desk, ADMIN, (copy.mid,)) == 0


async def test_one_that_is_delivered_is_handed_on_at_once() -> None:
    world = World("gateway")
    copy = await _refused_by_the_manager(world)
    assert await deliver_own(world.desk, ADMIN, (copy.mid,)) == 1
    assert (world.acts.delivered, world.acts.rows) == ([copy.mid], 0)


async def test_one_that_the_manager_may_have_is_left_alone() -> None:
    world = World("gateway")
    copy = await world.samples.accepted("X")
    with pytest.raises(CommandRefused, match="may be held there"):
        await give_up_own(world.desk, ADMIN, (copy.mid,))
