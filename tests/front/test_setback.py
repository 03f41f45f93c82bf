"""A store is replaced by an older copy of itself: it is found, nothing is exchanged, an administrator accepts it, mail
flows again. Two real appliances in one process.
"""

from pathlib import Path

import pytest

from pratique.front.enroll import EnrolRefused, change_peer
from pratique.front.local import change_peer as change_peer_locally
from pratique.quarantine.lifecycle import Mark
from tests.front.pair import Pair, pair, until

# asyncio itself leaves a connection open that it accepts while its server closes.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def _set_back_manager(both: Pair, *, keep_witness: bool = False) -> None:
    """Two messages are held when the store is saved; two more come; the old store is put back."""
    await both.start()
    await both.send("one", "two")
    await both.handed_over(2)
    await both.manager.stop()
    saved = both.manager.save("old")
    await both.manager.start()
    await both.send("three", "four")
    await both.handed_over(4)
    await both.manager.stop()
    both.manager.put_back(saved, keep_witness=keep_witness)
    await both.manager.start()


async def test_a_manager_that_was_set_back_exchanges_nothing_until_that_is_accepted(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _set_back_manager(both)
        manager, gateway = both.manager, both.gateway
        await both.send("five")
        await until(lambda: manager.grep("Critical: XQRECON: this appliance was set back"))
        await until(lambda: gateway.grep("Critical: XQROLLED: manager.test was set back"))
        await until(lambda: gateway.grep("acknowledged messages that it does not know any more"))
        (named,) = gateway.grep("acknowledged messages that it does not know any more")
        shadows = [copy.mid for copy in map(gateway.view.copy, range(1, 100)) if copy and copy.custody == "DONE"]
        assert named.endswith(f"MID {shadows[2]}, {shadows[3]}")
        assert manager.custody("HELD") == 2
        assert gateway.custody("Q") + gateway.custody("X") == 1
        for mark in (Mark.RELEASED, Mark.DELETED):
            refused = await both.decide("one", mark)
            assert (refused.done, "accept-setback" in refused.why) == (False, True)

        await manager.stop()  # a restart does not forget it
        await manager.start()
        assert manager.view.peer(gateway.serial).set_back_here
        assert gateway.view.peer(manager.serial).set_back_there

        await manager.accept_setback(gateway.serial)
        await both.held(3)
        assert manager.grep("Critical: an administrator accepted that this appliance was set back .* Possible loss:")
        assert [row.action for row in manager.view.audit(0, 1000)].count("accept-setback") == 1
        for subject in ("one", "two", "five"):
            assert (await both.decide(subject)).done
        await until(lambda: both.delivered() == ["five", "one", "two"], "what is held is delivered")
        await until(lambda: manager.custody("CLOSED") == 3, "its end is told")
        assert (manager.appliance.store.identity.inc, gateway.view.peer(manager.serial).inc) == (2, 2)
        await both.send("six")
        await both.held(1)
        assert both.delivered() == ["five", "one", "two"]


async def test_a_store_behind_its_witness_is_held_from_the_start(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _set_back_manager(both, keep_witness=True)
        manager, gateway = both.manager, both.gateway
        assert manager.view.peer(gateway.serial).set_back_here
        assert manager.grep("Critical: the store is older than")
        await both.send("five")
        await until(lambda: gateway.view.peer(manager.serial).set_back_there)
        await manager.stop()
        said = await change_peer_locally(manager.directory, gateway.serial, "accept-setback")
        assert gateway.serial in said
        await manager.start()
        await both.held(3)
        assert not manager.appliance.store.possibly_old


async def test_a_gateway_that_was_set_back_exchanges_nothing_until_that_is_accepted(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        manager, gateway = both.manager, both.gateway
        await both.send("one")
        await both.handed_over(1)
        await gateway.stop()
        saved = gateway.save("old")
        await gateway.start()
        await both.send("two")
        await both.handed_over(2)
        assert (await both.decide("two")).done
        await until(lambda: both.delivered() == ["two"])
        await until(lambda: manager.custody("CLOSED") == 1)
        await gateway.stop()
        gateway.put_back(saved)
        await gateway.start()
        await until(lambda: gateway.grep("Critical: XQRECON: this appliance was set back"))
        await until(lambda: manager.view.peer(gateway.serial).set_back_there)
        assert manager.grep("Critical: XQROLLED: gateway2.test was set back")
        await both.send("three")
        assert (await both.decide("one")).done  # the manager's own store is as it was; the release waits
        assert both.delivered() == ["two"]
        assert (manager.custody("REL"), manager.custody("HELD")) == (1, 0)

        await gateway.accept_setback(manager.serial)
        await both.held(1)
        await until(lambda: both.delivered() == ["one", "two"])
        await until(lambda: manager.custody("CLOSED") == 2)
        assert not manager.view.peer(gateway.serial).set_back
        assert gateway.grep("Critical: an administrator accepted .* delivered again")


async def test_both_were_set_back_and_each_is_accepted_for_itself(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        manager, gateway = both.manager, both.gateway
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        for place in (gateway, manager):
            await place.stop()
        saved = [(place, place.save("old")) for place in (manager, gateway)]
        await both.start()
        await both.send("two")
        await both.handed_over(2)
        for place in (gateway, manager):
            await place.stop()
        for place, copy in saved:
            place.put_back(copy, keep_witness=True)
        await both.start()
        await both.send("three")
        await until(lambda: manager.view.peer(gateway.serial).set_back_here)
        assert gateway.view.peer(manager.serial).set_back_here
        await manager.accept_setback(gateway.serial)
        await until(lambda: manager.view.peer(gateway.serial).inc == 1)  # they have spoken: the gateway still holds
        assert gateway.view.peer(manager.serial).set_back_here
        assert manager.custody("HELD") == 1
        await gateway.accept_setback(manager.serial)
        await both.held(2)


async def test_every_gateway_waits_for_its_own_acceptance(tmp_path: Path) -> None:
    """The older store concerns all of them, also one that has not exchanged anything since."""
    async with pair(tmp_path) as both:
        other = await both.make_gateway()
        await _set_back_manager(both)
        manager = both.manager
        await both.send("five")
        await until(lambda: manager.view.peer(both.gateway.serial).set_back_here)
        assert manager.view.peer(other.serial).set_back_here
        await both.send("other", gateway=other)
        await manager.accept_setback(both.gateway.serial)
        await both.held(3)
        assert manager.view.peer(other.serial).set_back_here
        await manager.accept_setback(other.serial)
        await both.held(4)


async def test_restarts_and_kills_are_no_set_back(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        for number in range(3):
            await both.send(f"m{number}")
            await both.held(number + 1)
            place = (both.manager, both.gateway)[number % 2]
            await place.stop()
            await place.start()
        for place in (both.manager, both.gateway):
            assert not any(peer.set_back for peer in place.view.peers())
            assert not place.grep("Critical")


async def test_there_is_nothing_to_accept_between_two_that_know_each_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.manager.start()
        with pytest.raises(EnrolRefused, match="no set-back"):
            await both.manager.accept_setback(both.gateway.serial)
        with pytest.raises(EnrolRefused, match="no appliance"):
            await change_peer(both.manager.appliance.store, "X" * 20, action="accept-setback")
