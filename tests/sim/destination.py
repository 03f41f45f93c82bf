"""The organisation's mail server, to which gateways deliver. By seed it takes, defers, refuses, waits or hangs up."""

import asyncio
from typing import Any

DEFERRED = "451 4.3.0 try again later"
UNKNOWN = "550 5.1.1 nobody of that name here"


class Destination:
    """`mood`: well; busy (421), defers (451 now and then), slow, cruel (hangs up after it has taken a message)."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.mood = "well"

    def session(self) -> "Session":
        return Session(self)


class Session(asyncio.Protocol):
    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._world = destination.world
        self._rest = b""
        self._data = False
        self._sender = ""
        self._recipients: list[str] = []
        self._is_over = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._destination.mood == "busy":
            self._say("421 4.3.2 too busy")
            transport.close()
        else:
            self._say("220 destination.example ESMTP")

    def pause_writing(self) -> None:
        return

    def resume_writing(self) -> None:
        return

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while not self._is_over and self._step():
            pass

    def _step(self) -> bool:
        if self._data:
            end = self._rest.find(b"\r\n.\r\n") + 2 if not self._rest.startswith(b".\r\n") else 0
            if end == 1:
                return False
            octets, self._rest = self._rest[:end], self._rest[end + 3 :]
            self._data = False
            self._end(_unstuffed(octets))
            return True
        line, end_of_line, rest = self._rest.partition(b"\r\n")
        if not end_of_line:
            return False
        self._rest = rest
        self._command(line.decode())
        return True

    def _command(self, line: str) -> None:
        verb, argument = line[:4].upper(), line.partition("<")[2].partition(">")[0]
        match verb:
            case "EHLO":
                self._say(
                    "250-destination.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN"
                )
            case "MAIL":
                self._sender, self._recipients = argument, []
                self._say("250 2.1.0 ok")
            case "RCPT":
                self._recipient(argument)
            case "DATA":
                self._data = bool(self._recipients)
                self._say("354 go on" if self._recipients else "554 5.5.1 nobody")
            case "QUIT":
                self._say("221 2.0.0 bye")
                self.transport.close()
            case _:
                self._say("250 2.0.0 ok")

    def _recipient(self, address: str) -> None:
        if address.startswith("nobody"):
            self._say(UNKNOWN)
        elif self._defers():
            self._say(DEFERRED)
        else:
            self._recipients.append(address)
            self._say("250 2.1.5 ok")

    def _defers(self) -> bool:
        return self._destination.mood == "defers" and self._world.random.random() < 0.4

    def _end(self, octets: bytes) -> None:
        if self._defers():
            self._say(DEFERRED)
            return
        self._world.ledger.delivered(self.transport, self._sender, tuple(self._recipients), octets)
        mood = self._destination.mood
        if mood == "cruel" and self._world.random.random() < 0.5:
            self._world.injected["lost answer"] += 1
            self.transport._connection.harmed = True
            self.transport.abort()
        elif mood == "slow":
            self._world.loop.call_later(self._world.random.uniform(1.0, 500.0), self._say, "250 2.0.0 taken")
        else:
            self._say("250 2.0.0 taken")

    def _say(self, text: str) -> None:
        if not self._is_over:
            self.transport.write(text.encode() + b"\r\n")


def _unstuffed(octets: bytes) -> bytes:
    """Without the dots that RFC 5321 §4.5.2 adds to lines that begin with one."""
    return (b"\r\n" + octets).replace(b"\r\n.", b"\r\n")[2:]
