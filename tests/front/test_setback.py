"""A store is replaced by an older copy of itself: it is found, nothing is exchanged, an administrator accepts it, mail
flows again. Two real appliances in one process.
"""

from pathlib import Path

import pytest

from pratique.fleet.peers import EnrolRefused, change_peer
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


async def test_a_manager_that_was_set_back_recovers_what_its_gateways_know(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await _set_back_manager(both)
        manager, gateway = both.manager, both.gateway
        await both.send("five")
        await until(lambda: manager.grep("Critical: XQRECON: this appliance was set back"))
        await until(lambda: manager.grep("this manager has recovered"))
        await both.held(5)
        assert gateway.grep("acknowledged messages that it does not know any more")
        assert not any(peer.set_back for place in (manager, gateway) for peer in place.view.peers())
        assert (manager.appliance.store.identity.inc, gateway.view.peer(manager.serial).inc) == (2, 2)
        for subject in ("one", "three", "five"):
            assert (await both.decide(subject)).done
        await until(lambda: both.delivered() == ["five", "one", "three"], "what is held is delivered")
        await until(lambda: manager.custody("CLOSED") == 3, "its end is told")


async def test_what_was_released_and_deleted_since_stays_so(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        manager, gateway = both.manager, both.gateway
        await both.send("one", "two", "three")
        await both.handed_over(3)
        await manager.stop()
        saved = manager.save("old")
        await manager.start()
        assert (await both.decide("one")).done
        assert (await both.decide("two", Mark.DELETED)).done
        await both.send("four")
        await both.held(2)
        assert (await both.decide("four")).done
        await until(lambda: both.delivered() == ["four", "one"])
        await until(lambda: manager.custody("CLOSED") == 2)
        await until(lambda: manager.view.peer(gateway.serial).journal_out > 0)
        await manager.stop()
        manager.put_back(saved, keep_witness=True)
        await manager.start()
        await until(lambda: manager.grep("this manager has recovered"))
        await both.held(1)
        assert (manager.custody("CLOSED"), manager.custody("DEL"), manager.custody("DOUBT")) == (1, 1, 0)
        assert (await both.decide("three")).done
        await until(lambda: both.delivered() == ["four", "one", "three"])


async def test_a_gateway_that_was_set_back_adopts_what_the_manager_knows(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.start()
        manager, gateway = both.manager, both.gateway
        await both.send("one")
        await both.handed_over(1)
        await gateway.stop()
        saved = gateway.save("old")
        await gateway.start()
        await both.send("two", "three")
        await both.handed_over(3)
        assert (await both.decide("two")).done
        await until(lambda: both.delivered() == ["two"])
        await until(lambda: manager.custody("CLOSED") == 1)
        await gateway.stop()
        gateway.put_back(saved)
        await gateway.start()
        await until(lambda: gateway.grep("adopted what manager.test knows"))
        await until(lambda: not manager.view.peer(gateway.serial).set_back)
        assert manager.grep("Critical: XQROLLED: gateway2.test was set back")
        await both.send("four")
        await both.held(3)
        for subject in ("one", "three", "four"):
            assert (await both.decide(subject)).done
        await until(lambda: both.delivered() == ["four", "one", "three", "two"])
        await until(lambda: manager.custody("CLOSED") == 4)
        assert manager.custody("DOUBT") == gateway.custody("DOUBT") == 0


async def test_both_were_set_back_and_what_nobody_can_know_waits_for_a_person(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        manager, gateway = both.manager, both.gateway
        await both.start()
        await both.send("one")
        await both.handed_over(1)
        for place in (gateway, manager):
            await place.stop()
        saved = [(place, place.save("old")) for place in (manager, gateway)]
        await both.start()
        assert (await both.decide("one")).done
        await until(lambda: both.delivered() == ["one"])
        for place in (gateway, manager):
            await place.stop()
        for place, copy in saved:
            place.put_back(copy, keep_witness=True)
        await both.start()
        await until(lambda: gateway.grep("adopted what manager.test knows"))
        await until(lambda: manager.custody("DOUBT") == 1)
        assert manager.grep("Critical: nobody can know whether these were delivered")
        assert manager.custody("HELD") == 0
        await both.send("two")
        await both.held(1)
        assert both.delivered() == ["one"]


async def test_a_manager_waits_for_every_gateway_and_one_that_is_gone_can_be_excluded(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        other = await both.make_gateway()
        await _set_back_manager(both)
        manager = both.manager
        await other.stop()
        await both.send("five")
        await until(lambda: manager.view.peer(both.gateway.serial).testified)
        assert manager.view.peer(other.serial).set_back_here
        await manager.stop()
        await change_peer_locally(manager.directory, other.serial, "withdraw")
        await manager.start()
        await until(lambda: manager.grep("this manager has recovered"))
        assert manager.custody("DOUBT") == 2, "the one that is gone may have had them"
        await both.held(3)


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
