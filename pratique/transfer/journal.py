"""Journal rows as octets and back (docs/cpq.md, `row`): the payload of XQJRNL.

A row is a party's latest state of one transfer. The codec knows every state; which of them a role acts on is its own
affair. Values of pairs are free text and travel as xtext.
"""

import hashlib

from pratique.mail.address import decode_xtext, encode_xtext
from pratique.transfer.grammar import ROW, number
from pratique.transfer.messages import Row

PAYLOAD_MAX = 1_048_576  # octets of one XQJRNL; bounds what the server keeps before it can check the digest
ROW_MAX = 1_000  # octets without CRLF, so that the same row fits a reply line of XQFETCH


def encode_row(row: Row) -> bytes:
    """Without CRLF; ValueError when it is longer than ROW_MAX or not a row."""
    text = f"{row.seq} {row.state} {row.xid} {row.seal or '-'} {row.at_ms}"
    for key, value in row.pairs:
        text += f" {key}={encode_xtext(value)}"
    octets = text.encode("ascii")
    if len(octets) > ROW_MAX or ROW.match(octets) is None:
        raise ValueError(f"row {row.seq} cannot be written")
    return octets


def decode_row(octets: bytes) -> Row:
    """ValueError when it is no row, or a key stands twice."""
    match = ROW.match(octets) if len(octets) <= ROW_MAX else None
    if match is None:
        raise ValueError("not a row")
    seq, state, xid, seal, at_ms, rest = match.groups()
    pairs = []
    for word in rest.decode("ascii").split():
        key, _, value = word.partition("=")
        pairs.append((key, decode_xtext(value)))
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key twice in one row")
    return Row(number(seq), state.decode(), xid.decode(), seal.decode(), number(at_ms), tuple(pairs))


def encode_rows(rows: tuple[Row, ...]) -> bytes:
    return b"".join(encode_row(row) + b"\r\n" for row in rows)


def decode_rows(payload: bytes, *, after: int, last: int) -> tuple[Row, ...]:
    """The rows of a payload, each number in (after, last] and above the one before it; ValueError otherwise."""
    if after > last:
        raise ValueError("after is above last")
    if not payload:
        return ()
    if not payload.endswith(b"\r\n"):
        raise ValueError("the last row has no end")
    rows = tuple(decode_row(line) for line in payload[:-2].split(b"\r\n"))
    before = after
    for row in rows:
        if not before < row.seq <= last:
            raise ValueError(f"row {row.seq} is out of order or outside the range")
        before = row.seq
    return rows


def payload_digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
