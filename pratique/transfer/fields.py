"""The shapes of the metadata, version 1, with the limit of every field (docs/cpq.md, "Metadata").

The limits stand in the types: the reader refuses what is over them, the writer cuts. A text's limit counts characters
(Unicode code points). Integers are those that every JSON reader holds exactly (RFC 7493 §2.2). Import these names from
`metadata`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

INTEGER_MAX = 2**53 - 1

Int = Annotated[int, Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)]
Serial = Annotated[str, Meta(min_length=20, max_length=20)]
Ip = Annotated[str, Meta(max_length=45)]  # the longest textual IPv6 address
Text32 = Annotated[str, Meta(max_length=32)]
Text64 = Annotated[str, Meta(max_length=64)]
Text128 = Annotated[str, Meta(max_length=128)]
Text255 = Annotated[str, Meta(max_length=255)]
Text256 = Annotated[str, Meta(max_length=256)]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    serial: Serial
    host: Text255
    ip: Ip
    mid: Int
    icid: Int
    listener: Text64
    at: Int


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    version: Text64
    cipher: Text64
    verified: bool = False
    subject: Text255 = ""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    ip: Ip
    port: Int
    helo: Text255
    rdns: Text255 = "unknown"
    rdns_ok: bool = False
    auth: Text255 = ""
    tls: Tls | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What one Received line will say; `with_` is "with" on the wire."""

    from_helo: Text255
    from_ip: Ip
    rdns: Text255 = "unknown"
    by: Text255
    with_: Text32 = msgspec.field(name="with")
    id: Text255
    at: Int


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    name: Text128
    table: Text32  # inbound, outbound
    version: Int = 1


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    part: Text64
    text: Text256


class OutbreakRef(msgspec.Struct, frozen=True, kw_only=True):
    id: Text128
    level: Int  # 1-5
    version: Int = 1
    type: Text128 = ""


class QuarantineRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: Text128
    kind: Text32  # policy, virus, outbreak, amp, unclassified
    reasons: Annotated[tuple[Text256, ...], Meta(max_length=16)]
    matched: Annotated[tuple[Matched, ...], Meta(max_length=20)] = ()
    received: Int
    # Defaults made by a factory are written even so: `exit` and `default` are required on the wire.
    exit: Int = msgspec.field(default_factory=int)  # 0 = the manager's retention decides
    default: Text32 = msgspec.field(default_factory=str)  # release, delete, "" = the quarantine's own
    outbreak: OutbreakRef | None = None
    cut: bool = False


class VerdictRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    engine: Text64
    version: Text64 = ""
    data: Text64 = ""
    data_at: Int = 0
    result: Text64
    detail: Text256 = ""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A declared change, applied at final delivery only."""

    op: Text32  # add-header, remove-header, subject-set, subject-prepend, subject-append, strip-attachments
    name: Text64 = ""
    value: Annotated[str, Meta(max_length=998)] = ""  # one header line, RFC 5322 §2.1.1
    by: Text128 = ""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    hop: Int
    serial: Serial
    mid: Int
    at: Int
    ended: Text32


class Out(msgspec.Struct, frozen=True, kw_only=True):
    name: Text128
    cause: Text32  # manual, expired, queue full, outbreak
    actor: Text128
    held_s: Int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    signed: Annotated[str, Meta(max_length=4096)]
    key: Text64
    sig: Annotated[str, Meta(max_length=100)]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    mid: Int
    serial: Serial
    ip: Ip
    out: Annotated[tuple[Out, ...], Meta(max_length=32)]
    rescan: Annotated[tuple[Text32, ...], Meta(max_length=8)] = ()
    may_duplicate: bool = False
    cert: Certificate


class Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result of sender authentication."""

    method: Text32  # spf, dkim, dmarc
    result: Text32
    identity: Text255 = ""


class Wire(msgspec.Struct, frozen=True, omit_defaults=True):
    """The object as it stands on the wire, without the fields that this version does not know."""

    v: Int
    min: Int
    xid: Annotated[str, Meta(max_length=36)]
    origin: Origin
    client: Client
    trace: Annotated[tuple[Trace, ...], Meta(max_length=10)]
    policy: PolicyRef
    quarantines: Annotated[tuple[QuarantineRef, ...], Meta(min_length=1, max_length=32)]
    parent: Text32 = ""
    esmtp: Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=20)] = ()
    verdicts: Annotated[tuple[VerdictRef, ...], Meta(max_length=16)] = ()
    auth: Annotated[tuple[Auth, ...], Meta(max_length=8)] = ()
    changes: Annotated[tuple[Change, ...], Meta(max_length=32)] = ()
    copy: bool = False
    migrated: bool = False
    judged: Annotated[tuple[Text64, ...], Meta(max_length=16)] = ()
    tags: Annotated[tuple[Text64, ...], Meta(max_length=16)] = ()
    history: Annotated[tuple[HistoryEntry, ...], Meta(max_length=10)] = ()
    release: Release | None = None
    cut: bool = False


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
    auth: tuple[dict[str, str], ...] = ()  # {"method": spf/dkim/dmarc, "result": ..., "identity": ...}
    changes: tuple[Change, ...] = ()
    copy: bool = False
    migrated: bool = False
    judged: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    release: Release | None = None
    cut: bool = False  # the writer cut something that does not stand in a quarantine's object
    unknown: dict[str, object] = {}
