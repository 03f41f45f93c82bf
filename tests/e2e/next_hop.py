"""The organisation's mail server, as far as a gateway sees it: takes mail, keeps it, answers as a test tells it.

Written anew, without the product's own SMTP code, so that a fault in that code cannot hide itself here.
"""

import re
import socketserver
import threading
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import Any

_TRACE = re.compile(rb"(?:(?:Received|X-Possible-Duplicate):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*\Z")


@dataclass(frozen=True, slots=True)
class Taken:
    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    commands: tuple[str, ...]

    def same_as(self, sent: bytes) -> bool:
        """Equal to what was sent, behind trace headers on top."""
        return self.octets.endswith(sent) and bool(_TRACE.match(self.octets[: len(self.octets) - len(sent)]))


class NextHop:
    """`answers["RCPT"]` (MAIL, DATA, END, EHLO) is a queue of replies that are given instead of the friendly one."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.messages: list[Taken] = []
        self.answers: defaultdict[str, deque[str]] = defaultdict(deque)
        self.connections = 0
        self.drop_before_answer = 0  # so many messages are taken, and the connection breaks before the answer
        self._server = _Server((address, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def recipients(self) -> Counter[str]:
        return Counter(r for m in list(self.messages) for r in m.recipients)

    def answer(self, what: str, friendly: str) -> str:
        queue = self.answers[what]
        return queue.popleft() if queue else friendly

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100

    def __init__(self, place: tuple[str, int], hop: NextHop) -> None:
        self.hop = hop
        super().__init__(place, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gateway that was killed leaves broken connections: that is what the tests do."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        hop = self.server.hop
        hop.connections += 1
        self._say("220 destination.example ESMTP")
        sender, recipients, commands = "", [], []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            commands.append(line)
            verb, _, argument = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say(hop.answer("EHLO", "250-destination.example\r\n250-PIPELINING\r\n250 8BITMIME"))
                case "MAIL":
                    sender, recipients, commands = _address(argument), [], [line]
                    self._say(hop.answer("MAIL", "250 2.1.0 ok"))
                case "RCPT":
                    reply = hop.answer("RCPT", "250 2.1.5 ok")
                    if reply.startswith("2"):
                        recipients.append(_address(argument))
                    self._say(reply)
                case "DATA":
                    reply = hop.answer("DATA", "354 go on" if recipients else "554 no recipient")
                    self._say(reply)
                    if reply.startswith("354"):
                        octets = self._content()
                        reply = hop.answer("END", "250 2.0.0 taken")
                        if reply.startswith("2"):
                            hop.messages.append(Taken(sender, tuple(recipients), octets, tuple(commands)))
                        if hop.drop_before_answer:
                            hop.drop_before_answer -= 1
                            return
                        self._say(reply)
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok" if verb.upper() in ("RSET", "NOOP") else "502 no")

    def _content(self) -> bytes:
        """All to the lone dot. A client waits for the reply then, so the dot ends what was read."""
        octets = bytearray(b"\r\n")
        while not octets.endswith(b"\r\n.\r\n"):
            piece = self.rfile.read1(1 << 20)
            if not piece:
                raise ConnectionError("the client went away in the middle of a message")
            octets += piece
        return bytes(octets[:-3]).replace(b"\r\n.", b"\r\n")[2:]

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


def _address(argument: str) -> str:
    found = re.search(r"<([^>]*)>", argument)
    return found.group(1) if found else ""
