"""What a link says in its hello, and what the reply makes durable."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.runner.link_hello import LinkHello
from pratique.store.moves import AcceptSetback, HelloFrom
from pratique.store.records import Peer
from pratique.transfer.messages import Hello, HelloReply, Keyword
from tests.conformance.samples import NONCE, NOW
from tests.runner.pair import Pair
from tests.runner.support import turns, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    await made.gateway.store.submit(HelloFrom(made.manager.serial, NONCE, 3, 70, "", NOW))
    yield made
    await made.close()


class Session:
    """What a hello asks of its session, in order. It can serve a recovery, or not."""

    def __init__(self, *, recovers: bool = False) -> None:
        self.asked: list[str] = []
        self._recovers = recovers

    def rest(self, seconds: float) -> None:
        self.asked.append("rest")

    def work(self) -> None:
        self.asked.append("work")

    def recover(self, peer: Peer, reply: HelloReply) -> bool:
        self.asked.append("recover")
        return self._recovers


def _hello(pair: Pair, session: Session | None = None) -> LinkHello:
    peer = pair.gateway.store.view.peer(pair.manager.serial)
    assert peer is not None
    return LinkHello(pair.link, peer, session or Session())


def _reply(pair: Pair, keyword: Keyword = Keyword.READY, **fields: Any) -> HelloReply:
    me = Hello(pair.manager.serial, "0c" * 16, inc=3, seq=70, peer_inc=1, peer_seq=0, at_ms=NOW)
    return HelloReply(keyword, replace(me, **fields))


def _flags(pair: Pair) -> tuple[bool, bool]:
    peer = pair.gateway.store.view.peer(pair.manager.serial)
    assert peer is not None
    return peer.set_back_here, peer.set_back_there


async def test_it_says_who_we_are_and_how_far_each_is_known(pair: Pair) -> None:
    said = _hello(pair).written()
    identity = pair.gateway.store.identity
    assert (said.serial, said.nonce, said.inc) == (identity.serial, identity.nonce, identity.inc)
    assert (said.peer_inc, said.peer_seq, said.at_ms) == (3, 70, pair.gateway.services.clock.now_ms())
    assert said.endpoint.endswith(":7025")


@pytest.mark.parametrize(
    ("keyword", "fields", "flags"),
    [
        (Keyword.READY, {"seq": 71}, (False, False)),
        (Keyword.READY, {"seq": 69}, (False, True)),
        (Keyword.READY, {"peer_seq": 10_000}, (True, False)),
        (Keyword.ROLLED, {}, (True, False)),
        (Keyword.RECON, {}, (False, True)),
    ],
)
async def test_a_set_back_is_remembered_and_alarmed_once(
    pair: Pair, keyword: Keyword, fields: dict[str, int], flags: tuple[bool, bool]
) -> None:
    hello = _hello(pair)
    for _ in range(2):
        hello.written()
        assert hello.set_back(_reply(pair, keyword, **fields)) is any(flags)
        await until(lambda: _flags(pair) == flags)
        await turns()
    assert len(pair.gateway.log.lines("set back to an older state")) == any(flags)
    if any(flags):
        assert "pratique doctor" in pair.link.health.last_error


@pytest.mark.parametrize(
    ("keyword", "capabilities", "recovers", "asked"),
    [
        (Keyword.READY, ("RECON",), True, []),
        (Keyword.RECON, ("RECON",), True, ["recover"]),
        (Keyword.RECON, ("RECON",), False, ["recover", "rest"]),
        (Keyword.RECON, (), True, ["rest"]),
    ],
)
async def test_a_session_serves_a_recovery_only_with_a_peer_that_takes_part(
    pair: Pair, keyword: Keyword, capabilities: tuple[str, ...], recovers: bool, asked: list[str]
) -> None:
    session = Session(recovers=recovers)
    hello = _hello(pair, session)
    hello.written()
    hello.set_back(_reply(pair, keyword, capabilities=capabilities))
    await turns()
    assert session.asked == asked


async def test_the_comparison_is_with_what_was_known_when_it_was_written(pair: Pair) -> None:
    """The peer's number rose on another session meanwhile: that is no set-back of the peer."""
    hello = _hello(pair)
    hello.written()
    await pair.gateway.store.submit(HelloFrom(pair.manager.serial, NONCE, 3, 90, "", NOW))
    assert not hello.set_back(_reply(pair, seq=80))
    await turns()
    assert _flags(pair) == (False, False)


async def test_a_set_back_that_waits_holds_every_session_until_it_is_accepted(pair: Pair) -> None:
    hello = _hello(pair)
    hello.written()
    assert hello.set_back(_reply(pair, Keyword.ROLLED))
    await until(lambda: _flags(pair) == (True, False))
    hello.written()
    assert hello.set_back(_reply(pair))
    await turns()
    await pair.gateway.store.submit(AcceptSetback(pair.manager.serial, ()))
    hello.written()
    assert not hello.set_back(_reply(pair))
