"""One suite over every backend: `harness` opens a store, and opens it again as the next process would."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pratique.store.audit import broken_at
from pratique.store.interface import Store
from pratique.store.memory import MemoryStore
from pratique.store.moves import MoveRefused
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore
from tests.conformance.samples import GATEWAY, MANAGER, SampleClock, Samples
from tests.conformance.snapshot import snapshot

SEGMENT_BYTES = 1 << 16  # small, so that tests turn segments and stay fast


class MemoryHarness:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = SampleClock(salt="memory")

    async def open(self, role: str, serial: str) -> Store:
        return MemoryStore(role=role, serial=serial, clock=self.clock)

    async def reopen(self, store: Any) -> Store:
        await store.close()
        again: Store = store.crash()
        return again


class SqliteHarness:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = SampleClock(salt="sqlite")
        self.directory = tmp_path / "store"

    async def open(self, role: str, serial: str) -> Store:
        self.clock.salt += "'"  # each start draws other randomness
        spool = FileSpool(
            self.directory / "spool", monotonic=self.clock.monotonic, reserve_bytes=0, segment_bytes=SEGMENT_BYTES
        )
        return await SqliteStore.open(self.directory, spool=spool, role=role, serial=serial, clock=self.clock)

    async def reopen(self, store: Any) -> Store:
        await store.close()
        return await self.open(store.identity.role, store.identity.serial)


BACKENDS: dict[str, Any] = {"memory": MemoryHarness, "sqlite": SqliteHarness}


class Bench:
    """A store under test with its clock and its samples."""

    def __init__(self, harness: Any) -> None:
        self.harness = harness
        self.clock: SampleClock = harness.clock

    async def start(self, role: str) -> "Bench":
        self.store: Any = await self.harness.open(role, MANAGER if role == "manager" else GATEWAY)
        self.samples = Samples(self.store)
        return self

    @property
    def view(self) -> Any:
        return self.store.view

    async def do(self, move: Any) -> Any:
        return await self.store.submit(move)

    def all(self) -> Any:
        return snapshot(self.store, self.samples)

    async def refused(self, move: Any) -> str:
        """The move is refused and leaves no trace; why."""
        before = self.all()
        with pytest.raises(MoveRefused) as refused:
            await self.do(move)
        assert self.all() == before
        return refused.value.why

    def actions(self, after: int = 0) -> list[str]:
        return [row.action for row in self.view.audit(after, 1000)]

    def check_chain(self) -> None:
        rows = self.view.audit(0, 10_000)
        assert broken_at(rows) is None
        if rows:
            assert self.store.audit_head() == rows[-1].hash

    async def restart(self) -> None:
        """Another process opens the store: it reads what was acknowledged."""
        before = self.all(), self.store.committed_seq(), self.store.audit_head()
        self.store = self.samples.store = await self.harness.reopen(self.store)
        assert (self.all(), self.store.committed_seq(), self.store.audit_head()) == before


@pytest.fixture(params=list(BACKENDS))
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
async def gateway(harness: Any) -> AsyncIterator[Bench]:
    bench = await Bench(harness).start("gateway")
    yield bench
    bench.check_chain()
    await bench.store.close()


@pytest.fixture
async def manager(harness: Any) -> AsyncIterator[Bench]:
    bench = await Bench(harness).start("manager")
    yield bench
    bench.check_chain()
    await bench.store.close()
