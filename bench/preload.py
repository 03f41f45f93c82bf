"""Rows of the past for both stores: what an appliance has that has run for a year, before it is measured.

One message goes the whole way; its rows are then multiplied, each time with an id, a MID and addresses of their own: at
the gateway as mail that was delivered, at the manager as mail that was held and released. No body is left of them.
"""

import atexit
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from bench.client import Load, sender
from bench.ours import GATEWAY, SMTP_PORT, Pair

AT_ONCE = 50_000  # rows in one transaction


def preloaded(base: Path, rows: int, *, edges: int) -> Pair:
    """Both appliances in `base`, with so many rows each; nothing runs yet."""
    if not rows:
        return Pair(base, edges=edges)
    shutil.copytree(_template(rows, edges), base)
    os.sync()  # its writing out is not part of what is measured
    return Pair(base, edges=edges, made=True)


@cache
def _template(rows: int, edges: int) -> Path:
    """Made once for all bars of a run."""
    base = Path(tempfile.mkdtemp(prefix="pratique-preload-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    pair = Pair(base, edges=edges)
    pair.start()
    sender(GATEWAY, SMTP_PORT, Load(1, 10_240, 1, 0), 1)
    deadline = time.monotonic() + 30
    while not pair.held():
        if time.monotonic() > deadline:
            raise SystemExit("the message whose rows are to be multiplied was not held")
        time.sleep(0.05)
    pair.stop()
    for name, custody in (("gw", "SETTLED"), ("sma", "CLOSED")):
        with closing(sqlite3.connect(base / name / "store" / "store.db")) as db:
            _multiply(db, custody, rows)
    return base


def _multiply(db: sqlite3.Connection, custody: str, rows: int) -> None:
    db.execute("PRAGMA cache_size = -262144")
    first = int(db.execute("SELECT max(mid) FROM copy").fetchone()[0])
    copy = _row(db, "copy") | {"custody": custody, "segment": None, "offset": None, "idle_since": None}
    hold = _row(db, "hold") | {"mark": "RELEASED", "actor": "admin", "cause": "manual"} if custody == "CLOSED" else {}
    delivery = {
        "rid": 0, "state": "DELIVERED", "next_at": 0, "attempts": 1, "delayed": 0, "host": "partner.example",
        "notify": "", "orcpt": "", "reply": "250 2.0.0 ok",
    }  # fmt: skip
    for start in range(0, rows, AT_ONCE):
        numbers = range(start + 1, min(start + AT_ONCE, rows) + 1)
        _insert(db, "copy", (copy | _own(first + n, int(copy["at"]), n) for n in numbers))
        if hold:
            _insert(db, "hold", (hold | {"mid": first + n} for n in numbers))
        else:
            _insert(db, "delivery", (delivery | {"mid": first + n, "address": _reader(n)} for n in numbers))
        db.commit()
    db.execute("UPDATE meta SET mid = ?", (first + rows,))
    db.execute(
        "INSERT INTO tally VALUES (?, ?, 0) ON CONFLICT (key) DO UPDATE SET count = count + excluded.count",
        (f"copy.{custody}", rows),
    )
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _own(mid: int, at: int, number: int) -> dict[str, Any]:
    """Ids begin with their time, as ours do: 48 bits of milliseconds, then chance."""
    return {
        "mid": mid,
        "cid": (at - 1_000_000 + number // 10).to_bytes(6) + os.urandom(10),
        "sender": f"sender{number % 90_007}@partner{number % 4_999}.example",
        "recipients": _reader(number),
        "subject": f"Offer {number}",
    }


def _reader(number: int) -> str:
    return f"reader{number % 10_007}@bench.example"


def _row(db: sqlite3.Connection, table: str) -> dict[str, Any]:
    """The newest, by column."""
    found = db.execute(f"SELECT * FROM {table} ORDER BY mid DESC LIMIT 1")
    return dict(zip((column[0] for column in found.description), found.fetchone(), strict=True))


def _insert(db: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    marks = ", ".join(f":{name}" for name in first)
    sql = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({marks})"
    db.execute(sql, first)
    db.executemany(sql, rows)
