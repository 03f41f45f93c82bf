"""What a start found, said in the log; bodies proved: those known to be corrupt, and after an end that was not clean
the newest; and the newest audit rows.

The store is whole by itself when it opens: SQLite has replayed its log, and what no row names is free. This module
changes nothing but the list of corrupt copies (store/corrupt.py). The lines come before the listeners; the proof reads
the disk in a thread beside them, so mail does not wait for it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pratique.runner.services import Services
from pratique.store.corrupt import cleared, corrupt_copies, found
from pratique.store.fsck.database import newest_audit
from pratique.store.fsck.findings import CURES, Kind
from pratique.store.interface import View
from pratique.store.moves import StoreFailed
from pratique.store.records import Extent, Peer
from pratique.store.sqlite.store import SqliteStore
from pratique.telemetry import events as log

VERIFY_BYTES_MAX = 268_435_456  # what a disk may have acknowledged and not kept is among the newest; a second's reading
VERIFY_BODIES_MAX = 100_000
CHUNK_BYTES = 16_777_216  # read in one go of the thread: a shutdown waits no longer
NAMED_MAX = 50  # MIDs in one line
AUDIT_ROWS_MAX = 10_000  # newest audit rows walked beside the listeners; `pratique doctor` walks more, `fsck` all
OVERDUE_MAX = 10_000  # passed exits that are counted; more are "or more"

Body = tuple[int, Extent, str]


def report(services: Services, store: SqliteStore) -> None:
    """One line for each thing that was found; nothing for what is as it should be."""
    emit, view = services.telemetry.emit, store.view
    for line in (
        *_end(store),
        *(line for peer in view.peers() if not peer.withdrawn for line in _peer(peer, store)),
        *_mail(view, services.clock.now_ms(), store.identity.role),
        *_persons(view),
    ):
        emit(line)


def _end(store: SqliteStore) -> Iterator[log.Event]:
    if store.possibly_old:
        yield log.Alarm(
            message="the store is older than its witness: it was put back from a copy. Nothing is exchanged with any "
            "peer, and nothing that came back from a manager is delivered, until an administrator accepts that: "
            "`pratique enroll DIR --accept-setback SERIAL` for each peer",
            condition=log.Condition.SET_BACK,
        )
    if store.clean:
        first = not store.view.setting("connection_numbers")
        yield log.Note(message="started for the first time" if first else "started after a clean end")
        return
    yield log.Trouble(
        message="started after an end that was not clean (a crash, a kill, a power failure): some MIDs are skipped, "
        "the newest bodies are checked now",
        condition=log.Condition.UNCLEAN,
    )
    files, octets = store.spool.given_back
    if files:
        yield log.Note(
            message=f"{files} files of the spool held no message of the store and were given back: {octets} B"
        )


def _peer(peer: Peer, store: SqliteStore) -> Iterator[log.Event]:
    if peer.locked:
        yield log.Alarm(
            message=f"{peer.name} ({peer.serial}) is locked: {peer.locked}",
            condition=log.Condition.LOCKED,
            subject=peer.serial,
        )
    if peer.set_back and not store.possibly_old:
        who = "this appliance" if peer.set_back_here else peer.name
        yield log.Alarm(
            message=f"nothing is exchanged with {peer.name}: {who} was set back to an older state; "
            f"`pratique enroll DIR --accept-setback` on {who}, with the other's serial, accepts that",
            condition=log.Condition.SET_BACK,
            subject=peer.serial,
        )


def _mail(view: View, now: int, role: str) -> Iterator[log.Event]:
    counts = view.counts()
    if unjudged := counts.get("copy.RECEIVED", 0):
        yield log.Note(message=f"{unjudged} messages were accepted before the start and are not judged yet")
    for peer in view.peers():
        if waiting := counts.get(f"transfer.{peer.serial}", 0):
            yield log.Note(
                message=f"{waiting} transfers to {peer.name} are open, in doubt or not yet offered; they are offered "
                "again unchanged, so none is taken twice"
            )
    if role == "manager" and (held := counts.get("copy.HELD", 0)):
        overdue = len(view.expired_holds(now, OVERDUE_MAX))
        more = " or more" if overdue == OVERDUE_MAX else ""
        yield log.Note(message=f"{held} messages are held; {overdue}{more} scheduled exits have passed")


def _persons(view: View) -> Iterator[log.Event]:
    """What no timer moves on."""
    waiting = view.unsettled_transfers(NAMED_MAX + 1)
    if waiting:
        yield log.Trouble(
            message=f"transfers that wait for a person: {_mids([transfer.mid for transfer in waiting])}; "
            "`pratique list` and `pratique show` tell why"
        )
    if known := corrupt_copies(view):
        yield log.Alarm(
            message=f"known to be CORRUPT, kept and never delivered: {_mids(sorted(known))}; `pratique doctor`",
            condition=log.Condition.CORRUPT,
        )


def _mids(mids: Sequence[int]) -> str:
    return "MID " + ", ".join(map(str, mids[:NAMED_MAX])) + (" and more" if len(mids) > NAMED_MAX else "")


# --- bodies ------------------------------------------------------------------------------------------------------
async def prove(services: Services, store: SqliteStore) -> None:
    """What is worth a proof at a start: bodies that are known to be corrupt, for somebody may have put the spool's
    files back; and, after an end that was not clean, the newest."""
    if corrupt_copies(store.view):
        await prove_again(services, store)
    if not store.clean:
        await verify_newest(services, store)


async def prove_again(services: Services, store: SqliteStore) -> tuple[int, ...]:
    """MIDs of known corrupt copies whose bodies are good: they leave the list, on record."""
    copies = [copy for mid in corrupt_copies(store.view) if (copy := store.view.copy(mid)) is not None]
    bodies = [(copy.mid, copy.extent, copy.sha256) for copy in copies if copy.extent is not None]
    good: tuple[int, ...] = ()
    for chunk in _chunks(bodies):
        wrong = await asyncio.to_thread(_prove, store.spool.verify, chunk)
        good += tuple(mid for mid, _, _ in chunk if mid not in wrong)
    if good:
        emit = services.telemetry.emit
        try:
            await store.submit(cleared(store.view, good, "system"))
        except StoreFailed as error:
            emit(
                log.Fault(
                    condition=log.Condition.STORE,
                    error=f"store: {error}; the list of corrupt copies is proved again at the next start",
                )
            )
        else:
            emit(log.Note(message=f"proved good again, no longer CORRUPT: {_mids(good)}"))
    return good


async def verify_newest(services: Services, store: SqliteStore) -> dict[int, str]:
    """Prove the bodies of the last life, the newest first, VERIFY_BYTES_MAX of them at the most. MID -> why of those
    that are CORRUPT: each is in the log, in the audit and in the list that the doctor reads."""
    since = store.mid_before
    bodies: Sequence[Body] = await store.read(lambda view: view.newest_bodies(since, VERIFY_BODIES_MAX))
    wrong: dict[int, str] = {}
    octets = count = 0
    for chunk in _chunks(bodies):
        wrong |= await asyncio.to_thread(_prove, store.spool.verify, chunk)
        octets += sum(extent.length for _, extent, _ in chunk)
        count += len(chunk)
    # A body that was let go while it was read is not missed by anybody.
    extents = {mid: extent for mid, extent, _ in bodies}
    wrong = {m: why for m, why in wrong.items() if (c := store.view.copy(m)) is not None and c.extent == extents[m]}
    emit = services.telemetry.emit
    if not wrong:
        emit(log.Note(message=f"the newest {count} bodies ({octets} B) are what was accepted"))
        return wrong
    for mid, why in wrong.items():
        emit(
            log.Alarm(
                message=f"MID {mid} is CORRUPT: {why}; it is kept and never delivered. Look after the disk, restore "
                "the spool",
                condition=log.Condition.CORRUPT,
            )
        )
    try:
        await store.submit(found(store.view, wrong))
    except StoreFailed as error:
        emit(
            log.Fault(
                condition=log.Condition.STORE,
                error=f"store: {error}; the list of corrupt copies is made anew after the next crash",
            )
        )
    return wrong


# --- audit -------------------------------------------------------------------------------------------------------
async def prove_audit(services: Services, path: Path) -> None:
    """The newest audit rows of the store at `path` follow each other, or the log says which does not."""
    emit = services.telemetry.emit
    try:
        wrong = await asyncio.to_thread(
            newest_audit, str(path), rows=AUDIT_ROWS_MAX, progress=lambda what, done, total: None
        )
    except sqlite3.Error as error:
        emit(log.Fault(error=f"check of the audit: {error}; `pratique fsck` checks the whole store"))
        return
    if wrong:
        emit(
            log.Alarm(
                message=f"the audit chain is broken: {wrong}; {CURES[Kind.AUDIT]}. `pratique fsck` walks all",
                condition=log.Condition.AUDIT,
            )
        )


def _chunks(bodies: Sequence[Body]) -> Iterator[list[Body]]:
    total = size = 0
    chunk: list[Body] = []
    for body in bodies:
        length = body[1].length
        if total + length > VERIFY_BYTES_MAX:
            break
        total, size = total + length, size + length
        chunk.append(body)
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _prove(verify: Callable[[Extent, str], bool], chunk: list[Body]) -> dict[int, str]:
    """In a thread: reads and hashes."""
    wrong = {}
    for mid, extent, sha256 in chunk:
        try:
            if not verify(extent, sha256):
                wrong[mid] = "its stored body does not match the digest made when it was accepted"
        except OSError as error:
            wrong[mid] = f"its body cannot be read: {error}"
    return wrong
