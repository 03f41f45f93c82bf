"""What a large message costs in memory, process by process: `python -m bench.memory [--megabytes 60 100]`.

A gateway and a manager as real processes, with the built-in virus engine and a filter that reads texts. Every message
is held. Printed for each process: the peak of its resident set while it handled the message (VmHWM, reset before each
message), how much that is above what it had before, and for workers the peak of what is not file pages
(RssAnon, sampled): file pages belong to the page cache and are given back when somebody needs them.
"""

import argparse
import asyncio
import base64
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pratique.checks.yara_rules import eicar
from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise

MANAGER, GATEWAY = "127.0.67.1", "127.0.67.2"
SMTP_PORT = 2525
FILTERS = (
    'words: if (body-contains("confidential")) { log-entry("word"); }\nhold: if (true) { quarantine("Policy"); }\n'
)
LINE = 57 * 10_000  # octets that make whole lines of base64
SECONDS_MAX = 120.0
SAMPLE_SECONDS = 0.005
KINDS = ("clean", "eicar", "zip")


async def make(base: Path, edges: int) -> None:
    common = {"web.enabled": "false", "ssh.enabled": "false"}
    await initialise(
        "manager", base / "sma", name="sma.bench.example", password="bench",
        overrides=common | {"cpq.address": MANAGER},
    )  # fmt: skip
    await initialise(
        "gateway", base / "gw", name="gw.bench.example", password="bench",
        overrides=common | {
            "cpq.address": GATEWAY,
            "cpq.source": GATEWAY,
            "gateway.listeners.0.kind": "private",
            "gateway.listeners.0.address": GATEWAY,
            "gateway.listeners.0.port": str(SMTP_PORT),
            "gateway.policy.filters": FILTERS,
            "gateway.edges": str(edges),
        },
    )  # fmt: skip
    papers = {name: own_enrolment(base / name) for name in ("sma", "gw")}
    await enrol_stopped(base / "gw", papers["sma"])
    await enrol_stopped(base / "sma", papers["gw"])


def run(directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", "pratique", "run", str(directory)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if " ready (" not in line:
        raise SystemExit(f"{directory.name} did not start: {line}")
    return process


# --- the message ---------------------------------------------------------------------------------------------------
def content(path: Path, size: int, kind: str) -> None:
    """The attachment: noise, with the test file at its end when it is to be found."""
    with path.open("wb") as plain:
        for _ in range(size // LINE):
            plain.write(secrets.token_bytes(LINE))
        if kind != "clean":
            plain.write(eicar())
    if kind == "zip":
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "noise.bin")
        packed.rename(path)


def message(path: Path) -> Iterator[bytes]:
    yield (
        b"From: a@b.example\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=large.bin\r\n\r\n"
    )
    with path.open("rb") as file:
        while octets := file.read(LINE):
            yield base64.encodebytes(octets).replace(b"\n", b"\r\n")
    yield b"--x--\r\n"


def send(path: Path) -> None:
    with socket.create_connection((GATEWAY, SMTP_PORT), timeout=SECONDS_MAX) as sock, sock.makefile("rb") as replies:
        replies.readline()
        for command in (b"HELO bench.example", b"MAIL FROM:<a@b.example>", b"RCPT TO:<c@d.example>", b"DATA"):
            sock.sendall(command + b"\r\n")
            replies.readline()
        for piece in message(path):
            sock.sendall(piece)
        sock.sendall(b".\r\n")
        reply = replies.readline()
    if not reply.startswith(b"250"):
        raise SystemExit(f"not taken: {reply.decode()}")


# --- measuring -----------------------------------------------------------------------------------------------------
def descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def status(pid: int, field: str) -> int:
    """KiB; 0 when the process has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


class Watch:
    """Peaks of the processes below some roots, from now on."""

    def __init__(self, roots: list[int]) -> None:
        self._roots = roots
        self.before: dict[int, int] = {}
        self.anonymous: dict[int, int] = {}
        for pid in self._all():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew
            self.before[pid] = status(pid, "VmHWM")

    def _all(self) -> list[int]:
        return [pid for root in self._roots for pid in descendants(root)]

    def sample(self) -> None:
        for pid in self._all():
            self.anonymous[pid] = max(self.anonymous.get(pid, 0), status(pid, "RssAnon"))

    def peaks(self) -> dict[int, int]:
        return {pid: status(pid, "VmHWM") for pid in self._all()}


def verdicts(base: Path) -> list[str]:
    log = base / "gw" / "log" / "mail.current"
    return [line for line in log.read_text().splitlines() if " antivirus " in line] if log.exists() else []


def held(base: Path) -> int:
    database = base / "sma" / "store" / "store.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as db:
        return int(db.execute("SELECT count(*) FROM copy WHERE custody = 'HELD'").fetchone()[0])


def measure(base: Path, roots: dict[str, int], path: Path, kind: str) -> None:
    content(path, path_size(path), kind)
    lines, done = len(verdicts(base)), held(base)
    watch = Watch(list(roots.values()))
    began = time.monotonic()
    sender = subprocess.Popen([sys.executable, "-m", "bench.memory", "--send", str(path)])
    while held(base) == done and time.monotonic() < began + SECONDS_MAX:
        watch.sample()
        time.sleep(SAMPLE_SECONDS)
    took = time.monotonic() - began
    if sender.wait(SECONDS_MAX):
        raise SystemExit("the message was not taken")
    size = sum(map(len, message(path)))
    print(f"--- {kind}, {size / 1e6:.1f} MB, done after {took:.1f} s")
    while len(verdicts(base)) == lines and time.monotonic() < began + SECONDS_MAX:
        time.sleep(0.1)
    for line in verdicts(base)[lines:]:
        print("   ", line)
    for pid, peak in watch.peaks().items():
        name = next((n for n, root in roots.items() if root == pid), "worker")
        before = watch.before.get(pid, 0)
        if name == "worker" and peak - before < 4_096:
            continue
        print(
            f"    {name:8} {pid:>8}: peak {peak / 1024:7.1f} MiB, {(peak - before) / 1024:+7.1f} MiB; "
            f"not file pages {watch.anonymous.get(pid, 0) / 1024:7.1f} MiB"
        )


def path_size(path: Path) -> int:
    return int(path.name)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory")
    parser.add_argument("--megabytes", type=float, nargs="*", default=[60.0, 100.0], help="size of the messages")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--edges", type=int, default=0, help="edge processes of the gateway")
    parser.add_argument("--send", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send is not None:
        send(arguments.send)
        return 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        base = Path(name)
        asyncio.run(make(base, arguments.edges))
        processes = {name: run(base / directory) for name, directory in (("manager", "sma"), ("gateway", "gw"))}
        try:
            roots = {name: process.pid for name, process in processes.items()}
            small = base / str(LINE)
            measure(base, roots, small, "clean")
            for megabytes in arguments.megabytes:
                for kind in arguments.kinds:
                    measure(base, roots, base / str(int(megabytes * 1e6 * 57 / 78)), kind)
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(30)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
