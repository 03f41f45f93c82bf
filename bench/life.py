"""P7, P9 and P10: what idle sessions cost, what reaches the disk, and how soon mail is taken after kill -9."""

import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

from bench.client import Load, sender, smtp_source
from bench.machine import pss_mib, written_octets
from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.p1 import rate, scratch

LOAD_SECONDS = 3.0  # of full load before the kill


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
    """P10: seconds from the restart after kill -9 at full load until a message is accepted. Afterwards the manager must
    hold whatever got its 250 once, and nothing else but what was under way in that instant."""
    with scratch("p10") as base:
        pair = Pair(base / "ours")
        try:
            pair.make()
            pair.start("gw")
            sender(GATEWAY, SMTP_PORT, Load(100, 2048, count, 0), count)
            load = Answered(GATEWAY, SMTP_PORT)
            load.run(LOAD_SECONDS)
            pair.kill("gw")
            answered = load.stop()
            begun = time.monotonic()
            pair.start("gw")
            smtp_source(GATEWAY, SMTP_PORT, Load(1, 2048, 1, 0), 1)
            seconds = time.monotonic() - begun
            pair.start("sma")
            least = count + len(answered) + 1
            rate(lambda: None, pair.held, least - pair.held(), seconds=900)
            _wait_until_empty(pair)
            counted = Counter(pair.senders("sma", "custody = 'HELD'"))
        finally:
            pair.stop()
    missing = sum(name not in counted for name in answered) + max(0, least - sum(counted.values()))
    doubled = sum(times - 1 for times in counted.values())
    return {
        "queued": count,
        "ours": round(seconds, 2),
        "answered_under_load": len(answered),
        "held": sum(counted.values()),
        "not_once": missing + doubled,
    }


def _wait_until_empty(pair: Pair) -> None:
    """Nothing is on its way to the manager any more."""
    deadline = time.monotonic() + 60
    while pair.count("gw", "custody IN ('Q', 'X')") and time.monotonic() < deadline:
        time.sleep(0.05)


class Answered:
    """A load of SESSIONS clients that remember which of their messages got 250; each has a sender of its own."""

    SESSIONS = 50

    def __init__(self, address: str, port: int) -> None:
        self._target = (address, port)
        self._answered: list[str] = []
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(self.SESSIONS)]

    def run(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)

    def stop(self) -> list[str]:
        """The server has died, so every client ends."""
        for thread in self._threads:
            thread.join(60)
        if not self._answered:
            raise SystemExit("the load had no message answered before the kill")
        return self._answered

    def _client(self, number: int) -> None:
        try:
            with socket.create_connection(self._target, 30) as sock, sock.makefile("rb") as replies:
                replies.readline()
                _said(sock, replies, "EHLO client.bench.example")
                for sent in range(1_000_000):
                    name = f"late{number}-{sent}@bench.example"
                    _said(sock, replies, f"MAIL FROM:<{name}>")
                    _said(sock, replies, "RCPT TO:<reader@bench.example>")
                    _said(sock, replies, "DATA")
                    if not _said(sock, replies, f"Subject: late\r\n\r\n{'x' * 70}\r\n.").startswith(b"250"):
                        return
                    self._answered.append(name)
        except OSError:
            return


def _said(sock: socket.socket, replies: IO[bytes], line: str) -> bytes:
    """The last line of the reply. OSError when there is none."""
    sock.sendall(f"{line}\r\n".encode())
    reply = replies.readline()
    while reply[3:4] == b"-":
        reply = replies.readline()
    if not reply:
        raise ConnectionResetError
    return reply
