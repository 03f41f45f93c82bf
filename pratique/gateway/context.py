"""What a gateway must remember of a message until its last recipient is settled, beside envelope and body.

Stored with the copy as JSON; written by receive and reinject, read when the message is delivered or bounced.
"""

import msgspec

from pratique.transfer.metadata import Change, Trace


class Context(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    trace: tuple[Trace, ...] = ()
    changes: tuple[Change, ...] = ()
    may_duplicate: bool = False
    returned: Trace | None = None  # how it came back from the manager
    journal_to: str = ""  # serial of the manager that must learn how it ended
    xid: str = ""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Context)
EMPTY = Context()


def encode(context: Context) -> bytes:
    return _ENCODER.encode(context)


def decode(octets: bytes) -> Context:
    """The context of a copy; an empty one where none was kept (bounces that we made)."""
    return _DECODER.decode(octets) if octets else EMPTY
