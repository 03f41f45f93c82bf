"""The moves: every change of durable state is one of these values, applied whole or not at all, with its audit rows.

`Store.submit(move)` returns a future. When it has a result, the move **is durable**: the body's octets are synced and
the commit that holds the rows has ended. Moves are applied in the order of submission; the writer commits many in one
transaction, and a move that fails (`MoveRefused`) rolls back alone.

Each docstring says: precondition -> what is durable afterwards; result.
"""

from pratique.mail.values import value
from pratique.store.records import AuditEntry, NewCopy, NewDelivery, NewTransfer, Peer, Quarantine, Statement, User
from pratique.store.recovery import ShownRow


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


class StoreInUse(StoreFailed):
    """Another process has it open."""


# --- a gateway's mail ------------------------------------------------------------------------------------------
@value
class Accept:
    """MIDs and cids are new -> all copies with their deliveries, transfers and holds; then 250 may be said. None."""

    copies: tuple[NewCopy, ...]
    audit: tuple[AuditEntry, ...]


@value
class Judge:
    """Copy `mid` is RECEIVED -> `copies[0]` (same mid, cid) takes its place, further copies are children. None."""

    mid: int
    copies: tuple[NewCopy, ...]
    audit: tuple[AuditEntry, ...]


@value
class DotSent:
    """Deliveries are DUE -> they are DOT: a crash from here on leaves a *named* possible duplicate. None."""

    mid: int
    rids: tuple[int, ...]


@value
class Outcome:
    """state: DELIVERED, FAILED, CANCELLED, or DUE again at `next_at` (deferred)."""

    rid: int
    state: str
    reply: str
    next_at: int = 0
    delayed: bool = False  # mark that a delay warning goes out with this move


@value
class Settle:
    """Deliveries of `mid` are DUE or DOT -> as in `outcomes`; `spawned` copies (bounces, warnings) are accepted in the
    same commit. When no delivery of the copy is left open: custody ACTIVE or LOC -> SETTLED, and if the copy came by
    an even hop, a journal row FIN (R=delivered, bounced, dropped) for `journal_peer`. Result: Settled."""

    mid: int
    outcomes: tuple[Outcome, ...]
    audit: tuple[AuditEntry, ...]
    spawned: tuple[NewCopy, ...] = ()


@value
class Settled:
    finished: bool  # no delivery of the copy is open any more
    row: bool = False  # and that is a row of our journal, which a peer is to hear


# --- custody: the side that offers -----------------------------------------------------------------------------
@value
class Intend:
    """Transfers are Q -> X, copies Q -> X (custody table: INTEND). Those not in Q are left alone. None."""

    hops: tuple[tuple[str, int], ...]


@value
class Acknowledged:
    """One answer that moved custody. event: ACC or CANC (delivery.custody.Event). `peer`: who answered; an answer of
    one that the hop is no longer offered to (Retarget) is left alone. "" = not said."""

    cid: str
    hop: int
    event: str
    inc: int
    seq: int
    peer: str = ""


@value
class TransfersAnswered:
    """Transfers are X -> DONE (copy DONE, or RELD on a manager) or CANC (copy LOC; on a manager stays REL). Repeats
    are harmless. Writes one audit row per change. The number in an answer is remembered of the peer, like one in a
    hello. A copy that came to a gateway by an even hop and is DONE by the next
    one was held again: a journal row FIN (R=heldagain, NEXT=the new transfer) for the peer that released it. None."""

    answers: tuple[Acknowledged, ...]
    role: str  # gateway, manager: which custody table applies


@value
class TransferStuck:
    """A transfer is X and the answer needs a person (conflict, defect, poison) -> STUCK with `error`, or, with
    `stuck=False`, stays X with `error` and attempts + 1 recorded. `peer`: who answered; an answer of one that the hop
    is no longer offered to is left alone. "" = not said. None."""

    cid: str
    hop: int
    error: str
    stuck: bool
    audit: tuple[AuditEntry, ...] = ()
    peer: str = ""


@value
class Retarget:
    """Manager: transfer (cid, hop) is CANC and its copy REL -> replaced by `transfer` (same cid; the same hop to a peer
    that has not cancelled it, or hop + 2 to anyone, also one that has). Who cancelled a hop stays known. With
    `override` it may also be in doubt (X, STUCK): a named actor takes it upon himself that the first target may have
    the copy, too (I4). None."""

    cid: str
    hop: int
    transfer: NewTransfer
    audit: tuple[AuditEntry, ...]
    override: bool = False


@value
class TakeBack:
    """Gateway: copy is LOC or Q -> ACTIVE with `deliveries` (a named actor, or the fallback policy). From Q the
    transfer row becomes CANC: it was never offered. With `outcomes` the deliveries end in the same commit, as by
    Settle: at no instant may such a copy be delivered. None."""

    mid: int
    deliveries: tuple[NewDelivery, ...]
    audit: tuple[AuditEntry, ...]
    outcomes: tuple[Outcome, ...] = ()
    spawned: tuple[NewCopy, ...] = ()


