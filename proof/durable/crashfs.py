"""A sample of power failures on a real mount: a file system in user space that keeps what was not synced apart.

Where powerloss.py replays recorded calls, here the kernel itself carries them: page cache, descriptors and memory maps
lie between the product and the disk of disk.py. A store and a spool of the real kind take messages on it; at any
moment a state is taken, and opened by the real recovery.

`python -m proof.durable.crashfs [--states N] [--mutant NAME]`.
Exit: 0 held, 1 violated, 3 not runnable here (the text says why).
"""

import argparse
import asyncio
import errno
import hashlib
import json
import os
import random
import select
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pratique.mail.envelope import Envelope, Recipient
from pratique.mail.ids import make_cid
from pratique.net.clock import SystemClock
from pratique.store.moves import Accept
from pratique.store.records import AuditEntry, NewCopy, NewDelivery
from pratique.store.spool import FileSpool
from pratique.store.sqlite.store import SqliteStore
from proof.durable import mutants, pace, recovery
from proof.durable.disk import Disk, Mode
from proof.durable.shim import Entry, Fault, Op, Unavailable, end_with_parent
from proof.durable.workers import scratch

STATES = 60
MOUNT_SECONDS, TAKE_SECONDS = 10.0, 60.0
TAKE = ".take-"
SERIAL = "0123456789ABCDEFGH01"


def need() -> Any:
    """The binding; raises Unavailable with the cure."""
    try:
        descriptor = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        raise Unavailable(f"/dev/fuse cannot be opened ({error.strerror}): run this where FUSE is allowed") from error
    os.close(descriptor)
    if not shutil.which("fusermount3"):
        raise Unavailable("fusermount3 is missing: install fuse3 (Debian: fuse3)")
    try:
        import mfusepy
    except (ImportError, OSError) as error:
        raise Unavailable(f"the FUSE binding does not load ({error}): install fuse3 and mfusepy") from error
    return mfusepy


def _entry(op: Op, path: str, *, second: str = "", at: int = 0, data: bytes = b"", result: int = 0) -> Entry:
    return Entry(op, Fault.NONE, result, 0, path, second, at, len(data), data)


