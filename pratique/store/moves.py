"""The moves: every change of durable state is one of these values, applied whole or not at all, with its audit rows.

`Store.submit(move)` returns a future. When it has a result, the move **is durable**: the body's octets are synced and
the commit that holds the rows has ended. Moves are applied in the order of submission; the writer commits many in one
transaction, and a move that fails (`MoveRefused`) rolls back alone.

Each docstring says: precondition -> what is durable afterwards; result.
"""

from dataclasses import dataclass

from pratique.store.records import AuditEntry, NewCopy, NewDelivery, NewTransfer, Peer, Quarantine, User


class MoveRefused(Exception):
    """The precondition did not hold; nothing changed. `why` is for the log and for operators."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class StoreFailed(Exception):
    """The disk refused (full, I/O error). Nothing of the move is durable. After `fatal` the store takes no more moves:
    a failed fsync is never retried; the process ends and recovers from disk."""

    def __init__(self, why: str, *, full: bool = False, fatal: bool = False) -> None:
        super().__init__(why)
        self.full = full
        self.fatal = fatal


# --- a gateway's mail ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Accept:
    """MIDs and cids are new -> all copies with their deliveries, transfers and holds; then 250 may be said. None."""

    copies: tuple[NewCopy, ...]
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """Copy `mid` is RECEIVED -> `copies[0]` (same mid, cid) takes its place, further copies are children. None."""

    mid: int
    copies: tuple[NewCopy, ...]
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class DotSent:
    """Deliveries are DUE -> they are DOT: a crash from here on leaves a *named* possible duplicate. None."""

    mid: int
    rids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """state: DELIVERED, FAILED, CANCELLED, or DUE again at `next_at` (deferred)."""

    rid: int
    state: str
    reply: str
    next_at: int = 0
    delayed: bool = False  # mark that a delay warning goes out with this move


@dataclass(frozen=True, slots=True)
class Settle:
    """Deliveries of `mid` are DUE or DOT -> as in `outcomes`; `spawned` copies (bounces, warnings) are accepted in the
    same commit. When no delivery of the copy is left open: custody ACTIVE or LOC -> SETTLED, and if the copy came by
    an even hop, a journal row FIN (R=delivered, bounced, dropped) for `journal_peer`. Result: Settled."""

    mid: int
    outcomes: tuple[Outcome, ...]
    audit: tuple[AuditEntry, ...]
    spawned: tuple[NewCopy, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    finished: bool  # no delivery of the copy is open any more


# --- custody: the side that offers -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Intend:
    """Transfers are Q -> X, copies Q -> X (custody table: INTEND). Those not in Q are left alone. None."""

    hops: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One answer that moved custody. event: ACC or CANC (delivery.custody.Event). `peer`: who answered; an answer of
    one that the hop is no longer offered to (Retarget) is left alone. "" = not said."""

    cid: str
    hop: int
    event: str
    inc: int
    seq: int
    peer: str = ""


@dataclass(frozen=True, slots=True)
class TransfersAnswered:
    """Transfers are X -> DONE (copy DONE, or RELD on a manager) or CANC (copy LOC; on a manager stays REL). Repeats
    are harmless. Writes one audit row per change. A copy that came to a gateway by an even hop and is DONE by the next
    one was held again: a journal row FIN (R=heldagain, NEXT=the new transfer) for the peer that released it. None."""

    answers: tuple[Acknowledged, ...]
    role: str  # gateway, manager: which custody table applies


