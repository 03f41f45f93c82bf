"""The load: a client that pipelines as those of real mail servers do (sender.c), and Debian's smtp-source, which waits
for each reply.
"""

import atexit
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("sender.c")


@dataclass(frozen=True)
class Load:
    sessions: int
    size: int
    ours: int  # messages per round
    theirs: int


Send = Callable[[str, int, Load, int], None]  # (address, port, load, count): returns when all have got their 250


def sender(address: str, port: int, load: Load, count: int) -> None:
    """Ours: PIPELINING, connections that stay open, addresses that differ. A refused message ends the program."""
    words = [_program(), address, str(port), str(load.sessions), str(count), str(load.size)]
    if subprocess.run(words, check=False).returncode:
        raise SystemExit("the load could not be sent")


def smtp_source(address: str, port: int, load: Load, count: int) -> None:
    """Debian's: connections that stay open, one reply at a time."""
    subprocess.run(
        [
            "/usr/sbin/smtp-source", "-d", "-s", str(load.sessions), "-m", str(count), "-l", str(load.size),
            "-f", "sender@bench.example", "-t", "reader@bench.example", f"inet:{address}:{port}",
        ],
        check=True,
    )  # fmt: skip


CLIENTS: dict[str, Send] = {"sender": sender, "smtp-source": smtp_source}


@cache
def _program() -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("the load needs a C compiler: apt-get install gcc libc6-dev, or ARGS='--client smtp-source'")
    program = Path(tempfile.mkdtemp(prefix="pratique-sender-")) / "sender"
    atexit.register(shutil.rmtree, program.parent, ignore_errors=True)
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
    return str(program)
