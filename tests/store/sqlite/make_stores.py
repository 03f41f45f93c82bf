"""Makes `stores/<schema>-<role>.sql`: a manager's and a gateway's store of the present schema, as text, with rows in
every table that the role uses. Run it before a schema gets its next step: `python -m tests.store.sqlite.make_stores`.

The stores called `1-first` were made in this way by the first program that wrote schema 1.
"""

import asyncio
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from pratique.store.moves import Accept, Acknowledged, HelloFrom, PutSetting, PutUser, TransfersAnswered
from pratique.store.records import User
from pratique.store.spool import FileSpool
from pratique.store.sqlite import SqliteStore
from pratique.store.sqlite.migrations import VERSION
from tests.conformance.samples import (
    GATEWAY,
    MANAGER,
    NOW,
    OTHER_GATEWAY,
    SampleClock,
    Samples,
    cid_of,
    entry,
    hold,
)

STORES = Path(__file__).parent / "stores"
SEGMENT_BYTES = 1 << 16
NONCE = "ab" * 16


async def fill_manager(samples: Samples) -> None:
    """Held in two quarantines, held and come late, on its way back, deleted; an enrolment with its memory."""
    store = samples.store
    await samples.enrolled(GATEWAY)
    await samples.enrolled(OTHER_GATEWAY)
    await store.submit(HelloFrom(GATEWAY, NONCE, 1, 7, "192.0.2.1:7025", NOW))
    await samples.opened("Policy")
    await samples.opened("Virus", kind="virus")
    held = samples.copy("HELD", holds=(hold(), hold("Virus", kind="virus")))
    await store.submit(samples.receive(held, nonce=NONCE))
    late = samples.copy("HELD", subject="Angebot f\u00fcr \u00c4rzte")
    released = await samples.accepted("HELD", holds=(hold(),))
    await store.submit(samples.exit_hold(released.mid, "RELEASED"))
    await store.submit(samples.receive(late, nonce=NONCE, seq=11))
    deleted = await samples.accepted("HELD", holds=(hold(),))
    await store.submit(samples.exit_hold(deleted.mid, "DELETED"))
    await store.submit(samples.cancel(cid_of(77), 1, nonce=NONCE))


async def fill_gateway(samples: Samples) -> None:
    """Due for delivery, split in two that share a body, not offered, in doubt, handed over, its own again."""
    store = samples.store
    await samples.enrolled(MANAGER, "manager")
    await samples.accepted("ACTIVE")
    body = samples.body()
    one, other = samples.copy("ACTIVE", body=body), samples.copy("Q", body=body)
    await store.submit(Accept((one, other), (entry("accept", one.mid, one.cid),)))
    await samples.accepted("X")
    for answer, number in (("ACC", 5), ("CANC", 6)):
        copy = await samples.accepted("X")
        await store.submit(TransfersAnswered((Acknowledged(copy.cid, 1, answer, 1, number),), "gateway"))


async def dump(role: str, directory: Path) -> str:
    clock = SampleClock()
    spool = FileSpool(directory / "spool", monotonic=clock.monotonic, reserve_bytes=0, segment_bytes=SEGMENT_BYTES)
    serial = MANAGER if role == "manager" else GATEWAY
    store = await SqliteStore.open(directory, spool=spool, role=role, serial=serial, clock=clock)
    await store.submit(PutUser(User("admin", "administrator", "$argon2id$x", created_at=NOW), ()))
    await store.submit(PutSetting("connection_numbers", "100001", ()))
    await (fill_manager if role == "manager" else fill_gateway)(Samples(store))
    await store.close()
    with closing(sqlite3.connect(directory / "store.db")) as db:
        return "\n".join(db.iterdump()) + "\n"


def main() -> int:
    for role in ("manager", "gateway"):
        with tempfile.TemporaryDirectory() as directory:
            (STORES / f"{VERSION}-{role}.sql").write_text(asyncio.run(dump(role, Path(directory))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
