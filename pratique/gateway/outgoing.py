"""A message as it leaves a gateway: our trace headers on top, declared changes applied, the accepted octets below.

Without declared changes to the subject or attachments, the tail equals the accepted body octet for octet
(docs/cpq.md, byte-exactness). The digest is proved before the first octet leaves; a mismatch is OSError: held, alarmed.
"""

from base64 import b64encode
from collections.abc import Iterator

from pratique.gateway import context as stored
from pratique.gateway.strip import STRIP_BYTES_MAX, CannotStrip, strip_attachments
from pratique.mail.body import Body, DigestDiffers, proved
from pratique.mail.headers import read_headers
from pratique.mail.received import received_line, rfc5322_date
from pratique.runner.jobs import Job, Outgoing
from pratique.store.interface import Spool
from pratique.store.records import Copy
from pratique.transfer.metadata import Change, Trace

HEADER_CHARS_MAX = 900  # a header line may have 998 octets (RFC 5322 §2.1.1)
WORD_OCTETS_MAX = 42  # an encoded-word may have 75 characters (RFC 2047 §2)
HEAD_BYTES_MAX = 262_144  # a header block beyond this is passed on unchanged


class UnreadableBody(OSError):
    """The stored body is gone or is not what was accepted."""


def compose(copy: Copy, job: Job, spool: Spool) -> Outgoing:
    """Raises UnreadableBody or CannotStrip, both OSErrors."""
    if copy.extent is None:
        raise UnreadableBody("the body has been let go")
    try:
        body = proved(spool.open(copy.extent, copy.sha256))
    except DigestDiffers as error:
        raise UnreadableBody(f"CORRUPT: {error}") from error
    context = stored.decode(copy.context)
    prefix = _trace_headers(context, possible_duplicate=job.doubtful or context.may_duplicate)
    if not context.changes:
        return Outgoing(copy.envelope, len(prefix) + copy.size, _chain(prefix, body.pieces()))
    pieces, size = body.pieces(), copy.size
    if any(change.op == "strip-attachments" for change in context.changes):
        octets = _stripped(body)
        pieces, size = iter((octets,)), len(octets)
    head, rest = _split_head(pieces, size)
    if not head:  # no end of the header within the limit: passed on unchanged
        return Outgoing(copy.envelope, len(prefix) + size, _chain(prefix, rest))
    changed = prefix + _change_head(head, context.changes)
    return Outgoing(copy.envelope, len(changed) + size - len(head), _chain(changed, rest))


def _stripped(body: Body) -> bytes:
    """Raises CannotStrip, an OSError: the message is held back with an alarm, not delivered with what it holds."""
    if body.size > STRIP_BYTES_MAX:
        raise CannotStrip(f"its attachments shall be removed, and it has more than {STRIP_BYTES_MAX} octets")
    try:
        return strip_attachments(b"".join(body.pieces()))
    except CannotStrip as error:
        raise CannotStrip(f"its attachments shall be removed, and that cannot be done safely: {error}") from error


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _trace_headers(context: stored.Context, *, possible_duplicate: bool) -> bytes:
    """Top first: the return from the manager, the trace (newest first), the duplicate mark."""
    traces: list[Trace] = [context.returned] if context.returned is not None else []
    traces += reversed(context.trace)
    lines = [
        received_line(
            from_helo=t.from_helo,
            from_ip=t.from_ip,
            rdns=t.rdns,
            by=t.by,
            with_=t.with_,
            id=t.id,
            date=rfc5322_date(t.at),
        )
        for t in traces
    ]
    if possible_duplicate:
        lines.append(b"X-Possible-Duplicate: yes\r\n")
    lines += [_header(c.name, c.value) for c in context.changes if c.op == "add-header"]
    return b"".join(lines)


def _header(name: str, value: str) -> bytes:
    return name.encode("ascii", "replace") + b": " + encoded_value(value) + b"\r\n"


def encoded_value(value: str) -> bytes:
    """Header text: as it is when it is printable ASCII, else as encoded-words (RFC 2047 §2), folded. Line breaks and
    controls become spaces: a value from mail never starts a header of its own."""
    clean = "".join(c if c.isprintable() else " " for c in value)
    if clean.isascii() and len(clean) <= HEADER_CHARS_MAX:
        return clean.encode("ascii")
    words, piece = [], b""
    for character in clean:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > WORD_OCTETS_MAX:
            words.append(piece)
            piece = b""
        piece += octets
    words.append(piece)
    return b"\r\n ".join(b"=?utf-8?b?" + b64encode(word) + b"?=" for word in words)


def _split_head(pieces: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The header block with its blank line, and what follows."""
    head = next(pieces, b"")
    end = head.find(b"\r\n\r\n")
    if end < 0 and size == len(head) <= HEAD_BYTES_MAX:
        return head, iter(())  # a message that is all header
    if end < 0 or end > HEAD_BYTES_MAX:
        return b"", _chain(head, pieces)
    return head[: end + 4], _chain(head[end + 4 :], pieces)


def _change_head(head: bytes, changes: tuple[Change, ...]) -> bytes:
    """Remove headers and change the subject, in the order declared; every other octet stays."""
    for change in changes:
        if change.op == "remove-header":
            head = _without(head, change.name)
        elif change.op.startswith("subject-"):
            head = _with_subject(head, change)
    return head


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(lower-case name, whole field with its folded lines)."""
    field = b""
    for line in head.removesuffix(b"\r\n" if head.endswith(b"\r\n\r\n") else b"").splitlines(keepends=True):
        if line[:1] in (b" ", b"\t") or not field:
            field += line
            continue
        yield field.partition(b":")[0].strip().lower(), field
        field = line
    if field:
        yield field.partition(b":")[0].strip().lower(), field


def _without(head: bytes, name: str) -> bytes:
    wanted = name.encode("utf-8", "replace").lower()
    return b"".join(field for found, field in _fields(head) if found != wanted) + _blank_line(head)


def _with_subject(head: bytes, change: Change) -> bytes:
    value = encoded_value(change.value)
    old = (read_headers(head).get("subject") or b"").strip()
    if change.op == "subject-set":
        new = value
    elif change.op == "subject-prepend":
        new = value + b" " + old
    else:
        new = old + b" " + value
    out, done = [], False
    for found, field in _fields(head):
        if found == b"subject":
            if not done:
                out.append(b"Subject: " + new + b"\r\n")
            done = True
        else:
            out.append(field)
    if not done:
        out.append(b"Subject: " + new + b"\r\n")
    return b"".join(out) + _blank_line(head)


def _blank_line(head: bytes) -> bytes:
    return b"\r\n" if head.endswith(b"\r\n\r\n") else b""
