"""`pratique backup` and `pratique restore`: an appliance's state on a second medium, and back.

A backup is a directory: the database as SQLite's online backup gives it (one committed state, also of a running
appliance), the bodies that its rows name, keys, configuration with the files of filters and rules that it names inside
the appliance's directory, and MANIFEST.json, which is written last. What the appliance let go of while it was copied is
marked so in the copy. A restored store knows that it is older than what its peers have seen: it recovers what they know
before it acts (docs/cpq.md §6).
"""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pratique.fleet import cluster_file
from pratique.front.files import read_options
from pratique.front.options import GatewayOptions, Options
from pratique.store.audit import GENESIS, broken_at
from pratique.store.sqlite.opening import connect
from pratique.store.sqlite.view import SqliteView

MANIFEST = "MANIFEST.json"
DATABASE = "store.db"
FORMAT = 1
PIECE = 1 << 20
MIDS_SKIPPED = 1_000_000  # a restored store goes on above: MIDs that were drawn since are in logs
AUDIT_PAGE = 1_000


class BackupFailed(Exception):
    """Why, and what to do; nothing half made stays under the name that was asked for."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup holds, or a restore proved. `seq`: all up to this number of ours is in it."""

    inc: int
    seq: int
    bodies: int
    octets: int
    gone: int  # bodies that were let go of while they were copied
    wrong: tuple[str, ...] = ()  # bodies that are not what was accepted


def back_up(directory: Path, target: Path) -> Made:
    """Raises BackupFailed, BadConfiguration, OSError, sqlite3.Error. Durable on return."""
    options = read_options(directory)
    if target.exists():
        raise BackupFailed(f"{target} is there already; name a new directory for each backup")
    source = directory / options.store.directory / DATABASE
    if not source.is_file():
        raise BackupFailed(f"{source} is not there: nothing to back up")
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    (partial / "spool").mkdir(mode=0o700)
    live = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    try:
        _copy_database(live, partial / DATABASE)
        made = _copy_bodies(live, directory / options.store.spool, partial)
    finally:
        live.close()
    shutil.copytree(directory / "keys", partial / "keys")
    _copy_configuration(options, directory, partial)
    _write_manifest(partial, made)
    _sync_tree(partial)
    partial.rename(target)
    _sync(target.parent)
    return made


def _copy_configuration(options: Options, source: Path, target: Path) -> None:
    """The configuration and what it names below its directory; a file that lies elsewhere is not the appliance's."""
    names = ["pratique.toml"]
    if (source / cluster_file.FILE).is_file():
        names.append(cluster_file.FILE)
    if isinstance(options, GatewayOptions):
        names += [options.gateway.policy.filters_file, *options.gateway.virus.rules_files]
    for name in filter(None, names):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            continue
        (target / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)


def _copy_database(live: sqlite3.Connection, path: Path) -> None:
    copy = sqlite3.connect(path)
    try:
        live.backup(copy)  # all pages in one step: one committed state
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    path.chmod(0o600)


def _bodies(db: sqlite3.Connection) -> list[tuple[int, int, int, int, bytes]]:
    return db.execute(
        "SELECT mid, segment, offset, length, sha256 FROM copy WHERE segment IS NOT NULL ORDER BY segment, offset"
    ).fetchall()


def _copy_bodies(live: sqlite3.Connection, spool: Path, partial: Path) -> Made:
    db = sqlite3.connect(partial / DATABASE)
    try:
        inc, seq = db.execute("SELECT inc, seq FROM meta").fetchone()
        bodies, octets, gone, wrong = 0, 0, 0, []
        for mid, segment, offset, length, sha256 in _bodies(db):
            name = f"{segment:08d}.seg"
            if _copy_body(spool / name, partial / "spool" / name, offset, length, sha256=sha256):
                bodies, octets = bodies + 1, octets + length
                continue
            still = live.execute("SELECT 1 FROM copy WHERE mid = ? AND segment = ?", (mid, segment)).fetchone()
            if still is None:
                db.execute("UPDATE copy SET segment = NULL, offset = NULL, idle_since = NULL WHERE mid = ?", (mid,))
                gone += 1
            else:
                wrong.append(f"MID {mid}: its stored body is not what was accepted")
        _count_segments(db)
        db.commit()
    finally:
        db.close()
    return Made(inc, seq, bodies, octets, gone, tuple(wrong))


def _copy_body(source: Path, target: Path, offset: int, length: int, *, sha256: bytes) -> bool:
    """To the same place of a file that has holes where no body lies. False when it is not (or no more) there."""
    digest = hashlib.sha256()
    try:
        with open(source, "rb") as octets, open(target, "r+b" if target.exists() else "w+b") as copy:
            octets.seek(offset)
            copy.seek(offset)
            for piece in _pieces(octets, length):
                digest.update(piece)
                copy.write(piece)
    except FileNotFoundError:
        return False
    return digest.digest() == sha256


def _pieces(file: Any, length: int) -> Iterator[bytes]:
    while length > 0:
        piece = file.read(min(PIECE, length))
        if not piece:
            return
        length -= len(piece)
        yield piece


