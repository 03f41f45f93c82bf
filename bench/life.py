"""P7, P9 and P10: what idle sessions cost, what reaches the disk, and how soon mail is taken after kill -9."""

import socket
import time
from pathlib import Path
from typing import Any

from bench.client import Load, smtp_source
from bench.machine import pss_mib, written_octets
from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.p1 import rate, scratch


def idle(count: int, *, edges: int) -> dict[str, Any]:
    """P7: memory of the gateway's processes with so many greeted, silent sessions, and before."""
    with scratch("p7") as base:
        pair = Pair(base / "ours", edges=edges)
        socks: list[socket.socket] = []
        try:
            pair.start()
            smtp_source(GATEWAY, SMTP_PORT, Load(20, 2048, 200, 0), 200)
            before = pss_mib(pair.pids("gw"))
            for _ in range(count):
                socks.append(socket.create_connection((GATEWAY, SMTP_PORT), timeout=30))
                socks[-1].recv(512)
            after = pss_mib(pair.pids("gw"))
        finally:
            for sock in socks:
                sock.close()
            pair.stop()
    return {"sessions": count, "ours": round(after, 1), "before": round(before, 1), "grown": round(after - before, 1)}


def writes(count: int, load: Load) -> dict[str, Any]:
    """P9: durable calls per message, counted by strace over both appliances, and octets written per octet of the two
    copies."""
    tracer = ("/usr/bin/strace", "-f", "-qq", "-e", "trace=fsync,fdatasync")
    with scratch("p9") as base:
        pair = Pair(base, tracer=tracer)
        try:
            pair.start()
            before = _calls(base)
            rate(lambda: smtp_source(GATEWAY, SMTP_PORT, load, count), pair.held, count)
            calls = {name: n - before[name] for name, n in _calls(base).items()}
        finally:
            pair.stop()
    with scratch("p9") as base:
        pair = Pair(base)
        try:
            pair.start()
            began = _written(pair)
            rate(lambda: smtp_source(GATEWAY, SMTP_PORT, load, count), pair.held, count)
            octets = _written(pair) - began
        finally:
            pair.stop()
    return {
        "messages": count,
        "sessions": load.sessions,
        "calls": calls,
        "ours": round(sum(calls.values()) / count, 3),
        "octets_ratio": round(octets / (2 * count * load.size), 2),
    }


def _written(pair: Pair) -> int:
    return written_octets(pair.pids("gw")) + written_octets(pair.pids("sma"))


def _calls(base: Path) -> dict[str, int]:
    """Successful fsync and fdatasync calls so far, by appliance."""
    return {
        name: sum(1 for line in (base / f"{name}.trace").read_text().splitlines() if line.endswith("= 0"))
        for name in ("gw", "sma")
    }


def restart(count: int) -> dict[str, Any]:
    """P10: seconds from the restart after kill -9 under load until a message is accepted; all that was acknowledged is
    held once afterwards."""
    with scratch("p10") as base:
        pair = Pair(base / "ours")
        try:
            pair.make()
            pair.start("gw")
            smtp_source(GATEWAY, SMTP_PORT, Load(100, 2048, count, 0), count)
            pair.kill("gw")
            begun = time.monotonic()
            pair.start("gw")
            smtp_source(GATEWAY, SMTP_PORT, Load(1, 2048, 1, 0), 1)
            seconds = time.monotonic() - begun
            pair.start("sma")
            rate(lambda: None, pair.held, count + 1 - pair.held(), seconds=900)
            held, distinct = pair.held(), pair.count("sma", "custody = 'HELD' AND mid > 0")
        finally:
            pair.stop()
    return {"queued": count, "ours": round(seconds, 2), "held": held, "expected": count + 1, "distinct": distinct}
