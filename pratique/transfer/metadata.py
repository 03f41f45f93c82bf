"""The metadata of a group, version 1 (docs/cpq.md, "Metadata"): JSON that travels with the message and is sealed.

The envelope is not repeated here. Unknown fields are kept and returned unchanged on the next hop: `forwarded` keeps
them at every depth and is the way from one hop to the next; `decode` followed by `encode` keeps those at top level.

Invariant: what `encode` returns, `decode` accepts. Known cost: octets that are not exactly as our own writer would
write them (blanks, unknown fields, another implementation) are checked by the slow reader of `strict_json`.
"""

import msgspec
from msgspec import structs

from pratique.mail.ids import parse_xid
from pratique.transfer.cutting import cut_to_limits, cut_to_size
from pratique.transfer.fields import (
    Auth,
    Certificate,
    Change,
    Client,
    HistoryEntry,
    Matched,
    Metadata,
    Origin,
    Out,
    OutbreakRef,
    PolicyRef,
    QuarantineRef,
    Release,
    Tls,
    Trace,
    VerdictRef,
    Wire,
)
from pratique.transfer.strict_json import read_object

__all__ = [
    "OCTETS_MAX_EVEN",
    "OCTETS_MAX_ODD",
    "VERSION",
    "Certificate",
    "Change",
    "Client",
    "HistoryEntry",
    "Matched",
    "Metadata",
    "MetadataError",
    "Origin",
    "Out",
    "OutbreakRef",
    "PolicyRef",
    "QuarantineRef",
    "Release",
    "Tls",
    "Trace",
    "VerdictRef",
    "decode",
    "encode",
    "forwarded",
    "of_child",
]

VERSION = 1
OCTETS_MAX_ODD = 49_152  # gateway to manager; leaves the manager room for `release`
OCTETS_MAX_EVEN = 65_536

KINDS = frozenset({"policy", "virus", "outbreak", "amp", "unclassified"})
DEFAULTS = frozenset({"release", "delete", ""})
TABLES = frozenset({"inbound", "outbound"})
OPERATIONS = frozenset(
    {"add-header", "remove-header", "subject-set", "subject-prepend", "subject-append", "strip-attachments"}
)
CAUSES = frozenset({"manual", "expired", "queue full", "outbreak"})
METHODS = frozenset({"spf", "dkim", "dmarc"})

_ORDER = tuple(field.encode_name for field in structs.fields(Wire))
_KNOWN = frozenset(_ORDER)
_QUARANTINE_REQUIRED = frozenset({"name", "kind", "reasons", "received", "exit", "default"})
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Wire)


class _Versions(msgspec.Struct):
    v: int
    min: int


_versions = msgspec.json.Decoder(_Versions)
_top_level = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MetadataError(ValueError):
    """The octets are not valid metadata. `newer` is true when only a newer version could read them."""

    def __init__(self, why: str, *, newer: bool = False) -> None:
        super().__init__(why)
        self.newer = newer


# --- writing -------------------------------------------------------------------------------------------------------
def encode(metadata: Metadata) -> bytes:
    """The octets to seal. Lists and texts over their limit are cut, and `cut` is set where that happened.
    MetadataError when what may not be cut is over its limit or wrong: a defect of the caller."""
    wire = _wire_of(metadata)
    unknown = _encoder.encode(metadata.unknown) if metadata.unknown else b""
    octets = _joined(wire, unknown)
    octets_max = _octets_max(_hop_of(wire.xid))
    try:
        if len(octets) <= octets_max:
            _check_values(_decoder.decode(octets))
            return octets
    except msgspec.ValidationError:
        pass  # something is over its limit
    wire = cut_to_limits(wire)
    octets = _joined(wire, unknown)
    if len(octets) > octets_max:
        octets = _joined(cut_to_size(wire, octets_max - len(unknown)), unknown)
    decode(octets, hop=_hop_of(wire.xid))
    return octets


def forwarded(
    octets: bytes,
    *,
    xid: str,
    release: Release | None,
    trace: Trace | None = None,
    history: HistoryEntry | None = None,
    changes: tuple[Change, ...] = (),
) -> bytes:
    """The metadata of the next hop `xid`: that of the hop before with `release` set or taken away and entries
    appended; every other octet of a field stays as it came, whatever it holds."""
    fields = _top_level.decode(octets)
    fields["xid"] = msgspec.Raw(_encoder.encode(xid))
    fields.pop("release", None)
    if release is not None:
        fields["release"] = msgspec.Raw(_encoder.encode(release))
    _append(fields, "trace", () if trace is None else (trace,), keep=10)
    _append(fields, "history", () if history is None else (history,), keep=10)
    _append(fields, "changes", changes, keep=len(changes) + 32)  # never cut: over the limit decode() refuses
    result = _encoder.encode(_in_order(fields))
    decode(result, hop=_hop_of(xid))
    return result


def of_child(octets: bytes, *, xid: str, parent: str) -> bytes:
    """The metadata of a duplicate that is made of the copy with these octets: another id, and whose child it is; every
    other octet stays."""
    fields = _top_level.decode(octets)
    fields |= {
        "xid": msgspec.Raw(_encoder.encode(xid)),
        "parent": msgspec.Raw(_encoder.encode(parent)),
        "copy": msgspec.Raw(b"true"),
    }
    result = _encoder.encode(_in_order(fields))
    decode(result, hop=_hop_of(xid))
    return result