# --- custody: the side that receives ---------------------------------------------------------------------------
@value
class Receive:
    """A complete group from `peer`. custody.on_group over the tombstone of (cid, hop) decides; COMMIT_ACC writes the
    tombstone, the copy with all that belongs to it, and the audit row. The nonce and incarnation must be the peer's
    current ones, else FENCED; a set-back between the two must be accepted, else HELD. On a gateway an even hop must not
    be older than one already taken. Result: Received."""

    peer: str
    nonce: str
    inc: int
    hop: int
    seal: str
    seq: int  # the sender's XQSEQ; the peer's remembered seq rises to it
    copy: NewCopy
    audit: tuple[AuditEntry, ...]


@value
class Received:
    answer: str  # delivery.custody.Answer, "FENCED" or "HELD"
    inc: int = 0  # our incarnation, and the number of our tombstone
    seq: int = 0


@value
class Cancel:
    """XQCANCEL from `peer`: custody.on_cancel; COMMIT_CANC writes the tombstone. Result: Received."""

    peer: str
    nonce: str
    inc: int
    cid: str
    hop: int
    seal: str
    at: int


@value
class HelloFrom:
    """A hello with an enrolled peer, in either direction -> its nonce, endpoint, (inc, seq) and what it remembers of us
    are remembered; pairs are compared incarnation first and only rise. With a higher incarnation than before the peer's
    journal begins anew for us (journal_in, confirmed = 0: it sends all rows again) and set_back_there ends.
    `set_back_here`, `set_back_there`: what the comparison of this hello showed. The first concerns our whole store, so
    it is written to every peer, once; either is audited once. `compared`: the incarnations, ours and the peer's, that
    the comparison was made with; when either is another by now, the comparison says nothing. None: the present ones.
    When set_back_there begins, the state that the peer was set back to is kept (lost_inc, lost_seq), and on a manager
    every release that this gateway may have and has not reported the end of goes to DOUBT. When it ends on a gateway,
    what the manager had acknowledged above that state is in doubt again: transfers DONE -> X, copies by the custody
    table (LOST). A manager that is set back itself doubts every gateway that comes with a higher incarnation than it
    remembers: set_back_there. A gateway that is set back marks a manager that comes with a higher one: newer.
    Result: HelloTaken; a nonce that was replaced earlier is fenced and changes nothing."""

    serial: str
    nonce: str
    inc: int
    seq: int
    endpoint: str
    at: int
    knows_inc: int = 0
    knows_seq: int = 0
    set_back_here: bool = False
    set_back_there: bool = False
    compared: tuple[int, int] | None = None
    old: tuple[int, int] | None = None  # the peer says that it was set back to this state of its own
    told: tuple[int, int, int] | None = (
        None  # the peer has testified to our state (inc, seq) in its rows up to the third
    )
    opened: tuple[int, int] = (0, 0)  # our own state when this store was opened: what we were set back to, if we were
    watermark: int | None = None  # the peer's: what of it is on a second medium; None = not said


@value
class HelloTaken:
    before: Peer
    fenced: bool  # the nonce is an old one that a newer instance replaced


@value
class FoundOld:
    """Something outside the database has seen us at (inc, seq), further than the database is -> set_back_here for every
    peer, and each is taken to remember that much of us. Repeats change nothing. None."""

    inc: int
    seq: int
    audit: tuple[AuditEntry, ...]
    opened: tuple[int, int] = (0, 0)  # see HelloFrom


@value
class Declare:
    """Gateway: `rows` are what View.testimony gave for this manager, which was set back -> each is a row of our journal
    with a number of its own; the row of an end that is there already stays. Result: the number up to which all is
    told."""

    peer: str
    rows: tuple[Statement, ...]


@value
class Reconcile:
    """Manager that was set back: every gateway that is not withdrawn has testified -> each copy of which one of them
    told, or may have something to tell and cannot, is what delivery.recovery makes of it; then we begin a new
    incarnation, above all that was seen, with numbers above all that was seen, and are not set back any more. A gateway
    that cannot testify stays set_back_there: it has to adopt. Result: Recovered."""

    audit: tuple[AuditEntry, ...]


@value
class Adopt:
    """Gateway that was set back: `shown` is what the manager answered to View.to_ask -> each copy is what
    delivery.recovery makes of it; then a new incarnation as with Reconcile. Result: Recovered."""

    peer: str
    shown: tuple[ShownRow, ...]
    audit: tuple[AuditEntry, ...]


@value
class Recovered:
    inc: int
    seq: int
    changed: tuple[tuple[str, tuple[int, ...]], ...]  # state -> MIDs that came to it


@value
class EndDoubt:
    """Copy is DOUBT and a named actor decides, on record. With `send` it is delivered, perhaps for the second time: a
    manager's goes to REL with `transfer`, a gateway's to ACTIVE with `deliveries` (or those that it had). Without, it
    counts as delivered: DEL on a manager (with the row for its origin), SETTLED on a gateway. Marks that are open are
    given. None."""

    mid: int
    send: bool
    actor: str
    transfer: NewTransfer | None
    deliveries: tuple[NewDelivery, ...]
    reply: str  # what the deliveries show until their next attempt
    audit: tuple[AuditEntry, ...]


