"""Everything that a view shows, as one value to compare: before and after a refusal, a restart, or with a twin."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pratique.store.interface import Search, Store
from pratique.store.records import JournalRow
from tests.conformance.samples import GATEWAY, MANAGER, NOW, OTHER_GATEWAY, Samples

PEERS = (GATEWAY, OTHER_GATEWAY, MANAGER)
ALL = 10_000


def snapshot(store: Store, samples: Samples, *, extents: bool = True) -> dict[str, Any]:
    """What `store` shows of all that `samples` made. Without `extents`: whether a body is there, not where."""
    view = store.view
    place: Callable[[Any], Any] = (lambda extent: extent) if extents else (lambda extent: extent is not None)
    copies = {mid: view.copy(mid) for mid in sorted(samples.mids)}
    names = tuple(quarantine.name for quarantine in view.quarantines())
    found = view.search(Search(quarantines=names, limit=ALL))
    return {
        "copies": {mid: copy and (replace(copy, extent=None), place(copy.extent)) for mid, copy in copies.items()},
        "body": {
            mid: view.body(mid) == (copy and copy.extent and (copy.extent, copy.sha256)) for mid, copy in copies.items()
        },
        "by hop": {mid: copy and view.copy_of_hop(copy.cid, copy.hop) == copy for mid, copy in copies.items()},
        "holds": {mid: sorted(view.holds(mid), key=lambda hold: hold.quarantine) for mid in copies},
        "deliveries": {mid: view.deliveries(mid) for mid in copies},
        "transfers": {hop: view.transfer(*hop) for hop in sorted(samples.hops)},
        "releases": {mid: view.release_of(mid) for mid in copies},
        "cancelled": {hop: view.cancelled_targets(*hop) for hop in sorted(samples.hops)},
        "doubtful": list(view.doubtful(ALL)),
        "testimony": list(view.testimony(MANAGER, (1, 3), 4)),
        "to ask": [view.to_ask(MANAGER, newer=newer) for newer in (False, True)],
        "shown": {hop: view.shown(GATEWAY, *hop) for hop in sorted(samples.hops)},
        "was told": {hop: view.was_told(*hop, GATEWAY) for hop in sorted(samples.hops)},
        "set back": view.setting("set-back"),
        "due": list(view.due_deliveries((0, -1), ALL)),
        "open": {peer: list(view.open_transfers(peer, 0, ALL)) for peer in PEERS},
        "unsettled": list(view.unsettled_transfers(ALL)),
        "taken": {peer: list(view.acknowledged_above(peer, 0, ALL)) for peer in PEERS},
        "newest": [(mid, place(extent), digest) for mid, extent, digest in view.newest_bodies(0, ALL)],
        "received": [copy.mid for copy in view.received_copies(0, ALL)],
        "expired": list(view.expired_holds(1 << 60, ALL)),
        "oldest": list(view.oldest_holds(ALL)),
        "journal": {peer: [plain(row) for row in view.journal(peer, 0, ALL)] for peer in PEERS},
        "past": [view.past(after, NOW + later, 2) for after in (0, 2) for later in (0, 1 << 40)],
        "disposable": list(view.disposable(1 << 60, ALL)),
        "peers": view.peers(),
        "quarantines": view.quarantines(),
        "held": {name: count for name, count in view.quarantine_counts().items() if count[0]},
        "users": view.users(),
        "audit": [(row.number, row.at, row.actor, row.action, row.mid, row.cid) for row in view.audit(0, ALL)],
        "counts": {name: count for name, count in view.counts().items() if count},
        "bodies": sorted((mid, place(extent), digest) for mid, extent, digest in view.live_bodies()),
        "found": (found.total, [copy.mid for copy, _ in found.copies]),
        "head": len(store.audit_head()),
    }


def plain(row: JournalRow) -> Any:
    """A journal row without the spelling of its JSON."""
    return replace(row, pairs=""), json.loads(row.pairs)
