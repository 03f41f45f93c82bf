"""The hash chain of the audit log (docs/internals.md, "Audit"): one form for every backend and for the verifier.

A row's hash covers the hash before it and every field of the row, so a row that is changed, removed or put elsewhere
is found by `broken_at`. A chain that was wholly made anew is found only by an anchor kept outside (cpq.md §2, AH).
"""

from collections.abc import Iterable
from hashlib import sha256

from pratique.store.records import AuditEntry, AuditRow

GENESIS = "0" * 64  # stands before the first row


def hash_after(previous: str, number: int, at: int, entry: AuditEntry) -> str:
    """The hash of the row that follows `previous`. The lengths come first, so that no two rows give the same octets."""
    actor, action, cid, detail = entry.actor, entry.action, entry.cid, entry.detail
    head = f"{previous} {number} {at} {entry.mid} {len(actor)} {len(action)} {len(cid)} {len(detail)} "
    octets = f"{head}{actor}{action}{cid}{detail}".encode("utf-8", "surrogatepass")
    return sha256(octets).hexdigest()


def chained(previous: str, number: int, at: int, entry: AuditEntry) -> AuditRow:
    """The row that follows `previous`."""
    digest = hash_after(previous, number, at, entry)
    return AuditRow(number, at, entry.actor, entry.action, entry.mid, entry.cid, entry.detail, digest)


def broken_at(rows: Iterable[AuditRow], *, previous: str = GENESIS, number: int = 1) -> int | None:
    """The first number at which `rows` do not follow `previous`; None when the chain holds."""
    for row in rows:
        entry = AuditEntry(row.actor, row.action, row.mid, row.cid, row.detail)
        if row.number != number or row != chained(previous, number, row.at, entry):
            return number
        previous, number = row.hash, number + 1
    return None
