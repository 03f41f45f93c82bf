"""Sockets as mail wants them, on real loopback connections and in both loops."""

import asyncio
import socket
from typing import Any

import pytest
import uvloop

from pratique.net import listener
from pratique.net.listener import KEEPALIVE_SECONDS, Acceptor, bind, dial, keep_alive, listen
from pratique.net.pump import Pump
from tests.net.fakes import EchoMachine, Notes

LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}


class Meeting:
    """A server and one connection to it, both ends at hand."""

    def __init__(self) -> None:
        self.accepted: list[Pump] = []
        self.client = Notes()

    def _session(self) -> Pump:
        self.accepted.append(Pump(EchoMachine(), Notes()))
        return self.accepted[-1]

    async def ends(self, source: str = "") -> tuple[Pump, Pump]:
        self._server = await listen(self._session, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        pump = await dial(lambda: Pump(EchoMachine(), self.client), "127.0.0.1", self.port, source=source)
        while not self.accepted or self.accepted[0].transport is None:  # noqa: ASYNC110 - some turns of the loop
            await asyncio.sleep(0)
        return pump, self.accepted[0]

    async def end(self, *pumps: Pump) -> None:
        self._server.close()
        for pump in pumps:
            pump.abort()
        for _ in range(3):
            await asyncio.sleep(0)


def _socket(pump: Pump) -> Any:
    assert pump.transport is not None
    return pump.transport.get_extra_info("socket")


@pytest.mark.parametrize("loop", LOOPS)
def test_small_answers_leave_at_once_on_either_end(loop: str) -> None:
    """Without TCP_NODELAY a pipelining session is 70 times slower (a socket of protocol 0 never gets it)."""

    async def work() -> None:
        meeting = Meeting()
        ends = await meeting.ends()
        for end in ends:
            sock = _socket(end)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            keep_alive(end)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == KEEPALIVE_SECONDS * 1000
        assert meeting.client.heard[0] == "opened"
        assert ends[0].peer == ("127.0.0.1", meeting.port)
        await meeting.end(*ends)

    LOOPS[loop](work())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_dial_comes_from_the_address_it_was_told(loop: str) -> None:
    async def work() -> None:
        meeting = Meeting()
        ends = await meeting.ends(source="127.0.0.77")
        assert ends[0].local[0] == "127.0.0.77" == ends[1].peer[0]
        await meeting.end(*ends)

    LOOPS[loop](work())


async def test_a_refused_dial_is_an_error_of_the_system() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match=r"\[Errno 111\]"):
            await dial(lambda: Pump(EchoMachine(), Notes()), "127.0.0.1", closed.getsockname()[1])


async def test_a_dial_that_nobody_answers_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any, **__: Any) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(listener, "CONNECT_SECONDS", 0.01)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    with pytest.raises(TimeoutError):
        await dial(lambda: Pump(EchoMachine(), Notes()), "127.0.0.1", 9)
    assert issubclass(TimeoutError, OSError)  # callers catch one kind


async def test_an_address_in_use_is_refused() -> None:
    server = await listen(lambda: Pump(EchoMachine(), Notes()), "127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match=r"\[Errno 98\]"):
            await listen(lambda: Pump(EchoMachine(), Notes()), "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def test_keep_alive_of_a_connection_that_is_gone_does_nothing() -> None:
    pump = Pump(EchoMachine(), Notes())
    keep_alive(pump)
    assert pump.transport is None


# --- taking connections
def _callers(bound: socket.socket, count: int) -> list[socket.socket]:
    """So many clients that the kernel has let in, and nobody else."""
    return [socket.create_connection(bound.getsockname()) for _ in range(count)]


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("loop", LOOPS)
def test_all_that_wait_are_taken_in_one_turn(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop's own server takes one: a busy gateway left the others without a word."""

    async def work() -> None:
        bound = bind("127.0.0.1", 0, shared=False)
        callers = _callers(bound, 40)
        taken: list[int] = []
        rounds: list[int] = []
        monkeypatch.setattr(listener, "ACCEPTS_MAX", 30)

        def take(connection: socket.socket) -> None:
            assert not connection.getblocking()
            taken.append(connection.fileno())
            rounds.append(turn)
            connection.close()

        acceptor = Acceptor(bound, take)
        for turn in range(20):  # noqa: B007 - take() reads it
            await asyncio.sleep(0)
        assert len(taken) == 40
        assert rounds.count(rounds[0]) == 30, "the rest waits for the next turn"
        acceptor.close()
        for caller in callers:
            caller.close()

    LOOPS[loop](work())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_closed_acceptor_lets_its_address_go(loop: str) -> None:
    async def work() -> None:
        acceptor = Acceptor(bind("127.0.0.1", 0, shared=False), lambda connection: connection.close())
        place = acceptor.place
        with pytest.raises(OSError, match=rf"\[Errno 98\] 127\.0\.0\.1:{place[1]}: Address already in use"):
            bind(*place, shared=False)
        acceptor.close()
        acceptor._ready()  # it was due in the same turn
        acceptor.close()
        await _turns(3)
        bind(*place, shared=False).close()

    LOOPS[loop](work())


class Exhausted:
    """A listening socket of a process that has no descriptor left, for a while."""

    def __init__(self, bound: socket.socket) -> None:
        self.bound = bound
        self.failures = 1

    def fileno(self) -> int:
        return self.bound.fileno()

    def getsockname(self) -> Any:
        return self.bound.getsockname()

    def accept(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError(24, "Too many open files")
        return self.bound.accept()


async def test_without_descriptors_it_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.0)
    bound = bind("127.0.0.1", 0, shared=False)
    (caller,) = _callers(bound, 1)
    taken: list[socket.socket] = []
    acceptor = Acceptor(Exhausted(bound), taken.append)  # type: ignore[arg-type]
    while not taken:  # noqa: ASYNC110 - some turns of the loop
        await asyncio.sleep(0)
    acceptor._loop.remove_reader(bound)
    for end in (bound, caller, *taken):
        end.close()
