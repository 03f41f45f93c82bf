"""The doctor's checks of the machine under an appliance: its disk, its clock, and whether a sync is one.

None changes anything; what cannot be known from inside a machine is a doubt (warning), with its figure.
"""

import os
import sqlite3
from pathlib import Path
from typing import Any

from pratique.confine.landlock import ABSENT, NET_ABI, PORTS_ABSENT, landlock_abi
from pratique.front.acts import CLOCK_GAUGE
from pratique.front.check import Check, State
from pratique.net.ntp import kernel_clock
from pratique.runner.hello import CLOCK_DIFFERENCE_MS_MAX
from pratique.store.fsck.database import newest_audit
from pratique.store.fsck.findings import CURES, Kind, Progress
from pratique.store.honesty import measure
from pratique.store.segment import MESSAGE_BYTES_MAX, RESERVE_SHARE

INODES_MIN = 1_000  # a segment, a log file and SQLite's files need one each; mail itself needs none
INODES_LOW = 10_000
AUDIT_ROWS_MAX = 200_000  # newest audit rows walked: some seconds
CLOCK_NOTED_MS = 2_000  # a difference that is named
STORE_BYTES_MIN = 268_435_456  # for the rows and their log, where they have a disk of their own
_MIB = 1 << 20


def check_disks(store: Path, spool: Path, reserve_bytes: int) -> list[Check]:
    """The disk of the spool against its reserve, and that of the store when it is another one."""
    checks = [_disk("spool disk", spool, reserve_bytes, reserved=True)]
    try:
        another = store.stat().st_dev != spool.stat().st_dev
    except OSError:
        return checks
    return [*checks, _disk("store disk", store, STORE_BYTES_MIN, reserved=False)] if another else checks


def _disk(name: str, place: Path, reserve: int, *, reserved: bool) -> Check:
    try:
        disk = os.statvfs(place)
    except OSError as error:
        return Check(name, State.FAILED, f"{place}: {error.strerror}", "is the disk mounted?")
    if disk.f_flag & os.ST_RDONLY:
        cure = "the kernel makes a damaged file system read-only: see its log, check the disk, mount it again"
        return Check(name, State.FAILED, f"{place} is mounted read-only", cure)
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    if reserved:
        reserve = reserve or max(2 * MESSAGE_BYTES_MAX, int(total * RESERVE_SHARE))
    text = f"{free // _MIB} MiB free of {total // _MIB}, reserve {reserve // _MIB} MiB"
    if free <= reserve:
        return Check(name, State.FAILED, text, f"make room in the file system of {place}")
    if disk.f_files:  # some file systems have no fixed number
        text += f"; {disk.f_favail} inodes free of {disk.f_files}"
        if disk.f_favail < INODES_MIN:
            return Check(name, State.FAILED, text, "remove files: the file system can hold no more of them")
        if disk.f_favail < INODES_LOW:
            return Check(name, State.WARNING, text, "find out what makes so many files on this file system")
    return Check(name, State.OK, text)


def check_sync(spool: Path) -> Check:
    """How long a synced write takes, and whether that can be one."""
    name = "sync"
    try:
        found = measure(str(spool))
    except OSError as error:
        return Check(name, State.FAILED, f"{spool}: {error.strerror}", "the disk must take a write and sync it")
    text = f"a synced write takes {found.median_s * 1e3:.3f} ms ({1 / found.median_s:.0f} a second)"
    if found.kind:
        text += f" on {found.kind}"
    if not found.doubt:
        return Check(name, State.OK, text, required=False)
    cure = "if the disk's cache has no battery, mail that was acknowledged can be lost with the power: use another disk"
    return Check(name, State.WARNING, f"in doubt: {found.doubt}; {text}", cure, required=False)


def check_confinement() -> Check:
    """Whether processes that read hostile octets are shut out of all that they need not (confine)."""
    name, abi = "confinement", landlock_abi()
    if abi >= NET_ABI:
        return Check(name, State.OK, "processes that read mail reach nothing else (Landlock)", required=False)
    cure = "run a newer kernel, or one that has landlock in /sys/kernel/security/lsm"
    return Check(name, State.WARNING, ABSENT if abi < 1 else PORTS_ABSENT, cure, required=False)


def check_ntp() -> Check:
    found, name = kernel_clock(), "clock keeping"
    if found is None:
        return Check(name, State.SKIPPED, "this system does not tell whether its clock is kept", required=False)
    if found.kept:
        return Check(name, State.OK, f"synchronised, at most {found.error_s:.3f} s wrong", required=False)
    cure = "run chrony or systemd-timesyncd, unless the machine's host keeps the clock"
    return Check(name, State.WARNING, "the kernel knows of nothing that keeps the clock", cure, required=False)


def check_peer_clocks(health: dict[str, Any], peers: list[dict[str, Any]]) -> list[Check]:
    """As the running appliance heard them in the last hello."""
    checks = []
    for peer in peers:
        ahead = health["counters"].get(CLOCK_GAUGE + peer["serial"])
        if ahead is None or peer["withdrawn"]:
            continue
        name, text = f"clock of {peer['name']}", f"{ahead / 1e3:+.3f} s against ours at its last hello"
        cure = "set both clocks, and keep them set"
        if abs(ahead) > CLOCK_DIFFERENCE_MS_MAX:
            checks.append(Check(name, State.FAILED, f"{text}: no scheduled exit is acted on", cure))
        elif abs(ahead) > CLOCK_NOTED_MS:
            checks.append(Check(name, State.WARNING, text, cure, required=False))
        else:
            checks.append(Check(name, State.OK, text, required=False))
    return checks


def check_corrupt(listed: dict[str, str]) -> Check:
    """The list of copies whose bodies are not what was accepted (store/corrupt.py)."""
    name = "bodies"
    if not listed:
        return Check(name, State.OK, "no body is known to be corrupt", required=False)
    mids = sorted(map(int, listed))
    more = f" and {len(mids) - 10} more" if len(mids) > 10 else ""
    text = f"known to be CORRUPT and never delivered: MID {', '.join(map(str, mids[:10]))}{more}"
    cure = "restore the spool, then `pratique fsck` proves it; or delete them and have the senders send again"
    return Check(name, State.FAILED, text, cure, required=False)


def check_audit(path: Path, progress: Progress) -> Check:
    """The newest rows of the audit chain; `path` is the store's file. For a thread: it reads and hashes."""
    name, most = "audit", f"up to {AUDIT_ROWS_MAX} rows; `pratique fsck` walks all"
    try:
        wrong = newest_audit(str(path), rows=AUDIT_ROWS_MAX, progress=progress)
    except sqlite3.Error as error:
        return Check(name, State.FAILED, f"{path}: {error}", "`pratique fsck` checks the whole store")
    if wrong:
        return Check(name, State.FAILED, f"the chain is broken: {wrong}", f"{CURES[Kind.AUDIT]}; `pratique fsck`")
    return Check(name, State.OK, f"the newest rows follow each other ({most})")
