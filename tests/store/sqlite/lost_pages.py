"""A program for test_carrying.py: pages are carried over in part, then a sync of the database fails and takes with it
all that was written since the last one. `again`: as SQLite does it by itself, the next time goes on and closes."""

import os
import sqlite3
import sys
from pathlib import Path

from pratique.store.sqlite.carrying import CarryingOver, abandon
from pratique.store.sqlite.opening import connect
from proof.durable.shim import Fault, Shim, preloaded

ROWS = 210


def main(directory: Path, *, again: bool) -> None:
    shim = Shim()
    shim.watch(directory)
    shim.arm(10**9, Fault.LOST)  # from here on it remembers what was there before each write
    path = directory / "store.db"
    db = connect(os.fspath(path), read_only=False)
    db.execute("CREATE TABLE fact (id INTEGER PRIMARY KEY, text TEXT)")
    db.execute("CREATE INDEX by_text ON fact (text)")
    log = CarryingOver(db)
    fill(db, range(200))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM fact").fetchone()
    fill(db, range(200, ROWS))
    log.run()  # as far as the reader lets it: without a sync
    reader.execute("COMMIT")
    shim.arm(shim.count() + 2, Fault.LOST)  # the next is the log's own
    try:
        log.run()
    except sqlite3.OperationalError:
        if again:
            log.run()
            reader.close()
            db.close()
            return
        abandon(db)
        os._exit(1)
    raise SystemExit("the sync did not fail")


def fill(db: sqlite3.Connection, numbers: range) -> None:
    db.executemany("INSERT INTO fact VALUES (?, ?)", ((number, f"{number:0200}") for number in numbers))


if __name__ == "__main__":
    preloaded(sys.argv[1:], "tests.store.sqlite.lost_pages")
    main(Path(sys.argv[1]), again=sys.argv[2] == "again")
