"""A store in a temporary directory, and its like opened again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from pratique.store.spool import FileSpool
from pratique.store.sqlite import SqliteStore
from tests.conformance.samples import GATEWAY, MANAGER, SampleClock, Samples

Opener = Callable[..., Awaitable[SqliteStore]]


@pytest.fixture
def clock() -> SampleClock:
    return SampleClock()


@pytest.fixture
async def opener(tmp_path: Path, clock: SampleClock) -> AsyncIterator[Opener]:
    """Opens stores; those still open at the end are closed."""
    stores: list[SqliteStore] = []

    async def open_store(role: str = "manager", directory: Path | None = None) -> SqliteStore:
        place = directory or tmp_path / "store"
        spool = FileSpool(place / "spool", monotonic=clock.monotonic, reserve_bytes=0, segment_bytes=1 << 16)
        serial = MANAGER if role == "manager" else GATEWAY
        store = await SqliteStore.open(place, spool=spool, role=role, serial=serial, clock=clock)
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        await store.close()


@pytest.fixture
async def store(opener: Opener) -> SqliteStore:
    return await opener()


@pytest.fixture
def samples(store: SqliteStore) -> Samples:
    return Samples(store)
