"""ClamAV's daemon as a virus engine: an INSTREAM client (clamd(8)), one connection for each message.

The message is streamed from its body in chunks, each with its length in front; a chunk of length 0 ends it. clamd
closes the connection when its StreamMaxLength is exceeded: that is unscannable, never clean. Plain socket calls and not
asyncio's streams, because those drop clamd's last words as soon as one write fails. Whatever else keeps clamd from
answering is Unknown: it may be back for the next try.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from pratique.checks.yara_rules import EICAR_NAME
from pratique.mail.body import PIECE_BYTES, Body
from pratique.policy.facts import Unknown, VirusResult

DEADLINE_S = 30.0  # clamd takes seconds for large archives
REPLY_BYTES_MAX = 4_096  # "stream: NAME FOUND"
CONNECTIONS_MAX = 10  # clamd's default MaxThreads; more would only wait inside clamd
VERSION_S = 600.0  # how long a version is believed: freshclam brings new signatures several times a day

_LENGTH = struct.Struct("!L")
_END = _LENGTH.pack(0)

# What clamd calls things that the mail log or the policy has another word for; Heuristics.* need its Alert* options.
_EICAR_NAMES = ("Eicar-Test-Signature", "Eicar-Signature", "Win.Test.EICAR_HDB-1")
_ENCRYPTED = "Heuristics.Encrypted"
_OVER_LIMITS = "Heuristics.Limits.Exceeded"


class ClamdEngine:
    """A VirusEngine. `address`: a path (with a slash) of a Unix socket, or host:port."""

    name = "ClamAV"

    def __init__(self, address: str, *, deadline_s: float = DEADLINE_S, connections_max: int = CONNECTIONS_MAX) -> None:
        self._address = address
        self._deadline_s = deadline_s
        self._free = asyncio.Semaphore(connections_max)
        self._version = ""
        self._version_until = 0.0

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        try:
            async with asyncio.timeout(self._deadline_s), self._free:
                await self._ask_version()
                return await self._ask(lambda: body.pieces() if octets is None else _pieces(octets))
        except TimeoutError:
            return self._unknown(f"no answer within {self._deadline_s:g} s")
        except (OSError, ValueError) as error:
            return self._unknown(str(error))

    def close(self) -> None:
        """Nothing stays open between messages."""

    async def _ask(self, pieces: Callable[[], Iterator[bytes]]) -> VirusResult | Unknown:
        for _ in range(2):  # a restart of clamd cuts one stream, its StreamMaxLength cuts every one
            reply = await self._command(b"zINSTREAM\0", pieces())
            if reply:
                return self._judge(reply)
        return self._result("unscannable", "too large")

    async def _ask_version(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._version_until:
            self._version = (await self._command(b"zVERSION\0", iter(()))).removeprefix("ClamAV ")
            self._version_until = now + VERSION_S

    async def _command(self, command: bytes, pieces: Iterator[bytes]) -> str:
        """The reply; "" when the connection was cut while we were sending. OSError when it fails in another way."""
        loop = asyncio.get_running_loop()
        with await _connect(self._address) as connection:
            cut = False
            try:
                await loop.sock_sendall(connection, command)
                if command == b"zINSTREAM\0":
                    await _stream(connection, pieces)
            except ConnectionError:
                cut = True
            reply = b""
            try:
                while not reply.endswith(b"\0") and len(reply) < REPLY_BYTES_MAX:
                    octets = await loop.sock_recv(connection, REPLY_BYTES_MAX)
                    if not octets:
                        break
                    reply += octets
            except ConnectionError:
                if not cut:
                    raise
        if not reply.endswith(b"\0") and not cut:
            raise OSError("closed the connection without an answer")
        return reply.rstrip(b"\0").decode("utf-8", "replace")

    def _judge(self, reply: str) -> VirusResult | Unknown:
        text = reply.removeprefix("stream: ")
        if text == "OK":
            return self._result("clean")
        if text.endswith(" FOUND"):
            name = text.removesuffix(" FOUND")
            if name.startswith(_ENCRYPTED):
                return self._result("encrypted")
            if name.startswith(_OVER_LIMITS):
                return self._result("unscannable", name)
            return self._result("infected", EICAR_NAME if name in _EICAR_NAMES else name)
        if "size limit exceeded" in text:
            return self._result("unscannable", "too large")
        return self._unknown(f"answered {text!r}")

    def _result(self, result: str, name: str = "") -> VirusResult:
        return VirusResult(engine=self.name, version=self._version, result=result, name=name)

    def _unknown(self, why: str) -> Unknown:
        return Unknown(f"{self.name} at {self._address}: {why}; see that clamd runs and listens there")


async def _connect(address: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    if "/" in address:
        families: list[tuple[int, Any]] = [(socket.AF_UNIX, address)]
    else:
        host, _, port = address.rpartition(":")
        found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        families = [(family, where) for family, _, _, _, where in found]
    problem = OSError("no address")
    for family, where in families:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, where)
            return connection
        except OSError as error:
            connection.close()
            problem = error
        except BaseException:  # the deadline
            connection.close()
            raise
    raise problem


async def _stream(connection: socket.socket, pieces: Iterator[bytes]) -> None:
    loop = asyncio.get_running_loop()
    for piece in pieces:
        if piece:  # a length of 0 would end the stream early
            await loop.sock_sendall(connection, _LENGTH.pack(len(piece)) + piece)
    await loop.sock_sendall(connection, _END)


def _pieces(octets: bytes) -> Iterator[bytes]:
    for start in range(0, len(octets), PIECE_BYTES):
        yield octets[start : start + PIECE_BYTES]
