"""The store of an appliance that does not run, opened under its lock for one act."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pratique.front.options import Options
from pratique.net.clock import SystemClock
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore


@asynccontextmanager
async def opened(directory: Path, options: Options) -> AsyncIterator[SqliteStore]:
    """Raises StoreFailed when the appliance runs (it holds the lock) or the store cannot be opened."""
    clock = SystemClock()
    spool = FileSpool(directory / options.store.spool, monotonic=clock.monotonic)
    store = await SqliteStore.open(
        directory / options.store.directory,
        spool=spool,
        role=options.appliance.role,
        serial=options.appliance.serial,
        clock=clock,
    )
    try:
        yield store
    finally:
        await store.close()
        spool.close()
