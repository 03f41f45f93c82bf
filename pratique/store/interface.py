"""The one durable interface. Two halves: a Spool keeps bodies, a Store keeps rows and commits moves.

Backends: store.sqlite (files, one group-committing writer thread) and store.memory (dicts; tests and simulation).
tests/conformance runs one suite over both.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pratique.mail.body import Body
from pratique.mail.values import value
from pratique.store.moves import Move
from pratique.store.records import (
    AuditRow,
    Copy,
    Delivery,
    Extent,
    Hold,
    JournalRow,
    Peer,
    Quarantine,
    Statement,
    Transfer,
    User,
    Waiting,
)


@value
class Stored:
    """A body that lies in the spool; durable only with the commit of a move that names its extent."""

    extent: Extent
    size: int
    sha256: str


class BodyWriter(Protocol):
    """One body on its way in. Memory stays bounded whatever its size."""

    @property
    def size(self) -> int:
        """Octets written so far."""
        ...

    def write(self, data: bytes) -> None:
        """Raises StoreFailed (full) below the disk reserve or when the disk refuses."""
        ...

    def finish(self, sha256: str = "") -> Stored:
        """`sha256` is that of the octets, from whoever asked for a writer that does not digest."""
        ...

    def abort(self) -> None:
        """Forget what was written. Harmless after finish()."""
        ...

    def octets(self) -> bytes | None:
        """The whole body when it is still in memory (small), else None."""
        ...


class Spool(Protocol):
    def writer(self, *, digest: bool = True) -> BodyWriter:
        """Without `digest` the caller digests what it writes, and gives the result to finish()."""
        ...

    def open(self, extent: Extent, sha256: str) -> Body:
        """Raises OSError when the segment is gone."""
        ...

    def read(self, extent: Extent, start: int, length: int) -> bytes:
        """Part of a body; at most PIECE_BYTES are asked for at once."""
        ...

    def drop(self, extents: Iterable[Extent]) -> None:
        """No row names these extents any more (after the commit): their space may be used again."""
        ...

    def free_bytes(self) -> int:
        """Octets that can still be taken before the reserve is reached; <= 0 means refuse new mail."""
        ...


@dataclass(frozen=True, slots=True)
class TextTest:
    """how: contains, starts_with, ends_with, matches_exactly and their negations (docs/rest.md, "Messages").
    Case does not matter."""

    how: str
    value: str


@dataclass(frozen=True, slots=True)
class Search:
    """Messages held in any of `quarantines` (names the asker may see), newest first unless ordered."""

    quarantines: tuple[str, ...]
    since: int = 0  # received, ms, inclusive
    until: int = 1 << 62  # exclusive
    sender: TextTest | None = None
    recipient: TextTest | None = None
    subject: TextTest | None = None
    origin_ip: str = ""
    attachment: str = ""
    attachment_min: int = 0  # octets of the base64 form
    attachment_max: int = 1 << 62
    order_by: str = "received"  # sender, subject, received, scheduledExit, size
    descending: bool = True
    offset: int = 0
    limit: int = 25
    count_to: int = 1 << 62  # a total of this or more need not be exact: a page says "1000+"


@dataclass(frozen=True, slots=True)
class Found:
    total: int  # all matches, exactly (see Search.count_to)
    copies: tuple[tuple[Copy, tuple[Hold, ...]], ...]  # the page, each with all its holds


class View(Protocol):
    """Reading. Every call sees one consistent committed state. Blocking: call from a reader thread
    (`Store.read`) when the answer may be long."""

    def copy(self, mid: int) -> Copy | None: ...
    def copy_of_hop(self, cid: str, hop: int) -> Copy | None: ...
    def holds(self, mid: int) -> tuple[Hold, ...]: ...
    def deliveries(self, mid: int) -> tuple[Delivery, ...]: ...
    def transfer(self, cid: str, hop: int) -> Transfer | None: ...
    def search(self, query: Search) -> Found: ...
    def due_deliveries(self, after: tuple[int, int], limit: int, *, host: str = "") -> Sequence[Delivery]:
        """Open deliveries (DUE, DOT) with (mid, rid) > after, in that order; those to `host` when it is given (long:
        it looks at all that are open)."""
        ...

    def waiting_for_host(self, host: str) -> Waiting:
        """Open deliveries to `host`, "" = to all hosts. Long."""
        ...

    def waiting_for_peer(self, peer: str) -> Waiting:
        """Open transfers (Q, X) to `peer`. Long."""
        ...

    def release_of(self, mid: int) -> Transfer | None:
        """The newest hop by which we offer this copy; an older one that was offered anew is gone."""
        ...

    def cancelled_targets(self, cid: str, hop: int) -> frozenset[str]:
        """Serials of gateways that cancelled this release hop before it was offered elsewhere."""
        ...

    def open_transfers(self, peer: str, after_seq: int, limit: int) -> Sequence[Transfer]:
        """Transfers to `peer` in Q or X with seq > after_seq, by seq."""
        ...

    def unsettled_transfers(self, limit: int) -> Sequence[Transfer]:
        """Transfers that only an act moves on: STUCK, or CANC while the copy waits (REL, LOC); by mid."""
        ...

    def acknowledged_above(self, peer: str, seq: int, limit: int) -> Sequence[Transfer]:
        """Transfers that `peer` took by a number above `seq` and whose bodies are still here; the newest first.
        Long: it looks at all transfers."""
        ...

    def received_copies(self, after_mid: int, limit: int) -> Sequence[Copy]:
        """Copies in custody RECEIVED (accepted, not judged), by mid."""
        ...

    def expired_holds(self, now: int, limit: int) -> Sequence[Hold]:
        """Marks HELD whose exit_at <= now, oldest first."""
        ...

    def oldest_holds(self, limit: int) -> Sequence[Hold]:
        """Marks HELD in quarantines that may free space on overflow, oldest received first."""
        ...

    def testimony(self, peer: str, lost: tuple[int, int], journal_in: int) -> Sequence[Statement]:
        """Gateway: what this manager cannot know any more since it was set back to `lost` (its incarnation and number)
        and has applied our rows up to `journal_in`; rows that the journal has are not among them. Long."""
        ...

    def to_ask(self, peer: str, *, newer: bool) -> Sequence[tuple[str, int]]:
        """Gateway that was set back: the hops of which only this manager can say what became of them. Long."""
        ...

    def shown(self, peer: str, cid: str, hop: int) -> JournalRow | None:
        """Manager: our own row of a transfer between this gateway and us; None when we know nothing of it."""
        ...

    def was_told(self, cid: str, hop: int, peer: str) -> bool:
        """This gateway stated, while we were set back, that it took the release `hop`."""
        ...

    def doubtful(self, limit: int) -> Sequence[int]:
        """MIDs of copies in custody DOUBT."""
        ...

    def journal(self, peer: str, after: int, limit: int) -> Sequence[JournalRow]: ...
    def disposable(self, shadows_before: int, limit: int, *, uncovered_before: int = 1 << 62) -> Sequence[int]:
        """MIDs whose bodies may go: SETTLED, CLOSED, DEL acknowledged by the origin, DONE whose shadow is older than
        `shadows_before`; body still there. When the peer that took the copy makes backups (its watermark is not 0), and
        none holds it yet, a shadow stays while it is not older than `uncovered_before`."""
        ...

    def past(self, after_mid: int, before: int, limit: int) -> tuple[tuple[int, ...], int]:
        """Of the next `limit` copies by MID that were accepted before `before`: the MIDs that Forget takes, and the
        last MID looked at; 0 when there is none further."""
        ...

    def peers(self) -> tuple[Peer, ...]: ...
    def peer(self, serial: str) -> Peer | None: ...
    def quarantines(self) -> tuple[Quarantine, ...]: ...
    def quarantine_counts(self) -> Mapping[str, tuple[int, int]]:
        """name -> (messages held, octets held)."""
        ...

    def users(self) -> tuple[User, ...]: ...
    def user(self, name: str) -> User | None: ...
    def setting(self, key: str, default: str = "") -> str: ...
    def audit(self, after: int, limit: int) -> Sequence[AuditRow]: ...
    def counts(self) -> Mapping[str, int]:
        """Gauges: copies by custody ("copy.HELD"), open deliveries by host ("host.example.org"), open transfers by
        peer ("transfer.<serial>")."""
        ...

    def body(self, mid: int) -> tuple[Extent, str] | None:
        """(extent, sha256) of the copy's body; None when it has been let go. What a sender needs of a copy."""
        ...

    def newest_bodies(self, after_mid: int, limit: int) -> Sequence[tuple[int, Extent, str]]:
        """(mid, extent, sha256) of bodies of copies with mid > after_mid, the newest first."""
        ...

    def live_bodies(self) -> Iterator[tuple[int, Extent, str]]:
        """(mid, extent, sha256) of every copy whose body is still needed."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """What the store knows of ourselves. `inc` and `seq` are the highest committed."""

    serial: str
    role: str
    inc: int
    nonce: str  # new at each start
    opened: int = 0  # the highest number when it was opened


class Submitted(Protocol):
    """The part of a future that callers use; store.sqlite gives asyncio.Future."""

    def add_done_callback(self, call: Callable[[Any], object]) -> None: ...
    def result(self) -> Any: ...
    def exception(self) -> BaseException | None: ...
    def cancelled(self) -> bool: ...
    def __await__(self) -> Generator[Any, Any, Any]: ...


class Store(Protocol):
    """Durable rows. Calls come from the loop's thread."""

    @property
    def spool(self) -> Spool: ...
    @property
    def view(self) -> View: ...
    @property
    def identity(self) -> Identity: ...

    def submit(self, move: Move) -> Submitted:
        """Queue a move; the future's result comes after the commit (see moves.py). Its exception is MoveRefused or
        StoreFailed."""
        ...

    def next_mid(self) -> int: ...
    def newest_mid(self) -> int:
        """The highest that was given out."""
        ...

    def next_seq(self) -> int:
        """The next number of our journal (cpq.md §0.6). Numbers commit in the order in which they were given out;
        a number whose move failed is a gap, which is allowed."""
        ...

    def committed_seq(self) -> int: ...
    def audit_head(self) -> str:
        """Hex hash of the newest committed audit row."""
        ...

    def audit_number(self) -> int:
        """The number of that row, 0 = none."""
        ...

    async def read(self, call: Callable[[View], Any]) -> Any:
        """Run a read in a reader thread on a consistent view."""
        ...

    async def close(self) -> None:
        """Commit what was submitted, then end."""
        ...
