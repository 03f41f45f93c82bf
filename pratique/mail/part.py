"""A part of a message: what it says of itself, and its content on demand. Found by `mime.read_parts`.

A part holds no copy, only its place in the octets it was found in; decoding happens when it is asked for.
"""

from collections.abc import Iterator
from dataclasses import field

from pratique.mail import decoding
from pratique.mail.octets import Octets
from pratique.mail.values import value

AFTER_PADDING = "base64 that goes on behind its padding"


@value
class Part:
    """A leaf, or a message/rfc822 (whose own parts follow it)."""

    path: str  # "1", "2.1": numbered as IMAP does (RFC 9051 §6.4.5)
    mime_type: str  # lower case as declared; "text/plain" when nothing was
    charset: str  # as declared, "" = none
    filename: str  # decoded; "" = none
    disposition: str  # "attachment", "inline", "" = none
    encoding: str  # "" = none given, "7bit", "8bit", "binary", "base64", "quoted-printable", "x-uuencode"
    encoded_size: int
    view: str = ""  # "" = the usual reading; else why another reader would see this
    source: Octets = field(default=b"", repr=False, compare=False)
    start: int = 0
    end: int = 0

    @property
    def raw(self) -> bytes:
        """The octets as they stand, still encoded."""
        return self.source[self.start : self.end]

    def decoded(self, limit: int) -> bytes:
        """The content, at most `limit` octets of it. Damage is stepped over, never an error."""
        if self.encoding not in _UNDO:
            return self.source[self.start : min(self.end, self.start + limit)]
        return decoding.joined(self.pieces(), limit)

    def pieces(self) -> Iterator[bytes]:
        """All of the content in pieces that are bounded whatever its size."""
        if self.encoding == "base64" and self.view == AFTER_PADDING:
            way = decoding.loose_base64_pieces
        else:
            way = _UNDO.get(self.encoding, decoding.plain_pieces)
        return way(self.source, start=self.start, end=self.end)

    def text(self, limit: int) -> str:
        """The content as text by its charset, from at most `limit` octets."""
        return decoding.decode_octets(self.decoded(limit), self.charset)


_UNDO = {
    "base64": decoding.base64_pieces,
    "quoted-printable": decoding.quoted_printable_pieces,
    "x-uuencode": decoding.uuencode_pieces,
}


@value
class Parts:
    parts: tuple[Part, ...]
    ambiguous: str = ""  # "" or the first reason why readers would differ
    truncated: str = ""  # "" or the first limit met: headers, parameters, depth, parts, views, embedded
