"""Our journal goes to the peer in order, each row once, and from where the peer says that it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pratique.runner import link_journal
from pratique.runner.link_journal import JournalPush
from pratique.store.moves import HelloFrom, Outcome, Settle
from pratique.transfer.messages import Keyword, Row, Verdict
from tests.conformance.samples import NONCE, NOW, delivery
from tests.runner.pair import Pair
from tests.runner.support import turns, until


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    made = await Pair(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def test_rows_of_our_journal_reach_the_peer_once(pair: Pair) -> None:
    """A returned copy was delivered: the manager learns FIN."""
    gateway = pair.gateway
    await gateway.store.submit(HelloFrom(pair.manager.serial, NONCE, 1, 0, "", NOW))
    copy = gateway.samples.copy("ACTIVE", hop=2, deliveries=(delivery(),))
    await gateway.store.submit(gateway.samples.receive(copy, peer=pair.manager.serial, seq=0))
    pair.run()
    await until(lambda: pair.taker.peers_met)
    await gateway.store.submit(Settle(copy.mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    pair.link.journal_changed()
    await until(lambda: pair.taker.rows)
    (row,) = pair.taker.rows
    assert (row.state, row.xid, dict(row.pairs)["R"]) == ("FIN", f"{copy.cid}.2", "delivered")
    await until(lambda: gateway.store.view.peer(pair.manager.serial).journal_out == row.seq)  # type: ignore[union-attr]
    pair.link.journal_changed()
    await turns()
    assert len(pair.taker.rows) == 1


# --- the answers --------------------------------------------------------------------------------------------------
@dataclass
class Wire:
    """What a push writes and says."""

    sent: list[tuple[int, list[int]]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    def send(self, after: int, rows: tuple[Row, ...], last: int) -> None:
        assert last == rows[-1].seq
        self.sent.append((after, [row.seq for row in rows]))


async def _delivered(pair: Pair, count: int) -> list[int]:
    """So many rows FIN; their numbers."""
    gateway, serial = pair.gateway, pair.manager.serial
    await gateway.store.submit(HelloFrom(serial, NONCE, 1, 0, "", NOW))
    for _ in range(count):
        copy = gateway.samples.copy("ACTIVE", hop=2, deliveries=(delivery(),))
        await gateway.store.submit(gateway.samples.receive(copy, peer=serial, seq=0))
        await gateway.store.submit(Settle(copy.mid, (Outcome(0, "DELIVERED", "250 ok"),), ()))
    return [row.seq for row in gateway.store.view.journal(serial, 0, 100)]


def _push(pair: Pair) -> tuple[JournalPush, Wire]:
    wire, peer = Wire(), pair.gateway.store.view.peer(pair.manager.serial)
    assert peer is not None
    made: list[Any] = []
    push = JournalPush(pair.link, peer, send=wire.send, pushed=lambda: made[0].push(), alarm=wire.alarms.append)
    made.append(push)
    return push, wire


def _says(keyword: Keyword, *words: str) -> Verdict:
    return Verdict(250, "2.0.0", keyword, words)


async def test_the_next_rows_follow_when_it_is_durable_how_far_the_peer_is(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_journal, "JOURNAL_ROWS", 2)
    first, second, third = await _delivered(pair, 3)
    push, wire = _push(pair)
    push.push()
    push.push()  # one is on its way
    assert wire.sent == [(0, [first, second])]
    push.answered(_says(Keyword.JACK, str(second)))
    await until(lambda: len(wire.sent) == 2)
    assert wire.sent[1] == (second, [third])
    push.answered(_says(Keyword.JACK, str(third)))
    await turns()
    assert len(wire.sent) == 2


async def test_a_gap_begins_where_the_peer_is_and_a_peer_that_will_not_is_named(pair: Pair) -> None:
    first, second = await _delivered(pair, 2)
    push, wire = _push(pair)
    push.push()
    push.answered(_says(Keyword.JACK, str(second)))
    await until(lambda: pair.gateway.store.view.peer(pair.manager.serial).journal_out == second)  # type: ignore[union-attr]
    (third,) = [seq for seq in await _delivered(pair, 1) if seq > second]
    push.push()
    assert wire.sent[-1] == (second, [third])
    push.answered(_says(Keyword.GAP, "0"))  # it has lost what it had
    await until(lambda: wire.sent[-1][0] == 0)
    assert wire.sent[-1] == (0, [first, second, third])
    assert pair.gateway.log.lines("lacks our journal above 0: sent again from there")
    push.answered(_says(Keyword.GAP, "0"))
    await turns()
    assert len(wire.alarms) == 1
    assert "does not take it from there" in wire.alarms[0]
    count = len(wire.sent)
    push.push()
    assert len(wire.sent) == count  # nothing more on this session


async def test_a_refusal_is_tried_again_when_something_changes(pair: Pair) -> None:
    await _delivered(pair, 1)
    push, wire = _push(pair)
    push.push()
    push.answered(Verdict(451, "4.3.0", Keyword.STORE))
    await turns()
    assert len(wire.sent) == 1
    push.push()
    assert len(wire.sent) == 2
