"""What lies on the disks of a world at rest, read without the product's store: rows by SQL, bodies by their extents."""

import hashlib
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from pratique.store.audit import GENESIS, broken_at
from pratique.store.records import AuditRow
from proof.durable.hop import Arrived
from proof.durable.ledger import Found
from proof.durable.place import Place
from proof.durable.world import World

KEPT = ("are not given back", "was left behind")
TOKEN = re.compile(r"(?:plain|hold|wait)[0-9]+\Z")
COPIES = "SELECT subject, hex(cid), hop, custody, segment, offset, length, sha256 FROM copy"
AUDIT = "SELECT number, at, actor, action, mid, cid, detail, hash FROM audit ORDER BY number"


def take(world: World) -> tuple[Found, list[str]]:
    """Of a world that stands still; and what is wrong with the stores themselves."""
    wrong: list[str] = []
    octets = {p.token: p.octets for p in world.promises}
    changed: list[str] = []
    accepted: dict[str, list[str]] = defaultdict(list)
    custody: dict[str, list[str]] = defaultdict(list)
    managed: dict[str, list[str]] = defaultdict(list)
    for place in world.running:
        for token, cid, hop, state, _, _, _, sha256 in _read(place, COPIES):
            if not TOKEN.match(token):
                continue
            if token in octets and sha256 != hashlib.sha256(octets[token]).digest():
                changed.append(f"{token}: what the {place.role} recorded has another digest")
            if place.role == "manager":
                managed[token].append(state)
            else:
                custody[token].append(f"{state} by hop {hop}")
                accepted[token].append(cid)
        wrong += check_store(place.directory, place.role)
    delivered, notices = _arrivals(world.hop.arrived(), octets, changed)
    return Found(dict(accepted), dict(managed), dict(custody), delivered, notices, changed), wrong


def _arrivals(
    arrived: list[Arrived], octets: dict[str, bytes], changed: list[str]
) -> tuple[dict[str, list[bool]], dict[str, list[bool]]]:
    delivered: dict[str, list[bool]] = defaultdict(list)
    notices: dict[str, list[bool]] = defaultdict(list)
    for one in arrived:
        name, _, host = one.recipient.partition("@")
        if host == "partner.example":
            notices[name[1:]].append(one.named)
            continue
        delivered[name].append(one.named)
        if not one.octets.endswith(octets.get(name, b"")):
            changed.append(f"{name}: delivered with other octets")
    return dict(delivered), dict(notices)


def _read(place: Place, sql: str) -> list[tuple[Any, ...]]:
    return read(place.directory, sql)


def read(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{directory}/store/store.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def check_store(directory: Path, role: str) -> list[str]:
    """Of a store that nobody has open: SQLite's own check, the audit chain, every body, and no file without a row."""
    wrong = [f"{role}: {row[0]}" for row in read(directory, "PRAGMA integrity_check") if row[0] != "ok"]
    rows = [_audit_row(row) for row in read(directory, AUDIT)]
    if rows and broken_at(rows, previous=GENESIS, number=1) is not None:
        wrong.append(f"{role}: the audit chain is broken at {broken_at(rows, previous=GENESIS, number=1)}")
    named = defaultdict(set)
    for token, _, _, state, segment, offset, length, sha256 in read(directory, COPIES):
        if segment is None:
            continue
        named[segment].add((offset, token))
        if hashlib.sha256(_body(directory, segment, offset, length)).digest() != sha256:
            wrong.append(f"{role}: the body of {token} ({state}) is not what was accepted")
    files = {int(path.stem) for path in (directory / "spool").glob("*.seg")}
    idle = files - named.keys()
    if len(idle) > 1:  # the newest is written on
        wrong.append(f"{role}: {len(idle)} segments hold nothing and are not given back")
    wrong += [f"{role}: {path.name} was left behind" for path in (directory / "spool").glob("spare-*")]
    return wrong


def _audit_row(row: tuple[Any, ...]) -> AuditRow:
    number, at, actor, action, mid, cid, detail, digest = row
    return AuditRow(number, at, actor, action, mid, cid, detail, digest.hex())


def _body(directory: Path, segment: int, offset: int, length: int) -> bytes:
    path = directory / "spool" / f"{segment:08d}.seg"
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)
