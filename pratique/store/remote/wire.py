"""What an edge and custody say to each other over their socket pair.

A frame is four octets of length (big-endian), then one msgpack array whose first element names it. The peer at the
other end is our own program, but an edge speaks with strangers all day: custody checks every frame against its type and
believes nothing that it can know itself (serial numbers, transfer numbers, seals).
"""

from collections.abc import Iterator

import msgspec

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.records import AuditEntry, Extent, NewCopy, NewDelivery, NewTransfer

FRAME_BYTES_MAX = 64 << 20  # an envelope of 50,000 long recipients for each of a few copies
_LENGTH = 4


Ways = tuple[NewDelivery, ...]


class CopyFrame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A new copy as an edge makes it: from SMTP (hop 0), without what custody adds."""

    mid: int
    cid: str
    custody: str
    icid: int
    at: int
    sender: str
    recipients: list[tuple[str, str, str]]
    options: tuple[bool, bool, str, str]  # eight_bit, smtputf8, ret, envid
    extent: tuple[int, int, int]
    sha256: str
    subject: str
    from_header: str
    message_id: str
    parent: str
    origin_ip: str
    context: bytes
    metadata: bytes  # of the transfer to the manager; empty = there is none

    def envelope(self) -> Envelope:
        return Envelope(self.sender, tuple([Recipient(*r) for r in self.recipients]), *self.options)

    def copy(self, envelope: Envelope, origin: tuple[str, str], *, ways: Ways, transfer: NewTransfer | None) -> NewCopy:
        """`origin`: our serial number and host name."""
        return NewCopy(
            mid=self.mid,
            cid=self.cid,
            hop=0,
            custody=self.custody if transfer is None else transfer.state,
            icid=self.icid,
            at=self.at,
            envelope=envelope,
            extent=Extent(*self.extent),
            sha256=self.sha256,
            subject=self.subject,
            from_header=self.from_header,
            message_id=self.message_id,
            parent=self.parent,
            origin_serial=origin[0],
            origin_host=origin[1],
            origin_ip=self.origin_ip,
            origin_mid=self.mid,
            context=self.context,
            deliveries=ways,
            transfer=transfer,
        )


def frame_of(copy: NewCopy) -> CopyFrame:
    envelope = copy.envelope
    return CopyFrame(
        copy.mid,
        copy.cid,
        copy.custody,
        copy.icid,
        copy.at,
        envelope.sender,
        [(r.address, r.notify, r.orcpt) for r in envelope.recipients],
        (envelope.eight_bit, envelope.smtputf8, envelope.ret, envelope.envid),
        (copy.extent.segment, copy.extent.offset, copy.extent.length),
        copy.sha256,
        copy.subject,
        copy.from_header,
        copy.message_id,
        copy.parent,
        copy.origin_ip,
        copy.context,
        copy.transfer.metadata if copy.transfer is not None else b"",
    )


class Submit(msgspec.Struct, array_like=True, tag="submit", frozen=True, gc=False):
    """Accept these copies in one commit. Answered by Answered with the same number."""

    number: int
    copies: list[CopyFrame]
    audit: list[tuple[str, str, int, str, str]]

    def entries(self) -> tuple[AuditEntry, ...]:
        return tuple([AuditEntry(*entry) for entry in self.audit])


class GiveBack(msgspec.Struct, array_like=True, tag="give back", frozen=True):
    """The edge writes no more to this segment."""

    segment: int


class Counted(msgspec.Struct, array_like=True, tag="counted", frozen=True):
    """What the edge's counters rose by since it last said so."""

    counters: dict[str, int]


class Troubled(msgspec.Struct, array_like=True, tag="troubled", frozen=True):
    """The log of the edge says something that alerts are about: a Condition, and the text. `over`: it has ended."""

    condition: str
    text: str
    over: bool


class Listening(msgspec.Struct, array_like=True, tag="listening", frozen=True):
    """The edge takes mail."""


class Answered(msgspec.Struct, array_like=True, tag="answered", frozen=True, gc=False):
    """The commit of a Submit: "" = durable, else "refused", "failed" or "full", and why."""

    number: int
    failure: str
    why: str


class Known(msgspec.Struct, array_like=True, tag="known", frozen=True):
    """What an edge must know: the enrolled manager, "" = none. Said at the start and when it changes."""

    manager: str


class Suspended(msgspec.Struct, array_like=True, tag="suspended", frozen=True):
    """Listeners that take nothing (421 to whoever comes), and whether judging is paused. Said at the start and when it
    changes. `close`: sessions of these listeners end now."""

    listeners: list[str]
    paused: bool
    close: bool


class Configured(msgspec.Struct, array_like=True, tag="configured", frozen=True):
    """The configuration was read anew: an edge does not reach the files. Both checked already."""

    options: str  # the text of the file
    filters: str  # and that of the filters file it names, "" = it names none


class Stop(msgspec.Struct, array_like=True, tag="stop", frozen=True):
    """Take nothing new, let sessions end, then end."""


ToCustody = Submit | GiveBack | Counted | Troubled | Listening
ToEdge = Answered | Known | Suspended | Configured | Stop
_encoder = msgspec.msgpack.Encoder()
to_custody = msgspec.msgpack.Decoder(ToCustody)
to_edge = msgspec.msgpack.Decoder(ToEdge)


class BadFrame(Exception):
    """The other end says what cannot be read."""


def encode(said: ToCustody | ToEdge) -> bytes:
    octets = _encoder.encode(said)
    return len(octets).to_bytes(_LENGTH) + octets


class Frames:
    """Cuts a stream of octets into frames."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0
        self._needed = _LENGTH  # octets until there is something to do: a long frame is joined once

    def take(self, octets: bytes) -> Iterator[memoryview]:
        """The bodies of the frames that are whole now. Raises BadFrame when one is too long."""
        self._held.append(octets)
        self._size += len(octets)
        if self._size < self._needed:
            return
        data = octets if len(self._held) == 1 else b"".join(self._held)
        whole, at, self._needed = memoryview(data), 0, _LENGTH
        while len(data) - at >= _LENGTH:
            length = int.from_bytes(whole[at : at + _LENGTH])
            if length > FRAME_BYTES_MAX:
                raise BadFrame(f"a frame of {length} octets")
            if len(data) - at - _LENGTH < length:
                self._needed = _LENGTH + length
                break
            yield whole[at + _LENGTH : at + _LENGTH + length]
            at += _LENGTH + length
        self._held = [data[at:]]
        self._size = len(data) - at
