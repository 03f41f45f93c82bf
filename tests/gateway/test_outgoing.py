"""A message as it leaves: our lines on top, declared changes applied, every other octet as it was accepted."""

from dataclasses import replace
from email.header import decode_header, make_header
from typing import Any

import pytest

from pratique.gateway import context as stored
from pratique.gateway.outgoing import HEAD_BYTES_MAX, UnreadableBody, compose
from pratique.runner.jobs import Job, Outgoing
from pratique.transfer.metadata import Change, Trace
from tests.conformance.samples import NOW
from tests.runner.support import Node

BODY = (
    b"From: a@x.example\r\nSubject: Offer\r\n =?utf-8?q?of_the_day?=\r\nX-Gone: 1\r\nx-GONE: 2\r\n\tfolded\r\n"
    b"\r\nHello.\r\nSubject: not a header\r\n\x80\xff\r\n"
)
TRACE = Trace(from_helo="h.example", from_ip="192.0.2.5", rdns="r.example", by="gw", with_="ESMTP", id="7", at=NOW)
RETURNED = Trace(from_helo="sma", from_ip="192.0.2.7", by="gw", with_="CPQ", id="9", at=NOW + 60_000)


async def _composed(octets: bytes = BODY, *, doubtful: bool = False, **context: Any) -> tuple[Outgoing, bytes]:
    node = Node()
    body = node.samples.body(octets)
    kept = stored.encode(stored.Context(**context))
    copy = await node.samples.accepted("ACTIVE", body=body, context=kept)
    found = node.store.view.copy(copy.mid)
    assert found is not None
    outgoing = compose(found, Job(copy.mid, "x", (), doubtful=doubtful), node.store.spool)
    return outgoing, b"".join(outgoing.pieces)


async def test_without_trace_or_changes_nothing_is_touched() -> None:
    outgoing, octets = await _composed()
    assert octets == BODY
    assert outgoing.size == len(BODY)


async def test_trace_lines_stand_on_top_newest_first_and_the_tail_is_the_body() -> None:
    outgoing, octets = await _composed(trace=(TRACE,), returned=RETURNED)
    assert octets.endswith(BODY)
    head = octets.removesuffix(BODY)
    fields = head.decode().split("\r\nReceived: ")
    assert len(fields) == 2
    assert fields[0].startswith("Received: from sma (unknown [192.0.2.7])\r\n\tby gw with CPQ id 9;")
    assert fields[1].startswith("from h.example (r.example [192.0.2.5])\r\n\tby gw with ESMTP id 7;")
    assert outgoing.size == len(octets)


async def test_a_possible_duplicate_says_so() -> None:
    for how in ({"doubtful": True}, {"may_duplicate": True}):
        _, octets = await _composed(trace=(TRACE,), **how)
        head = octets.removesuffix(BODY)
        assert head.endswith(b"X-Possible-Duplicate: yes\r\n")
    _, octets = await _composed(trace=(TRACE,))
    assert b"Possible-Duplicate" not in octets


async def test_headers_are_added_above_the_body_and_its_octets_stay() -> None:
    change = Change(op="add-header", name="X-Warned", value="gr\u00fcn", by="f")
    outgoing, octets = await _composed(changes=(change,))
    assert octets.endswith(BODY)
    added = octets.removesuffix(BODY)
    assert added.isascii() and added.count(b"\r\n") == 1  # RFC 2047: no 8-bit in a header
    assert str(make_header(decode_header(added.decode().removeprefix("X-Warned: ").strip()))) == "gr\u00fcn"
    assert outgoing.size == len(octets)


async def test_a_header_is_removed_whole_whatever_its_case_and_folding() -> None:
    outgoing, octets = await _composed(changes=(Change(op="remove-header", name="X-Gone", value="", by="f"),))
    assert octets == BODY.replace(b"X-Gone: 1\r\nx-GONE: 2\r\n\tfolded\r\n", b"")
    assert outgoing.size == len(octets)


