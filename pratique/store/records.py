"""The records that the store keeps and gives back. Plain frozen values; times are ms since 1970 UTC.

A *copy* is one message for one group of recipients; its number is the MID. Octets of its body lie in the spool.
"""

from dataclasses import dataclass

from pratique.mail.envelope import Envelope
from pratique.mail.values import value


@value
class Extent:
    """Where a body lies: `length` octets from `offset` in segment `segment`."""

    segment: int
    offset: int
    length: int


@value
class NewDelivery:
    """One recipient on its way to a next hop. `host` is the recipient's domain: the key of the queue."""

    rid: int
    address: str
    host: str
    next_at: int
    notify: str = ""
    orcpt: str = ""


@value
class NewHold:
    """One quarantine that takes a copy (manager)."""

    quarantine: str
    kind: str  # policy, virus, outbreak, amp, unclassified
    reasons: tuple[str, ...]
    received: int
    exit_at: int
    default_action: str  # release, delete
    matched: str = "[]"  # JSON: [{"part", "text"}]
    outbreak: str = ""  # JSON of the outbreak reference, "" = none


@value
class NewTransfer:
    """One hop that we offer: what is stored is what is sent, octet for octet, for ever."""

    cid: str
    hop: int
    peer: str  # serial of the receiver
    seq: int  # XQSEQ, from Store.next_seq()
    state: str  # "Q" or "X" (delivery.custody.GatewayCopy); "X" on a manager means REL
    seal: str
    commands: bytes
    metadata: bytes


