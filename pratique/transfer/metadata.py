"""The metadata of a group, version 1 (docs/cpq.md §8): JSON that travels with the message and is sealed with it.

The envelope is not repeated here. Unknown fields are kept and returned unchanged on the next hop.
Filled in by the transfer room's builder; the shapes below are the interface.
"""

import msgspec


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    serial: str
    host: str
    ip: str
    mid: int
    icid: int
    listener: str
    at: int


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    cipher: str
    verified: bool = False
    subject: str = ""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    ip: str
    port: int
    helo: str
    rdns: str = "unknown"
    rdns_ok: bool = False
    auth: str = ""
    tls: Tls | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What one Received line will say; `with_` is "with" on the wire."""

    from_helo: str
    from_ip: str
    rdns: str = "unknown"
    by: str
    with_: str = msgspec.field(name="with")
    id: str
    at: int


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    table: str  # inbound, outbound
    version: int = 1


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    part: str
    text: str


class OutbreakRef(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    level: int
    version: int = 1
    type: str = ""


class QuarantineRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    kind: str  # policy, virus, outbreak, amp, unclassified
    reasons: tuple[str, ...]
    matched: tuple[Matched, ...] = ()
    received: int
    exit: int = 0  # 0 = the manager's retention decides
    default: str = ""  # release, delete, "" = the quarantine's own
    outbreak: OutbreakRef | None = None
    cut: bool = False


class VerdictRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    engine: str
    version: str = ""
    data: str = ""
    data_at: int = 0
    result: str
    detail: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A declared change, applied at final delivery only."""

    op: str  # add-header, remove-header, subject-set, subject-prepend, subject-append, strip-attachments
    name: str = ""
    value: str = ""
    by: str = ""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    hop: int
    serial: str
    mid: int
    at: int
    ended: str


class Out(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    cause: str  # manual, expired, queue full, outbreak
    actor: str
    held_s: int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    signed: str
    key: str
    sig: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    mid: int
    serial: str
    ip: str
    out: tuple[Out, ...]
    rescan: tuple[str, ...] = ()
    may_duplicate: bool = False
    cert: Certificate


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `unknown` holds the top-level fields that this version does not know, for the next hop."""

    v: int = 1
    min: int = 1
    xid: str
    parent: str = ""
    origin: Origin
    client: Client
    trace: tuple[Trace, ...]
    esmtp: tuple[str, ...] = ()
    policy: PolicyRef
    quarantines: tuple[QuarantineRef, ...]
    verdicts: tuple[VerdictRef, ...] = ()
    auth: tuple[dict[str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    copy: bool = False
    migrated: bool = False
    judged: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    release: Release | None = None
    unknown: dict[str, object] = {}


class MetadataError(ValueError):
    """The octets are not valid metadata. `newer` is true when only a newer version could read them."""

    def __init__(self, why: str, *, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


def encode(metadata: Metadata) -> bytes:
    """The octets to seal. Lists and texts over their limit are cut, and `cut` is set where that happened."""
    raise NotImplementedError


def decode(octets: bytes, *, hop: int) -> Metadata:
    """Reads and checks (sizes, nesting, duplicate names, integers, required fields). Raises MetadataError."""
    raise NotImplementedError