def _count_segments(db: sqlite3.Connection) -> None:
    """Of the segments the copy has what its own rows name."""
    db.execute(
        "UPDATE segment SET live = (SELECT count(*) FROM (SELECT DISTINCT segment AS s, offset AS o FROM copy "
        "WHERE segment IS NOT NULL) WHERE s = segment.number)"
    )
    db.execute(
        "DELETE FROM shared_body WHERE NOT EXISTS (SELECT 1 FROM copy WHERE copy.segment = shared_body.segment "
        "AND copy.offset = shared_body.offset)"
    )


def _write_manifest(partial: Path, made: Made) -> None:
    db = sqlite3.connect(partial / DATABASE)
    try:
        role, serial, number, head = db.execute("SELECT role, serial, audit_number, audit_hash FROM meta").fetchone()
        version = db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()
    told = {
        "format": FORMAT,
        "schema": version,
        "role": role,
        "serial": serial,
        "inc": made.inc,
        "seq": made.seq,
        "audit_number": number,
        "audit_head": head.hex(),
        "bodies": made.bodies,
        "octets": made.octets,
        "database_sha256": _digest(partial / DATABASE),
    }
    (partial / MANIFEST).write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(top: Path) -> None:
    for path in sorted(top.rglob("*"), reverse=True):
        _sync(path)
    _sync(top)


# --- the way back --------------------------------------------------------------------------------------------------
def restore(source: Path, directory: Path, *, verify: bool) -> Made:
    """`verify`: every body and the audit chain are proved before anything is written. Raises BackupFailed, OSError."""
    manifest = _manifest(source)
    if directory.exists() and any(directory.iterdir()):
        raise BackupFailed(f"{directory} is not empty; move it away first: what is in it may be newer than the backup")
    proved = prove(source, manifest) if verify else Made(manifest["inc"], manifest["seq"], 0, 0, 0)
    if proved.wrong:
        raise BackupFailed("; ".join(proved.wrong[:10]) + "; nothing was restored: take another backup")
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    options = read_options(source)
    _copy_configuration(options, source, partial)
    shutil.copytree(source / "keys", partial / "keys")
    shutil.copytree(source / "spool", partial / options.store.spool)
    store = partial / options.store.directory
    store.mkdir(mode=0o700, parents=True)
    shutil.copy2(source / DATABASE, store / DATABASE)
    _testify(store, manifest)
    _sync_tree(partial)
    if directory.exists():
        directory.rmdir()
    partial.rename(directory)
    _sync(directory.parent)
    return proved


def _testify(store: Path, manifest: dict[str, Any]) -> None:
    """The witness says that the store was further than this: so it is held, and recovers, from its first start on."""
    db = sqlite3.connect(store / DATABASE)
    try:
        mid = db.execute("SELECT mid FROM meta").fetchone()[0]
    finally:
        db.close()
    told = {"inc": manifest["inc"], "seq": manifest["seq"] + 1, "clean": False, "mid": mid + MIDS_SKIPPED}
    (store / "witness").write_text(json.dumps(told), encoding="ascii")


def _manifest(source: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise BackupFailed(f"{source} is no whole backup ({error}); it is one when {MANIFEST} is there") from error
    if told.get("format") != FORMAT:
        raise BackupFailed(f"{source} has format {told.get('format')}, this version reads {FORMAT}")
    if _digest(source / DATABASE) != told["database_sha256"]:
        raise BackupFailed(f"{source / DATABASE} is not what was backed up; take another backup")
    return told


def prove(source: Path, manifest: dict[str, Any]) -> Made:
    """Reads the whole backup: the database's own structure, the audit chain up to the head, every body's digest."""
    db = connect(str(source / DATABASE), read_only=True)
    try:
        wrong = [] if db.execute("PRAGMA integrity_check").fetchone()[0] == "ok" else ["the database is damaged"]
        wrong += _prove_chain(SqliteView(db), manifest)
        bodies = octets = 0
        for mid, segment, offset, length, sha256 in _bodies(db):
            bodies, octets = bodies + 1, octets + length
            if not _is_whole(source / "spool" / f"{segment:08d}.seg", offset, length, sha256):
                wrong.append(f"MID {mid}: its body is not what was accepted")
    finally:
        db.close()
    return Made(manifest["inc"], manifest["seq"], bodies, octets, 0, tuple(wrong))


def _prove_chain(view: SqliteView, manifest: dict[str, Any]) -> list[str]:
    after, previous = 0, GENESIS
    while rows := view.audit(after, AUDIT_PAGE):
        broken = broken_at(rows, previous=previous, number=after + 1)
        if broken is not None:
            return [f"the audit chain is broken at row {broken}"]
        after, previous = rows[-1].number, rows[-1].hash
    whole = (after, previous) == (manifest["audit_number"], manifest["audit_head"])
    return [] if whole else ["the audit chain does not end where it did when the backup was made"]


def _is_whole(path: Path, offset: int, length: int, sha256: bytes) -> bool:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            for piece in _pieces(file, length):
                digest.update(piece)
    except FileNotFoundError:
        return False
    return digest.digest() == sha256
