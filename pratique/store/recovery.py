"""Reconciliation and adoption as both backends do them: what follows from the rows, decided by delivery.recovery.

A backend hands in its open transaction as a `Ledger`; every change goes through it, so all of it is one commit. Rare
and long: reconciliation reads what the gateways told, and when one of them cannot testify every copy that is open.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pratique.delivery.custody import GatewayCopy, ManagerCopy, Tombstone
from pratique.delivery.recovery import ADOPT_RELEASE, CAME, Release, Shown, Told, adopted, reconciled
from pratique.mail.values import value

ACTOR = "policy:reconciliation@1"


@value
class ToldRow:
    """A row that a gateway told, as the journal has it."""

    peer: str
    cid: str
    hop: int
    state: str  # ACC, CANC, FIN (of a release, or of a hop that was cancelled), LOC, DEL
    seal: str
    pairs: str  # JSON


@value
class Open:
    """What of a stored copy decides."""

    mid: int
    cid: str
    hop: int
    custody: str


@value
class Offered:
    """The newest hop by which a copy is offered."""

    hop: int
    peer: str
    state: str


@value
class ShownRow:
    """What the manager showed of one transfer; state "" = nothing."""

    cid: str
    hop: int
    state: str
    seq: int
    over: bool  # FIN=local: our end of a cancelled hop is on record


@dataclass(slots=True)
class Outcome:
    """What was done: MIDs by what became of them."""

    changed: dict[str, list[int]] = field(default_factory=dict)

    def note(self, state: str, mid: int) -> None:
        self.changed.setdefault(state, []).append(mid)


class Ledger(Protocol):
    """An open transaction."""

    def told(self) -> Iterable[ToldRow]: ...
    def copies_of(self, cid: str) -> Sequence[Open]:
        """Of this manager, by hop."""
        ...

    def undecided(self) -> Iterable[Open]:
        """HELD, REL, RELD."""
        ...

    def offered(self, mid: int) -> Offered | None: ...
    def tombstone(self, cid: str, hop: int) -> Tombstone: ...
    def bury(self, cid: str, hop: int, kind: Tombstone, peer: str) -> None:
        """A tombstone that was inferred: without a seal; peer "-": any may have brought it."""
        ...

    def change(self, copy: Open, custody: str) -> None: ...
    def let_go(self, mid: int) -> None:
        """Its body is not needed any more."""
        ...

    def end_holds(self, mid: int, mark: str, actor: str) -> None: ...
    def offer_state(self, mid: int, state: str, *, cid: str = "", hop: int = 0, peer: str = "") -> None:
        """The newest hop is in `state`; with hop and peer: it is that hop to that peer, whatever was offered before."""
        ...

    def cancelled_at(self, cid: str, hop: int, peer: str) -> None: ...

    def forget_cancelled(self, peer: str) -> None:
        """It was set back: what it had cancelled it may not remember."""
        ...

    # --- a gateway's
    def copy_offered_by(self, cid: str, hop: int) -> Open | None:
        """The copy that the transfer (cid, hop) offers."""
        ...

    def copy_taken_by(self, cid: str, hop: int) -> Open | None: ...
    def acknowledged(self, copy: Open, hop: int, seq: int) -> None:
        """Transfer and copy are DONE: the manager has it by its number `seq`."""
        ...

    def deleted(self, copy: Open, hop: int, seq: int) -> None:
        """The manager has deleted it: proof of custody, and the shadow may go."""
        ...

    def end_deliveries(self, mid: int, why: str) -> None: ...


# --- the manager ---------------------------------------------------------------------------------------------------
def reconcile(ledger: Ledger, unsure: frozenset[str]) -> Outcome:
    """`unsure`: gateways that cannot testify what they did since our state was saved."""
    outcome, by_cid = Outcome(), dict[str, list[ToldRow]]()
    for serial in unsure:
        ledger.forget_cancelled(serial)
    for row in ledger.told():
        by_cid.setdefault(row.cid, []).append(row)
    decided: set[int] = set()
    for cid, rows in by_cid.items():
        copies = [one for one in ledger.copies_of(cid) if one.hop % 2]  # our own alerts came by no hop
        _bury_what_came(ledger, cid, rows, unsure)
        for place, copy in enumerate(copies):
            above = copies[place + 1].hop if place + 1 < len(copies) else 1 << 30
            about = _about(copy, rows, above)
            if _decide(ledger, copy, about, unsure, outcome=outcome):
                decided.add(copy.mid)
    for copy in list(ledger.undecided()) if unsure else ():
        if copy.mid not in decided:
            _decide(ledger, copy, [], unsure, outcome=outcome)
    return outcome


def _about(copy: Open, rows: Sequence[ToldRow], above: int) -> list[ToldRow]:
    """The rows of the hop by which the copy came, and of its release hops: up to the one by which it was held again."""
    found = [row for row in rows if row.hop == copy.hop]
    for row in sorted((r for r in rows if r.hop % 2 == 0 and copy.hop < r.hop < above), key=lambda row: row.hop):
        found.append(row)
        if row.state == "FIN" and json.loads(row.pairs).get("R") == "heldagain":
            break
    return found


def _bury_what_came(ledger: Ledger, cid: str, rows: Sequence[ToldRow], unsure: frozenset[str]) -> None:
    """A gateway that took a release proves that the copy had come: to a state that has lost it, if need be."""
    taken = [row for row in rows if row.hop % 2 == 0 and row.state in ("ACC", "FIN")]
    again = [json.loads(row.pairs).get("NEXT", "") for row in taken if row.state == "FIN"]
    hops = {1} if taken else set()
    hops |= {int(xid.partition(".")[2]) for xid in again if xid.partition(".")[2].isdigit()}
    for hop in hops:
        released = any(row.hop > hop for row in taken)
        if released and ledger.tombstone(cid, hop) is Tombstone.NONE:
            ledger.bury(cid, hop, Tombstone.ACC, "-")
    for row in rows:
        local = row.hop % 2 == 1 and row.state in ("LOC", "FIN")
        if local and ledger.tombstone(cid, row.hop) is not CAME[Told.LOCAL] and not taken:
            ledger.bury(cid, row.hop, CAME[Told.LOCAL], row.peer)


def _first_that_fits(about: Sequence[ToldRow], unsure: frozenset[str]) -> tuple[Told, ToldRow | None]:
    for row in about:
        if row.state == "DEL":
            return Told.DELETED, row
    for state, told in (("FIN", Told.ENDED), ("ACC", Told.TAKEN)):
        for row in reversed(about):
            if row.hop % 2 == 0 and row.state == state and not (told is Told.TAKEN and row.peer in unsure):
                return told, row
    for row in about:
        if row.hop % 2 == 0 and row.state == "ACC":
            return Told.UNSURE, row
    for row in about:
        if row.hop % 2 == 1 and row.state in ("LOC", "FIN"):
            return Told.LOCAL, row
    return Told.NOTHING, None


def _decide(ledger: Ledger, copy: Open, about: Sequence[ToldRow], unsure: frozenset[str], *, outcome: Outcome) -> bool:
    """Was there a word about it?"""
    told, row = _first_that_fits(about, unsure)
    for one in about:
        if one.hop % 2 == 0 and one.state == "CANC":
            ledger.cancelled_at(copy.cid, one.hop, one.peer)
    offered = ledger.offered(copy.mid)
    if told is Told.NOTHING and unsure:
        at = offered.peer if offered is not None else ""
        told = Told.UNSURE if copy.custody != "RELD" or at in unsure else told
    after = reconciled(ManagerCopy(copy.custody), told)
    if row is not None and told in (Told.TAKEN, Told.ENDED):
        ledger.offer_state(copy.mid, "DONE", cid=copy.cid, hop=row.hop, peer=row.peer)
    elif offered is not None and offered.state in ("X", "STUCK") and after in ("DOUBT", "CLOSED", "DEL"):
        ledger.offer_state(copy.mid, "DOUBT" if after == "DOUBT" else "CANC")
    if after != copy.custody:
        ledger.change(copy, after.value)
        if after is not ManagerCopy.DOUBT:
            ledger.end_holds(copy.mid, "DELETED" if after is ManagerCopy.DELETED else "RELEASED", ACTOR)
        if after is ManagerCopy.DELETED:
            ledger.let_go(copy.mid)  # its origin was told
        outcome.note(after.value, copy.mid)
    return told is not Told.NOTHING


# --- a gateway -----------------------------------------------------------------------------------------------------
_SHOWN = {"": Shown.NONE, "DEL": Shown.DELETED, "DOUBT": Shown.DOUBT}


def _shown(row: ShownRow, newer: bool) -> Shown:
    if row.state == "CANC":
        return Shown.ENDED if row.over else Shown.CANC
    if row.state == "" and newer:
        return Shown.LOST
    return _SHOWN.get(row.state, Shown.ACC)


def adopt(ledger: Ledger, shown: Iterable[ShownRow], *, newer: bool) -> Outcome:
    """`newer`: the manager was set back itself since our state was saved."""
    outcome = Outcome()
    for row in sorted(shown, key=lambda row: (row.cid, row.hop)):
        if row.hop % 2:
            _adopt_own(ledger, row, newer, outcome)
        else:
            _adopt_release(ledger, row, outcome)
    return outcome


def _adopt_own(ledger: Ledger, row: ShownRow, newer: bool, outcome: Outcome) -> None:
    copy = ledger.copy_offered_by(row.cid, row.hop)
    if copy is None or copy.custody not in ("Q", "X", "LOC", "DONE"):
        return
    shown = _shown(row, newer)
    after = adopted(GatewayCopy(copy.custody), shown)
    if after == copy.custody and shown is not Shown.DELETED:
        return
    if after is GatewayCopy.DONE:
        (ledger.deleted if shown is Shown.DELETED else ledger.acknowledged)(copy, row.hop, row.seq)
    else:
        ledger.change(copy, after.value)
        if copy.custody != "LOC":
            ledger.offer_state(copy.mid, "DOUBT" if after is GatewayCopy.DOUBT else "CANC")
    outcome.note(after.value, copy.mid)


def _adopt_release(ledger: Ledger, row: ShownRow, outcome: Outcome) -> None:
    copy = ledger.copy_taken_by(row.cid, row.hop)
    if copy is None or copy.custody not in ("ACTIVE", "RECEIVED"):
        return
    shown = Release.ENDED if row.state == "CLOSED" else Release.OTHERS if row.state else Release.NONE
    after = ADOPT_RELEASE[shown]
    if after is GatewayCopy.CANCELLED:
        ledger.bury(row.cid, row.hop, Tombstone.CANC, "")
    ledger.end_deliveries(copy.mid, f"set back: the manager shows {row.state or 'nothing'}")
    ledger.change(copy, "DOUBT" if after is GatewayCopy.DOUBT else "SETTLED")
    outcome.note("DOUBT" if after is GatewayCopy.DOUBT else f"release {after.value}", copy.mid)
