"""P1: the whole path, accept, policy with 200 content patterns, durable, TLS, durable hold, against two Postfix.

Both sides run at the same time on the same machine and are loaded in turn (A B A B ...); what counts is the median of
the pairwise ratios. The figure is messages per second from the first octet sent until the last message is held.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.postfix import PostfixPair, installed, wait_until_up

POSTFIX_PORT = 20025


@dataclass(frozen=True)
class Load:
    sessions: int
    size: int
    ours: int  # messages per round
    theirs: int


def smtp_source(address: str, port: int, load: Load, count: int) -> None:
    """Debian's load generator: keeps connections, never pipelines."""
    subprocess.run(
        [
            "/usr/sbin/smtp-source", "-d", "-s", str(load.sessions), "-m", str(count), "-l", str(load.size),
            "-f", "sender@bench.example", "-t", "reader@bench.example", f"inet:{address}:{port}",
        ],
        check=True,
    )  # fmt: skip


def rate(send: Callable[[], None], held: Callable[[], int], count: int) -> float:
    before = held()
    started = time.monotonic()
    send()
    deadline = started + 120
    while held() < before + count:
        if time.monotonic() > deadline:
            raise SystemExit(f"only {held() - before} of {count} messages arrived within two minutes")
        time.sleep(0.01)
    return count / (time.monotonic() - started)


def run(load: Load, pairs: int) -> dict[str, object]:
    """One bar: {"ours", "peer", "ratio", "pairs", "cpu_ms"}."""
    if not installed():
        raise SystemExit("the peer needs Debian's postfix and root: apt-get install postfix")
    base = Path(tempfile.mkdtemp(prefix="pratique-bench-"))
    base.chmod(0o755)
    ours, theirs = Pair(base / "ours"), PostfixPair(base / "postfix", POSTFIX_PORT)
    try:
        ours.start()
        theirs.start()
        for port in (POSTFIX_PORT, POSTFIX_PORT + 1):
            wait_until_up(port)
        return _measure(ours, theirs, load, pairs)
    finally:
        ours.stop()
        theirs.stop()
        shutil.rmtree(base, ignore_errors=True)


def _measure(ours: Pair, theirs: PostfixPair, load: Load, pairs: int) -> dict[str, object]:
    ours_rates, their_rates = [], []
    rate(lambda: smtp_source(GATEWAY, SMTP_PORT, load, 200), ours.held, 200)
    rate(lambda: smtp_source("127.0.0.1", POSTFIX_PORT, load, 100), theirs.held, 100)
    cpu = ours.cpu_seconds()
    for _ in range(pairs):
        ours_rates.append(rate(lambda: smtp_source(GATEWAY, SMTP_PORT, load, load.ours), ours.held, load.ours))
        theirs.clear()
        their_rates.append(
            rate(lambda: smtp_source("127.0.0.1", POSTFIX_PORT, load, load.theirs), theirs.held, load.theirs)
        )
    cpu = ours.cpu_seconds() - cpu
    ratios = [a / b for a, b in zip(ours_rates, their_rates, strict=True)]
    return {
        "ours": round(statistics.median(ours_rates)),
        "peer": round(statistics.median(their_rates)),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(r, 2) for r in ratios],
        "pairs": pairs,
        "cpu_ms": round(cpu * 1000 / (pairs * load.ours), 3),
    }


def flushes(count: int, load: Load) -> dict[str, object]:
    """Our durable calls for `count` messages, counted by strace over both processes."""
    base = Path(tempfile.mkdtemp(prefix="pratique-flushes-"))
    tracer = ("/usr/bin/strace", "-f", "-qq", "-e", "trace=fsync,fdatasync")
    pair = Pair(base, tracer=tracer)
    try:
        pair.start()
        before = _calls(base)
        rate(lambda: smtp_source(GATEWAY, SMTP_PORT, load, count), pair.held, count)
        calls = {name: n - before[name] for name, n in _calls(base).items()}
    finally:
        pair.stop()
        shutil.rmtree(base, ignore_errors=True)
    return {"messages": count, "calls": calls, "per_message": round(sum(calls.values()) / count, 3)}


def _calls(base: Path) -> dict[str, int]:
    """Successful fsync and fdatasync calls so far, by appliance."""
    return {
        name: sum(1 for line in (base / f"{name}.trace").read_text().splitlines() if line.endswith("= 0"))
        for name in ("gw", "sma")
    }
