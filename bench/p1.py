"""P1 and P2: the whole path, accept, policy with 200 content patterns, durable, TLS, durable hold, against two Postfix.

Both sides run at the same time on the same machine and are loaded in turn (A B A B ...); what counts is the median of
the pairwise ratios. The figure is messages per second from the first octet sent until the last message is held, and
processor time per message over both appliances.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.client import Load, Send, sender
from bench.machine import busy_seconds, children_seconds
from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.postfix import PostfixPair, installed, wait_until_up
from bench.preload import preloaded

POSTFIX_PORT = 20025


def rate(send: Callable[[], None], held: Callable[[], int], count: int, *, seconds: float = 120) -> float:
    before = held()
    started = time.monotonic()
    send()
    deadline = started + seconds
    while True:
        asked = time.monotonic()
        if held() >= before + count:
            return count / (time.monotonic() - started)
        if time.monotonic() > deadline:
            raise SystemExit(f"only {held() - before} of {count} messages arrived within {seconds:g} seconds")
        time.sleep(max(0.01, 10 * (time.monotonic() - asked)))  # to ask takes a twentieth of a processor at most


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    base = Path(tempfile.mkdtemp(prefix=f"pratique-{name}-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def need_postfix() -> None:
    if not installed():
        raise SystemExit("the peer needs Debian's postfix and root: apt-get install postfix")


def run(load: Load, pairs: int, *, edges: int, rows: int = 0, send: Send = sender) -> dict[str, Any]:
    """`rows`: of mail that is over, in each of our stores before it begins. {"ours", "peer", "ratio"} in messages
    a second, {"ours_cpu_ms", "peer_cpu_ms", "cpu_ratio"} per message."""
    need_postfix()
    with scratch("p1") as base:
        ours, theirs = preloaded(base / "ours", rows, edges=edges), PostfixPair(base / "postfix", POSTFIX_PORT)
        try:
            ours.start()
            theirs.start()
            for port in (POSTFIX_PORT, POSTFIX_PORT + 1):
                wait_until_up(port)
            return {"rows": rows} | _measure(ours, theirs, load, pairs, send)
        finally:
            ours.stop()
            theirs.stop()


def _measure(ours: Pair, theirs: PostfixPair, load: Load, pairs: int, send: Send) -> dict[str, Any]:
    sides: tuple[tuple[str, int, Callable[[], int], int, Callable[[], None]], ...] = (
        (GATEWAY, SMTP_PORT, ours.held, load.ours, lambda: None),
        ("127.0.0.1", POSTFIX_PORT, theirs.held, load.theirs, theirs.clear),
    )
    rates: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    for number in range(pairs + 1):
        for side, (address, port, held, count, before) in enumerate(sides):
            before()
            wanted = count if number else min(count, 200)  # the first round warms up
            used = busy_seconds() - children_seconds()
            got = rate(partial(send, address, port, load, wanted), held, wanted)
            if number:
                rates[side].append(got)
                costs[side].append((busy_seconds() - children_seconds() - used) * 1000 / wanted)
    ratios = [a / b for a, b in zip(*rates, strict=True)]
    return {
        "ours": round(statistics.median(rates[0])),
        "peer": round(statistics.median(rates[1])),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(r, 2) for r in ratios],
        "pairs": pairs,
        "ours_cpu_ms": round(statistics.median(costs[0]), 3),
        "peer_cpu_ms": round(statistics.median(costs[1]), 3),
        "cpu_ratio": round(statistics.median(b / a for a, b in zip(*costs, strict=True)), 2),
    }
