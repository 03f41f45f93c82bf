"""From no file, or an older schema, to this version's. Each step is numbered and runs in one transaction.

An older store is copied beside itself before it is changed (`<file>.before-<version>`); a newer one is refused.
"""

import os
import sqlite3

from pratique.store.moves import StoreFailed
from pratique.store.sqlite.schema import ADDED_IN_2, APPLICATION_ID, TABLES, VERSION

# MIGRATIONS[v] is the SQL that leads from version v to v + 1.
MIGRATIONS: dict[int, str] = {0: TABLES, 1: ADDED_IN_2}


def migrate(db: sqlite3.Connection, path: str) -> bool:
    """Bring the store to VERSION. True when the file was empty before."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    kind = db.execute("PRAGMA application_id").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if tables and kind != APPLICATION_ID:
        raise StoreFailed(f"{path} is not a Pratique store; name another data directory")
    if version > VERSION:
        raise StoreFailed(
            f"{path} was written by a newer Pratique (schema {version}, this one knows {VERSION}); "
            f"install that version again, or restore the copy {path}.before-{version} under the name {path}"
        )
    if version and version < VERSION:
        _copy(db, f"{path}.before-{VERSION}")
    for step in range(version, VERSION):
        db.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1}; "
            f"PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        )
    return not tables


def _copy(db: sqlite3.Connection, target: str) -> None:
    """A whole copy, synced, under its final name only when it is complete."""
    partial = target + ".partial"
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
