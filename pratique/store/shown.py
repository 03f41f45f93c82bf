"""What a manager shows of one transfer when the other side asks (XQSHOW): the same for both backends."""

from typing import Protocol

from pratique.store.records import Copy, JournalRow, Transfer


class Rows(Protocol):
    def tombstone(self, cid: str, hop: int) -> tuple[str, str, int] | None: ...
    def copy_of_hop(self, cid: str, hop: int) -> Copy | None: ...
    def copy(self, mid: int) -> Copy | None: ...
    def transfer(self, cid: str, hop: int) -> Transfer | None: ...
    def was_told(self, cid: str, hop: int, peer: str) -> bool: ...
    def cancelled_targets(self, cid: str, hop: int) -> frozenset[str]: ...


def row_of(view: Rows, peer: str, cid: str, hop: int) -> JournalRow | None:
    return _came(view, peer, cid, hop) if hop % 2 else _released(view, peer, cid, hop)


def _row(peer: str, cid: str, hop: int, state: str, *, seq: int = 0, pairs: str = "{}") -> JournalRow:
    return JournalRow(cid, hop, seq, state, "-", peer, 0, pairs)


def _came(view: Rows, peer: str, cid: str, hop: int) -> JournalRow | None:
    tomb = view.tombstone(cid, hop)
    if tomb is None or tomb[1] not in (peer, "-"):
        return None
    kind, _, seq = tomb
    if kind == "CANC":
        over = view.was_told(cid, hop, peer)
        return _row(peer, cid, hop, "CANC", seq=seq, pairs='{"FIN": "local"}' if over else "{}")
    copy = view.copy_of_hop(cid, hop)
    if copy is None:  # inferred: it had come, to a state that we have lost
        return _row(peer, cid, hop, "DOUBT", seq=seq)
    return _row(peer, cid, hop, "DEL" if copy.custody == "DEL" else "ACC", seq=seq)


def _released(view: Rows, peer: str, cid: str, hop: int) -> JournalRow | None:
    transfer = view.transfer(cid, hop)
    if transfer is None:
        gone = peer in view.cancelled_targets(cid, hop)
        return _row(peer, cid, hop, "CANC") if gone else None
    if transfer.peer != peer:
        return _row(peer, cid, hop, "REL", pairs=f'{{"TO": "{transfer.peer}"}}')
    if transfer.state == "CANC":
        return _row(peer, cid, hop, "CANC", seq=transfer.seq)
    copy = view.copy(transfer.mid)
    return _row(peer, cid, hop, copy.custody if copy is not None else "DOUBT", seq=transfer.seq)
