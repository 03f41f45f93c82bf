"""One state after a power failure, opened by the real store and spool, and judged by what had been said before it."""

import asyncio
import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.net.clock import SystemClock
from pratique.runner.jobs import IN_DOUBT
from pratique.store.moves import Accept, StoreFailed
from pratique.store.records import AuditEntry, NewCopy, NewDelivery
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore, broken_audit
from proof.durable.disk import State
from proof.durable.recording import rows_digest

EXIT = {"release": ("REL", "RELD", "CLOSED"), "delete": ("DEL",)}


@dataclass(slots=True)
class Heard:
    """What the outside had been told up to an instant, and where the store's commits stood."""

    role: str
    first: str  # digest of the rows before the first commit; "" = there was no store
    commits: list[str] = field(default_factory=list)  # begun
    kept: int = 0  # how many of them had ended well
    words: list[tuple[str, ...]] = field(default_factory=list)

    def hear(self, text: str) -> None:
        word, *rest = text.split(" ")
        if word == "commit":
            self.commits.append(rest[0])
        elif word == "committed":
            self.kept = len(self.commits)
        else:
            self.words.append((word, *rest))

    def allowed(self) -> list[str]:
        """Digests of the rows that may be found: the last commit that had ended, or one begun since."""
        return [self.commits[self.kept - 1] if self.kept else self.first, *self.commits[self.kept :]]


def write(state: State, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for folder in ("store", "spool"):
        (directory / folder).mkdir(parents=True)
    for path, octets in state.items():
        (directory / path).write_bytes(octets)


async def check(directory: Path, serial: str, heard: Heard, *, thorough: bool) -> list[str]:
    """What is wrong; nothing, when every promise is kept."""
    clock = SystemClock()
    try:
        spool = FileSpool(directory / "spool", monotonic=clock.monotonic, reserve_bytes=1)
        store = await SqliteStore.open(directory / "store", spool=spool, role=heard.role, serial=serial, clock=clock)
    except (StoreFailed, sqlite3.Error, OSError, TypeError) as error:
        return [f"it does not open: {type(error).__name__}: {error}"]
    try:
        wrong = _rows(directory, heard) + bodies_wrong(store)
        if store.possibly_old:
            wrong.append("the store takes itself for one that was put back from an older copy")
        if thorough:
            wrong += await goes_on(store)
    finally:
        await store.close()
    return wrong


def _rows(directory: Path, heard: Heard) -> list[str]:
    with closing(sqlite3.connect(directory / "store" / "store.db")) as db:
        digest = rows_digest(db)
        wrong = []
        allowed = heard.allowed()
        unmade = not heard.first and not heard.kept  # a store in the making, which nobody was told of
        if digest not in allowed and not unmade:
            if digest == heard.first or digest in heard.commits:
                wrong.append(f"older than what was committed: commit {_index(heard, digest)} of {heard.kept}")
            else:
                wrong.append("the rows are those of no commit")
        for word in heard.words:
            wrong += _KEPT_WORD[word[0]](db, heard.role, word[1:])
    return wrong


def _index(heard: Heard, digest: str) -> int:
    return heard.commits.index(digest) + 1 if digest in heard.commits else 0


def _said(db: sqlite3.Connection, role: str, word: tuple[str, ...]) -> list[str]:
    token, answer = word[0], word[1] if len(word) > 1 else ""
    if role == "gateway" and answer == "250":
        # By recipient: while a message is not judged, its subject is not known.
        found = db.execute("SELECT count(*) FROM copy WHERE recipients LIKE ? || '@%'", (token,)).fetchone()[0]
        return [] if found else [f"LOST: {token} was answered 250"]
    return []


def _arrived(db: sqlite3.Connection, role: str, word: tuple[str, ...]) -> list[str]:
    """Whoever delivers it again must know that he may double it."""
    if role != "gateway":
        return []
    rows = db.execute("SELECT state, reply FROM delivery WHERE address = ?", word[:1]).fetchall()
    known = any(state in ("DOT", "DELIVERED") or reply.startswith(IN_DOUBT) for state, reply in rows)
    return [] if known else [f"DOUBLED without a name: {word[0]} has it, and the store says {rows}"]


def _taken(db: sqlite3.Connection, role: str, word: tuple[str, ...]) -> list[str]:
    """The peer has the hop: ours is in doubt or done, and no other route may begin."""
    cid, hop = bytes.fromhex(word[0]), int(word[1])
    row = db.execute("SELECT state FROM transfer WHERE cid = ? AND hop = ?", (cid, hop)).fetchone()
    good = row is not None and row[0] in ("X", "DONE")
    return [] if good else [f"DOUBLED: the peer has taken {word[0]}.{hop}, which is {row and row[0]} here"]


def _decided(db: sqlite3.Connection, role: str, word: tuple[str, ...], command: str) -> list[str]:
    if role != "manager":
        return []
    wrong = []
    for mid in word:
        (custody,) = db.execute("SELECT custody FROM copy WHERE mid = ?", (int(mid),)).fetchone() or ("gone",)
        if custody not in EXIT[command]:
            wrong.append(f"UNDONE: {command} of MID {mid} was confirmed, and it is {custody}")
    return wrong


_KEPT_WORD: dict[str, Any] = {
    "said": _said,
    "arrived": _arrived,
    "taken": _taken,
    "release": lambda db, role, word: _decided(db, role, word, "release"),
    "delete": lambda db, role, word: _decided(db, role, word, "delete"),
}


def bodies_wrong(store: SqliteStore) -> list[str]:
    wrong = []
    for mid, extent, sha256 in store.view.live_bodies():
        try:
            if not store.spool.verify(extent, sha256):
                wrong.append(f"LOST: the body of MID {mid} has other octets")
        except OSError as error:
            wrong.append(f"LOST: the body of MID {mid}: {error}")
    return wrong


async def goes_on(store: SqliteStore) -> list[str]:
    """It takes one more message, and that harms none that is there."""
    writer = store.spool.writer()
    octets = b"Subject: afterwards\r\n\r\n" + b"x" * 3000
    writer.write(octets)
    stored = writer.finish()
    mid, clock = store.next_mid(), SystemClock()
    envelope = Envelope("a@partner.example", (Recipient("b@demo.example"),))
    copy = NewCopy(
        mid, make_cid(clock.now_ms(), clock.random(10)), 0, "ACTIVE", 1, clock.now_ms(), envelope, stored.extent,
        hashlib.sha256(octets).hexdigest(), subject="afterwards",
        deliveries=(NewDelivery(0, "b@demo.example", "demo.example", 0),),
    )  # fmt: skip
    try:
        await store.submit(Accept((copy,), (AuditEntry("system", "accept", mid, copy.cid, "{}"),)))
    except Exception as error:  # noqa: BLE001  whatever it is, it is told as a finding
        return [f"it takes no further message: {error!r}"]
    wrong = bodies_wrong(store)
    broken = broken_audit(store.view)
    if broken is not None:
        wrong.append(f"the audit chain is broken at {broken}")
    return wrong


def run_check(runner: asyncio.Runner, directory: Path, serial: str, heard: Heard, *, thorough: bool) -> list[str]:
    return runner.run(check(directory, serial, heard, thorough=thorough))
