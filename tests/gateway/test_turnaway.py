"""Connections that find all sessions taken: 421, the end, and a line in the log for many of them."""

import asyncio

import pytest

from pratique.gateway import turnaway as module
from pratique.gateway.turnaway import Turnaway
from tests.gateway.office import Client_
from tests.runner.support import Node, join, turns, until


async def _guest(turnaway: Turnaway) -> Client_:
    client = Client_()
    join(client, turnaway.guest(), source="", address="192.0.2.1", port=25)
    return client


async def test_a_guest_hears_why_and_the_connection_ends() -> None:
    client = await _guest(Turnaway(Node().services, "InboundMail", connections_max=7))
    assert await client.reply() == "421 4.3.2 too busy, try again later"
    await until(lambda: client.is_closed)


async def test_the_first_is_said_at_once_and_the_others_together(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    turnaway = Turnaway(node.services, "InboundMail", connections_max=7)
    waits: list[float] = []
    due = []

    class Loop:
        def call_later(self, seconds: float, call: object) -> str:
            waits.append(seconds)
            due.append(call)
            return "timer"

    monkeypatch.setattr(module.asyncio, "get_running_loop", Loop)
    for _ in range(4):
        turnaway.came()
    assert [line.split(" were")[0] for line in node.log.lines()] == ["listener InboundMail: 1 connections"]
    due.pop()()
    assert node.log.lines()[1].startswith("listener InboundMail: 3 connections were answered 421, all 7 sessions")
    due.pop()()  # a quiet while: nothing is said, nothing is armed
    assert len(node.log.lines()) == 2 and not due
    assert waits == [module.SAY_SECONDS] * 2
    turnaway.came()
    assert len(node.log.lines()) == 3


async def test_a_guest_that_has_gone_already_harms_nobody() -> None:
    node = Node()
    guest = Turnaway(node.services, "InboundMail", connections_max=7).guest()
    ends = join(Client_(), guest, source="", address="192.0.2.1", port=25)
    ends[0].lose()
    await turns()
    assert isinstance(guest, asyncio.Protocol) and node.log.lines("1 connections")
