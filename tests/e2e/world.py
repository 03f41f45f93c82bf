"""A world of real processes: appliances made by `pratique init`, enrolled with each other, run by `pratique run` on
loopback addresses of their own, with a next hop of ours. Waits poll a condition and have a deadline; nothing sleeps.
"""

import asyncio
import base64
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import pytest

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise
from tests.e2e.next_hop import NextHop
from tests.e2e.talk import Talk

SMTP_PORT, CPQ_PORT, WEB_PORT, SSH_PORT = 2525, 7025, 8443, 2222
PORTS = (SMTP_PORT, CPQ_PORT, WEB_PORT, SSH_PORT)
READY_SECONDS = 60.0  # a busy machine is slow
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
PASSWORD = "correct horse battery"
HOLD_ALL = 'hold_all: if (true) { quarantine("Policy"); }'
_networks = itertools.count(1)
T = TypeVar("T")


def until(probe: Callable[[], T], seconds: float = 15.0, what: str = "") -> T:
    """Poll until `probe` gives something true; that. OSError and a store being replaced are "not yet"."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = probe()
        except (OSError, sqlite3.OperationalError):
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or probe}")
        time.sleep(POLL_SECONDS)


def need(program: str, package: str) -> str:
    """The path of a program that a test drives; in CI its absence is a failure, elsewhere a reason to skip."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")
    return found or lacks(f"{program} is missing: install Debian's {package}")


def lacks(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def free_network() -> str:
    """127.<process>.<n>: several test runs, and the workers of one, do not meet."""
    first = 1 + os.getpid() % 250
    while True:
        network = f"127.{first}.{next(_networks) % 250 + 1}"
        if all(_is_free(f"{network}.{host}", port) for host in (1, 2, 9) for port in PORTS):
            return network


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return False
    return True


class Appliance:
    def __init__(self, name: str, role: str, address: str, directory: Path) -> None:
        self.name = name
        self.role = role
        self.address = address
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        self.user = "admin"  # who asks over REST
        self._output = directory.parent / f"{directory.name}.out"
        self._errors = directory.parent / f"{directory.name}.err"

    # --- life
    def launch(self) -> None:
        with self._output.open("ab") as out, self._errors.open("ab") as err:
            self._said = out.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pratique", "run", str(self.directory)], stdout=out, stderr=err
            )

    def ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.errors()}")
        return b" ready (" in self._output.read_bytes()[self._said :] and self._serves()

    def _serves(self) -> bool:
        """A console process may come up after the appliance; tests that measure time want it there. Raises OSError."""
        options = tomllib.loads((self.directory / "pratique.toml").read_text())
        if options.get("process", {}).get("console") and options["web"].get("enabled", True):
            self.fetch("GET", "/metrics")
        return True

    def start(self) -> None:
        self.launch()
        until(self.ready, READY_SECONDS, f"{self.name} ready")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """As a power cut does it for one process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(STOP_SECONDS)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def output(self) -> str:
        return self._output.read_text(encoding="utf-8") if self._output.exists() else ""

    def errors(self) -> str:
        return self._errors.read_text(encoding="utf-8") if self._errors.exists() else ""

    def processes(self) -> list[int]:
        """Our process and its children."""
        assert self.process is not None
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text().split()]
        return found

    # --- log
    def log(self, name: str = "mail") -> list[str]:
        """The lines of the log without their line ends, rolled files first."""
        folder = self.directory / "log"
        files = [*sorted(folder.glob(f"{name}.@*.s")), folder / f"{name}.current"]
        return [line for f in files if f.exists() for line in f.read_text(encoding="utf-8").splitlines()]

    def grep(self, pattern: str) -> list[str]:
        wanted = re.compile(pattern)
        return [line for line in self.log() if wanted.search(line)]

    def logged(self, pattern: str, *, count: int = 1, seconds: float = 15.0) -> list[str]:
        """Wait until at least `count` lines match; those."""

        def found() -> list[str]:
            lines = self.grep(pattern)
            return lines if len(lines) >= count else []

        try:
            return until(found, seconds)
        except AssertionError:
            tail = "\n".join(self.log()[-40:])
            raise AssertionError(
                f"{self.name}: {len(self.grep(pattern))} of {count} lines with {pattern!r}\n{tail}"
            ) from None

    # --- store, read beside the running process
    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.directory}/store/store.db?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(sql, values).fetchall()

    def count(self, what: str) -> int:
        """Rows: count("copy WHERE custody = 'HELD'")."""
        return int(self.rows(f"SELECT count(*) FROM {what}")[0][0])

    def spool_octets_live(self) -> int:
        return int(self.rows("SELECT coalesce(sum(live), 0) FROM segment")[0][0])

    # --- SMTP
    def talk(self, *, source: str = "") -> Talk:
        return Talk(self.address, SMTP_PORT, source=source)

    def send(self, sender: str, recipients: list[str], octets: bytes, *, parameters: str = "") -> str:
        """One message over a session of its own; the deciding reply."""
        with self.talk() as talk:
            talk.greeted()
            reply = talk.message(sender, recipients, octets, parameters=parameters)
            talk.say("QUIT")
        return reply

    # --- REST
    def rest(self, method: str, path: str, body: dict[str, Any] | None = None, **query: object) -> Any:
        base = "/sma/api/v2.0" if self.role == "manager" else "/esa/api/v2.0"
        target = base + path + (f"?{urlencode(query)}" if query else "")
        return json.loads(self.fetch(method, target, json.dumps(body) if body is not None else None))

    def fetch(self, method: str, target: str, body: str | None = None) -> bytes:
        """From the REST API's port, as our user; anything but 200 is an error."""
        context = ssl.create_default_context(cafile=str(self.directory / "keys" / "web.crt"))
        context.check_hostname = False
        token = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        with closing(http.client.HTTPSConnection(self.address, WEB_PORT, context=context, timeout=20)) as connection:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            octets = answer.read()
        if answer.status != 200:
            raise AssertionError(f"{method} {target}: {answer.status} {octets[:300]!r}")
        return octets

    def held(self) -> list[dict[str, Any]]:
        """The rows of the list of held mail, all pages."""
        rows: list[dict[str, Any]] = []
        while True:
            page = self.rest(
                "GET",
                "/quarantine/messages",
                quarantineType="pvo",
                startDate="2020-01-01T00:00:00.000Z",
                endDate="2099-01-01T00:00:00.000Z",
                quarantines="Policy,Virus,Outbreak,Unclassified",
                offset=len(rows),
                limit=250,
                orderBy="received",
                orderDir="asc",
            )
            rows += page["data"]
            if len(rows) >= page["meta"]["totalCount"]:
                return rows

    def release(self, mids: list[int], quarantine: str = "Policy") -> int:
        """How many were really acted on."""
        body = {"action": "release", "mids": mids, "quarantineName": quarantine, "quarantineType": "pvo"}
        return int(self.rest("POST", "/quarantine/messages", body)["data"]["totalCount"])

    def delete(self, mids: list[int], quarantine: str = "Policy") -> int:
        body = {"mids": mids, "quarantineName": quarantine, "quarantineType": "pvo"}
        return int(self.rest("DELETE", "/quarantine/messages", body)["data"]["totalCount"])


