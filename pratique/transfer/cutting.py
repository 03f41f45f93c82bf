"""Cutting metadata to its limits: texts and lists to those of `fields`, then the whole to the size of its hop.

Only the writer cuts, and says so by `cut` in the quarantine's object, or at top level for anything else. Fields whose
meaning a cut would change (ids, addresses, codes, the release certificate) are never cut: over their limit they stay,
and the writer's own check of the result refuses them. Slow, and used only when something is over a limit.
"""

from typing import Any

import msgspec
from msgspec import inspect, structs

from pratique.transfer.fields import QuarantineRef, Wire

EXACT = frozenset({"xid", "parent", "serial", "ip", "from_ip", "kind", "default", "table", "op", "cause"}) | {
    "method",
    "cert",
    "name",  # a quarantine's or a header's name, cut, would be another one's
}
# (matched parts, reasons, characters of each) of every quarantine, tried in order until the whole fits its hop
_SHRINKING = ((20, 16, 256), (20, 16, 64), (5, 4, 64), (0, 1, 64))


_fields: dict[type, tuple[tuple[str, Any], ...]] = {}  # of each struct, once it has been looked at


def _fields_of(kind: type) -> tuple[tuple[str, Any], ...]:
    if kind not in _fields:
        info = inspect.type_info(kind)
        assert isinstance(info, inspect.StructType)
        _fields[kind] = tuple((field.name, field.type) for field in info.fields)
    return _fields[kind]


def cut_to_limits(wire: Wire) -> Wire:
    """Every text and list within its limit, except the fields in EXACT."""
    wire, was_cut = _cut_struct(wire)
    return structs.replace(wire, cut=True) if was_cut else wire


def cut_to_size(wire: Wire, octets_max: int) -> Wire:
    """Fewer and shorter reasons and matches until the whole fits; when it cannot, it is left too large."""
    for matched, reasons, characters in _SHRINKING:
        quarantines = tuple(
            _shrunk(q, matched=matched, reasons=reasons, characters=characters) for q in wire.quarantines
        )
        wire = structs.replace(wire, quarantines=quarantines)
        if len(msgspec.json.encode(wire)) <= octets_max:
            break
    return wire


def _shrunk(ref: QuarantineRef, *, matched: int, reasons: int, characters: int) -> QuarantineRef:
    fewer = tuple(structs.replace(one, text=one.text[:characters]) for one in ref.matched[:matched])
    shorter = tuple(reason[:characters] for reason in ref.reasons[:reasons])
    if fewer == ref.matched and shorter == ref.reasons:
        return ref
    return structs.replace(ref, matched=fewer, reasons=shorter, cut=True)


def _cut_struct(value: Any) -> tuple[Any, bool]:
    changed = {}
    was_cut = False
    for name, kind in _fields_of(type(value)):
        if name in EXACT:
            continue
        old = getattr(value, name)
        new, cut_here = _cut_value(old, kind)
        was_cut = was_cut or cut_here
        if new is not old:
            changed[name] = new
    if isinstance(value, QuarantineRef) and was_cut:
        return structs.replace(value, **changed, cut=True), False  # its own mark says it
    return (structs.replace(value, **changed) if changed else value), was_cut


def _cut_value(value: Any, kind: Any) -> tuple[Any, bool]:
    if isinstance(value, str):
        limit = kind.max_length
        return (value[:limit], True) if limit is not None and len(value) > limit else (value, False)
    if isinstance(value, tuple):
        kept = value if kind.max_length is None else value[: kind.max_length]
        parts = [_cut_value(item, kind.item_type) for item in kept]
        was_cut = len(kept) < len(value) or any(cut for _, cut in parts)
        items = tuple(part for part, _ in parts)
        return (items if items != value else value), was_cut
    if isinstance(value, msgspec.Struct):
        return _cut_struct(value)
    return value, False
