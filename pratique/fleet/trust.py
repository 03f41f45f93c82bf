"""Whom the quarantine port believes: the enrolled certificates and nobody else."""

import ssl
from collections.abc import Callable, Sequence

from pratique.fleet.identity import Keys, fingerprint
from pratique.net.tls import TlsInfo, pinned_context
from pratique.store.records import Peer


class Trust:
    """TLS contexts made from the enrolled peers; `refresh()` after an enrolment changes."""

    def __init__(self, keys: Keys, peers: Callable[[], Sequence[Peer]]) -> None:
        self._keys = keys
        self._peers = peers
        self._by_fingerprint: dict[str, Peer] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the peers anew; sessions that begin from now on see the change."""
        active = [p for p in self._peers() if not p.withdrawn]
        self._by_fingerprint = {p.fingerprint: p for p in active}
        trusted = "\n".join(p.certificate for p in active)
        self._contexts = {
            side: pinned_context(str(self._keys.cpq_certificate), str(self._keys.cpq_key), trusted, server_side=side)
            for side in (True, False)
        }

    def context(self, *, server_side: bool) -> ssl.SSLContext:
        return self._contexts[server_side]

    def peer_of(self, info: TlsInfo) -> Peer | None:
        """The enrolled peer that this certificate belongs to. The chain check alone is not believed."""
        return self._by_fingerprint.get(fingerprint(info.certificate)) if info.certificate else None
