"""The certificates that appliances will show next, while one is being replaced: that of a peer, and which peers know
ours. Settings, each bound to the certificate that it follows or names: whatever replaces that one voids it.
"""

import json
from typing import Protocol

from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry, Peer


class Settings(Protocol):
    def setting(self, key: str, default: str = "") -> str: ...


def next_of(view: Settings, peer: Peer) -> str:
    """In PEM; "" = it has announced none since its present one is enrolled."""
    kept = view.setting(f"next-certificate:{peer.serial}")
    found = json.loads(kept) if kept else {}
    return str(found["certificate"]) if found.get("follows") == peer.fingerprint else ""


def put_next(peer: Peer, certificate: str, entry: AuditEntry) -> PutSetting:
    kept = json.dumps({"follows": peer.fingerprint, "certificate": certificate})
    return PutSetting(f"next-certificate:{peer.serial}", kept, (entry,))


def trusted_by(view: Settings, serial: str) -> str:
    """Fingerprint of the certificate of ours that the peer said last it would believe; "" = none."""
    return view.setting(f"next-trusted-by:{serial}")


def put_trusted(serial: str, fingerprint: str, entry: AuditEntry) -> PutSetting:
    return PutSetting(f"next-trusted-by:{serial}", fingerprint, (entry,))