@pytest.mark.parametrize(
    ("op", "subject"),
    [
        ("subject-set", b"Subject: [x]\r\n"),
        ("subject-prepend", b"Subject: [x] Offer\r\n =?utf-8?q?of_the_day?=\r\n"),
        ("subject-append", b"Subject: Offer\r\n =?utf-8?q?of_the_day?= [x]\r\n"),
    ],
)
async def test_the_subject_is_changed_and_nothing_else(op: str, subject: bytes) -> None:
    outgoing, octets = await _composed(changes=(Change(op=op, name="Subject", value="[x]", by="f"),))
    before, after = BODY.split(b"Subject: Offer\r\n =?utf-8?q?of_the_day?=\r\n")
    assert octets.startswith(before) and octets.endswith(after)
    shown = octets[len(before) : len(octets) - len(after)]
    assert shown.replace(b"\r\n", b"").replace(b" ", b"") == subject.replace(b"\r\n", b"").replace(b" ", b"")
    assert outgoing.size == len(octets)


async def test_a_message_without_a_subject_gets_one() -> None:
    octets = (
        await _composed(b"From: a\r\n\r\nx\r\n", changes=(Change(op="subject-set", name="", value="S", by="f"),))
    )[1]
    assert octets == b"From: a\r\nSubject: S\r\n\r\nx\r\n"


async def test_changes_are_applied_in_the_order_in_which_they_were_declared() -> None:
    changes = (
        Change(op="subject-set", name="", value="new", by="f"),
        Change(op="subject-prepend", name="", value="[a]", by="f"),
        Change(op="subject-prepend", name="", value="[b]", by="f"),
    )
    _, octets = await _composed(b"Subject: old\r\n\r\n", changes=changes)
    assert octets == b"Subject: [b] [a] new\r\n\r\n"


@pytest.mark.parametrize("octets", [b"no header at all", b"\r\nonly a body\r\n", b""])
async def test_odd_messages_come_out_whole(octets: bytes) -> None:
    changes = (Change(op="remove-header", name="X", value="", by="f"),)
    outgoing, composed = await _composed(octets, changes=changes)
    assert composed == octets
    assert outgoing.size == len(octets)


async def test_a_header_block_that_is_too_large_is_passed_on_unchanged() -> None:
    octets = b"X-Gone: 1\r\n" + b"X-Long: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\nbody\r\n"
    _, composed = await _composed(octets, changes=(Change(op="remove-header", name="X-Gone", value="", by="f"),))
    assert composed == octets


async def test_values_cannot_begin_a_header_of_their_own() -> None:
    """Values from mail are data: no CR, LF or NUL gets into a header (contract: filters)."""
    changes = (
        Change(op="add-header", name="X-A", value="one\r\nX-Injected: yes", by="f"),
        Change(op="subject-set", name="", value="s\r\nX-Injected: yes\0", by="f"),
    )
    _, composed = await _composed(b"Subject: x\r\n\r\nbody\r\n", changes=changes)
    head = composed.partition(b"\r\n\r\n")[0]
    assert not [line for line in head.split(b"\r\n") if line.lower().startswith(b"x-injected")]
    assert b"\0" not in head


async def test_a_body_that_is_not_what_was_accepted_never_leaves() -> None:
    node = Node()
    copy = await node.samples.accepted("ACTIVE", body=node.samples.body(BODY))
    found = node.store.view.copy(copy.mid)
    assert found is not None and found.extent is not None
    node.store.spool.damage(found.extent, BODY.replace(b"Hello", b"Hullo"))
    with pytest.raises(UnreadableBody, match="CORRUPT"):
        compose(found, Job(copy.mid, "x", ()), node.store.spool)
    with pytest.raises(UnreadableBody):
        compose(replace(found, extent=None), Job(copy.mid, "x", ()), node.store.spool)
