"""Our side: a gateway and a manager as real processes with their defaults, every durable call on."""

import asyncio
import base64
import http.client
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise

MANAGER, GATEWAY, NEXT_HOP = "127.0.66.1", "127.0.66.2", "127.0.66.9"
SMTP_PORT, WEB_PORT = 2525, 8443
PATTERNS = 200
PASSWORD = "bench"
READY_SECONDS = 60


def filters() -> str:
    """A filter with 200 content patterns that this mail does not match, and one that holds everything."""
    words = " or ".join(f'body-contains("(?i)confidential project {n:03d}")' for n in range(PATTERNS))
    return f'words: if ({words}) {{ log-entry("word"); }}\nhold_all: if (true) {{ quarantine("Policy"); }}\n'


class Pair:
    """`edges`: edge processes of the gateway. `tracer`: a command that runs each appliance under it. `made`: `base` has
    both already."""

    def __init__(self, base: Path, *, edges: int = 0, tracer: tuple[str, ...] = (), made: bool = False) -> None:
        self._base = base
        self._tracer = tracer
        self._edges = edges
        self._made = made
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def make(self) -> None:
        """Initialise and enrol both; nothing runs yet."""
        asyncio.run(self._make())
        self._made = True

    def start(self, *names: str) -> None:
        if not self._made:
            self.make()
        for name in names or ("sma", "gw"):
            command = [*self._tracer, "-o", str(self._base / f"{name}.trace")] if self._tracer else []
            command += [sys.executable, "-m", "pratique", "run", str(self._base / name)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
            self.processes[name] = process
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if " ready (" not in line:
                raise SystemExit(f"{name} did not start: {line}")
        if not names:
            time.sleep(1.0)  # the first hello

    async def _make(self) -> None:
        common = {"web.port": str(WEB_PORT), "ssh.enabled": "false"}
        await initialise(
            "manager", self._base / "sma", name="sma.bench.example",
            overrides=common | {"cpq.address": MANAGER, "web.address": MANAGER}, password=PASSWORD,
        )  # fmt: skip
        await initialise(
            "gateway", self._base / "gw", name="gw.bench.example", password=PASSWORD,
            overrides=common | {
                "cpq.address": GATEWAY,
                "cpq.source": GATEWAY,
                "web.enabled": "false",
                "gateway.listeners.0.kind": "private",
                "gateway.listeners.0.address": GATEWAY,
                "gateway.listeners.0.port": str(SMTP_PORT),
                "gateway.listeners.0.connections_per_address": "10000",
                "gateway.listeners.0.connections_max": "10000",
                "gateway.policy.filters": filters(),
                "gateway.virus.builtin": "false",
                "gateway.edges": str(self._edges),
                "delivery.smtproutes": json.dumps([f"ALL {NEXT_HOP}:2599"]),
            },
        )  # fmt: skip
        papers = {name: own_enrolment(self._base / name) for name in ("sma", "gw")}
        await enrol_stopped(self._base / "gw", papers["sma"])
        await enrol_stopped(self._base / "sma", papers["gw"])

    def count(self, name: str, where: str) -> int:
        """Copies in an appliance's store, read beside it."""
        return self._one(name, f"SELECT count(*) FROM copy WHERE {where}")

    def _one(self, name: str, query: str) -> int:
        with self._database(name) as db:
            return int(db.execute(query).fetchone()[0])

    def _database(self, name: str) -> closing[sqlite3.Connection]:
        database = self._base / name / "store" / "store.db"
        return closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5))

    def doubled(self, name: str, where: str) -> int:
        """Copies too many, told by their senders: each message of `sender.c` has its own."""
        return self.count(name, where) - self._one(name, f"SELECT count(DISTINCT sender) FROM copy WHERE {where}")

    def senders(self, name: str, where: str) -> list[str]:
        """Of an appliance's copies, one for each copy."""
        with self._database(name) as db:
            return [sender for (sender,) in db.execute(f"SELECT sender FROM copy WHERE {where}")]

    def held(self) -> int:
        """Copies that the manager holds, as its own count says: a million rows are not counted in passing."""
        return self._one("sma", "SELECT coalesce(sum(count), 0) FROM tally WHERE key = 'copy.HELD'")

    def pids(self, name: str) -> list[int]:
        """The appliance's process and its children."""
        found = [self.processes[name].pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    def kill(self, name: str) -> None:
        """As a power cut does it for one appliance."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes.pop(name).wait(30)

    def release(self, mids: list[int]) -> int:
        """By REST; how many were really acted on."""
        body = {"action": "release", "mids": mids, "quarantineName": "Policy", "quarantineType": "pvo"}
        return int(self._rest("POST", "/quarantine/messages", body)["data"]["totalCount"])

    def _rest(self, method: str, path: str, body: dict[str, Any]) -> Any:
        context = ssl.create_default_context(cafile=str(self._base / "sma" / "keys" / "web.crt"))
        context.check_hostname = False
        token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPSConnection(MANAGER, WEB_PORT, context=context, timeout=60)) as connection:
            connection.request(method, f"/sma/api/v2.0{path}", json.dumps(body), headers)
            return json.loads(connection.getresponse().read())

    def stop_one(self, name: str) -> None:
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.stdout is not None
        process.stdout.read()
        process.wait(30)

    def stop(self) -> None:
        """SIGTERM to each process group, so that a traced appliance hears it, too; wait until its output ends."""
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            assert process.stdout is not None
            process.stdout.read()
            process.wait(30)
        self.processes.clear()