class Volatile:
    """Files in memory; `disk` knows what of them a power failure leaves. Descriptors are file numbers.
    Mixed with the binding's class by serve(); `refusal` makes its error, `states` is where a state is written."""

    use_ns = True

    def __init__(self, refusal: Callable[[int], Exception], states: Path) -> None:
        self._refusal = refusal
        self._states = states
        self.disk = Disk({}, Mode.STRICT)
        self.live: dict[int, bytearray] = {}
        self.folders = {""}

    # --- names
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        name = path[1:]
        base = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_atime": 0, "st_mtime": 0, "st_ctime": 0}
        if name in self.folders:
            return {**base, "st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        number = fh if fh is not None else self._number(name)
        size = len(self.live[number])
        return {**base, "st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size, "st_blocks": size // 512}

    def _number(self, name: str) -> int:
        if name not in self.disk.names:
            raise self._refusal(errno.ENOENT)
        return self.disk.names[name]

    def readdir(self, path: str, fh: int) -> list[str]:
        base = f"{path[1:]}/" if path != "/" else ""
        inside = {n[len(base) :].split("/")[0] for n in (*self.disk.names, *self.folders) if n.startswith(base)}
        return [".", "..", *sorted(inside - {""})]

    def mkdir(self, path: str, mode: int) -> None:
        """Lasting at once; a name that begins with TAKE is the wish for a state."""
        name = path[1:]
        if name.startswith(TAKE):
            found = self.disk.found(random.Random(name))
            recovery.write(found, self._states / name.removeprefix(TAKE))
            raise self._refusal(errno.EEXIST)
        self.folders.add(name)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.disk.step(_entry(Op.CREATE, path[1:]))
        number = self._number(path[1:])
        self.live[number] = bytearray()
        return number

    def open(self, path: str, flags: int) -> int:
        return self._number(path[1:])

    def unlink(self, path: str) -> None:
        self._number(path[1:])
        self.disk.step(_entry(Op.UNLINK, path[1:]))

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        self._number(old[1:])
        self.disk.step(_entry(Op.RENAME, old[1:], second=new[1:]))

    # --- octets
    def _change(self, number: int, entry: Entry) -> None:
        """Of a file that may have no name any more: then nothing of it is ever found."""
        for name, known in self.disk.names.items():
            if known == number:
                self.disk.step(Entry(entry.op, Fault.NONE, 0, 0, name, "", entry.offset, entry.size, entry.data))
                return

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self.live[fh][offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        octets = self.live[fh]
        octets.extend(bytes(max(0, offset + len(data) - len(octets))))
        octets[offset : offset + len(data)] = data
        self._change(fh, _entry(Op.WRITE, "", at=offset, data=bytes(data)))
        return len(data)

    def _resize(self, number: int, size: int, op: Op) -> None:
        octets = self.live[number]
        if op is Op.TRUNCATE:
            del octets[size:]
        octets.extend(bytes(max(0, size - len(octets))))
        self._change(number, _entry(op, "", at=size))

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._resize(fh if fh is not None else self._number(path[1:]), length, Op.TRUNCATE)
        return 0

    def fallocate(self, path: str, mode: int, offset: int, length: int, fh: int) -> int:
        self._resize(fh, offset + length, Op.ALLOCATE)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._change(fh, _entry(Op.FSYNC, ""))
        self._change(fh, _entry(Op.SYNCED, ""))
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self.disk.step(_entry(Op.SYNCDIR, path[1:]))
        self.disk.step(_entry(Op.SYNCED, path[1:]))
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 28, "f_bavail": 1 << 28, "f_bfree": 1 << 28}

    def chmod(self, path: str, mode: int) -> int:
        return 0

    def utimens(self, path: str, times: Any = None) -> int:
        return 0


def serve(fuse: Any, mount: Path, states: Path) -> None:
    """Mounts, and stays in the foreground until it is unmounted."""
    mounted = type("Mounted", (Volatile, fuse.Operations), {})
    fuse.FUSE(mounted(fuse.FuseOSError, states), str(mount), foreground=True, nothreads=True)


# --- the product on it
async def _take_mail(base: Path, tell: int) -> None:
    """Accepts messages for ever; each number is told once its future has a result."""
    clock = SystemClock()
    spool = FileSpool(base / "spool", monotonic=clock.monotonic, reserve_bytes=1)
    store = await SqliteStore.open(base / "store", spool=spool, role="gateway", serial=SERIAL, clock=clock)
    chance = random.Random(1)
    while True:
        waiting = []
        for _ in range(chance.randint(1, 4)):
            mid = store.next_mid()
            octets = f"Subject: {mid}\r\n\r\n".encode() + b"x" * chance.choice((50, 2_000, 9_000))
            writer = store.spool.writer()
            writer.write(octets)
            stored = writer.finish()
            copy = NewCopy(
                mid=mid, cid=make_cid(clock.now_ms(), clock.random(10)), hop=0, custody="ACTIVE", icid=1, at=0,
                envelope=Envelope("a@partner.example", (Recipient("b@demo.example"),)), extent=stored.extent,
                sha256=hashlib.sha256(octets).hexdigest(), subject=str(mid),
                deliveries=(NewDelivery(0, "b@demo.example", "demo.example", 0),),
            )  # fmt: skip
            move = Accept((copy,), (AuditEntry("system", "accept", mid, copy.cid, "{}"),))
            waiting.append((mid, store.submit(move)))
        for mid, future in waiting:
            await future
            os.write(tell, f"{mid}\n".encode())


async def _examine(place: Path, acknowledged: list[int]) -> list[str]:
    clock = SystemClock()
    spool = FileSpool(place / "spool", monotonic=clock.monotonic, reserve_bytes=1)
    store = await SqliteStore.open(place / "store", spool=spool, role="gateway", serial=SERIAL, clock=clock)
    try:
        lost = [f"LOST: MID {mid}" for mid in acknowledged if store.view.copy(mid) is None]
        return lost + recovery.bodies_wrong(store) + await recovery.goes_on(store)
    finally:
        await store.close()


def sample(wanted: int = STATES, mutant: str = "") -> dict[str, Any]:
    """The figures. Raises Unavailable."""
    fuse = need()
    began = time.monotonic()
    pace.hurry()
    base = scratch()
    mount, states = base / "mount", base / "states"
    mount.mkdir()
    states.mkdir()
    server = os.fork()
    if not server:
        end_with_parent()
        try:
            serve(fuse, mount, states)
        finally:
            os._exit(0)
    worker = 0
    try:
        _mounted(mount)
        for folder in ("store", "spool"):
            (mount / folder).mkdir()
        reads, worker = _start(mount, mutant)
        taken = _snapshots(mount, reads, wanted)
    finally:
        if worker:
            os.kill(worker, 9)
            os.waitpid(worker, 0)
        subprocess.run(["fusermount3", "-u", "-z", str(mount)], check=False, capture_output=True)
        os.kill(server, 9)
        os.waitpid(server, 0)
    wrong = [(n, found) for n, known in taken if (found := asyncio.run(_examine(states / str(n), known)))]
    for number, found in wrong[:10]:
        print(f"VIOLATED on the mounted file system, state {number}: {found[:5]}")
    shutil.rmtree(base, ignore_errors=True)
    return {
        "states": len(taken),
        "acknowledged": len(taken[-1][1]) if taken else 0,
        "violations": len(wrong),
        "seconds": round(time.monotonic() - began, 1),
        "good": not wrong and len(taken) == wanted,
    }


def _mounted(mount: Path) -> None:
    deadline = time.monotonic() + MOUNT_SECONDS
    while not os.path.ismount(mount):
        if time.monotonic() > deadline:
            raise Unavailable("FUSE does not mount here: a container may forbid it")
        select.select([], [], [], 0.02)


def _start(mount: Path, mutant: str) -> tuple[int, int]:
    reads, writes = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            end_with_parent()
            if mutant:
                mutants.POWER[mutant].change()
            asyncio.run(_take_mail(mount, writes))
        except BaseException:  # noqa: BLE001  shown; the parent sees that no more is acknowledged
            import traceback

            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writes)
    return reads, pid


def _snapshots(mount: Path, reads: int, wanted: int) -> list[tuple[int, list[int]]]:
    """States and what had been acknowledged before each; one for every few acknowledgements."""
    taken: list[tuple[int, list[int]]] = []
    known: list[int] = []
    rest = b""
    deadline = time.monotonic() + TAKE_SECONDS
    while len(taken) < wanted and time.monotonic() < deadline:
        if not select.select([reads], [], [], 1.0)[0]:
            continue
        octets = os.read(reads, 4096)
        if not octets:
            break
        *lines, rest = (rest + octets).split(b"\n")
        known += [int(line) for line in lines]
        try:
            (mount / f"{TAKE}{len(taken)}").mkdir()
        except FileExistsError:
            taken.append((len(taken), list(known)))
    return taken


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="crashfs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--states", type=int, default=STATES)
    parser.add_argument(
        "--mutant", choices=sorted(mutants.POWER), default="", help="a product that is broken on purpose"
    )
    given = parser.parse_args(arguments)
    try:
        figures = sample(given.states, given.mutant)
    except Unavailable as why:
        print(f"not run: {why}", file=sys.stderr)
        return 3
    print(json.dumps({"crashfs": figures}))
    return 0 if figures["good"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
