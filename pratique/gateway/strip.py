"""Attachments taken out of a message: whole parts of a multipart are left out, every other octet stays as it was.

What stays: text without a file name that is not declared an attachment, and the reports of mail systems. All else is
an attachment, forwarded messages and pictures too. Where readers could differ on the structure, where the message
is one attachment, or where it is too large to look at as a whole, `CannotStrip` is raised: the message waits for a
person, it is neither delivered with its attachments nor replaced by another.

Invariant: what is returned was read again, has no attachment, and holds the kept parts unchanged.
"""

from dataclasses import dataclass

from pratique.mail.headers import Headers, read_headers
from pratique.mail.mime import DEPTH_MAX, PARTS_MAX, Part, read_parts
from pratique.mail.multipart import Cut, cut
from pratique.mail.parameters import Structured, parse_structured

STRIP_BYTES_MAX = 33_554_432  # read as a whole: bounds memory and the time that other mail waits
_KEPT_TYPES = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/global-delivery-status"}
)
_NOTICE = b"Content-Type: text/plain\r\n\r\nThe attachments of this message were removed.\r\n"


class CannotStrip(OSError):
    """Why it cannot be done safely. An OSError, as all that keeps a message from being composed."""


def strip_attachments(octets: bytes) -> bytes:
    """The message without its attachments; the very same octets when it has none. Raises CannotStrip."""
    if len(octets) > STRIP_BYTES_MAX:
        raise CannotStrip(f"it has {len(octets)} octets, more than the {STRIP_BYTES_MAX} that are looked at as a whole")
    before = _parts(octets)
    if all(map(_is_kept, before)):
        return octets
    entity = _entity(octets, 0, len(octets))
    if not entity.is_multipart:
        raise CannotStrip("the whole message is one attachment")
    kept = b"".join(_without(octets, entity, DEPTH_MAX) or (_emptied(octets, entity),))
    _check(before, _parts(kept))
    return kept


def _parts(octets: bytes) -> tuple[Part, ...]:
    found = read_parts(octets, read_headers(octets))
    if found.ambiguous or found.truncated:
        raise CannotStrip(f"readers may differ on its parts: {found.ambiguous or found.truncated}")
    return found.parts


def _is_kept(part: Part) -> bool:
    text = part.mime_type.startswith("text/") or part.mime_type in _KEPT_TYPES
    return text and not part.filename and part.disposition != "attachment"


def _check(before: tuple[Part, ...], after: tuple[Part, ...]) -> None:
    """The proof of the work: no attachment is left, and no text was lost or changed."""
    kept = [part.raw for part in before if _is_kept(part)]
    # A forwarded message goes with all that is in it.
    inside = {p.path for p in before if p.mime_type.startswith("message/") and not _is_kept(p)}
    wanted = [p.raw for p in before if _is_kept(p) and not any(p.path.startswith(f"{path}.") for path in inside)]
    left = [part.raw for part in after]
    if not all(map(_is_kept, after)) or (left != wanted and not (not wanted and len(left) == 1)):
        raise CannotStrip(f"of {len(kept)} texts {len(left)} would be left, not the {len(wanted)} that should")


@dataclass(frozen=True, slots=True)
class _Entity:
    start: int
    body: int
    end: int
    headers: Headers
    content: Structured

    @property
    def is_multipart(self) -> bool:
        return self.content.main.startswith("multipart/")


def _entity(octets: bytes, start: int, end: int) -> _Entity:
    headers = read_headers(octets, start=start, end=end)
    return _Entity(start, headers.body_start, end, headers, parse_structured(headers.get("content-type")))


def _without(octets: bytes, entity: _Entity, depth: int) -> list[bytes]:
    """The pieces of a multipart without its attachments; empty when nothing of it would be left."""
    pieces = _cut(octets, entity, depth)
    kept = []  # (number of the part, its pieces)
    for number, (start, end) in enumerate(pieces.regions):
        inner = _entity(octets, start, end)
        if inner.is_multipart:
            found = _without(octets, inner, depth - 1)
        else:
            found = [octets[start:end]] if _is_text(octets, inner) else []
        if found:
            kept.append((number, found))
    if not kept:
        return []
    regions = pieces.regions
    out = [octets[entity.start : regions[0][0]]]
    for place, (number, found) in enumerate(kept):
        if place:  # the delimiter line in front of it, as it stands there
            out.append(octets[regions[number - 1][1] : regions[number][0]])
        out += found
    out.append(octets[regions[-1][1] : entity.end])
    return out


def _cut(octets: bytes, entity: _Entity, depth: int) -> Cut:
    """Where the parts lie. Raises CannotStrip unless every one stands between two whole delimiter lines."""
    boundaries = entity.content.boundaries()
    if len(boundaries) != 1 or depth == 0:
        raise CannotStrip("a multipart without one plain boundary")
    line = b"\r\n--" + boundaries[0]
    pieces = cut(octets, boundaries[0], start=entity.body, end=entity.end, most=PARTS_MAX)
    closed = bool(pieces.regions) and octets.startswith(line + b"--", pieces.regions[-1][1])
    if pieces.odd or pieces.more or not closed:
        raise CannotStrip(f"a multipart that is not closed or is cut oddly: {pieces.odd or boundaries[0]!r}")
    if not all(octets.startswith(line, end) for _, end in pieces.regions):
        raise CannotStrip("a part that is not ended by a delimiter line")
    return pieces


def _is_text(octets: bytes, entity: _Entity) -> bool:
    parts = read_parts(octets[entity.start : entity.end], read_headers(octets[entity.start : entity.end])).parts
    return bool(parts) and all(map(_is_kept, parts))


def _emptied(octets: bytes, entity: _Entity) -> bytes:
    """A multipart has at least one part (RFC 2046 §5.1.1): one line says what happened."""
    regions = _cut(octets, entity, DEPTH_MAX).regions
    return octets[: regions[0][0]] + _NOTICE + octets[regions[-1][1] :]
