"""A life of a gateway and a manager, recorded: every durable call with its octets, every commit, every answer.

The log of each appliance is one order of all three, because all of them append to it: the shim its calls, the process
its commits (begun, with the digest of all rows they lead to; ended), the driver and the destination what the outside
has heard. A word of the outside is written down after it was heard, and a commit before it begins; so what stands in
the log before an instant had happened by then.
"""

import hashlib
import os
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.store.moves import Receive
from pratique.store.sqlite.writer import Writer
from proof.durable import shim
from proof.durable.disk import State
from proof.durable.scenarios import SCENARIOS
from proof.durable.shim import Entry, Fault, Op
from proof.durable.world import Stuck, World

KEPT = ("store", "spool")  # of an appliance's directory: what holds mail
UNKEPT = ("store/store.lock", "spool/edges.lock")  # locked, never read


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    role: str
    serial: str
    before: State  # durable at the beginning
    entries: list[Entry]


def rows_digest(db: sqlite3.Connection) -> str:
    """Of everything that the store says, in a transaction or after one."""
    digest = hashlib.sha256()
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        digest.update(table.encode())
        for row in sorted(map(repr, db.execute(f"SELECT * FROM {table}"))):
            digest.update(row.encode())
    return digest.hexdigest()[:32]


def mark(log: Path, text: str) -> None:
    """One more entry of a log, from another process than the one that the shim watches."""
    octets = text.encode()
    entry = struct.pack("<IBBBxIiIQI", 0x51544152, Op.MARK, 0, 0, len(octets), 0, 0, 0, 0) + octets
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        assert os.write(descriptor, entry) == len(entry)
    finally:
        os.close(descriptor)


def instrument(own: Path, other: Path) -> Callable[[], None]:
    """In the process: each commit is written down before and after; a group that was taken, in the sender's log."""

    def change() -> None:
        make_durable = Writer._make_durable

        def noted(self: Writer, items: Any) -> None:
            mark(own, f"commit {rows_digest(self._db)}")
            make_durable(self, items)
            mark(own, "committed")
            for item in items:
                if isinstance(item.move, Receive):
                    mark(other, f"taken {item.move.copy.cid} {item.move.hop}")

        Writer._make_durable = noted  # type: ignore[method-assign]

    return change


def both(first: Callable[[], None] | None, second: Callable[[], None]) -> Callable[[], None]:
    def change() -> None:
        if first is not None:
            first()
        second()

    return change


def read_state(directory: Path) -> State:
    state = {}
    for folder in KEPT:
        for path in sorted((directory / folder).glob("*")):
            name = f"{folder}/{path.name}"
            if path.is_file() and name not in UNKEPT:
                state[name] = path.read_bytes()
    return state


def record(
    world: World,
    names: tuple[str, ...],
    *,
    saved: str = "new",
    mutate: Callable[[], None] | None = None,
    failed_sync: bool = False,
) -> list[Recording]:
    """The scenarios of that name, one after the other in one life, then a clean end. `failed_sync`:
    once, of a body at the gateway, and what it should have kept is lost."""
    world.reset(saved)
    if saved == "bare":
        world.running = [world.gateway]
    world.serial += 1000
    logs = {place.role: place.log for place in world.places}
    before = {place.role: read_state(place.directory) for place in world.running}
    for place in world.running:
        other = logs["gateway" if place.role == "manager" else "manager"]
        note = instrument(place.log, other)
        place.plan.data = place.plan.from_start = True
        place.plan.change = both(mutate, note)
        if failed_sync and place.role == "gateway":
            place.plan.at, place.plan.fault, place.plan.part = 60, Fault.LOST, "/spool/"

    def heard(text: str) -> None:
        for log in logs.values():
            mark(log, text)

    world.marks = heard
    flag = world.base / "recording"
    flag.touch()
    try:
        world.start()
        for name in names:
            SCENARIOS[name].run(world)
        wrong = world.stop()
        assert not wrong, wrong
    except Stuck:
        if mutate is None:
            raise
        world.kill()  # a broken product may well not come to rest; what it said until then is judged
    finally:
        flag.unlink()
        world.marks = lambda text: None
    return [_read(world, place, "+".join(names) + f" from {saved}", before[place.role]) for place in world.running]


def _read(world: World, place: Any, name: str, before: State) -> Recording:
    serial = place.rows("SELECT serial FROM meta")[0][0]
    entries = [e for e in shim.read_log(place.log, place.directory) if _counts(e)]
    return Recording(name, place.role, serial, before, entries)


def _counts(entry: Entry) -> bool:
    """Logs, sockets and memory shared between connections hold no mail."""
    if entry.op is Op.MARK:
        return True
    if entry.path in UNKEPT or entry.path.endswith("-shm"):
        return False
    return entry.path.split("/", 1)[0] in KEPT
