"""One appliance of the proof: its directory, the process that runs it, and how a driver talks with it.

The process is `pratique run` itself: forked from a process that has loaded the product already, or started anew.
"""

import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

# Loaded here, once, what an appliance loads late.
from pratique.front import run as front_run
from pratique.front.control import first_line, socket_path
from proof.durable import pace, shim
from proof.durable.shim import Fault, Op, Shim

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
SMTP_PORT = 2525


@dataclass(slots=True)
class Plan:
    """How the next process of an appliance is to run."""

    fault: Fault = Fault.NONE
    at: int = 0
    part: str = ""  # of the path of the file that meets the fault
    from_start: bool = False  # count from the first call on, not from readiness
    ahead_ms: int = 0
    data: bool = False  # the log holds what was written
    hear: Callable[[int, Op, str], None] | None = None  # told of each call, in the process
    change: Callable[[], None] | None = None  # done in the process before it starts: a mutant, a slow judge
    library: Path | None = None  # a process of its own, with this shim before it


@dataclass(slots=True)
class Place:
    role: str
    directory: Path
    address: str
    log: Path  # of the shim
    plan: Plan = field(default_factory=Plan)
    pid: int = 0
    ends: list[int] = field(default_factory=list)  # wait statuses of its processes, oldest first
    starts: int = 0
    _pipe: int = -1
    _said: bytes = b""

    # --- life
    def start(self) -> bool:
        """Run until it is ready; False when it ended before."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        assert not self.pid
        self.starts += 1
        self._said = b""
        reads, writes = os.pipe()
        plan = self.plan
        if plan.library is not None:
            self.pid = self._spawn(plan, writes)
        else:
            self.pid = os.fork()
            if not self.pid:
                os.close(reads)
                _become(self, plan, writes)
        os.close(writes)
        self._pipe = reads

    def _spawn(self, plan: Plan, writes: int) -> int:
        extra = shim.environment(plan.library or Path(), self.directory, self.log, at=plan.at, fault=plan.fault)
        with self._errors().open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "pratique", "run", str(self.directory)],
                stdout=writes,
                stderr=errors,
                env={**os.environ, **extra},
            ).pid

    def wait_ready(self) -> bool:
        deadline = time.monotonic() + READY_SECONDS
        while b" ready (" not in self._said:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the {self.role} was not ready in {READY_SECONDS:g} s: {self.errors()}")
            if select.select([self._pipe], [], [], left)[0]:
                octets = os.read(self._pipe, 65536)
                if not octets:
                    self._gone(os.waitpid(self.pid, 0)[1])
                    return False
                self._said += octets
        return True

    def alive(self) -> bool:
        if not self.pid:
            return False
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._gone(status)
        return bool(self.pid)

    def _gone(self, status: int) -> None:
        self.ends.append(status)
        self.pid = 0
        os.close(self._pipe)

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        """The exit code (negative: the signal), None when it had to be killed because it did not end."""
        if not self.alive():
            return os.waitstatus_to_exitcode(self.ends[-1]) if self.ends else 0
        os.kill(self.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while self.alive():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                self._gone(os.waitpid(self.pid, 0)[1])
                return None
            wait()
        return os.waitstatus_to_exitcode(self.ends[-1])

    def _errors(self) -> Path:
        return self.log.with_suffix(".err")

    def errors(self) -> str:
        return self._errors().read_text(errors="replace") if self._errors().exists() else ""

    # --- talk
    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What is committed; nothing while it cannot be read."""
        try:
            with closing(sqlite3.connect(f"file:{self.directory}/store/store.db?mode=ro", uri=True, timeout=2)) as db:
                return db.execute(sql, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def count(self, what: str) -> int:
        found = self.rows(f"SELECT count(*) FROM {what}")
        return int(found[0][0]) if found else -1

    def ask(self, command: str, **arguments: Any) -> Any:
        """One local command over the control socket; None when there was no answer, or it was refused."""
        try:
            with socket_path(self.directory) as path, socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(10)
                sock.connect(path)
                sock.sendall(first_line(self.directory))
                sock.sendall(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n") and (more := sock.recv(65536)):
                    answer += more
            told = json.loads(answer)
        except (OSError, ValueError):
            return None
        return told.get("result") if told.get("ok") else None

    def send(self, recipient: str, octets: bytes, *, sender: str = "a@partner.example") -> str:
        """One message over a session of its own: the reply that decides, "" when there was none."""
        answer = ""
        try:
            with socket.create_connection((self.address, SMTP_PORT), timeout=15) as sock:
                wire = sock.makefile("rwb")
                for line in ("", "EHLO c.example", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
                    answer = reply(wire, line.encode() + b"\r\n" if line else b"")
                    if not answer.startswith(("2", "3")):
                        return answer
                answer = ""
                answer = reply(wire, octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
                wire.write(b"QUIT\r\n")
                wire.flush()
        except OSError:
            answer = ""  # it broke before the reply was whole, or before it was asked for
        return answer


def reply(wire: Any, octets: bytes) -> str:
    """Send, and read one reply; "" at the end of the connection."""
    if octets:
        wire.write(octets)
        wire.flush()
    while True:
        line = wire.readline().decode(errors="replace").rstrip("\r\n")
        if line[3:4] != "-":
            return str(line)


def wait() -> None:
    """A short turn of a poll: real processes are watched from outside."""
    select.select([], [], [], 0.004)


def _become(place: Place, plan: Plan, writes: int) -> None:
    """The forked process: from here on it is `pratique run`, and ends as that does."""
    code = 70
    try:
        shim.end_with_parent()
        os.dup2(writes, 1)
        os.dup2(os.open(place._errors(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        if plan.ahead_ms:
            pace.later(plan.ahead_ms)
        if plan.change is not None:
            plan.change()
        library = Shim()

        def watch() -> None:
            library.arm(plan.at, plan.fault, plan.part)
            if plan.hear is not None:
                library.tell(plan.hear)
            library.watch(place.directory, place.log, data=plan.data)

        if plan.from_start:
            watch()
        else:
            say = front_run._say

            def ready(text: str) -> None:
                watch()
                say(text)

            front_run._say = ready
        code = uvloop.run(front_run.run(place.directory))
    except BaseException as error:  # noqa: BLE001  the parent judges the exit code, and reads this
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)
