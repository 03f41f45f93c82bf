"""A load generator: `python -m tests.overload.loader ADDRESS PORT ...`, one JSON line of figures.

Open loop (`--rate`): so many new connections a second, whether or not earlier ones were answered, as the Internet
does it; one mail on each. Closed loop (`--sessions`): so many clients, each with one connection after the other. Each
connection comes from an address of its own out of a few hundred, so that no limit for one address decides.
"""

import argparse
import asyncio
import itertools
import json
import random
import resource
import time
from collections import Counter
from typing import Any

import uvloop

PATIENCE_SECONDS = 60.0  # how long a client waits for any reply
SOURCES = 250
OPEN_MAX = 15_000  # connections of ours at a time


class Tally:
    """How the attempts ended: "250", another code with the command that got it, or how the connection failed."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.seconds: list[float] = []  # from the connection to the 250
        self.refusal_seconds: list[float] = []
        self.in_time = 0  # 250s while load was being offered
        self.accepted: list[str] = []  # recipients

    def figures(self) -> dict[str, Any]:
        return {
            "ends": dict(self.ends),
            "in_time": self.in_time,
            "p50_ms": _quantile(self.seconds, 0.5),
            "p99_ms": _quantile(self.seconds, 0.99),
            "refused_p99_ms": _quantile(self.refusal_seconds, 0.99),
        }


def _quantile(values: list[float], share: float) -> int:
    return round(sorted(values)[int(len(values) * share)] * 1000) if values else 0


class Client(asyncio.Protocol):
    """One mail on one connection."""

    def __init__(self, load: "Load", recipient: str) -> None:
        self._load = load
        self._recipient = recipient
        self._began = time.monotonic()
        self._read = b""
        self._script = iter(
            [
                ("greeting", b"EHLO client.example\r\n"),
                ("EHLO", b"MAIL FROM:<a@partner.example>\r\n"),
                ("MAIL", b"RCPT TO:<%s>\r\n" % recipient.encode()),
                ("RCPT", b"DATA\r\n"),
                ("DATA", load.body),
                ("END", b"QUIT\r\n"),
                ("QUIT", b""),
            ]
        )
        self._step, self._answer = next(self._script)
        self.ended: asyncio.Future[str] = load.loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\n")) >= 0:
            line, self._read = self._read[:end], self._read[end + 1 :]
            if line[3:4] != b"-":
                self._reply(line)

    def _reply(self, line: bytes) -> None:
        code = line[:3].decode("ascii", "replace")
        if code[:1] not in "23":
            self._end(f"{code} {self._step}")
        elif self._step == "END":
            self._end("250")
        elif self._answer:
            self.transport.write(self._answer)
            self._step, self._answer = next(self._script)

    def _end(self, how: str) -> None:
        if not self.ended.done():
            self._load.note(how, time.monotonic() - self._began, self._recipient)
            self.ended.set_result(how)
        self.transport.write(b"QUIT\r\n")
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            how = type(error).__name__ if error else "closed"
            self._load.note(f"{how} {self._step}", time.monotonic() - self._began, self._recipient)
            self.ended.set_result(how)

    def give_up(self) -> None:
        if not self.ended.done():
            self._load.note(f"no reply {self._step}", PATIENCE_SECONDS, self._recipient)
            self.ended.set_result("no reply")
        self.transport.abort()


class Load:
    def __init__(self, address: str, port: int, *, size: int, name: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.tally = Tally()
        self.body = b"From: <a@partner.example>\r\nSubject: load\r\n\r\n" + b"x" * 70 + b"\r\n"
        self.body += (b"y" * 76 + b"\r\n") * (size // 78) + b".\r\n"
        self._place = (address, port)
        self._name = name
        self._numbers = itertools.count()
        self._open = 0
        self._offering = True
        self.unsent = 0  # what this loader could not even begin
        self.longest_lag = 0.0

    def note(self, how: str, seconds: float, recipient: str) -> None:
        tally = self.tally
        tally.ends[how] += 1
        if how == "250":
            tally.seconds.append(seconds)
            tally.accepted.append(recipient)
            tally.in_time += self._offering
        else:
            tally.refusal_seconds.append(seconds)

    async def one(self) -> None:
        number = next(self._numbers)
        recipient = f"{self._name}{number}@demo.example"
        source = f"127.88.{number % SOURCES}.{1 + random.randrange(200)}"
        self._open += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                _, client = await self.loop.create_connection(
                    lambda: Client(self, recipient), *self._place, local_addr=(source, 0)
                )
        except OSError as error:  # TimeoutError is one
            self.note(f"{type(error).__name__} connect", 0.0, recipient)
            return
        finally:
            self._open -= 1
        self._open += 1
        timer = self.loop.call_later(PATIENCE_SECONDS, client.give_up)
        await client.ended
        timer.cancel()
        self._open -= 1

    async def offer(self, rate: float, seconds: float) -> None:
        """Open loop: connection n begins at n / rate."""
        began, tasks, number = self.loop.time(), set(), 0
        while (now := self.loop.time() - began) < seconds:
            while number < now * rate:
                number += 1
                if self._open >= OPEN_MAX:
                    self.unsent += 1
                    continue
                task = asyncio.create_task(self.one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
        self._offering = False
        await asyncio.gather(*tasks)

    async def keep(self, sessions: int, seconds: float) -> None:
        """Closed loop."""
        end = self.loop.time() + seconds

        async def client() -> None:
            while self.loop.time() < end:
                await self.one()

        await asyncio.gather(*(client() for _ in range(sessions)))


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    load = Load(arguments.address, arguments.port, size=arguments.size, name=arguments.name)
    began = time.monotonic()
    if arguments.rate:
        await load.offer(arguments.rate, arguments.seconds)
    else:
        await load.keep(arguments.sessions, arguments.seconds)
    figures = {
        **load.tally.figures(),
        "seconds": round(time.monotonic() - began, 2),
        "good_put": round(load.tally.in_time / arguments.seconds, 1),
        "attempts": sum(load.tally.ends.values()),
        "unsent": load.unsent,
    }
    if arguments.list:
        figures["accepted"] = load.tally.accepted
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--name", default="m")
    parser.add_argument("--list", action="store_true", help="name the recipients that got 250")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    print(json.dumps(uvloop.run(run(arguments))))


if __name__ == "__main__":
    main()
