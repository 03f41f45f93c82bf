"""The copy of a held message that goes elsewhere: to whom, as whose child, and that nobody is told of it."""

import json

import pytest

from pratique.mail.envelope import Envelope, Recipient
from pratique.manager.copies import RECIPIENTS_MAX, BadAddress, envelope_of
from pratique.quarantine.lifecycle import Mark
from pratique.store.moves import Acknowledged, HelloFrom, TransfersAnswered
from tests.conformance.samples import GATEWAY, NONCE, NOW, OTHER_GATEWAY
from tests.manager.desk import CAROL, Desk

HELD = Envelope("a@partner.example", (Recipient("b@example.com", "FAILURE"),), eight_bit=True, ret="FULL", envid="q1")


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.enrol()
    return made


def test_nobody_is_told_what_becomes_of_a_copy() -> None:
    found = envelope_of(HELD, (" soc@example.org", "b@example.org", "b@example.org"))
    assert (found.sender, found.ret, found.envid, found.eight_bit) == ("", "", "", True)
    assert found.recipients == (Recipient("soc@example.org", "NEVER"), Recipient("b@example.org", "NEVER"))
    assert not found.smtputf8
    assert envelope_of(HELD, ("\u00e4@example.org",)).smtputf8


@pytest.mark.parametrize(
    "addresses", [(), ("",), ("postmaster",), ("a b",), ("a@b>",), ("a@b\r\nx",), ("a@b.example",) * 51 + ("c",)]
)
def test_what_is_no_address_is_refused(addresses: tuple[str, ...]) -> None:
    with pytest.raises(BadAddress):
        envelope_of(HELD, addresses)


def test_a_copy_is_no_mailing() -> None:
    many = tuple(f"a{n}@example.org" for n in range(RECIPIENTS_MAX + 1))
    assert len(envelope_of(HELD, many[1:]).recipients) == RECIPIENTS_MAX
    with pytest.raises(BadAddress, match="1 to 50"):
        envelope_of(HELD, many)


async def test_it_goes_by_the_gateway_with_a_certificate_of_its_own(desk: Desk) -> None:
    held = await desk.held("Policy", "Virus")
    done = await desk.releaser.send_copy(held.mid, "Virus", ("soc@example.org",), CAROL)
    assert done.done
    child = desk.store.view.copy(done.mid)
    assert (child.custody, child.parent, child.hop, child.extent) == ("REL", held.cid, 1, held.extent)
    assert child.cid != held.cid
    transfer, metadata = desk.offered(child)
    assert (transfer.peer, transfer.state, metadata.parent, metadata.copy) == (GATEWAY, "X", held.cid, True)
    signed = json.loads(metadata.release.cert.signed)
    assert (signed["xid"], signed["actor"], signed["to"]) == (f"{child.cid}.2", "carol", GATEWAY)
    assert [(out.name, out.actor) for out in metadata.release.out] == [("Virus", "carol")]
    assert b"MAIL FROM:<>" in transfer.commands
    assert b"RCPT TO:<soc@example.org> NOTIFY=NEVER" in transfer.commands
    assert b"bob@example.com" not in transfer.commands
    assert desk.lines()[-2:] == [
        f"MID {child.mid} was generated based on MID {held.mid} by carol, who sends a copy",
        f"MID {child.mid} queued for delivery",
    ]
    assert [h.mark for h in desk.store.view.holds(held.mid)] == [Mark.HELD, Mark.HELD]


async def test_it_can_go_by_another_gateway_like_every_release(desk: Desk) -> None:
    held = await desk.held("Policy")
    done = await desk.releaser.send_copy(held.mid, "Policy", ("soc@example.org",), CAROL)
    child = desk.store.view.copy(done.mid)
    before = desk.offered(child)[1].release.out
    answer = Acknowledged(child.cid, 2, "CANC", 1, 5, GATEWAY)
    await desk.store.submit(TransfersAnswered((answer,), "manager"))
    assert (await desk.releaser.retarget(done.mid, OTHER_GATEWAY, CAROL, override=False)).done
    transfer, metadata = desk.offered(child)
    assert (transfer.peer, metadata.release.out) == (OTHER_GATEWAY, before)


async def test_a_manager_that_was_set_back_sends_no_copy(desk: Desk) -> None:
    held = await desk.held("Policy")
    hello = HelloFrom(GATEWAY, NONCE, 1, 5, "", NOW, knows_inc=1, knows_seq=900, set_back_here=True)
    await desk.store.submit(hello)
    refused = await desk.releaser.send_copy(held.mid, "Policy", ("soc@example.org",), CAROL)
    assert (refused.done, "--accept-setback" in refused.why) == (False, True)


async def test_a_message_that_leaves_meanwhile_has_no_copy(desk: Desk) -> None:
    released = await desk.released("Policy")
    for mid, name in ((released.mid, "Policy"), ((await desk.held("Virus")).mid, "Policy"), (4711, "Policy")):
        assert not (await desk.releaser.send_copy(mid, name, ("soc@example.org",), CAROL)).done
