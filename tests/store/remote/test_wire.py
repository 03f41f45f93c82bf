"""Frames: what one end says the other hears, however the octets are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.mail.envelope import Envelope, Recipient
from pratique.store.records import AuditEntry, Extent, NewCopy
from pratique.store.remote import wire
from tests.conformance.samples import NOW, cid_of, delivery

ENVELOPE = Envelope("a@example.org", (Recipient("b@example.com", "FAILURE", "rfc822;b@x"),), True, True, "HDRS", "id7")
COPY = NewCopy(
    mid=7,
    cid=cid_of(7),
    hop=0,
    custody="ACTIVE",
    icid=3,
    at=NOW,
    envelope=ENVELOPE,
    extent=Extent(4, 512, 90),
    sha256="ab" * 32,
    subject="Offer \U0001f4e7",
    from_header="Alice <a@example.org>",
    message_id="<1@example.org>",
    parent=cid_of(6),
    origin_serial="OURS",
    origin_host="gw.example.net",
    origin_ip="192.0.2.9",
    origin_mid=7,
    context=b"{}",
)


def test_a_copy_arrives_as_it_was_and_custody_adds_what_is_its_own() -> None:
    frame = wire.to_custody.decode(wire.encode(wire.Submit(1, [wire.frame_of(COPY)], []))[4:])
    assert isinstance(frame, wire.Submit)
    (sent,) = frame.copies
    assert sent.copy(sent.envelope(), ("OURS", "gw.example.net"), ways=(), transfer=None) == COPY
    ways = (delivery(0),)
    assert sent.copy(sent.envelope(), ("OURS", "gw.example.net"), ways=ways, transfer=None).deliveries == ways


def test_audit_entries_arrive() -> None:
    said = wire.Submit(1, [], [("smtp:192.0.2.1", "accept", 7, COPY.cid, "{}")])
    heard = wire.to_custody.decode(wire.encode(said)[4:])
    assert isinstance(heard, wire.Submit)
    assert heard.entries() == (AuditEntry("smtp:192.0.2.1", "accept", 7, COPY.cid, "{}"),)


@pytest.mark.parametrize(
    "octets", [b"", b"\x90", b"\x91\xa4stop", b"\x92\xa6submit\x01", b"\xc1", b"\x93\xa6submit\x01\xc0"]
)
def test_what_is_no_frame_for_custody_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError):  # msgspec's errors are ValueErrors
        wire.to_custody.decode(octets)


SAID = [
    wire.Listening(),
    wire.GiveBack(9),
    wire.Counted({"received": 3}),
    wire.Troubled("no-manager", "MID 4 must be held", False),
    wire.Submit(2, [wire.frame_of(COPY)] * 3, []),
]


@given(st.lists(st.integers(1, 40), max_size=200))
def test_frames_are_found_however_the_octets_are_cut(sizes: list[int]) -> None:
    octets = b"".join(map(wire.encode, SAID))
    frames, heard, at = wire.Frames(), [], 0
    for size in [*sizes, len(octets)]:
        heard += [wire.to_custody.decode(bytes(frame)) for frame in frames.take(octets[at : at + size])]
        at += size
    assert heard == SAID


def test_a_frame_that_is_too_long_is_refused_before_it_is_kept() -> None:
    with pytest.raises(wire.BadFrame):
        list(wire.Frames().take((wire.FRAME_BYTES_MAX + 1).to_bytes(4)))
