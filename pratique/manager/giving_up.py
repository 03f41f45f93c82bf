"""Why a release on its way is not ended by a verb of the queues: it was offered to a gateway from its first instant, so
that gateway may have it (docs/custody.md: the manager may only retry or cancel).
"""

from pratique.store.interface import View

OFFERED = (
    "its release was offered to {peer}, which may have it; it cannot be called back. `hoststatus the.cpq.release.host` "
    "says why it waits; `pratique release DIR {mid} --to SERIAL` sends it to another gateway"
)
REFUSED = (
    "{peer} will never take its release, and nobody has it but this manager; `pratique release DIR {mid} --to SERIAL` "
    "sends it to another gateway"
)
GONE = "it does not wait any more"


def why_kept(view: View, mid: int) -> str:
    copy = view.copy(mid)
    transfer = view.release_of(mid)
    if copy is None or transfer is None or copy.custody != "REL":
        return GONE
    peer = view.peer(transfer.peer)
    text = REFUSED if transfer.state == "CANC" else OFFERED
    return text.format(peer=peer.name if peer is not None else transfer.peer, mid=mid)
