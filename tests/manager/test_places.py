"""Where released mail goes: the newest word of the gateway wins, and a broken channel costs nothing but one line."""

import asyncio
from dataclasses import replace

import pytest

from pratique.fleet.place import Place
from pratique.fleet.ssh_faults import Kind, SshFault
from pratique.manager.places import ASK_AGAIN_MS, ASK_LEAST_MS, ASK_MS, ASKING_MAX, KEEP_MS, Places
from pratique.store.moves import PutPeer
from pratique.store.records import Peer
from tests.conformance.samples import GATEWAY, peer
from tests.runner.support import Node

ANNOUNCED, ANSWERED = ("192.0.2.5", 7025), ("192.0.2.9", 7026)
PLACE = Place("gateway", GATEWAY, "gw.example", "Data 1", *ANSWERED, True, "")


class Gateway:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.answer: Place | Exception = PLACE
        self.asked = 0

    async def __call__(self, asked: Peer) -> Place:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Desk:
    def __init__(self) -> None:
        self.node, self.gateway = Node("manager"), Gateway()
        self.places = Places(self.node.services, self.gateway)

    async def enrolled(self, **fields: object) -> "Desk":
        known = peer(endpoint="192.0.2.5:7025", ssh_host="192.0.2.1", ssh_port=22, ssh_host_key="ssh-ed25519 A")
        await self.node.store.submit(PutPeer(replace(known, **fields), ()))  # type: ignore[arg-type]
        return self

    def peer(self) -> Peer:
        found = self.node.store.view.peer(GATEWAY)
        assert found is not None
        return found

    def where(self) -> tuple[str, int]:
        return self.places.endpoint(self.peer())

    def later(self, ms: int) -> None:
        self.node.clock.now += ms

    async def look(self) -> None:
        """One look around of the loop, and the answers."""
        task = asyncio.get_running_loop().create_task(self.places.run())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()

    def lines(self) -> list[str]:
        return self.node.log.lines("command client")


@pytest.fixture
async def desk() -> Desk:
    return await Desk().enrolled()


async def test_before_any_answer_and_without_one_releases_go_where_the_gateway_announced(desk: Desk) -> None:
    assert desk.where() == ANNOUNCED
    desk.gateway.answer = SshFault(Kind.UNREACHABLE, "no connection")
    await desk.look()
    assert desk.where() == ANNOUNCED


async def test_what_it_answers_is_where_releases_go(desk: Desk) -> None:
    await desk.look()
    assert desk.where() == ANSWERED
    found = desk.places.asked(GATEWAY)
    assert found is not None and found.used and found.place == PLACE and found.kind == ""


async def test_an_answer_is_renewed_when_it_is_old_and_not_before(desk: Desk) -> None:
    await desk.look()
    await desk.look()
    assert desk.gateway.asked == 1
    desk.later(ASK_MS)
    await desk.look()
    assert desk.gateway.asked == 2


async def test_an_answer_that_cannot_be_renewed_ends_in_time(desk: Desk) -> None:
    await desk.look()
    desk.gateway.answer = SshFault(Kind.TIMEOUT, "silence")
    desk.later(ASK_MS)
    await desk.look()
    assert desk.where() == ANSWERED
    desk.later(KEEP_MS - ASK_MS)
    assert desk.where() == ANNOUNCED


async def test_where_nobody_could_be_reached_is_not_dialled_again_before_it_was_asked(desk: Desk) -> None:
    await desk.look()
    desk.places.reached(GATEWAY, False)
    assert desk.where() == ANNOUNCED
    await desk.look()
    assert (desk.gateway.asked, desk.where()) == (2, ANSWERED)


async def test_while_nobody_reaches_it_it_is_asked_at_the_pace_of_the_link(desk: Desk) -> None:
    """A gateway that restarts at another port answers neither way for a moment."""
    desk.gateway.answer = SshFault(Kind.UNREACHABLE, "no connection")
    await desk.look()
    desk.places.reached(GATEWAY, False)
    await desk.look()
    assert desk.gateway.asked == 1, "not at once again"
    desk.later(ASK_LEAST_MS)
    desk.gateway.answer = PLACE
    desk.places.reached(GATEWAY, False)
    await desk.look()
    assert (desk.gateway.asked, desk.where()) == (2, ANSWERED)
    desk.places.reached(GATEWAY, True)
    assert desk.where() == ANSWERED


