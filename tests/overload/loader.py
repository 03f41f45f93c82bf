"""The load generator (loader.c) as a process, and what a process under load has used of the machine."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.e2e.world import SMTP_PORT, Appliance

SOURCE = Path(__file__).with_name("loader.c")
MESSAGE_BYTES = 4096
Figures = dict[str, Any]


class CannotRun(Exception):
    """This machine lacks something; the text says what would help."""


class Loader:
    """ "rate": so many connections a second, whatever becomes of them; "keep": so many clients kept busy."""

    def __init__(self, gateway: Appliance, how: str, number: float, *, seconds: float, name: str) -> None:
        self._list = gateway.directory.parent / f"{name}.accepted"
        place = (gateway.address, str(SMTP_PORT))
        command = [compiled(), *place, how, str(number), str(seconds), str(MESSAGE_BYTES), name, str(self._list)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def figures(self) -> tuple[Figures, list[str]]:
        """Wait for its end: what it printed, and the recipients that got 250."""
        output = self._process.communicate()[0]
        assert self._process.returncode == 0, "the loader failed"
        return json.loads(output), self._list.read_text().split()


@cache
def compiled() -> str:
    """The loader's program. Raises CannotRun without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CannotRun("no C compiler for the load generator: install Debian's gcc and libc6-dev")
    program = Path(tempfile.mkdtemp(prefix="pratique-loader-")) / "loader"
    command = [compiler, "-O2", "-o", str(program), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRun(f"the load generator does not compile: {done.stderr[:500]}")
    atexit.register(shutil.rmtree, program.parent, ignore_errors=True)
    return str(program)


@dataclass(frozen=True)
class Spent:
    """Seconds that a process has used so far, and those that it had to wait for."""

    cpu: float
    waited: float  # ready to run while others had the processor; its main thread

    @classmethod
    def by(cls, appliance: Appliance) -> "Spent":
        assert appliance.process is not None
        base = Path(f"/proc/{appliance.process.pid}")
        fields = base.joinpath("stat").read_text().rpartition(")")[2].split()
        waited = int(base.joinpath("schedstat").read_text().split()[1])
        return cls((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), waited / 1e9)

    def since(self, before: "Spent") -> "Spent":
        return Spent(self.cpu - before.cpu, self.waited - before.waited)


def memory_peak_kib(appliance: Appliance) -> int:
    """VmHWM of the process and its children, summed."""
    total = 0
    for pid in appliance.processes():
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmHWM:") else 0
    return total
