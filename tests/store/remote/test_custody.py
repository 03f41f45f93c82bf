"""An edge's store and custody's end of it over real sockets: accepted is durable, refused leaves nothing, lies are cut
off."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.store.interface import Identity
from pratique.store.moves import Accept, MoveRefused, StoreFailed
from pratique.store.records import Extent, NewCopy
from pratique.store.remote import lease, wire
from pratique.store.remote.client import Custody, EdgeStore
from pratique.store.remote.lease import Leases
from pratique.store.remote.server import Duties, EdgePort
from tests.conformance.conftest import SqliteHarness
from tests.conformance.samples import GATEWAY, NOW, SampleClock, cid_of, entry


class World:
    """Custody with a real store, and an edge, in one loop: a lease is asked in a thread, as the edge waits for it."""

    def __init__(self, directory: Path) -> None:
        self.harness = SqliteHarness(directory)
        self.accepted: list[NewCopy] = []
        self.lost: list[str] = []
        self.told: list[Any] = []
        self.counted: list[dict[str, int]] = []
        self.troubled: list[Any] = []
        self.listening = asyncio.Event()
        self.gone = asyncio.Event()

    async def start(self) -> "World":
        loop = asyncio.get_running_loop()
        self.store: Any = await self.harness.open("gateway", GATEWAY)
        duties = Duties(
            complete=self.complete,
            accepted=self._accepted,
            connections=lambda count: 100,
            counted=self.counted.append,
            troubled=self.troubled.append,
            listening=self.listening.set,
            lost=self.lost.append,
        )
        (mine, theirs), (lessor, lessee) = socket.socketpair(), lease.pair()
        for sock in (mine, theirs):
            sock.setblocking(False)
        self.port = EdgePort(self.store, duties, lessor)
        await loop.create_unix_connection(lambda: self.port, sock=mine)
        self.custody = Custody(told=self.told.append, gone=self.gone.set)
        await loop.create_unix_connection(lambda: self.custody, sock=theirs)
        self.lessee = lessee
        leases = Leases(lessee)
        self.edge = await asyncio.to_thread(self._edge, leases, loop)
        return self

    def _edge(self, leases: Leases, loop: asyncio.AbstractEventLoop) -> EdgeStore:
        identity = Identity(GATEWAY, "gateway", 0, "")
        asyncio.set_event_loop(loop)
        clock = SampleClock()
        return EdgeStore(self.custody, leases, identity=identity, monotonic=clock.monotonic, reserve_bytes=0, loop=loop)

    def complete(self, frame: wire.CopyFrame) -> NewCopy:
        if frame.subject == "no manager":
            raise ValueError("no manager is enrolled any more")
        return frame.copy(frame.envelope(), (GATEWAY, "gw.example.net"), ways=(), transfer=None)

    def _accepted(self, copies: Sequence[NewCopy]) -> None:
        self.accepted += copies

    def copy(self, octets: bytes = b"Subject: x\r\n\r\n", **fields: Any) -> NewCopy:
        writer = self.edge.spool.writer()
        writer.write(octets)
        stored = writer.finish()
        base = NewCopy(
            mid=fields.get("mid", 900),
            cid=cid_of(fields.get("mid", 900)),
            hop=0,
            custody="RECEIVED",
            icid=1,
            at=NOW,
            envelope=wire.CopyFrame.envelope(FRAME),
            extent=stored.extent,
            sha256=stored.sha256,
        )
        return replace(base, **fields)

    async def close(self) -> None:
        self.custody.close()
        await asyncio.wait_for(self.gone.wait(), 5)
        self.lessee.close()
        await self.store.close()


FRAME = wire.CopyFrame(
    1, cid_of(1), "RECEIVED", 1, NOW, "a@b.example", [("c@d.example", "", "")], (False, False, "", ""), (1, 0, 1),
    "ab" * 32, "", "", "", "", "", b"", b"",
)  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await World(tmp_path).start()
    yield made
    await made.close()


async def accept(world: World, *copies: NewCopy) -> Any:
    return await world.edge.submit(Accept(tuple(copies), (entry("accept", copies[0].mid, copies[0].cid),)))


async def test_what_is_accepted_is_there_after_a_restart(world: World) -> None:
    copy = world.copy(b"Subject: kept\r\n\r\nbody\r\n")
    await accept(world, copy)
    assert [c.mid for c in world.accepted] == [copy.mid]
    stored = world.store.view.copy(copy.mid)
    assert stored.origin_serial == GATEWAY and stored.custody == "RECEIVED"
    again = await world.harness.reopen(world.store)
    kept = again.view.copy(copy.mid)
    assert b"".join(again.spool.open(kept.extent, kept.sha256).pieces()) == b"Subject: kept\r\n\r\nbody\r\n"
    world.store = again


async def test_bodies_of_the_edge_and_of_custody_do_not_meet(world: World) -> None:
    ours = world.store.spool.writer()
    ours.write(b"custody's own")
    own = ours.finish()
    copy = world.copy(b"the edge's")
    assert own.extent.segment != copy.extent.segment
    await accept(world, copy)
    assert world.store.spool.read(copy.extent, 0, 100) == b"the edge's"


async def test_a_refused_move_is_refused_at_the_edge(world: World) -> None:
    await accept(world, world.copy())
    with pytest.raises(MoveRefused):
        await accept(world, world.copy())  # the same MID


async def test_what_custody_cannot_complete_is_refused_with_the_reason(world: World) -> None:
    with pytest.raises(MoveRefused, match="no manager is enrolled any more"):
        await accept(world, world.copy(subject="no manager"))
    assert world.accepted == []


@pytest.mark.parametrize("custody", ["HELD", "DONE", "X"])
async def test_an_edge_cannot_make_what_only_custody_makes(world: World, custody: str) -> None:
    with pytest.raises(MoveRefused, match="cannot be accepted from an edge"):
        await accept(world, world.copy(custody=custody))


async def test_an_edge_cannot_name_a_body_that_is_not_its_own(world: World) -> None:
    ours = world.store.spool.writer()
    ours.write(b"custody's own")
    with pytest.raises(MoveRefused, match="cannot be accepted from an edge"):
        await accept(world, world.copy(extent=ours.finish().extent))


async def test_a_body_reaches_not_beyond_its_segment(world: World) -> None:
    copy = world.copy()
    with pytest.raises(MoveRefused, match="beyond segment"):
        await accept(world, replace(copy, extent=Extent(copy.extent.segment, 1 << 15, 1 << 40)))


async def test_a_store_that_failed_refuses_as_it_would_at_home(world: World) -> None:
    world.store.failed = StoreFailed("the store's disk is full", full=True)
    with pytest.raises(StoreFailed, match="disk is full") as failed:
        await accept(world, world.copy())
    assert failed.value.full
    world.store.failed = None


async def test_mids_come_from_custody(world: World) -> None:
    drawn = await asyncio.to_thread(lambda: [world.edge.next_mid() for _ in range(lease.MIDS_BLOCK + 1)])
    assert len(set(drawn)) == len(drawn) and world.store.next_mid() not in drawn


async def test_what_an_edge_s_log_says_reaches_whoever_raises_alerts(world: World) -> None:
    world.custody.troubled("no-manager", "MID 4 must be held", over=False)
    await turns()
    (said,) = world.troubled
    assert (said.condition, said.text, said.over) == ("no-manager", "MID 4 must be held", False)


async def test_both_ends_are_told(world: World) -> None:
    world.port.know("MANAGER")
    world.port.stop()
    world.custody.listening()
    world.custody.counted({"received": 2})
    await asyncio.wait_for(world.listening.wait(), 5)
    assert world.counted == [{"received": 2}] or await turns()
    assert world.told == [wire.Known("MANAGER"), wire.Stop()]
    assert world.counted == [{"received": 2}]


async def turns() -> bool:
    for _ in range(20):
        await asyncio.sleep(0)
    return True


async def test_an_edge_that_says_what_cannot_be_read_is_cut_off(world: World) -> None:
    assert world.custody._transport is not None
    world.custody._transport.write(b"\0\0\0\1\xc1")
    await asyncio.wait_for(world.gone.wait(), 5)
    assert "cannot be read" in world.lost[0]


async def test_an_edge_that_speaks_when_custody_is_gone_does_no_harm(world: World) -> None:
    world.port.cut("it died")
    await asyncio.wait_for(world.gone.wait(), 5)
    world.custody.counted({"received": 1})
    world.custody.close()
    await turns()
    assert world.custody._transport is None


async def test_when_the_edge_ends_its_segments_are_custodys_again(world: World) -> None:
    copy = world.copy()
    await accept(world, copy)
    world.custody.close()
    await asyncio.wait_for(world.gone.wait(), 5)
    await turns()
    assert world.lost == ["it ended"]
    with pytest.raises(StoreFailed, match="not lent"):
        world.store.spool.take_in(Extent(copy.extent.segment, 100, 1))
    assert world.store.spool.read(copy.extent, 0, 7) == b"Subject"
