"""What stands for TLS: each side says whose certificate it has, then octets pass as they are.

It takes the places of `net.tls.TlsChannel` and `net.tls.pinned_context`; who is believed is still decided by the real
`fleet.trust.Trust`. As in TLS 1.3 a client is done before the server has judged its certificate.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pratique.net.tls import TlsFailed, TlsInfo


@dataclass(frozen=True)
class Identity:
    """A context of one appliance: its own certificate, and those that it trusts."""

    certificate: bytes
    trusted: frozenset[bytes]


def certificate_of(name: str) -> bytes:
    return f"certificate of {name}".encode()


def fingerprint_of(name: str) -> str:
    return sha256(certificate_of(name)).hexdigest()


def pinned_context(certificate_file: str, key_file: str, trusted_pem: str, *, server_side: bool) -> Identity:
    """The directory of the key files is the appliance's name; a "PEM" is its certificate as text."""
    trusted = frozenset(line.encode() for line in trusted_pem.split("\n") if line)
    return Identity(certificate_of(certificate_file.partition("/")[0]), trusted)


class Channel:
    """One side of one session: a line with the certificate goes each way first."""

    def __init__(self, context: Any, *, server_side: bool, server_hostname: str | None = None) -> None:
        self._identity: Identity = context
        self._server = server_side
        self._out = b""
        self._in = b""
        self._peer = b""
        self.established = False
        self.peer_closed = False

    def start(self) -> None:
        if not self._server:
            self._out += self._identity.certificate + b"\n"

    def receive(self, data: bytes) -> bytes:
        if self.established:
            return data
        self._in += data
        line, end, rest = self._in.partition(b"\n")
        if not end:
            return b""
        self._peer = line
        if line not in self._identity.trusted:
            raise TlsFailed("a certificate that is not enrolled")
        if self._server:
            self._out += self._identity.certificate + b"\n"
        self.established, self._in = True, b""
        return rest

    def send(self, data: bytes) -> None:
        self._out += data

    def outgoing(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def close(self) -> None:
        return

    def info(self) -> TlsInfo:
        return TlsInfo("TLSv1.3", "SIMULATED", self._peer)
