"""What is suspended is one value that a restart finds again, and the status in the words of the reference system."""

import pytest

from pratique.runner.suspension import SETTING, Suspension, suspended, system_status
from pratique.store.moves import PutSetting
from tests.conformance.samples import entry
from tests.runner.support import Node

BOTH = ("InboundMail", "cpq_listener")


async def test_a_restart_finds_what_was_suspended() -> None:
    node = Node()
    assert suspended(node.store.view) == Suspension()
    now = Suspension(("InboundMail",), True, False, "olga: a bad rule")
    await node.store.submit(now.put((entry("suspend-delivery"),)))
    assert suspended(node.again().store.view) == now


@pytest.mark.parametrize("text", ["", "no json", "[]", "7", '{"listeners": 7}', "null"])
async def test_a_value_that_cannot_be_read_suspends_nothing(text: str) -> None:
    node = Node()
    await node.store.submit(PutSetting(SETTING, text))
    assert suspended(node.store.view) == Suspension()


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (Suspension(), "Online"),
        (Suspension(("InboundMail",)), "Online"),
        (Suspension(BOTH), "Receiving Suspended"),
        (Suspension(delivery=True), "Delivery Suspended"),
        (Suspension(BOTH, delivery=True), "Offline"),
        (Suspension(work_queue="olga"), "Work Queue Paused"),
        (Suspension(transfers=True), "Online"),
    ],
)
def test_the_system_status(now: Suspension, status: str) -> None:
    assert system_status(now, BOTH) == status
