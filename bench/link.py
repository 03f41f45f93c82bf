"""P4 and P5: the quarantine port alone. P4 hands over what waits at the gateway, beside the raw limits of the machine;
P5 releases what the manager holds, beside `postsuper -H ALL` and a relay over TLS."""

import os
import socket
import ssl
import statistics
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from bench.client import Load, sender, smtp_source
from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.p1 import POSTFIX_PORT, need_postfix, rate, scratch
from bench.postfix import PostfixPair, wait_until_up

BATCH = 64
RELEASED_AT_ONCE = 500
DIAL_SECONDS_MAX = 90.0  # a gateway waits up to a minute between two tries


def hand_over(count: int, size: int, pairs: int) -> dict[str, Any]:
    """P4: messages a second that a gateway's waiting mail is held at the manager, indexed, from the first that is held;
    beside it, in turn, what the machine itself does."""
    found: list[tuple[float, float, float]] = []
    with scratch("p4") as base:
        pair = Pair(base / "ours")
        try:
            pair.make()
            pair.start("gw")
            for _ in range(pairs):
                ours = _handed_over(pair, count, size)
                found.append((ours, raw_tls(base, size), raw_append(base, size)))
        finally:
            pair.stop()
    ours, tls, append = (statistics.median(column) for column in zip(*found, strict=True))
    return {
        "ours": round(ours),
        "raw_tls": round(tls),
        "append_64": round(append),
        "peer": round(min(tls, append)),
        "ratio": round(statistics.median(one / min(limits) for one, *limits in found), 3),
        "pairs": pairs,
    }


def _handed_over(pair: Pair, count: int, size: int) -> float:
    """Mail gathers at the gateway, then the manager starts; it is stopped again."""
    smtp_source(GATEWAY, SMTP_PORT, Load(100, size, count, 0), count)
    before = pair.held()
    pair.start("sma")
    deadline = time.monotonic() + DIAL_SECONDS_MAX
    while (first := pair.held()) == before and time.monotonic() < deadline:
        time.sleep(0.005)  # until the gateway dials: its wait between two tries is not the link's
    begun = time.monotonic()
    rate(lambda: None, pair.held, before + count - pair.held())
    rated = (before + count - first) / (time.monotonic() - begun)
    pair.stop_one("sma")
    return rated


def raw_append(base: Path, size: int, seconds: float = 2.0) -> float:
    """Messages a second: 64 appended, one fdatasync."""
    octets, done = os.urandom(size), 0
    fd = os.open(base / "append", os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(fd, 0, 1 << 30)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        os.pwritev(fd, [octets] * BATCH, done * size % (1 << 29))
        os.fdatasync(fd)
        done += BATCH
    os.close(fd)
    return done / seconds


def raw_tls(base: Path, size: int, seconds: float = 2.0) -> float:
    """Messages a second over one TLS connection on loopback, one write each, nothing done with them."""
    cert, key = base / "ours" / "sma" / "keys" / "web.crt", base / "ours" / "sma" / "keys" / "web.key"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Thread(target=_swallow, args=(listener, server), daemon=True)
        ended.start()
        octets, done = os.urandom(size), 0
        with client.wrap_socket(socket.create_connection(listener.getsockname())) as sock:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                sock.sendall(octets)
                done += 1
        ended.join()
    return done / seconds


def _swallow(listener: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(listener.accept()[0], server_side=True) as sock:
        while True:
            try:
                if not sock.recv(1 << 18):
                    return
            except OSError:
                return


def release(count: int, theirs_count: int, pairs: int, size: int = 10_240) -> dict[str, Any]:
    """P5: messages a second from the order to release until the gateway has them, durable on both sides; `count`
    in all, in as many rounds as there are pairs."""
    need_postfix()
    rates: list[tuple[float, float]] = []
    with scratch("p5") as base:
        pair, theirs = Pair(base / "ours"), PostfixPair(base / "postfix", POSTFIX_PORT, first_holds=True)
        try:
            pair.start()
            theirs.start()
            for port in (POSTFIX_PORT, POSTFIX_PORT + 1):
                wait_until_up(port)
            load, share = Load(100, size, count, theirs_count), count // pairs
            rate(lambda: sender(GATEWAY, SMTP_PORT, load, count), pair.held, count, seconds=600)
            for number in range(pairs):
                mids = list(range(number * share + 1, (number + 1) * share + 1))
                ours = rate(partial(_release, pair, mids), partial(pair.count, "gw", "hop = 2"), share, seconds=600)
                smtp_source("127.0.0.1", POSTFIX_PORT, load, theirs_count)
                rates.append((ours, rate(theirs.release, theirs.held, theirs_count, seconds=600)))
            not_once = abs(share * pairs - pair.count("gw", "hop = 2")) + pair.doubled("gw", "hop = 2")
        finally:
            pair.stop()
            theirs.stop()
    return {
        "ours": round(statistics.median(ours for ours, _ in rates)),
        "peer": round(statistics.median(peer for _, peer in rates)),
        "ratio": round(statistics.median(ours / peer for ours, peer in rates), 2),
        "pairs": pairs,
        "messages": share * pairs,
        "not_once": not_once,
    }


def _release(pair: Pair, mids: list[int]) -> None:
    for start in range(0, len(mids), RELEASED_AT_ONCE):
        pair.release(mids[start : start + RELEASED_AT_ONCE])