async def test_a_place_that_was_announced_since_holds_until_it_is_asked_anew(desk: Desk) -> None:
    await desk.look()
    known = desk.peer()
    desk.node.store.rows.peers[GATEWAY] = replace(known, endpoint="192.0.2.6:7025")
    assert desk.where() == ("192.0.2.6", 7025)
    await desk.look()
    assert (desk.gateway.asked, desk.where()) == (2, ANSWERED)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_any_of_its_addresses_is_the_one_where_it_was_asked(desk: Desk, host: str) -> None:
    desk.gateway.answer = replace(PLACE, host=host)
    await desk.look()
    assert desk.where() == ("192.0.2.1", 7026)


async def test_a_broken_channel_is_named_once_with_its_cure_and_once_when_it_is_well(desk: Desk) -> None:
    desk.gateway.answer = SshFault(Kind.HOST_KEY, "another key")
    for _ in range(3):
        await desk.look()
        desk.later(ASK_AGAIN_MS)
    assert desk.gateway.asked == 3
    (line,) = desk.lines()
    assert "host-key-changed: another key. If its keys were made anew, pair again" in line
    assert "Releases go where it announced last" in line
    desk.gateway.answer = SshFault(Kind.REFUSED, "no")
    await desk.look()
    assert len(desk.lines()) == 2 and "sign-in-refused" in desk.lines()[1]
    desk.later(ASK_AGAIN_MS)
    desk.gateway.answer = PLACE
    await desk.look()
    assert desk.lines()[2].endswith("answers again")


async def test_one_that_fails_is_asked_again_after_a_while(desk: Desk) -> None:
    desk.gateway.answer = ValueError("the answer is no JSON")
    await desk.look()
    await desk.look()
    assert desk.gateway.asked == 1
    desk.later(ASK_AGAIN_MS)
    await desk.look()
    assert desk.gateway.asked == 2


@pytest.mark.parametrize("fields", [{"ssh_host_key": ""}, {"withdrawn": True}, {"locked": "two machines"}])
async def test_who_cannot_be_asked_is_not(fields: dict[str, object]) -> None:
    desk = await Desk().enrolled(**fields)
    await desk.look()
    assert (desk.gateway.asked, desk.places.asked(GATEWAY), await desk.places.ask(GATEWAY)) == (0, None, None)
    assert desk.where() == ANNOUNCED


async def test_after_a_change_of_enrolments_everybody_is_asked_anew(desk: Desk) -> None:
    await desk.look()
    desk.places.peers_changed()
    await desk.look()
    assert desk.gateway.asked == 2
    await desk.enrolled(withdrawn=True)
    desk.places.peers_changed()
    await desk.enrolled(withdrawn=False)
    assert desk.where() == ANNOUNCED, "what an enrolment that ended had said counts no more"


async def test_many_gateways_are_asked_in_turn(desk: Desk) -> None:
    serials = [f"564DAAAA00000000G{n:03}" for n in range(3 * ASKING_MAX)]
    for serial in serials:
        known = peer(serial, ssh_host="192.0.2.1", ssh_port=22, ssh_host_key="ssh-ed25519 A", fingerprint=serial)
        await desk.node.store.submit(PutPeer(known, ()))
    under_way, most = 0, 0

    async def answer(asked: Peer) -> Place:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return replace(PLACE, serial=asked.serial)

    desk.places._ask = answer
    for _ in range(4):
        await desk.look()
    assert most == ASKING_MAX
    assert all((found := desk.places.asked(serial)) and found.used for serial in serials)


async def test_somebody_who_waits_hears_what_was_answered_now(desk: Desk) -> None:
    desk.gateway.answer = SshFault(Kind.UNREACHABLE, "no connection")
    found = await desk.places.ask(GATEWAY)
    assert found is not None and (found.kind, found.why) == ("unreachable", "no connection")
