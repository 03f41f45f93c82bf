"""Bodies that are not what was accepted: where that is remembered, so that it outlives the process that found it.

One setting holds {MID: why} as JSON. A copy is in it until its body has been let go; nothing else takes it out: who
restores the spool and proves the body again says so with `cleared`.
"""

import json
from collections.abc import Iterable, Mapping

from pratique.store.interface import View
from pratique.store.moves import PutSetting
from pratique.store.records import AuditEntry

KEY = "corrupt"


def corrupt_copies(view: View) -> dict[int, str]:
    """MID -> why, of all copies whose body is known to be corrupt and is still needed."""
    known = {int(mid): str(why) for mid, why in json.loads(view.setting(KEY, "{}")).items()}
    return {mid: why for mid, why in known.items() if (copy := view.copy(mid)) is not None and copy.extent is not None}


def why_corrupt(view: View, mid: int) -> str:
    """Why the body of this copy is known to be corrupt; "" when it is not known to be."""
    return str(json.loads(view.setting(KEY, "{}")).get(str(mid), ""))


def found(view: View, found: Mapping[int, str]) -> PutSetting:
    """The move that adds these, each with its audit row."""
    entries = tuple(
        AuditEntry("system", "corrupt", mid, copy.cid if copy is not None else "", json.dumps({"why": why}))
        for mid, why in found.items()
        for copy in (view.copy(mid),)
    )
    return _put({**corrupt_copies(view), **found}, entries)


def cleared(view: View, mids: Iterable[int], actor: str) -> PutSetting:
    """The move that takes these out: their bodies were proved good again."""
    gone = set(mids)
    left = {mid: why for mid, why in corrupt_copies(view).items() if mid not in gone}
    return _put(left, tuple(AuditEntry(actor, "not-corrupt", mid) for mid in sorted(gone)))


def _put(known: Mapping[int, str], entries: tuple[AuditEntry, ...]) -> PutSetting:
    return PutSetting(KEY, json.dumps({str(mid): why for mid, why in known.items()}), entries)
