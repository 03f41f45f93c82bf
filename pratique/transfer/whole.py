"""A group that has come in one piece, read in one go: the usual case, for two thirds of the cost.

It finds only groups without a fault. Whatever is odd (a fault, a second chunk, many recipients, an end that has not
come yet) is left untouched for the reading by commands in `units`, which alone says what is wrong.
"""

from pratique.transfer import grammar
from pratique.transfer.buffer import Input, LineTooLong
from pratique.transfer.grammar import FramingLost
from pratique.transfer.group import GroupReader
from pratique.transfer.messages import Limits

RECIPIENTS_MAX = 16  # of a group read in one go: bounds what is read twice when it turns out to be odd
_LINE_MAX = grammar.COMMAND_LINE_MAX


def read_whole(source: Input, *, limits: Limits, odd_hops: bool) -> tuple[GroupReader, bytes, int] | None:
    """(the group, its body, how many recipients) at the front of `source`, which is then behind it; else None."""
    start = source.at
    found = None
    if source.octets.startswith(b"MAIL ", start):
        try:
            found = _read(source, limits=limits, odd_hops=odd_hops)
        except (FramingLost, LineTooLong):
            pass  # said by the reading by commands, in its place
    if found is None:
        source.at = start
    return found


def _read(source: Input, *, limits: Limits, odd_hops: bool) -> tuple[GroupReader, bytes, int] | None:
    mail, line = source.line(_LINE_MAX), source.line(_LINE_MAX)
    recipients: list[bytes] = []
    while line is not None and line.startswith(b"RCPT ") and len(recipients) < RECIPIENTS_MAX:
        recipients.append(line)
        line = source.line(_LINE_MAX)
    meta = None if line is None else grammar.META.match(line)
    if mail is None or meta is None or int(meta.group(2)) > limits.metadata_bytes:
        return None
    metadata = source.take(int(meta.group(2)))
    line = source.line(_LINE_MAX)
    chunk = None if line is None else grammar.BDAT.match(line)
    if chunk is None or chunk.group(2) is None or source.waiting < int(chunk.group(1)):
        return None
    body = source.take(int(chunk.group(1)))
    group = GroupReader(limits=limits)
    group.mail(mail, odd_hops=odd_hops, not_now=None)
    for recipient in recipients:
        group.recipient(recipient)
    group.metadata(metadata, version=int(meta.group(1)), seal=meta.group(3).decode())
    group.chunk_begins(len(body))
    if body:
        group.body(body)
    group.last_chunk_ended()
    return (group, body, len(recipients)) if group.fault is None else None
