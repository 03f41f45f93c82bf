"""From no file, or an older schema, to this version's. A new store takes the same steps as an old one.

An older store is copied beside itself before it is changed (`<file>.before-<version>`); then all steps run in one
transaction. A newer one is refused.
"""

import os
import re
import sqlite3
from collections.abc import Callable, Iterator

from pratique.store.moves import StoreFailed
from pratique.store.sqlite.schema import ADDED_IN_3, ADDED_IN_4, APPLICATION_ID, TABLES

Step = str | Callable[[sqlite3.Connection], str]  # SQL, or what makes it from the store at hand

_CHECK_IN = re.compile(r"CHECK \((\w+) IN \(([^()]*)\)\)")

_LATER_IN_1 = """
CREATE TABLE IF NOT EXISTS late_copy (
    id INTEGER PRIMARY KEY,
    mid INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS transfer_ended_otherwise ON transfer (mid) WHERE state IN ('CANC', 'STUCK', 'DOUBT');
"""
_PEER_ANEW = """
CREATE TABLE peer_anew (
    serial TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('gateway', 'manager')),
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    sign_key TEXT NOT NULL,
    nonce TEXT NOT NULL,
    inc INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    journal_in INTEGER NOT NULL,
    journal_out INTEGER NOT NULL,
    watermark INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    locked TEXT NOT NULL,
    withdrawn INTEGER NOT NULL,
    knows_inc INTEGER NOT NULL,
    knows_seq INTEGER NOT NULL,
    set_back_here INTEGER NOT NULL,
    set_back_there INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO peer_anew
    SELECT serial, role, name, host, port, certificate, fingerprint, sign_key, nonce, inc, seq, endpoint, journal_in,
           journal_out, watermark, confirmed, locked, withdrawn, 0, 0, 0, 0
    FROM peer;
DROP TABLE peer;
ALTER TABLE peer_anew RENAME TO peer;
"""


def _one_shape(db: sqlite3.Connection) -> str:
    """The first stores called themselves 1, too, and had no memory of what a peer knows of us (nothing seen: zeros)."""
    columns = {row[1] for row in db.execute("PRAGMA table_info(peer)")}
    return _LATER_IN_1 + ("" if "knows_inc" in columns else _PEER_ANEW)


def _recovery(db: sqlite3.Connection) -> str:
    return ADDED_IN_3 + _checks_by_or(db)


def _checks_by_or(db: sqlite3.Connection) -> str:
    """A state is checked by OR: for IN with more than two values SQLite builds a table of them in each statement that
    writes the column, a quarter of an insert's cost. The constraint is the same, so the rows need no change (SQLite,
    ALTER TABLE, section 7)."""
    changes = ["PRAGMA writable_schema = ON;\n"]
    for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
        by_or = _CHECK_IN.sub(_as_or, sql)
        if by_or != sql and name in ("copy", "hold", "delivery", "transfer"):
            quoted = by_or.replace("'", "''")  # of our own schema
            change = f"UPDATE sqlite_schema SET sql = '{quoted}' WHERE type = 'table' AND name = '{name}';\n"  # noqa: S608
            changes.append(change)
    return "".join((*changes, "PRAGMA writable_schema = RESET;\n"))


def _as_or(check: re.Match[str]) -> str:
    return "CHECK (" + " OR ".join(f"{check[1]} = {value.strip()}" for value in check[2].split(",")) + ")"


# STEPS[v] leads from version v to v + 1. A step that has landed is never changed: append the next.
STEPS: tuple[Step, ...] = (
    TABLES,
    _one_shape,
    _recovery,
    ADDED_IN_4,
)
VERSION = len(STEPS)


def migrate(db: sqlite3.Connection, path: str) -> bool:
    """Bring the store to VERSION. True when the file was empty before. Raises StoreFailed; then the file is as it
    was."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    kind = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and kind != APPLICATION_ID:
        raise StoreFailed(f"{path} is not a Pratique store; name another data directory")
    if version > len(STEPS):
        raise StoreFailed(_newer(path, version))
    if version < len(STEPS):
        if version:
            _copy(db, path, f"{path}.before-{len(STEPS)}")
        _take_steps(db, path, version)
    return not tables


def _newer(path: str, version: int) -> str:
    text = (
        f"{path} was written by a newer Pratique (schema {version}, this one knows {len(STEPS)}); install that version "
        "again"
    )
    copy = f"{path}.before-{version}"
    if not os.path.exists(copy):
        return text
    return (
        f"{text}. Or put back the copy that it made before it changed the store, {copy}: what happened since is not in "
        "it, so peers hold until `pratique enroll DIR --accept-setback SERIAL`"
    )


def _take_steps(db: sqlite3.Connection, path: str, version: int) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[version:]:
            for statement in _statements(step if isinstance(step, str) else step(db)):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(STEPS)}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        why = (
            f"{path} could not be brought from schema {version} to {len(STEPS)}: {error}. It is as it was. Make room "
            "if the disk is full, else install the version before and report this"
        )
        raise StoreFailed(why) from error


def _statements(script: str) -> Iterator[str]:
    """One by one: sqlite3's own runner of scripts would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), "a statement without its end"


def _copy(db: sqlite3.Connection, path: str, target: str) -> None:
    """A whole copy, synced, under its final name only when it is complete."""
    partial = target + ".partial"
    try:
        if os.path.exists(partial):
            os.unlink(partial)
        db.execute("VACUUM INTO ?", (partial,))
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
        directory = os.open(os.path.dirname(target) or ".", os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except (sqlite3.Error, OSError) as error:
        why = (
            f"{path} is of an older schema, and no copy of it could be made before the change ({error}); nothing was "
            "changed. The copy needs as much room as the store"
        )
        raise StoreFailed(why) from error
