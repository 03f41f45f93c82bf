"""What two appliances conclude from a hello: who remembers what of whom (docs/cpq.md, session hello).

Pure: the caller gives what was remembered before the exchange. What a comparison found is durable with the hello itself
(store.moves.HelloFrom) and is never healed by numbers that grow: only by an administrator's override.
"""

from dataclasses import dataclass

from pratique.store.interface import Store
from pratique.store.records import Peer
from pratique.transfer.messages import Hello, Keyword


@dataclass(frozen=True, slots=True)
class Memory:
    """The highest incarnation and number known of one side."""

    inc: int
    seq: int

    def __gt__(self, other: "Memory") -> bool:
        return (self.inc, self.seq) > (other.inc, other.seq)


def hello_of(store: Store, peer: Peer, now_ms: int, *, endpoint: str = "") -> Hello:
    """What we say of ourselves, and remember of `peer`, now."""
    return Hello(
        serial=store.identity.serial,
        nonce=store.identity.nonce,
        inc=store.identity.inc,
        seq=store.committed_seq(),
        peer_inc=peer.inc,
        peer_seq=peer.seq,
        at_ms=now_ms,
        endpoint=endpoint,
    )


@dataclass(frozen=True, slots=True)
class Compared:
    """Whose store is older than the other side knows it."""

    here: bool  # ours: the peer remembers more of us than we know
    there: bool  # the peer's: it states less than we remember of it


CLOCK_DIFFERENCE_MS_MAX = 300_000  # beyond it no timer acts (I13)


def compare(*, me: Memory, peer_before: Memory, hello: Hello) -> Compared:
    """`hello`: what the peer says, as client or in its reply. `peer_before`: what was remembered of it before the
    exchange."""
    return Compared(
        here=Memory(hello.peer_inc, hello.peer_seq) > me,
        there=peer_before > Memory(hello.inc, hello.seq),
    )


def held_as(peer: Peer) -> Keyword | None:
    """How a server answers a peer while a set-back waits for the override; None when there is none."""
    if peer.set_back_here:
        return Keyword.RECON
    return Keyword.ROLLED if peer.set_back_there else None


def set_back_text(peer: Peer, hello: Hello, me: Memory) -> str:
    """The alarm, with what an administrator compares and the cure."""
    if peer.set_back_here:
        return (
            f"XQRECON: this appliance was set back to an older state: {peer.name} knows it at incarnation "
            f"{hello.peer_inc} number {hello.peer_seq}, it is at {me.inc} number {me.seq}. Nothing is exchanged until "
            f"an administrator accepts that, for each peer: `pratique enroll DIR --accept-setback {peer.serial}`"
        )
    return (
        f"XQROLLED: {peer.name} was set back to an older state: it was at incarnation {peer.inc} number {peer.seq} and "
        f"says {hello.inc} number {hello.seq}. Nothing is exchanged with it until an administrator accepts that there: "
        f"`pratique enroll DIR --accept-setback` with our serial"
    )


def clocks_differ(hello: Hello, now_ms: int) -> bool:
    return abs(hello.at_ms - now_ms) > CLOCK_DIFFERENCE_MS_MAX
