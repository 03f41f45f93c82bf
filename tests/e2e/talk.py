"""A client that says exactly the octets a test wants, and reads exactly what comes back."""

import socket
import ssl
from types import TracebackType
from typing import Self

SECONDS = 15.0


class Talk:
    def __init__(self, address: str, port: int, *, source: str = "") -> None:
        self.sock: socket.socket = socket.create_connection(
            (address, port), timeout=SECONDS, source_address=(source, 0) if source else None
        )
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def raw(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def line(self) -> str:
        """The next line without its end; "" when the connection is closed."""
        while b"\r\n" not in self._read:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                data = b""
            if not data:
                return ""
            self._read += data
        line, _, self._read = self._read.partition(b"\r\n")
        return line.decode()

    def reply(self) -> str:
        """A whole reply, lines joined by " / "; "" when the connection is closed."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return " / ".join(lines)

    def say(self, command: str) -> str:
        self.raw(command.encode() + b"\r\n")
        return self.reply()

    def greeted(self, name: str = "client.example") -> str:
        """Read the greeting, say EHLO; its reply."""
        greeting = self.reply()
        assert greeting.startswith("220 "), greeting
        return self.say(f"EHLO {name}")

    def message(self, sender: str, recipients: list[str], octets: bytes, *, parameters: str = "") -> str:
        """One transaction with DATA; the first refusal, or the reply to the end."""
        for command in (f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"):
            reply = self.say(command)
            if reply[:1] not in "23" or not reply:
                return reply
        self.raw(stuffed(octets))
        return self.reply()

    def starttls(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        reply = self.say("STARTTLS")
        assert reply.startswith("220"), reply
        wrapped = context.wrap_socket(self.sock)
        self.sock = wrapped
        return wrapped

    def ended(self) -> bool:
        """Nothing more comes: the server has closed."""
        return self.line() == ""


def stuffed(octets: bytes) -> bytes:
    """A message as DATA wants it, with its end (RFC 5321 §4.5.2)."""
    body = octets.replace(b"\r\n.", b"\r\n..")
    if body.startswith(b"."):
        body = b"." + body
    return body + (b".\r\n" if body.endswith(b"\r\n") else b"\r\n.\r\n")