class World:
    """Appliances and a next hop on one network; everything ends with `close`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.network = free_network()
        self.appliances: list[Appliance] = []
        self.hop = NextHop(f"{self.network}.9", SMTP_PORT)
        self.faults_expected = False  # a test that breaks a component of ours says so

    def make(self, role: str, name: str = "", *, host: int = 0, options: dict[str, str] | None = None) -> Appliance:
        """`pratique init`, with addresses of this world. The first manager is .1, gateways follow."""
        host = host or len(self.appliances) + 1
        name = name or {"manager": "sma", "gateway": "gw"}[role] + str(host)
        appliance = Appliance(f"{name}.test", role, f"{self.network}.{host}", self.base / name)
        overrides = {**self._options(appliance), **(options or {})}
        asyncio.run(initialise(role, appliance.directory, name=appliance.name, overrides=overrides, password=PASSWORD))
        self.appliances.append(appliance)
        return appliance

    def _options(self, appliance: Appliance) -> dict[str, str]:
        address = json.dumps(appliance.address)
        common = {"cpq.address": address, "cpq.source": address, "web.address": address, "web.port": str(WEB_PORT)}
        if os.environ.get("PRATIQUE_E2E_CONSOLE") == "1":  # the same suite with a console process
            common["process.console"] = "true"
        common |= {"ssh.address": address, "ssh.port": str(SSH_PORT), "ssh.enabled": "false"}  # its tests enable it
        if appliance.role == "manager":
            return common
        return {
            **common,
            "gateway.listeners.0.address": address,
            "gateway.listeners.0.port": str(SMTP_PORT),
            "gateway.listeners.0.recipients.0.match": '"ALL"',
            "gateway.virus.builtin": "false",
            "gateway.edges": os.environ.get("PRATIQUE_E2E_EDGES", "0"),  # the same suite over several processes
            "web.enabled": "false",  # what is asked over REST here is asked of the manager
            "delivery.smtproutes": json.dumps([f"ALL {self.hop.address}:{self.hop.port}"]),
        }

    def pair(self, *, gateway: dict[str, str] | None = None, manager: dict[str, str] | None = None) -> None:
        """A manager and a gateway that know each other, not started: world.manager, world.gateway."""
        self.manager = self.make("manager", options=manager)
        self.gateway = self.make("gateway", options={"gateway.policy.filters": HOLD_ALL, **(gateway or {})})
        self.enrol(self.manager, self.gateway)

    def enrol(self, one: Appliance, other: Appliance) -> None:
        """Each learns the other; both are stopped."""
        for here, there in ((one, other), (other, one)):
            asyncio.run(enrol_stopped(here.directory, own_enrolment(there.directory)))

    def start(self, *appliances: Appliance) -> None:
        """All of them, or those named, at the same time."""
        chosen = appliances or tuple(self.appliances)
        for appliance in chosen:
            appliance.launch()
        for appliance in chosen:
            until(appliance.ready, READY_SECONDS, f"{appliance.name} ready")

    def run(self, *arguments: str, seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
        """`pratique ARGUMENTS`."""
        return subprocess.run(
            [sys.executable, "-m", "pratique", *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def close(self) -> None:
        for appliance in self.appliances:
            appliance.kill()
        self.hop.close()
        complaints = [f"{a.name}: {a.errors()}" for a in self.appliances if "Traceback" in a.errors() + a.output()]
        faults = [line for a in self.appliances for line in a.grep("An application fault occurred")]
        if not os.environ.get("PRATIQUE_E2E_KEEP"):
            shutil.rmtree(self.base, ignore_errors=True)
        assert not complaints, complaints
        assert self.faults_expected or not faults, faults


def message(subject: str, *lines: str, sender: str = "a@partner.example") -> bytes:
    head = [f"From: {sender}", f"Subject: {subject}", f"Message-ID: <{subject.replace(' ', '.')}@partner.example>"]
    return "\r\n".join([*head, "", *(lines or ("Hello.",)), ""]).encode()