def _in_order(fields: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """As our writer writes them, so that the next reader need not be the slow one."""
    return {name: fields[name] for name in _ORDER if name in fields} | fields


def _append(fields: dict[str, msgspec.Raw], name: str, new: tuple[msgspec.Struct, ...], *, keep: int) -> None:
    if not new:
        return
    old = msgspec.json.decode(fields[name], type=list[msgspec.Raw]) if name in fields else []
    entries = [*old, *(msgspec.Raw(_encoder.encode(one)) for one in new)]
    if len(entries) > keep:
        fields["cut"] = msgspec.Raw(b"true")
    fields[name] = msgspec.Raw(_encoder.encode(entries[-keep:]))  # the newest tell more


def _joined(wire: Wire, unknown: bytes) -> bytes:
    octets = _encoder.encode(wire)
    return octets[:-1] + b"," + unknown[1:] if unknown else octets


def _wire_of(metadata: Metadata) -> Wire:
    auth = tuple(Auth(method=a["method"], result=a["result"], identity=a.get("identity", "")) for a in metadata.auth)
    return Wire(
        metadata.v,
        metadata.min,
        metadata.xid,
        metadata.origin,
        metadata.client,
        metadata.trace,
        metadata.policy,
        metadata.quarantines,
        metadata.parent,
        metadata.esmtp,
        metadata.verdicts,
        auth,
        metadata.changes,
        metadata.copy,
        metadata.migrated,
        metadata.judged,
        metadata.tags,
        metadata.history,
        metadata.release,
        metadata.cut,
    )


# --- reading -------------------------------------------------------------------------------------------------------
def decode(octets: bytes, *, hop: int, xid: str = "") -> Metadata:
    """Reads and checks (sizes, nesting, duplicate names, integers, required fields). Raises MetadataError.
    `xid` is the one of the MAIL line, which must be the same."""
    if len(octets) > _octets_max(hop):
        raise MetadataError(f"{len(octets)} octets are too many")
    try:
        wire = _decoder.decode(octets)
    except RecursionError:
        raise MetadataError("it is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise MetadataError(str(wrong), newer=_is_newer(octets)) from None
    if wire.min > VERSION:
        raise MetadataError(f"version {wire.min} is needed to read it", newer=True)
    unknown: dict[str, object] = {}
    # The octets that our writer would write for these values hold nothing else: no name twice, no other number, no
    # unknown field. Only octets that differ need the exact reader.
    if _encoder.encode(wire) != octets:
        unknown = _read_strictly(octets)
    _check_values(wire)
    if _hop_of(wire.xid) != hop or (xid and wire.xid != xid):
        raise MetadataError("xid is not the transfer's")
    return _metadata_of(wire, unknown)


def _is_newer(octets: bytes) -> bool:
    """True when only `min` can be read, and it asks for more than we are."""
    try:
        return _versions.decode(octets).min > VERSION
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _read_strictly(octets: bytes) -> dict[str, object]:
    """The unknown top-level fields."""
    try:
        found = read_object(octets)
    except ValueError as wrong:
        raise MetadataError(str(wrong)) from None
    quarantines = found["quarantines"]
    assert isinstance(quarantines, list)  # the typed reader has seen it
    for quarantine in quarantines:
        if missing := _QUARANTINE_REQUIRED - quarantine.keys():
            raise MetadataError(f"a quarantine without {min(missing)}")
    return {name: value for name, value in found.items() if name not in _KNOWN}


def _check_values(wire: Wire) -> None:
    """What the types cannot say."""
    if wire.v < 1 or wire.min < 1 or wire.min > wire.v:
        raise MetadataError("v or min is wrong")
    if (_hop_of(wire.xid) % 2 == 0) is not (wire.release is not None):
        raise MetadataError("release belongs on even hops, and only there")
    _check_word("table", wire.policy.table, TABLES)
    for quarantine in wire.quarantines:
        _check_word("kind", quarantine.kind, KINDS)
        _check_word("default", quarantine.default, DEFAULTS)
        if quarantine.outbreak is not None and not 1 <= quarantine.outbreak.level <= 5:
            raise MetadataError("a threat level outside 1 to 5")
    for change in wire.changes:
        _check_word("op", change.op, OPERATIONS)
    for result in wire.auth:
        _check_word("method", result.method, METHODS)
    if wire.release is not None:
        for out in wire.release.out:
            _check_word("cause", out.cause, CAUSES)


def _check_word(name: str, word: str, words: frozenset[str]) -> None:
    if word not in words:
        raise MetadataError(f"{name} is not one of {', '.join(sorted(words))}")


def _hop_of(xid: str) -> int:
    try:
        return parse_xid(xid)[1]
    except ValueError as wrong:
        raise MetadataError(str(wrong)) from None


def _octets_max(hop: int) -> int:
    return OCTETS_MAX_ODD if hop % 2 else OCTETS_MAX_EVEN


def _metadata_of(wire: Wire, unknown: dict[str, object]) -> Metadata:
    return Metadata(
        v=wire.v,
        min=wire.min,
        xid=wire.xid,
        parent=wire.parent,
        origin=wire.origin,
        client=wire.client,
        trace=wire.trace,
        esmtp=wire.esmtp,
        policy=wire.policy,
        quarantines=wire.quarantines,
        verdicts=wire.verdicts,
        auth=tuple({"method": a.method, "result": a.result, "identity": a.identity} for a in wire.auth),
        changes=wire.changes,
        copy=wire.copy,
        migrated=wire.migrated,
        judged=wire.judged,
        tags=wire.tags,
        history=wire.history,
        release=wire.release,
        cut=wire.cut,
        unknown=unknown,
    )