@dataclass(frozen=True, slots=True)
class TransferStuck:
    """A transfer is X and the answer needs a person (conflict, defect, poison) -> STUCK with `error`, or, with
    `stuck=False`, stays X with `error` and attempts + 1 recorded. None."""

    cid: str
    hop: int
    error: str
    stuck: bool
    audit: tuple[AuditEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Retarget:
    """Manager: transfer (cid, hop) is CANC and its copy REL -> replaced by `transfer` (same cid; same hop to another
    peer, or hop + 2). None."""

    cid: str
    hop: int
    transfer: NewTransfer
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Gateway: copy is LOC or Q -> ACTIVE with `deliveries` (a named actor, or the fallback policy). From Q the
    transfer row becomes CANC: it was never offered. None."""

    mid: int
    deliveries: tuple[NewDelivery, ...]
    audit: tuple[AuditEntry, ...]


# --- custody: the side that receives ---------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Receive:
    """A complete group from `peer`. custody.on_group over the tombstone of (cid, hop) decides; COMMIT_ACC writes the
    tombstone, the copy with all that belongs to it, and the audit row. The nonce and incarnation must be the peer's
    current ones, else FENCED. On a gateway an even hop must not be older than one already taken. Result: Received."""

    peer: str
    nonce: str
    inc: int
    hop: int
    seal: str
    seq: int  # the sender's XQSEQ; the peer's remembered seq rises to it
    copy: NewCopy
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class Received:
    answer: str  # delivery.custody.Answer, or "FENCED"
    inc: int = 0  # our incarnation, and the number of our tombstone
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """XQCANCEL from `peer`: custody.on_cancel; COMMIT_CANC writes the tombstone. Result: Received."""

    peer: str
    nonce: str
    inc: int
    cid: str
    hop: int
    seal: str
    at: int


@dataclass(frozen=True, slots=True)
class HelloFrom:
    """XQHELLO of an enrolled peer -> nonce, endpoint, and inc and seq (which only rise) are remembered. Result: the
    Peer as it was before. A nonce that was replaced earlier is not taken: the result's `nonce` differs, see
    `known_nonce`."""

    serial: str
    nonce: str
    inc: int
    seq: int
    endpoint: str
    at: int


@dataclass(frozen=True, slots=True)
class HelloTaken:
    before: Peer
    fenced: bool  # the nonce is an old one that a newer instance replaced


@dataclass(frozen=True, slots=True)
class JournalIn:
    """Rows (after, last] of `peer`'s journal: applied in one commit when `after` is our applied number, else a gap.
    FIN on a manager: copy REL or RELD -> CLOSED. DEL on a gateway: copy X or DONE -> DONE, shadow let go.
    Result: JournalTaken."""

    peer: str
    after: int
    last: int
    rows: tuple[tuple[int, str, str, int, str, int, str], ...]  # (seq, state, cid, hop, seal, at, pairs as JSON)


@dataclass(frozen=True, slots=True)
class JournalTaken:
    applied: int
    gap: bool
    dropped: tuple[int, ...] = ()  # MIDs whose bodies may go now


@dataclass(frozen=True, slots=True)
class JournalAcked:
    """The peer applied our rows up to `applied` (only rises). Deleted copies it covers may lose their bodies: their
    MIDs are the result."""

    peer: str
    applied: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """The peer will neither send nor cancel transfers with XQSEQ <= seq (only rises). None."""

    peer: str
    seq: int


# --- the hold --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class ExitHold:
    """Copy is HELD, its version is `version`, and it is HELD in `quarantine` -> that mark is given. When this was the
    last open mark, quarantine.lifecycle.exit_of decides: release -> copy REL and `transfer` is written; delete -> copy
    DEL and a journal row DEL (number `journal_seq`) for the origin. If `transfer` is needed and None, or the version
    differs: MoveRefused, read again. Result: Exited."""

    mid: int
    quarantine: str
    mark: str  # RELEASED, DELETED
    cause: str
    actor: str
    at: int
    version: int
    transfer: NewTransfer | None
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class Exited:
    exit: str  # quarantine.lifecycle.Exit


@dataclass(frozen=True, slots=True)
class DelayExit:
    """HELD in `quarantine` -> its scheduled exit is `exit_at`. None."""

    mid: int
    quarantine: str
    exit_at: int
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class MoveHold:
    """HELD in `source` -> HELD in `target`, exit and reasons kept; an entry already in `target` is overwritten by the
    moved one (facts/pvo.md §3.7). None."""

    mid: int
    source: str
    target: str
    audit: tuple[AuditEntry, ...]


# --- the rest --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LetGo:
    """The bodies of these copies are no longer needed (SETTLED, CLOSED, DEL acknowledged, shadow past its time) ->
    their extents are forgotten; the spool may use the space after the commit. Result: the extents let go."""

    mids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PutPeer:
    peer: Peer
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class PutQuarantine:
    quarantine: Quarantine
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class DropQuarantine:
    """The quarantine is empty -> it is gone. MoveRefused while it holds messages."""

    name: str
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class PutUser:
    user: User
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class PutSetting:
    """A small durable fact (suspended services, counters): text by key."""

    key: str
    value: str
    audit: tuple[AuditEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Audit rows that belong to no other move (sign-in, refusal, override)."""

    audit: tuple[AuditEntry, ...]


Move = (
    Accept
    | Judge
    | DotSent
    | Settle
    | Intend
    | TransfersAnswered
    | TransferStuck
    | Retarget
    | TakeBack
    | Receive
    | Cancel
    | HelloFrom
    | JournalIn
    | JournalAcked
    | Confirm
    | ExitHold
    | DelayExit
    | MoveHold
    | LetGo
    | PutPeer
    | PutQuarantine
    | DropQuarantine
    | PutUser
    | PutSetting
    | Record
)