@value
class AcceptSetback:
    """An administrator has looked: the peer is set_back_here or set_back_there -> neither any more. Our incarnation is
    one above all that the peer was seen to remember and our own; our numbers go on above both. What we remember of the
    peer's incarnation and number is (0, 0): its next hello is believed. Result: SetbackAccepted."""

    serial: str
    audit: tuple[AuditEntry, ...]


@value
class SetbackAccepted:
    inc: int  # our incarnation from now on
    seq: int  # our numbers go on above this one


@value
class JournalIn:
    """Rows (after, last] of `peer`'s journal: applied in one commit when `after` is our applied number, else a gap. A
    manager that is set back keeps the rows for Reconcile, and nothing else happens. Else FIN on a manager: copy REL,
    RELD or DOUBT -> CLOSED; of an odd hop: the gateway's own end of a hop that was cancelled. DEL on a gateway: copy X
    or DONE -> DONE, shadow let go. Result: JournalTaken."""

    peer: str
    after: int
    last: int
    rows: tuple[tuple[int, str, str, int, str, int, str], ...]  # (seq, state, cid, hop, seal, at, pairs as JSON)


@value
class JournalTaken:
    applied: int
    gap: bool
    dropped: tuple[int, ...] = ()  # MIDs whose bodies may go now


@value
class JournalAcked:
    """The peer applied our rows up to `applied` (only rises). Deleted copies it covers may lose their bodies: their
    MIDs are the result. `gap`: the peer says that it lacks the rows above `applied` (it was set back): they are due
    again, also when it had applied them before."""

    peer: str
    applied: int
    gap: bool = False


@value
class Confirm:
    """The peer will neither send nor cancel transfers with XQSEQ <= seq (only rises). None."""

    peer: str
    seq: int


# --- the hold --------------------------------------------------------------------------------------------------
@value
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


@value
class Exited:
    exit: str  # quarantine.lifecycle.Exit


@value
class DelayExit:
    """HELD in `quarantine` -> its scheduled exit is `exit_at`. None."""

    mid: int
    quarantine: str
    exit_at: int
    audit: tuple[AuditEntry, ...]


@value
class MoveHold:
    """HELD in `source` -> HELD in `target`, exit and reasons kept; an entry already in `target` is overwritten by the
    moved one (docs/rest.md). None."""

    mid: int
    source: str
    target: str
    audit: tuple[AuditEntry, ...]


# --- the rest --------------------------------------------------------------------------------------------------
@value
class SendCopy:
    """Manager: copy `mid` is HELD and in `quarantine` -> `copy`, a duplicate with the same body and hop count and a cid
    of its own, is REL from the start, with its transfer in X. The held one stays as it is. None."""

    mid: int
    quarantine: str
    copy: NewCopy
    audit: tuple[AuditEntry, ...]


@value
class LetGo:
    """The bodies of these copies are no longer needed (SETTLED, CLOSED, DEL acknowledged, shadow past its time) ->
    their extents are forgotten; the spool may use the space after the commit. Result: the extents let go."""

    mids: tuple[int, ...]


@value
class Forget:
    """The rows of copies that are over go: hop 0, SETTLED, body let go, never offered to a peer; their deliveries with
    them. Others are left alone. Result: how many went."""

    mids: tuple[int, ...]
    audit: tuple[AuditEntry, ...]


@value
class PutPeer:
    peer: Peer
    audit: tuple[AuditEntry, ...]


@value
class RenewPeer:
    """The peer proved, by its present certificate, another one and shows it now -> that one is enrolled, and nothing
    else of it changes. MoveRefused when the present one is another than `before`, or the peer is withdrawn."""

    serial: str
    before: str  # fingerprints
    certificate: str  # PEM
    fingerprint: str
    audit: tuple[AuditEntry, ...]


@value
class PutQuarantine:
    quarantine: Quarantine
    audit: tuple[AuditEntry, ...]


@value
class DropQuarantine:
    """The quarantine is empty -> it is gone. MoveRefused while it holds messages."""

    name: str
    audit: tuple[AuditEntry, ...]


@value
class PutUser:
    user: User
    audit: tuple[AuditEntry, ...]


@value
class PutSetting:
    """A small durable fact (suspended services, counters): text by key."""

    key: str
    value: str
    audit: tuple[AuditEntry, ...] = ()


@value
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
    | FoundOld
    | Declare
    | Reconcile
    | Adopt
    | EndDoubt
    | AcceptSetback
    | JournalIn
    | JournalAcked
    | Confirm
    | ExitHold
    | DelayExit
    | MoveHold
    | SendCopy
    | LetGo
    | Forget
    | PutPeer
    | RenewPeer
    | PutQuarantine
    | DropQuarantine
    | PutUser
    | PutSetting
    | Record
)
