"""The outside world that sends: mail servers that keep a message until they read a 250, and try again.

Each attempt has octets of its own (its Message-ID names it), so that what becomes of it can be told exactly: answered
250, refused, or in doubt because the answer never came.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from tests.sim.checks import MARK
from tests.sim.plans import FREE

REPLY_SECONDS = 300.0
TRIES = 14
RETRY_SECONDS = (30.0, 3600.0)
DOMAINS = ("a.example", "b.example", FREE)


@dataclass(frozen=True)
class Mail:
    """One message as its sender has it."""

    number: int
    fate: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    chunks: bool  # by BDAT


@dataclass
class Attempt:
    """`state`: open, sent (the end went out), acked, refused."""

    marker: str
    mail: Mail
    gateway: Any
    octets: bytes
    recipients: tuple[str, ...] = ()  # those that were taken
    state: str = "open"


def draw(random: Any, number: int, weights: tuple[tuple[str, int], ...]) -> Mail:
    fates = [fate for fate, weight in weights for _ in range(weight)]
    addresses = [f"r{random.randrange(40)}@{random.choice(DOMAINS)}" for _ in range(random.choice((1, 1, 1, 2, 3)))]
    if random.random() < 0.06:
        addresses.append(f"nobody{number}@a.example")  # the destination knows none of these
    return Mail(
        number=number,
        fate=random.choice(fates),
        sender="" if random.random() < 0.05 else f"s{number}@sender.example",
        recipients=tuple(dict.fromkeys(addresses)),
        size=random.choice((50, 300, 300, 1_500, 1_500, 1_500, 6_000, 40_000)) if random.random() < 0.97 else 400_000,
        chunks=random.random() < 0.3,
    )


def octets_of(mail: Mail, marker: str) -> bytes:
    virus = MARK + b"\r\n" if mail.fate == "virus" else b""
    head = (
        f"From: <s{mail.number}@sender.example>\r\nTo: <someone@a.example>\r\nSubject: {mail.fate} {mail.number}\r\n"
        f"Message-ID: {marker}\r\n"
    ).encode()
    line = b".%d the quick brown fox jumps over the lazy dog\r\n" % mail.number
    return head + virus + b"\r\n" + line * (mail.size // len(line) + 1)


class Talk(asyncio.Protocol):
    """A connection whose replies are awaited one by one."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.is_over = False
        self._rest = b""
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._rest += data
        self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        self._wake()

    def pause_writing(self) -> None:
        return

    def resume_writing(self) -> None:
        return

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def reply(self) -> str:
        """The last line of the next reply; OSError when there is none."""
        async with asyncio.timeout(REPLY_SECONDS):
            while True:
                line, end, rest = self._rest.partition(b"\r\n")
                if end:
                    self._rest = rest
                    if line[3:4] != b"-":
                        return line.decode()
                    continue
                if self.is_over:
                    raise ConnectionResetError("connection lost")
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter

    async def say(self, line: str) -> str:
        self.transport.write(line.encode() + b"\r\n")
        return await self.reply()


class Senders:
    """Mail goes out at its time; `waiting` counts what is not yet taken or given up."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.waiting = 0
        self.given_up = 0

    def plan(self, mails: list[tuple[float, Mail]]) -> None:
        self.waiting = len(mails)
        for at, mail in mails:
            self._world.loop.call_at(at, self._begin, mail)

    def _begin(self, mail: Mail) -> None:
        self._world.spawn(self._send(mail), f"sender of {mail.number}")

    async def _send(self, mail: Mail) -> None:
        world, wait = self._world, RETRY_SECONDS[0]
        for number in range(TRIES):
            gateway = world.random.choice(world.gateways)
            marker = f"<{mail.number}.{number}@sim.example>"
            attempt = Attempt(marker, mail, gateway, octets_of(mail, marker))
            try:
                await self._attempt(attempt)
            except OSError:
                pass  # whatever was not answered is in doubt; TimeoutError is one, too
            if attempt.state == "acked" or number + 1 == TRIES:
                break
            await asyncio.sleep(wait * world.random.uniform(0.8, 1.2))
            wait = min(2 * wait, RETRY_SECONDS[1])
        self.given_up += attempt.state != "acked"
        self.waiting -= 1

    async def _attempt(self, attempt: Attempt) -> None:
        world = self._world
        async with asyncio.timeout(30):
            _, talk = await world.loop.create_connection(
                Talk, attempt.gateway.address, 25, local_addr=("198.51.100.7", 0)
            )
        try:
            if (await talk.reply())[:3] == "220" and (await talk.say("EHLO sender.example"))[:3] == "250":
                await self._message(talk, attempt)
                await talk.say("QUIT")
        finally:
            talk.transport.close()

    async def _message(self, talk: Talk, attempt: Attempt) -> None:
        if (await talk.say(f"MAIL FROM:<{attempt.mail.sender}>"))[:3] != "250":
            return
        taken = [r for r in attempt.mail.recipients if (await talk.say(f"RCPT TO:<{r}>"))[:3] == "250"]
        if not taken:
            return
        attempt.recipients = tuple(taken)
        if attempt.mail.chunks:
            octets = f"BDAT {len(attempt.octets)} LAST\r\n".encode() + attempt.octets
        elif (await talk.say("DATA"))[:3] == "354":
            octets = attempt.octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        else:
            return
        attempt.state = "sent"
        self._world.ledger.sent(attempt)
        talk.transport.write(octets)
        reply = await talk.reply()
        attempt.state = "acked" if reply.startswith("250") else "refused"
        self._world.ledger.answered(attempt, reply)
