"""What the operator reads when the disk fills."""

from pratique.runner.space import SpaceWatch
from tests.runner.support import Node


async def test_the_reserve_is_told_once_when_it_is_reached_and_once_when_there_is_room() -> None:
    node = Node()
    watch = SpaceWatch(node.services)
    watch.look()
    assert node.log.events == []
    spool = node.store.spool
    for free in (1, 0, -5, 0):
        spool.capacity = spool._taken + free
        watch.look()
    assert [event.level for event in node.log.events] == ["Critical"]
    assert node.log.lines("no mail is taken", "452", "reserve_bytes")
    for free in (1, 2):
        spool.capacity = spool._taken + free
        watch.look()
    assert node.log.lines("the disk has room again") and len(node.log.events) == 2
