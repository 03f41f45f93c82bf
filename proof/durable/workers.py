"""Tasks spread over forked processes, each with a world of its own; results come back as lines of JSON."""

import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from proof.durable.shim import end_with_parent

Work = Callable[[Path, int], Callable[[Any], Any]]  # (directory, number of the worker) -> what does one task


def scratch(*, memory: bool = True) -> Path:
    """A directory of ours; in memory where there is some, because a kill needs no disk."""
    fast = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="pratique-proof-", dir=fast if memory and fast.is_dir() else None))


def spread(tasks: list[Any], work: Work, *, workers: int, seconds: float) -> Iterator[Any]:
    """Results as they come; fewer than tasks when the time is over. A worker that dies is an error."""
    base = scratch()
    deadline = time.monotonic() + seconds
    pipes: dict[int, int] = {}
    try:
        for number in range(workers):
            reads, writes = os.pipe()
            pid = os.fork()
            if not pid:
                _serve(base / str(number), number, tasks[number::workers], work, writes, deadline)
            os.close(writes)
            pipes[reads] = pid
        yield from _collect(pipes)
    finally:
        for reads, pid in pipes.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reads)
        shutil.rmtree(base, ignore_errors=True)


def _collect(pipes: dict[int, int]) -> Iterator[Any]:
    rest = dict.fromkeys(pipes, b"")
    while rest:
        for reads in select.select(list(rest), [], [])[0]:
            octets = os.read(reads, 1 << 20)
            *lines, rest[reads] = (rest[reads] + octets).split(b"\n")
            yield from map(json.loads, lines)
            if not octets:
                del rest[reads]
                pid = pipes.pop(reads)
                os.close(reads)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                if code:
                    raise RuntimeError(f"a worker ended with {code}; its words are above")


def _serve(directory: Path, number: int, tasks: list[Any], work: Work, writes: int, deadline: float) -> None:
    code = 1
    try:
        end_with_parent()
        directory.mkdir()
        act = work(directory, number)
        for task in tasks:
            if time.monotonic() > deadline:
                break
            octets = json.dumps(act(task)).encode() + b"\n"
            while octets:
                octets = octets[os.write(writes, octets) :]
        code = 0
    except BaseException:  # noqa: BLE001  shown, and told by the exit status
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
