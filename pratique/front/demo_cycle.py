"""The whole cycle for every message of a folder: accept, hold, transfer, review, release, deliver, and compare.

*Sent* is the file without an mbox `From ` first line, each lone LF made CRLF, a final CRLF added; what remains of bare
CR or NUL is sent as it is. A delivered message equals the sent one when, behind trace headers that we add on top, every
octet is the same.
"""

import asyncio
import re
import smtplib
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pratique.front.demo_world import SMTP_PORT, WEB_PORT, DemoFailed, World
from pratique.front.rest_client import RestClient

SENDERS = 8  # SMTP connections at a time, spread over both gateways
PAGE = 250
STALL_SECONDS = 60.0  # without any progress for so long, the cycle gives up and says where it stood
QUARANTINES = "Policy,Virus,Outbreak,Unclassified"
_TRACE = re.compile(rb"(?:(?:Received|X-Possible-Duplicate):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*\Z")
_LONE_LF = re.compile(rb"(?<!\r)\n")


@dataclass(slots=True)
class Result:
    sent: int = 0  # answered 250
    held: int = 0
    released: int = 0
    delivered: int = 0
    identical: int = 0
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.changed) and self.identical == self.sent

    def to_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def as_sent(octets: bytes) -> bytes:
    """The octets of a file as SMTP sends them."""
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
    octets = _LONE_LF.sub(b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def is_same(sent: bytes, delivered: bytes) -> bool:
    """Equal but for our trace headers on top."""
    if not delivered.endswith(sent):
        return False
    return _TRACE.match(delivered[: len(delivered) - len(sent)]) is not None


class Cycle:
    """`say` gets progress in plain words."""

    def __init__(self, world: World, messages: list[tuple[str, bytes]], say: Callable[[str], None]) -> None:
        self._world = world
        self._messages = messages
        self._say = say
        self._arrived: Counter[int] = Counter()
        self._bad: set[int] = set()
        self._accepted: set[int] = set()
        manager = world.manager
        self._rest = RestClient(
            manager.address,
            WEB_PORT,
            manager.directory / "keys" / "web.crt",
            manager.user,
            manager.password,
            "/sma/api/v2.0",
        )

    def on_message(self, octets: bytes, recipients: list[str]) -> None:
        """The destination took a message; its number stands in the recipient's address."""
        number = int(recipients[0].partition("@")[0].removeprefix("m"))
        self._arrived[number] += 1
        if not is_same(as_sent(self._messages[number][1]), octets):
            self._bad.add(number)

    async def run(self) -> Result:
        result = Result()
        started = time.monotonic()
        await self._send(result)
        self._say(f"{result.sent} accepted, {len(result.refused)} refused; waiting until the manager holds them")
        result.held = await self._until_held(result.sent)
        self._say(f"{result.held} held; releasing them")
        result.released = await self._release_all(result.sent)
        self._say(f"{result.released} released; waiting until they are delivered")
        await self._until(lambda: len(self._arrived) >= result.sent, "delivered")
        await asyncio.sleep(0.5)  # a doubled message would come now
        self._count(result)
        result.seconds = round(time.monotonic() - started, 2)
        return result

    # --- sending
    async def _send(self, result: Result) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(SENDERS) as pool:
            shares = [range(n, len(self._messages), SENDERS) for n in range(SENDERS)]
            for outcome in await asyncio.gather(
                *(loop.run_in_executor(pool, self._send_share, n, share) for n, share in enumerate(shares))
            ):
                for number, reply in outcome:
                    if reply.startswith("250"):
                        result.sent += 1
                        self._accepted.add(number)
                    else:
                        result.refused.append({"name": self._messages[number][0], "reply": reply})

    def _send_share(self, worker: int, numbers: range) -> list[tuple[int, str]]:
        gateways = self._world.gateways
        address = gateways[worker % len(gateways)].address
        outcome = []
        client: smtplib.SMTP | None = None
        for number in numbers:
            if client is None:
                client = smtplib.SMTP(address, SMTP_PORT, local_hostname="demo.example", timeout=60)
                client.ehlo()
            try:
                outcome.append((number, _send_one(client, number, as_sent(self._messages[number][1]))))
            except (smtplib.SMTPException, OSError) as error:
                outcome.append((number, f"no answer: {error}"))
                client.close()
                client = None
        if client is not None:
            client.quit()
        return outcome

    # --- review
    async def _list(self, offset: int, limit: int) -> dict[str, list[dict[str, object]] | dict[str, int]]:
        answer: dict[str, list[dict[str, object]] | dict[str, int]] = await self._rest.get(
            "/quarantine/messages",
            quarantineType="pvo",
            quarantines=QUARANTINES,
            startDate="2020-01-01T00:00:00.000Z",
            endDate="2099-01-01T00:00:00.000Z",
            offset=offset,
            limit=limit,
            orderBy="received",
            orderDir="asc",
        )
        return answer

    async def _held(self) -> int:
        meta = (await self._list(0, 1))["meta"]
        assert isinstance(meta, dict)
        return int(meta["totalCount"])

    async def _until_held(self, count: int) -> int:
        last, since = -1, time.monotonic()
        while (held := await self._held()) < count:
            if held != last:
                last, since = held, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                break
            await asyncio.sleep(0.1)
        return held

    async def _release_all(self, count: int) -> int:
        """Page by page, as a reviewer's script would; a message in several quarantines is released from each."""
        released: set[int] = set()
        while True:
            rows = (await self._list(0, PAGE))["data"]
            assert isinstance(rows, list)
            if not rows:
                return len(released)
            by_quarantine: dict[str, list[int]] = {}
            for row in rows:
                mid, attributes = row["mid"], row["attributes"]
                assert isinstance(mid, int) and isinstance(attributes, dict)
                for name in str(attributes["inQuarantines"]).split(","):
                    by_quarantine.setdefault(name.strip(), []).append(mid)
            acted = 0
            for name, mids in by_quarantine.items():
                body = {"action": "release", "mids": mids, "quarantineName": name, "quarantineType": "pvo"}
                acted += int((await self._rest.post("/quarantine/messages", body))["data"]["totalCount"])
                released.update(mids)
            if not acted:
                raise DemoFailed(f"{len(rows)} messages are listed but none could be released")

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        last, since = -1, time.monotonic()
        while not done():
            if len(self._arrived) != last:
                last, since = len(self._arrived), time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                self._say(f"nothing more was {what} for {STALL_SECONDS:.0f} s; giving up")
                return
            await asyncio.sleep(0.05)

    def _count(self, result: Result) -> None:
        result.delivered = sum(self._arrived.values())
        result.lost = len(self._accepted - self._arrived.keys())
        result.doubled = sum(n - 1 for n in self._arrived.values())
        result.changed = len(self._bad)
        result.identical = len(self._accepted & self._arrived.keys() - self._bad)


def _send_one(client: smtplib.SMTP, number: int, octets: bytes) -> str:
    """One transaction, the octets as they are but for dot-stuffing; returns the deciding reply."""
    for command in (
        f"MAIL FROM:<s{number:06d}@partner.example> BODY=8BITMIME",
        f"RCPT TO:<m{number:06d}@demo.example>",
    ):
        code, text = client.docmd(command)
        if code >= 400:
            client.rset()
            return f"{code} {text.decode(errors='replace')}"
    code, text = client.docmd("DATA")
    if code != 354:
        client.rset()
        return f"{code} {text.decode(errors='replace')}"
    stuffed = octets.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    client.send(stuffed + b".\r\n")
    code, text = client.getreply()
    return f"{code} {text.decode(errors='replace')}"


def read_folder(folder: Path) -> list[tuple[str, bytes]]:
    """Every file of the folder (and below), by name. Raises DemoFailed."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not files:
        raise DemoFailed(f"{folder} holds no files")
    return [(str(p.relative_to(folder)), p.read_bytes()) for p in files]


def progress(quiet: bool) -> Callable[[str], None]:
    return (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201
