"""Our side: a gateway and a manager as real processes with their defaults, every durable call on."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise

MANAGER, GATEWAY = "127.0.66.1", "127.0.66.2"
SMTP_PORT = 2525
PATTERNS = 200


def filters() -> str:
    """A filter with 200 content patterns that this mail does not match, and one that holds everything."""
    words = " or ".join(f'body-contains("(?i)confidential project {n:03d}")' for n in range(PATTERNS))
    return f'words: if ({words}) {{ log-entry("word"); }}\nhold_all: if (true) {{ quarantine("Policy"); }}\n'


class Pair:
    def __init__(self, base: Path, *, tracer: tuple[str, ...] = ()) -> None:
        self._base = base
        self._tracer = tracer
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        asyncio.run(self._make())
        for name in ("sma", "gw"):
            command = [*self._tracer, "-o", str(self._base / f"{name}.trace")] if self._tracer else []
            command += [sys.executable, "-m", "pratique", "run", str(self._base / name)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
            self.processes.append(process)
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if " ready (" not in line:
                raise SystemExit(f"{name} did not start: {line}")
        time.sleep(1.0)  # the first hello

    async def _make(self) -> None:
        common = {"web.enabled": "false"}
        await initialise(
            "manager", self._base / "sma", name="sma.bench.example",
            overrides=common | {"cpq.address": MANAGER}, password="bench",
        )  # fmt: skip
        await initialise(
            "gateway", self._base / "gw", name="gw.bench.example", password="bench",
            overrides=common | {
                "cpq.address": GATEWAY,
                "cpq.source": GATEWAY,
                "gateway.listeners.0.kind": "private",
                "gateway.listeners.0.address": GATEWAY,
                "gateway.listeners.0.port": str(SMTP_PORT),
                "gateway.listeners.0.connections_per_address": "5000",
                "gateway.listeners.0.connections_max": "10000",
                "gateway.policy.filters": filters(),
                "gateway.virus.builtin": "false",
                "gateway.edges": os.environ.get("EDGES", "0"),
            },
        )  # fmt: skip
        papers = {name: own_enrolment(self._base / name) for name in ("sma", "gw")}
        await enrol_stopped(self._base / "gw", papers["sma"])
        await enrol_stopped(self._base / "sma", papers["gw"])

    def held(self) -> int:
        """Copies that the manager holds, read from its store."""
        database = self._base / "sma" / "store" / "store.db"
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5) as db:
            return int(db.execute("SELECT count(*) FROM copy WHERE custody = 'HELD'").fetchone()[0])

    def cpu_seconds(self) -> float:
        """User and system time of both processes so far."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / ticks

    def stop(self) -> None:
        """SIGTERM to each process group, so that a traced appliance hears it, too; wait until its output ends."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            assert process.stdout is not None
            process.stdout.read()
            process.wait(30)
