"""Whom the quarantine port believes: the enrolled certificates and nobody else. While an appliance replaces its own,
both the present one and the next one that it announced are its (docs/cpq.md, session hello).
"""

import ssl
from collections.abc import Callable, Sequence

from pratique.fleet.certificates import BadCertificate, check_renewal, staged_cpq
from pratique.fleet.identity import Keys, fingerprint
from pratique.net.tls import TlsInfo, pinned_context
from pratique.store.records import Peer


class Trust:
    """TLS contexts made from the enrolled peers; `refresh()` after an enrolment changes. `next_of`: the certificate
    that a peer will show next, PEM, "" = none. `now_ms`: the clock."""

    def __init__(
        self,
        keys: Keys,
        peers: Callable[[], Sequence[Peer]],
        next_of: Callable[[Peer], str] = lambda peer: "",
        now_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._keys = keys
        self._peers = peers
        self._next_of = next_of
        self._now_ms = now_ms
        self._by_fingerprint: dict[str, Peer] = {}
        self._next: dict[str, tuple[str, str]] = {}  # serial -> (fingerprint, PEM) of the peer's next one
        self._own_next = b""
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the peers and our own certificates anew; sessions that begin from now on see the change. Raises
        OSError."""
        active = [p for p in self._peers() if not p.withdrawn]
        following = {p.serial: pem for p in active if (pem := self._next_of(p))}
        self._next = {serial: (fingerprint(ssl.PEM_cert_to_DER_cert(pem)), pem) for serial, pem in following.items()}
        soon = {self._next[p.serial][0]: p for p in active if p.serial in self._next}
        self._by_fingerprint = soon | {p.fingerprint: p for p in active}
        trusted = "\n".join([*(p.certificate for p in active), *following.values()])
        self._contexts = {
            side: pinned_context(str(self._keys.cpq_certificate), str(self._keys.cpq_key), trusted, server_side=side)
            for side in (True, False)
        }
        own = staged_cpq(self._keys)
        self._own_next = ssl.PEM_cert_to_DER_cert(own) if own else b""

    def context(self, *, server_side: bool) -> ssl.SSLContext:
        return self._contexts[server_side]

    def peer_of(self, info: TlsInfo) -> Peer | None:
        """The enrolled peer that this certificate belongs to. The chain check alone is not believed."""
        return self._by_fingerprint.get(fingerprint(info.certificate)) if info.certificate else None

    @property
    def staged(self) -> str:
        """Fingerprint of our own next certificate; "" = none is staged."""
        return fingerprint(self._own_next) if self._own_next else ""

    def told(self, serial: str) -> tuple[bytes, str]:
        return self._own_next, self._next.get(serial, ("", ""))[0]

    def shown_next(self, info: TlsInfo) -> str:
        peer = self.peer_of(info)
        known, pem = self._next.get(peer.serial, ("", "")) if peer is not None else ("", "")
        return pem if known == fingerprint(info.certificate) else ""

    def check_next(self, peer: Peer, certificate: bytes) -> str:
        name = fingerprint(certificate)
        if name in (peer.fingerprint, self._next.get(peer.serial, ("", ""))[0]):
            return ""
        owner = self._by_fingerprint.get(name)
        if owner is not None and owner.serial != peer.serial:
            raise BadCertificate(f"it is that of {owner.name} ({owner.serial})")
        return check_renewal(certificate, peer.serial, self._now_ms())

    def name_of(self, certificate: bytes) -> str:
        return fingerprint(certificate)
