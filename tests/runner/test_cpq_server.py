"""The port as a whole: connections that may wait, sessions that must end, what every hello is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.runner.cpq_session import STRANGERS_PER_ADDRESS
from pratique.transfer import events as cpq
from tests.conformance.samples import GATEWAY
from tests.runner.pair import Pair, Probe
from tests.runner.support import join, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


def _connect(pair: Pair, source: str = "192.0.2.1", nonce: str = "") -> Probe:
    probe = Probe(pair.known["gateway"], pair.known["manager"], nonce=nonce)
    ends = join(probe.pump, pair.service.new_session(), source=source, address="192.0.2.7", port=7025)
    pair.network.connections.append(ends)
    return probe


async def _ready(pair: Pair, source: str = "192.0.2.1", nonce: str = "") -> Probe:
    probe = _connect(pair, source, nonce)
    await probe.secure()
    await probe.hello()
    return probe


class Idle:
    """A stranger that says nothing."""

    def __init__(self) -> None:
        self.received = b""

    def connection_made(self, transport: object) -> None:
        return

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        return


async def test_an_address_may_have_so_many_connections_before_hello_and_others_are_not_hurt(pair: Pair) -> None:
    idle = [Idle() for _ in range(STRANGERS_PER_ADDRESS + 2)]
    for one in idle:
        ends = join(one, pair.service.new_session(), source="203.0.113.5", address="192.0.2.7", port=7025)
        pair.network.connections.append(ends)
    await until(lambda: all(one.received for one in idle))
    greetings = [one.received.decode() for one in idle]
    assert greetings[:STRANGERS_PER_ADDRESS] == ["220 manager.example.net ESMTP\r\n"] * STRANGERS_PER_ADDRESS
    assert greetings[STRANGERS_PER_ADDRESS:] == ["421 4.3.2 manager.example.net busy\r\n"] * 2
    assert not (await _ready(pair)).is_closed
    for here, _ in pair.network.connections[: len(idle)]:
        here.lose()
    await until(lambda: "203.0.113.5" not in pair.service.strangers)


async def test_whoever_said_hello_is_no_stranger_any_more(pair: Pair) -> None:
    for _ in range(STRANGERS_PER_ADDRESS + 5):
        assert not (await _ready(pair)).is_closed
    assert pair.service.strangers == {}


async def test_a_dropped_peer_loses_its_sessions_at_once(pair: Pair) -> None:
    probe = await _ready(pair)
    pair.service.drop_peer("SOMEBODYELSE00000001")
    assert len(pair.service.sessions) == 1
    pair.service.drop_peer(GATEWAY)
    await until(lambda: probe.is_closed)
    assert probe.of(cpq.ClientEnded)[0].keyword == "XQCLOSING"


async def test_closing_the_port_ends_everything(pair: Pair) -> None:
    probes = [await _ready(pair), _connect(pair)]
    pair.service.close()
    await until(lambda: all(probe.is_closed for probe in probes))
    assert pair.service.sessions == set()


async def test_every_hello_is_told_how_much_room_there_is(pair: Pair) -> None:
    peer = pair.manager.store.view.peer(GATEWAY)
    assert peer is not None
    spool = pair.manager.store.spool
    from pratique.transfer.messages import Keyword

    levels = {}
    for capacity in (0, 1000, 10 * 104_857_600):
        spool.capacity = capacity
        reply = pair.service.hello_reply(Keyword.READY, peer, why="")
        levels[capacity] = (reply.level, reply.free_bytes)
    assert levels == {0: ("FULL", 0), 1000: ("LOW", 1000), 1_048_576_000: ("OK", 1_048_576_000)}
