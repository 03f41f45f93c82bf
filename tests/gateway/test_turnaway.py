"""Connections that find all sessions taken: 421, the end, and a line in the log for many of them."""

import socket

import pytest

from pratique.gateway import turnaway as module
from pratique.gateway.turnaway import Turnaway
from tests.runner.support import Node


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def turnaway(node: Node) -> Turnaway:
    return Turnaway(node.services, "InboundMail", connections_max=7)


class Loop:
    """Timers that end when a test says so."""

    waits: list[float]
    due: list[object]

    def call_later(self, seconds: float, call: object) -> str:
        self.waits.append(seconds)
        self.due.append(call)
        return "timer"


@pytest.fixture(autouse=True)
def loop(monkeypatch: pytest.MonkeyPatch) -> type[Loop]:
    Loop.waits, Loop.due = [], []
    monkeypatch.setattr(module.asyncio, "get_running_loop", Loop)
    return Loop


def _refused(turnaway: Turnaway) -> bytes:
    ours, client = socket.socketpair()
    turnaway.refuse(ours)
    heard = client.recv(1000)
    assert client.recv(1) == b""
    client.close()
    return heard


def test_a_connection_hears_why_and_ends(turnaway: Turnaway) -> None:
    assert _refused(turnaway) == b"421 4.3.2 too busy, try again later\r\n"


def test_the_first_is_said_at_once_and_the_others_together(node: Node, turnaway: Turnaway, loop: type[Loop]) -> None:
    for _ in range(4):
        _refused(turnaway)
    assert [line.split(" were")[0] for line in node.log.lines()] == ["listener InboundMail: 1 connections"]
    loop.due.pop()()
    assert node.log.lines()[1].startswith("listener InboundMail: 3 connections were answered 421, all 7 sessions")
    loop.due.pop()()  # a quiet while: nothing is said, nothing is armed
    assert len(node.log.lines()) == 2 and not loop.due
    assert loop.waits == [module.SAY_SECONDS] * 2
    _refused(turnaway)
    assert len(node.log.lines()) == 3


def test_a_connection_that_has_gone_already_harms_nobody(node: Node, turnaway: Turnaway) -> None:
    ours, client = socket.socketpair()
    client.close()
    turnaway.refuse(ours)
    assert ours.fileno() == -1 and node.log.lines("1 connections")
