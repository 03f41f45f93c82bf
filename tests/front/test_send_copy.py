"""A copy of a held message travels to another address over two real appliances; the message itself stays held."""

from pathlib import Path

import pytest

from pratique.manager.app import Manager
from tests.front.pair import CAROL, Pair, pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _manager(both: Pair) -> Manager:
    role = both.manager.appliance.role
    assert isinstance(role, Manager)
    return role


async def test_a_copy_is_delivered_once_and_the_message_later_as_usual(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        manager, gateway = both.manager, both.gateway
        await both.send("one")
        await both.handed_over(1)
        mid = both.mid_of("one")
        done = await _manager(both).send_copy(mid, "Policy", ("soc@demo.example",), CAROL)
        assert done.done
        await until(lambda: both.hop.messages, "the copy is delivered")
        await until(lambda: manager.view.copy(done.mid).custody == "CLOSED", "its end is told")
        (copy,) = both.hop.messages
        assert (copy.sender, copy.recipients) == ("", ("soc@demo.example",))
        assert copy.octets.endswith(b"From: a@partner.example\r\nSubject: one\r\n\r\nHello one.\r\n")
        assert manager.custody("HELD") == 1
        await until(lambda: manager.view.copy(done.mid).extent is None, "the copy lets the body go")
        assert (await both.decide("one")).done
        await until(lambda: len(both.hop.messages) == 2, "the message is delivered")
        assert both.hop.messages[1].recipients == ("b@demo.example",)
        await until(lambda: manager.custody("CLOSED") == 2)
        assert gateway.grep(r"MID \d+ received from the SMA .* on release from quarantine \"Policy\"")


async def test_a_copy_survives_that_both_sides_end_in_the_middle(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        await both.gateway.stop()
        mid = both.mid_of("one")
        assert (await _manager(both).send_copy(mid, "Policy", ("soc@demo.example",), CAROL)).done
        await both.manager.stop()
        await both.start()
        await until(lambda: both.hop.messages, "the copy is delivered after the restart")
        await until(lambda: both.manager.custody("CLOSED") == 1)
        assert [message.recipients for message in both.hop.messages] == [("soc@demo.example",)]
        assert both.manager.custody("HELD") == 1