@value
class NewCopy:
    """A copy to be stored in one commit with everything that belongs to it."""

    mid: int
    cid: str
    hop: int  # 0 = accepted here from SMTP; h = came by transfer hop h
    custody: str  # RECEIVED ACTIVE Q X | HELD | SETTLED (nothing left to do: dropped)
    icid: int
    at: int
    envelope: Envelope
    extent: Extent
    sha256: str
    subject: str = ""
    from_header: str = ""
    message_id: str = ""
    parent: str = ""
    origin_serial: str = ""  # who answered 250
    origin_host: str = ""
    origin_ip: str = ""
    origin_mid: int = 0
    context: bytes = b""  # the metadata as JSON: client, trace, policy, verdicts; what later hops and deliveries need
    attachments: str = "[]"  # JSON: [["name", octets of the base64 form]]
    deliveries: tuple[NewDelivery, ...] = ()
    transfer: NewTransfer | None = None
    holds: tuple[NewHold, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A stored copy."""

    mid: int
    cid: str
    hop: int
    # gateway: RECEIVED ACTIVE SETTLED Q X DONE LOC DOUBT
    # manager: HELD REL RELD CLOSED DEL DOUBT; of its alerts ACTIVE SETTLED
    custody: str
    icid: int
    at: int
    envelope: Envelope
    extent: Extent | None  # None = the body has been let go
    size: int
    sha256: str
    subject: str
    from_header: str
    message_id: str
    parent: str
    origin_serial: str
    origin_host: str
    origin_ip: str
    origin_mid: int
    context: bytes
    attachments: str
    version: int  # rises with every change; compare-and-swap key


@dataclass(frozen=True, slots=True)
class Hold:
    mid: int
    quarantine: str
    kind: str
    mark: str  # quarantine.lifecycle.Mark
    reasons: tuple[str, ...]
    matched: str
    received: int
    exit_at: int
    default_action: str
    cause: str  # quarantine.lifecycle.Cause, "" while held
    actor: str
    decided_at: int
    outbreak: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """DUE: to be tried at next_at. DOT: the end of the message was sent and no result is recorded (in doubt after a
    crash). DELIVERED, FAILED, CANCELLED are terminal."""

    mid: int
    rid: int
    address: str
    host: str
    notify: str
    orcpt: str
    state: str
    attempts: int
    next_at: int
    reply: str  # the last answer, "" = none
    delayed: bool  # a delay warning went out


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one destination: recipients of a host, or transfers to a peer."""

    count: int = 0
    attempted: int = 0  # of them: tried before, without a final answer
    oldest_mid: int = 0  # 0 = nothing waits
    next_at: int = 0  # of a host: when the first of them is due


@dataclass(frozen=True, slots=True)
class Transfer:
    cid: str
    hop: int
    mid: int
    peer: str
    seq: int
    state: str  # Q X DONE CANC STUCK (an actor's list) DOUBT
    seal: str
    commands: bytes
    metadata: bytes
    size: int
    attempts: int
    error: str  # last answer that was not a verdict, "" = none
    ack_inc: int
    ack_seq: int


@dataclass(frozen=True, slots=True)
class JournalRow:
    """Our latest state of one transfer that `peer` must know (cpq.md §6)."""

    cid: str
    hop: int
    seq: int
    state: str  # FIN, DEL; ACC, CANC, LOC only to testify to a manager that was set back
    seal: str
    peer: str
    at: int
    pairs: str  # JSON object of texts


@value
class Statement:
    """What a gateway states of one transfer to a manager that was set back."""

    state: str  # ACC, CANC, LOC, DEL
    cid: str
    hop: int
    seal: str


@dataclass(frozen=True, slots=True)
class Peer:
    """An enrolled appliance and what we durably know of it."""

    serial: str
    role: str  # gateway, manager
    name: str
    host: str  # address for CPQ
    port: int
    certificate: str  # PEM
    fingerprint: str  # SHA-256 of the DER, hex
    sign_key: str  # Ed25519 public key, base64; "" for a gateway
    nonce: str = ""  # the instance that said hello last
    inc: int = 0  # highest incarnation and number of the peer that we ever saw
    seq: int = 0
    endpoint: str = ""  # as announced in its last hello
    journal_in: int = 0  # highest row of the peer that we applied
    journal_out: int = 0  # highest of our rows that the peer applied
    watermark: int = 0
    confirmed: int = 0  # the peer settled all its transfers up to this number
    locked: str = ""  # "" = fine, else why nothing is exchanged until an administrator acts
    withdrawn: bool = False
    knows_inc: int = 0  # highest incarnation and number of ours that the peer was seen to remember
    knows_seq: int = 0
    set_back_here: bool = False  # our own store is older than others know it: no custody step until AcceptSetback
    set_back_there: bool = False  # the peer's is older than we know it: none until it comes with a new incarnation
    lost_inc: int = 0  # set_back_there: the state that it was set back to, in its own numbers
    lost_seq: int = 0
    testified: bool = False  # set_back_here, and this gateway told all that we may lack
    newer: bool = False  # set_back_here, and this manager was set back itself since our state was saved
    ssh_host: str = ""  # where its command line is; "" = not known
    ssh_port: int = 0
    ssh_host_key: str = ""  # pinned, "ssh-ed25519 AAAA…"
    ssh_client_key: str = ""  # with which it signs in here, the same form
    label: str = ""  # what people call it here; "" = its name
    service_off: bool = False  # manager: the quarantine service is not for this gateway

    @property
    def set_back(self) -> bool:
        """One of the two was set back to an older state and nobody has accepted that yet."""
        return self.set_back_here or self.set_back_there


@dataclass(frozen=True, slots=True)
class Quarantine:
    name: str
    kind: str
    retention_s: int
    default_action: str  # release, delete
    overflow: str = "{}"  # JSON: free_space, subject, header, strip (docs/rest.md)
    created_by: str = "system"
    created_at: int = 0
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: str  # administrator, email-administrator, operator, guest, helpdesk, technician, read-only-operator
    password: str  # argon2id hash
    quarantines: tuple[str, ...] = ()  # those it may see; administrators see all
    created_at: int = 0
    disabled: bool = False


@value
class AuditEntry:
    """What is written beside a move. Number, time and hash are given by the store at commit."""

    actor: str  # a user's name, "policy:<name>@<version>", "peer:<serial>", "smtp:<ip>", "system"
    action: str  # accept, judge, transfer, receive, hold, release, delete, expire, deliver, bounce, cancel, ...
    mid: int = 0
    cid: str = ""
    detail: str = ""  # one line of JSON


@dataclass(frozen=True, slots=True)
class AuditRow:
    number: int
    at: int
    actor: str
    action: str
    mid: int
    cid: str
    detail: str
    hash: str  # hex: SHA-256 over the previous hash and this row
