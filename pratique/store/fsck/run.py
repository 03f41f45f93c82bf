"""The whole check of one store, and the two things it may write: the list of corrupt copies, and derived numbers.

Beside a running appliance everything is read: rows in one snapshot, bodies page by page. What is written is written
only under the lock of a stopped one, before its next start: a start frees what the counts say is free. No body is ever
deleted or changed here.
"""

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pratique.store import corrupt
from pratique.store.fsck import bodies, counts, custody, database
from pratique.store.fsck.findings import DERIVED, Finding, Kind, Progress, Report
from pratique.store.moves import PutSetting, StoreFailed
from pratique.store.records import AuditEntry
from pratique.store.sqlite.migrations import VERSION
from pratique.store.sqlite.opening import STORE_FILE, connect, unreadable
from pratique.store.sqlite.schema import APPLICATION_ID
from pratique.store.sqlite.tx import Tx
from pratique.store.sqlite.view import SqliteView


class Checked:
    """One store and its spool, open for a check. `stopped`: we have its lock."""

    def __init__(self, directory: str, spool: str, *, role: str) -> None:
        """Raises StoreFailed when there is no store that this version reads, OSError when we may not read it."""
        self._directory = directory
        self._spool = spool
        self._role = role
        path = os.path.join(directory, STORE_FILE)
        try:
            os.stat(path)
        except FileNotFoundError as error:
            why = f"there is no store in {directory}: it was never run, or the disk is not there"
            raise StoreFailed(why) from error
        self._lock = os.open(os.path.join(directory, "store.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.stopped = _locked(self._lock)
        try:
            self._db = connect(path, read_only=True)
            self._prove_ours(path)
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise StoreFailed(unreadable(path, error)) from error
        except StoreFailed:
            self.close()
            raise

    def _prove_ours(self, path: str) -> None:
        kind, version = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (kind, version) != (APPLICATION_ID, VERSION):
            raise StoreFailed(f"{path} is not a store of this version; start the appliance once, then check again")
        row = self._db.execute("SELECT role FROM meta").fetchone()
        if row is None or row[0] != self._role:
            raise StoreFailed(f"{path} is not the store of a {self._role}; see `appliance.role` in the configuration")

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    # --- reading -----------------------------------------------------------------------------------------------
    def examine(self, *, progress: Progress, read_bodies: bool = True) -> Report:
        """Changes nothing. Raises OSError when the spool's directory cannot be read."""
        report = Report(read_bodies=read_bodies)
        found: list[Finding] = []
        try:
            with self._snapshot():
                found.extend(self._rows(report, progress))
            for finding in found:
                if finding.kind is not Kind.CORRUPT or self._has_body(finding.mid):
                    report.add(finding)
            if read_bodies:
                self._bodies(report, progress)
        except sqlite3.DatabaseError as error:
            report.add(Finding(Kind.DATABASE, f"store.db: {error}; what follows it was not checked"))
        return report

    def _rows(self, report: Report, progress: Progress) -> Iterator[Finding]:
        db = self._db
        progress("files of the store", 0, 0)
        yield from database.check_files(db, STORE_FILE)
        files = bodies.look(self._spool)  # after the rows: a segment that they name was there then
        report.copies, report.bodies, report.octets = db.execute(
            "SELECT count(*), count(segment), coalesce(sum(iif(segment IS NULL, 0, length)), 0) FROM copy"
        ).fetchone()
        report.audit_rows = db.execute("SELECT count(*) FROM audit").fetchone()[0]
        progress("places of bodies", 0, 0)
        yield from bodies.places(db, files)
        progress("numbers", 0, 0)
        yield from counts.check(db)
        progress("custody", 0, 0)
        yield from custody.check(db, self._role)
        yield from database.check_audit(db, progress)
        if self._role == "manager":
            yield from database.check_search(os.path.join(self._directory, "search.db"), db)
        report.space = bodies.space(db, files)

    def _has_body(self, mid: int) -> bool:
        """Now: a running appliance may have let go what the snapshot names."""
        row = self._db.execute("SELECT segment FROM copy WHERE mid = ?", (mid,)).fetchone()
        return row is not None and row[0] is not None

    def _bodies(self, report: Report, progress: Progress) -> None:
        before = set(corrupt.corrupt_copies(SqliteView(self._db)))
        proved = []
        lost = set(report.corrupt)
        for mid, wrong in bodies.digests(self._db, self._spool, known=lost, progress=progress):
            if wrong:
                report.add(Finding(Kind.CORRUPT, wrong, mid))
            elif mid in before:
                proved.append(mid)
        report.proved = tuple(proved)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    # --- writing, under the lock of a stopped appliance ---------------------------------------------------------
    def write(self, report: Report, *, repair: bool, actor: str, now: int) -> None:
        """Keep the list of corrupt copies, and with `repair` make derived numbers anew. Durable on return, with audit
        rows. Raises StoreFailed when nothing was written."""
        assert self.stopped, "a running appliance writes its own store"
        derived = {kind: count for kind, count in report.counted.items() if kind in DERIVED}
        if repair and derived:
            self._remove_search(report)
        self._transaction(report, derived if repair else {}, actor, now)
        report.repaired = report.repaired or bool(repair and derived)

    def _transaction(self, report: Report, derived: dict[Kind, int], actor: str, now: int) -> None:
        db = connect(os.path.join(self._directory, STORE_FILE), read_only=False)
        try:
            db.execute("BEGIN IMMEDIATE")
            inc, number, head = db.execute("SELECT inc, audit_number, audit_hash FROM meta").fetchone()
            tx = Tx(db, role=self._role, inc=inc, now=now)
            for move in list_moves(SqliteView(db), report, actor):
                tx.run("REPLACE INTO setting (key, value) VALUES (?, ?)", move.key, move.value)
                tx.audits += move.audit
            if derived:
                db.execute("REINDEX")
                counts.repair(db)
                if next(counts.check(db), None) is not None:
                    raise StoreFailed("nothing was written: the numbers could not be made anew from the rows")
                detail = json.dumps({kind.value: count for kind, count in sorted(derived.items())})
                tx.audits.append(AuditEntry(actor, "repair", detail=detail))
            if tx.audits:
                number, text = tx.flush(number, bytes(head).hex(), lambda _: 0)
                db.execute("UPDATE meta SET audit_number = ?, audit_hash = ?", (number, bytes.fromhex(text)))
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreFailed(f"nothing was written: {error}") from error
        finally:
            db.close()

    def _remove_search(self, report: Report) -> None:
        """The next start makes it anew."""
        if any(found.kind is Kind.INDEX and found.what.startswith("search index") for found in report.found):
            for suffix in ("", "-wal", "-shm"):
                path = os.path.join(self._directory, "search.db" + suffix)
                if os.path.exists(path):
                    os.unlink(path)


def list_moves(view: SqliteView, report: Report, actor: str) -> Iterable[PutSetting]:
    """The moves that bring the list of corrupt copies up to date; none when it is."""
    known = corrupt.corrupt_copies(view)
    new = {mid: why for mid, why in report.corrupt.items() if mid not in known}
    good = [mid for mid in report.proved if mid in known]
    if new:
        yield corrupt.found(view, new)
    if good:
        yield corrupt.cleared(view, good, actor)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
