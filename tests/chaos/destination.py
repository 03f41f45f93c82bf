"""The mail server behind the gateways: takes mail, over TLS when asked, and remembers what came. It is never killed.

It compares each message with the one that was sent, refuses addresses that begin with `no`, answers every
DEFERRED_EVERY-th mail with 451 at its first end, and thinks for a moment about every SLOW_EVERY-th: a gateway that dies
then cannot know. Written without the product's SMTP code.
"""

import re
import socketserver
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.mails import REFUSED, SENDERS, Mail, number_of

SECONDS = 60.0  # how long it waits for a client that may have died
DEFERRED_EVERY = 40
SLOW_EVERY, SLOW_SECONDS = 3, 0.15
_TRACE = re.compile(rb"(?:(?:Received|X-Possible-Duplicate):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*\Z")
_MARK = b"X-Possible-Duplicate: yes\r\n"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One recipient of one message that was answered 250 here (the answer may have been lost)."""

    address: str
    identical: bool  # what was sent, below trace headers; a notice: looks like one
    marked: bool  # names itself a possible duplicate


class Destination:
    def __init__(self, address: str, port: int, *, seed: int, certificate: Path, key: Path) -> None:
        self.seed = seed
        self.arrivals: list[Arrival] = []
        self.deferred: set[int] = set()
        self.lock = threading.Lock()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        self._server = _Server((address, port), self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def take(self, recipients: list[str], octets: bytes) -> str:
        """Remember a whole message; the reply."""
        number = number_of(recipients[0])
        head = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
        if recipients[0].endswith("@" + SENDERS):
            identical = b"multipart/report" in head
        else:
            sent = Mail(number, self.seed).octets
            identical = octets.endswith(sent) and bool(_TRACE.match(octets[: len(octets) - len(sent)]))
        with self.lock:
            if number % DEFERRED_EVERY == 0 and number not in self.deferred:
                self.deferred.add(number)
                return "451 4.3.0 come again"
            self.arrivals += [Arrival(r, identical, _MARK in head) for r in recipients]
        if number % SLOW_EVERY == 0:
            threading.Event().wait(SLOW_SECONDS)
        return "250 2.0.0 taken"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 200

    def __init__(self, place: tuple[str, int], destination: Destination) -> None:
        self.destination = destination
        super().__init__(place, _Session)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is what a run is made of."""


class _Session(socketserver.StreamRequestHandler):
    server: _Server
    timeout = SECONDS

    def handle(self) -> None:
        self._say("220 destination.example ESMTP")
        recipients: list[str] = []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            verb, _, argument = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    offers = "" if isinstance(self.connection, ssl.SSLSocket) else "\r\n250-STARTTLS"
                    self._say(f"250-destination.example{offers}\r\n250-PIPELINING\r\n250 8BITMIME")
                case "STARTTLS":
                    self._say("220 go")
                    self.connection = self.server.destination.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                case "RCPT":
                    self._recipient(argument, recipients)
                case "DATA":
                    self._data(recipients)
                    recipients = []
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    recipients = [] if verb.upper() in ("MAIL", "RSET") else recipients
                    self._say("250 ok" if verb.upper() in ("MAIL", "RSET", "NOOP") else "502 no")

    def _recipient(self, argument: str, recipients: list[str]) -> None:
        address = argument[argument.index("<") + 1 : argument.index(">")]
        if address.startswith(REFUSED):
            self._say("550 5.1.1 nobody here")
        else:
            recipients.append(address)
            self._say("250 2.1.5 ok")

    def _data(self, recipients: list[str]) -> None:
        if not recipients:
            self._say("554 no recipient")
            return
        self._say("354 go on")
        octets = bytearray(b"\r\n")
        while not octets.endswith(b"\r\n.\r\n"):  # a client waits for the reply then: the dot ends what was read
            piece = self.rfile.read1(1 << 20)
            if not piece:
                raise ConnectionError("the client went away in the middle of a message")
            octets += piece
        content = bytes(octets[:-3]).replace(b"\r\n.", b"\r\n")[2:]
        self._say(self.server.destination.take(recipients, content))

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")
