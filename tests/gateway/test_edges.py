"""Edges as custody keeps them: started with what they need, replaced with a growing wait, their copies completed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pratique.gateway import edges as module
from pratique.gateway.apply import Planner
from pratique.gateway.edges import Edge, Edges, Handed
from pratique.gateway.settings import Listener
from pratique.store.records import NewCopy
from pratique.store.remote.fence import Fence
from pratique.store.remote.wire import CopyFrame, Troubled, frame_of
from tests.conformance.conftest import SqliteHarness
from tests.conformance.samples import GATEWAY, MANAGER, Samples
from tests.runner.support import Node

LISTENER = Listener(address="127.0.0.1", port=0)
LISTENS = (
    "import json, socket, sys; h = json.loads(sys.argv[1]); s = socket.socket(fileno=h['stream']);"
    "f = bytes([0x91, 0xa9]) + b'listening'; s.sendall(len(f).to_bytes(4, 'big') + f);"
)


class Outlets:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def transfer(self, copy: NewCopy) -> None:
        self.seen.append("transfer")

    def deliver(self, copy: NewCopy) -> None:
        self.seen.append("deliver")

    def unjudged(self, copy: NewCopy) -> None:
        self.seen.append("unjudged")

    def troubled(self, said: Any) -> None:
        self.seen.append((said.key, str(said.sort), said.text))


class Desk:
    def __init__(self, directory: Path) -> None:
        self.node = Node("gateway")
        self.harness = SqliteHarness(directory)
        self.fence = Fence(directory / "spool", wait_seconds=0)
        self.outlets = Outlets()
        self.counted: dict[str, int] = {}
        self.commands: list[Handed] = []
        self.started: asyncio.Queue[Handed] = asyncio.Queue()

    async def open(self) -> "Desk":
        self.store: Any = await self.harness.open("gateway", GATEWAY)
        return self

    def edges(self, program: str, count: int = 1) -> Edges:
        def command(handed: Handed) -> Sequence[str]:
            self.commands.append(handed)
            self.started.put_nowait(handed)
            return [sys.executable, "-c", program, handed.text()]

        self.planner = Planner(self.node.services)
        self.made = Edges(
            self.node.services,
            self.store,
            count=count,
            command=command,
            count_up=self._count,
            fence=self.fence.fd,
            texts=lambda: ("", ""),
        )
        return self.made

    def _count(self, name: str, amount: int) -> None:
        self.counted[name] = self.counted.get(name, 0) + amount

    async def start(self, program: str, count: int = 1) -> Edges:
        edges = self.edges(program, count)
        await edges.start([LISTENER], self.planner, self.outlets)
        return edges

    async def close(self) -> None:
        await self.node.tasks.close()
        for edge in self.made._edges:
            if edge.process is not None:
                await edge.process.wait()
        await self.store.close()
        self.fence.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = await Desk(tmp_path).open()
    yield made
    await made.close()


async def test_every_edge_gets_sockets_of_its_own(desk: Desk) -> None:
    edges = await desk.start(LISTENS + "s.recv(1000); s.recv(1000)", count=2)
    one, other = desk.commands
    assert (one.number, other.number, one.edges) == (0, 1, 2)
    assert one.listeners != other.listeners and one.tallies == other.tallies
    assert Handed.of(one.text()) == one
    await edges.stop()


async def test_an_edge_that_ends_is_replaced_and_named(desk: Desk) -> None:
    edges = await desk.start(LISTENS + "sys.exit(3)")
    async with asyncio.timeout(20):
        assert [(await desk.started.get()).number for _ in range(2)] == [0, 0]
    await edges.stop()
    assert desk.node.log.lines("edge process 0 ended (status 3) and is started again in 1 s")


async def test_an_edge_that_does_not_come_up_is_a_failed_start(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 0.2)
    with pytest.raises(OSError, match="does not come up"):
        await desk.start("import sys; sys.stdin.read(); import time; time.sleep(60)")
    monkeypatch.setattr(module, "STOP_SECONDS", 0.0)
    await desk.made.stop()


async def test_an_edge_that_ignores_the_stop_is_killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    edges = await desk.start(LISTENS + "import time; time.sleep(60)")
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    await edges.stop()
    process = edges._edges[0].process
    assert process is not None and process.returncode == -9


def _frame(desk: Desk, **fields: Any) -> CopyFrame:
    return msgspec.structs.replace(frame_of(Samples(desk.store).copy("RECEIVED")), **fields)


async def test_custody_completes_what_an_edge_accepts(desk: Desk) -> None:
    edges = desk.edges("")
    edges._planner, edges._outlets = desk.planner, desk.outlets
    active = edges._complete(_frame(desk, custody="ACTIVE"))
    assert [d.address for d in active.deliveries] == [r.address for r in active.envelope.recipients]
    assert active.origin_serial == desk.node.serial
    with pytest.raises(ValueError, match="no manager is enrolled any more"):
        edges._complete(_frame(desk, custody="Q", metadata=b"{}"))
    desk.planner.manager = MANAGER
    held = edges._complete(_frame(desk, custody="Q", metadata=b"{}"))
    assert held.transfer is not None and (held.transfer.peer, held.transfer.hop) == (MANAGER, 1)
    assert held.transfer.seal and held.transfer.seq > 0
    edges._accepted([active, held, edges._complete(_frame(desk, custody="RECEIVED"))])
    assert desk.outlets.seen == ["deliver", "transfer", "unjudged"]


async def test_counters_are_added(desk: Desk) -> None:
    edges = desk.edges("")
    edges._counted({"received": 2, "aborted": 1})
    edges._counted({"received": 3})
    assert desk.counted == {"received": 5, "aborted": 1}


async def test_of_an_edge_s_trouble_only_the_condition_is_believed(desk: Desk) -> None:
    edges = desk.edges("")
    edges._outlets = desk.outlets
    edge = Edge(1, [])
    edges._troubled(edge, Troubled("no-manager", "MID 4 must be held\r\nBcc: x", False))
    edges._troubled(edge, Troubled("anything", "x", False))
    edges._troubled(edge, Troubled("", "x", False))
    told = "edge process 1: MID 4 must be held\\r\\nBcc: x"
    assert desk.outlets.seen == [("no-manager:edge process 1", "Custody/Critical", told)]
