"""Real stores of both roles with copies in every state, closed, and the means to damage them."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from pratique.store.fsck.findings import Report
from pratique.store.fsck.run import Checked
from pratique.store.moves import (
    Accept,
    Acknowledged,
    JournalIn,
    LetGo,
    Outcome,
    Settle,
    TransfersAnswered,
)
from pratique.store.spool import FileSpool
from pratique.store.sqlite import SqliteStore
from tests.conformance.samples import GATEWAY, MANAGER, SampleClock, Samples, delivery, entry


def silent(what: str, done: int, total: int) -> None:
    return


class Place:
    """A store on disk. `mids` names its copies by what they are."""

    def __init__(self, directory: Path, role: str) -> None:
        self.directory = directory
        self.role = role
        self.mids: dict[str, int] = {}

    async def open(self) -> SqliteStore:
        clock = SampleClock()
        spool = FileSpool(
            self.directory / "spool",
            monotonic=clock.monotonic,
            reserve_bytes=0,
            segment_bytes=1 << 16,
            memory_bytes=9_000,
        )
        serial = MANAGER if self.role == "manager" else GATEWAY
        return await SqliteStore.open(self.directory, spool=spool, role=self.role, serial=serial, clock=clock)

    def check(self, *, read_bodies: bool = True) -> Report:
        with closing(self.checked()) as checked:
            return checked.examine(progress=silent, read_bodies=read_bodies)

    def checked(self) -> Checked:
        return Checked(str(self.directory), str(self.directory / "spool"), role=self.role)

    def found(self, *, read_bodies: bool = True) -> list[tuple[str, int, str]]:
        return [(f.kind.value, f.mid, f.what) for f in self.check(read_bodies=read_bodies).found]

    def sql(self, statement: str, *values: object) -> None:
        """What no move would do."""
        with closing(sqlite3.connect(self.directory / "store.db", isolation_level=None)) as db:
            db.execute(statement, values)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.directory / "store.db")) as db:
            return db.execute(statement, values).fetchall()

    def place_of(self, name: str) -> tuple[Path, int, int]:
        """The file of a body, where it begins there, and its length."""
        ((segment, offset, length),) = self.rows(
            "SELECT segment, offset, length FROM copy WHERE mid = ?", self.mids[name]
        )
        return self.directory / "spool" / f"{segment:08d}.seg", int(str(offset)), int(str(length))

    def flip(self, name: str) -> None:
        """One octet of a body is another."""
        path, offset, _ = self.place_of(name)
        with path.open("r+b") as file:
            file.seek(offset + 3)
            octet = file.read(1)
            file.seek(offset + 3)
            file.write(bytes([octet[0] ^ 1]))


async def _gateway(store: SqliteStore, samples: Samples) -> dict[str, int]:
    await samples.enrolled(MANAGER, "manager")
    mids = {}
    for name, custody in {"active": "ACTIVE", "queued": "Q", "in doubt": "X", "done": "X", "local": "X"}.items():
        mids[name] = (await samples.accepted(custody)).mid
    large = samples.body(b"From: a@b.example\r\n\r\n" + b"x" * 20_000 + b"\r\n")
    mids["large"] = (await samples.accepted("ACTIVE", body=large)).mid
    body = samples.body()
    first = samples.copy("ACTIVE", body=body)
    second = samples.copy("X", body=body, parent=first.cid)
    await store.submit(Accept((first, second), (entry("accept", first.mid, first.cid),)))
    mids |= {"split": first.mid, "split too": second.mid}
    for name, event in (("done", "ACC"), ("local", "CANC")):
        copy = store.view.copy(mids[name])
        assert copy is not None
        await store.submit(TransfersAnswered((Acknowledged(copy.cid, 1, event, 1, 5, MANAGER),), "gateway"))
    for name, goes in (("settled", False), ("gone", True)):
        copy = await samples.accepted("ACTIVE", deliveries=(delivery(0), delivery(1)))
        outcomes = tuple(Outcome(rid, "DELIVERED", "250 ok") for rid in (0, 1))
        await store.submit(Settle(copy.mid, outcomes, (entry("deliver", copy.mid, copy.cid),)))
        if goes:
            store.spool.drop(await store.submit(LetGo((copy.mid,))))
        mids[name] = copy.mid
    return mids


async def _manager(store: SqliteStore, samples: Samples) -> dict[str, int]:
    await samples.enrolled(GATEWAY)
    await samples.opened("Policy")
    await samples.opened("Virus")
    mids = {}
    for name in ("held", "held too", "deleted", "releasing", "released", "closed"):
        copy = samples.copy("HELD", origin_serial=GATEWAY)
        await store.submit(samples.receive(copy))
        mids[name] = copy.mid
        if name == "deleted":
            await store.submit(samples.exit_hold(copy.mid, "DELETED"))
        elif not name.startswith("held"):
            await store.submit(samples.exit_hold(copy.mid, "RELEASED"))
        if name in ("released", "closed"):
            await store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
        if name == "closed":
            row = (6, "FIN", copy.cid, 2, "-", 0, '{"R": "delivered"}')
            await store.submit(JournalIn(GATEWAY, 0, 6, (row,)))
    return mids


Made = Callable[[str], Awaitable[Place]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    async def make(role: str) -> Place:
        place = Place(tmp_path / role, role)
        store = await place.open()
        fill = _gateway if role == "gateway" else _manager
        place.mids = await fill(store, Samples(store))
        await store.close()
        return place

    return make


@pytest.fixture
async def gateway(made: Made) -> Place:
    return await made("gateway")


@pytest.fixture
async def manager(made: Made) -> Place:
    return await made("manager")
