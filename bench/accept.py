"""P3: durable accept with policy, against Postfix into HOLD and against aiosmtpd that stores nothing.

The manager does not run: what is accepted waits, durable, at the gateway. The figure is messages answered 250 a second.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.client import Load, Send, sender
from bench.ours import GATEWAY, SMTP_PORT, Pair
from bench.p1 import POSTFIX_PORT, need_postfix, scratch
from bench.postfix import PostfixPair, wait_until_up

AIOSMTPD_PORT = 20035
_AIOSMTPD = f"""
import asyncio
from aiosmtpd.smtp import SMTP
class Sink:
    async def handle_DATA(self, server, session, envelope):
        return "250 ok"
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), hostname="x"), "127.0.0.1", {AIOSMTPD_PORT})
    await server.serve_forever()
asyncio.run(main())
"""


def run(load: Load, pairs: int, *, edges: int, send: Send = sender) -> dict[str, Any]:
    need_postfix()
    with scratch("p3") as base:
        ours, theirs = Pair(base / "ours", edges=edges), PostfixPair(base / "postfix", POSTFIX_PORT, first_holds=True)
        bare = subprocess.Popen([sys.executable, "-c", _AIOSMTPD])
        try:
            ours.make()
            ours.start("gw")
            theirs.start()
            for port in (POSTFIX_PORT, AIOSMTPD_PORT):
                wait_until_up(port)
            return _measure(load, pairs, theirs, send)
        finally:
            bare.kill()
            bare.wait()
            ours.stop()
            theirs.stop()


def _measure(load: Load, pairs: int, theirs: PostfixPair, send: Send) -> dict[str, Any]:
    def timed(send: Callable[[], None], count: int) -> float:
        started = time.monotonic()
        send()
        return count / (time.monotonic() - started)

    rates: list[list[float]] = [[], [], []]
    for number in range(pairs + 1):
        theirs.clear("a")
        places = (
            (GATEWAY, SMTP_PORT, load.ours),
            ("127.0.0.1", POSTFIX_PORT, load.theirs),
            ("127.0.0.1", AIOSMTPD_PORT, load.ours),
        )
        for side, (address, port, count) in enumerate(places):
            wanted = count if number else min(count, 200)
            got = timed(partial(send, address, port, load, wanted), wanted)
            if number:
                rates[side].append(got)
    return {
        "ours": round(statistics.median(rates[0])),
        "peer": round(statistics.median(rates[1])),
        "ratio": round(statistics.median(a / b for a, b in zip(rates[0], rates[1], strict=True)), 2),
        "aiosmtpd": round(statistics.median(rates[2])),
        "aiosmtpd_ratio": round(statistics.median(a / b for a, b in zip(rates[0], rates[2], strict=True)), 2),
        "pairs": pairs,
    }
