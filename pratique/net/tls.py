"""TLS without a transport: octets in, octets out, over ssl.MemoryBIO.

The edge feeds every octet that arrives after the switch into `receive`, so nothing that was sent in clear text can be
taken for TLS or the reverse (RFC 3207 §6; the race that pausing a transport does not close).
"""

import ssl
from dataclasses import dataclass

_READ_BYTES = 65_536


class TlsFailed(Exception):
    """The handshake or the session failed; the text is for the log."""


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What is known once TLS is up. `fingerprint` is the SHA-256 of the peer's DER certificate, "" = it sent none."""

    protocol: str  # "TLSv1.3"
    cipher: str
    certificate: bytes  # DER, b"" = none


class TlsChannel:
    """One side of one TLS session."""

    __slots__ = ("_incoming", "_object", "_outgoing", "established", "peer_closed")

    def __init__(self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.established = False
        self.peer_closed = False

    def start(self) -> None:
        """Begin the handshake (the client's first flight; a no-op on the server)."""
        self._handshake()

    def _handshake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TlsFailed(_reason(error)) from error
        self.established = True

    def receive(self, data: bytes) -> bytes:
        """Feed octets from the wire; returns plain text. Raises TlsFailed."""
        self._incoming.write(data)
        if not self.established:
            self._handshake()
            if not self.established:
                return b""
        pieces = []
        try:
            while piece := self._object.read(_READ_BYTES):
                pieces.append(piece)
            self.peer_closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.peer_closed = True
        except ssl.SSLError as error:
            if not pieces:
                raise TlsFailed(_reason(error)) from error
            self.peer_closed = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, data: bytes) -> None:
        if data:
            self._object.write(data)

    def outgoing(self) -> bytes:
        """Octets for the wire."""
        return self._outgoing.read()

    def close(self) -> None:
        """Queue close_notify; the peer's answer is not waited for."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, ValueError):
            return

    def info(self) -> TlsInfo:
        cipher = self._object.cipher()
        return TlsInfo(
            protocol=self._object.version() or "unknown",
            cipher=cipher[0] if cipher else "unknown",
            certificate=self._object.getpeercert(binary_form=True) or b"",
        )


def _reason(error: ssl.SSLError) -> str:
    """The library's reason in words: "CERTIFICATE_VERIFY_FAILED: self-signed certificate"."""
    detail = getattr(error, "verify_message", "")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return f"{reason}: {detail}" if detail else reason


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """TLS for SMTP listeners: 1.2 and 1.3, no client certificate asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate_file, key_file)
    return context


def opportunistic_context() -> ssl.SSLContext:
    """TLS towards a next hop that offers it: encrypts against listeners-in, verifies nobody (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pinned_context(certificate_file: str, key_file: str, trusted_pem: str, *, server_side: bool) -> ssl.SSLContext:
    """TLS of the quarantine port (docs/cpq.md, connection): 1.3 only, both certificates, no tickets; whoever is not
    among `trusted_pem` (the enrolled certificates) is refused in the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if server_side:
        context.num_tickets = 0
    context.load_cert_chain(certificate_file, key_file)
    if trusted_pem:
        context.load_verify_locations(cadata=trusted_pem)
    return context
