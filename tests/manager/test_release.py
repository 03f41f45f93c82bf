"""Decisions that end in a release, and releases that go to another gateway than the one that caught the message."""

import json
from dataclasses import replace

import pytest

from pratique.manager.release import Actor
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.store.corrupt import found
from pratique.store.moves import Acknowledged, HelloFrom, PutPeer, TransfersAnswered, TransferStuck
from pratique.transfer.metadata import Change
from tests.conformance.samples import GATEWAY, NONCE, NOW, OTHER_GATEWAY
from tests.manager.desk import CAROL, Desk


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.enrol()
    return made


async def _cancelled(desk: Desk, cid: str) -> None:
    await desk.store.submit(TransfersAnswered((Acknowledged(cid, 2, "CANC", 1, 5, GATEWAY),), "manager"))


async def test_a_release_that_was_cancelled_goes_to_another_gateway_without_a_mark(desk: Desk) -> None:
    copy = await desk.released()
    await _cancelled(desk, copy.cid)
    done = await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=False)
    assert done.done
    transfer, metadata = desk.offered(copy)
    assert (transfer.peer, transfer.state, metadata.release.may_duplicate) == (OTHER_GATEWAY, "X", False)
    assert json.loads(metadata.release.cert.signed)["to"] == OTHER_GATEWAY
    assert not desk.lines("Critical")
    row = desk.store.view.audit(0, 100)[-1]
    assert (row.actor, row.action) == ("carol", "retarget")
    assert json.loads(row.detail) == {
        "from": GATEWAY,
        "to": OTHER_GATEWAY,
        "hop": 2,
        "override": False,
        "may_duplicate": False,
    }


async def test_while_the_first_gateway_may_have_it_only_a_named_override_sends_it_to_another(desk: Desk) -> None:
    copy = await desk.released()
    refused = await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=False)
    assert (refused.done, "--override" in refused.why) == (False, True)
    assert desk.offered(copy)[0].peer == GATEWAY
    assert (await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)).done
    transfer, metadata = desk.offered(copy)
    assert (transfer.peer, metadata.release.may_duplicate) == (OTHER_GATEWAY, True)
    assert any("carol, who overrides" in line and "possible duplicate" in line for line in desk.lines("Critical"))
    assert json.loads(desk.store.view.audit(0, 100)[-1].detail)["override"] is True


async def test_what_the_first_gateway_says_after_an_override_changes_nothing(desk: Desk) -> None:
    copy = await desk.released()
    await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    await desk.store.submit(TransferStuck(copy.cid, 2, "XQCONFLICT", True, (), GATEWAY))
    assert desk.offered(copy)[0].state == "X"
    assert desk.store.view.copy(copy.mid).custody == "REL"


async def test_a_possible_duplicate_stays_one_at_the_next_gateway(desk: Desk) -> None:
    copy = await desk.released()
    await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 5, OTHER_GATEWAY),), "manager"))
    assert (await desk.releaser.retarget(copy.mid, GATEWAY, CAROL, override=False)).done
    assert desk.offered(copy)[1].release.may_duplicate is True


async def test_what_every_gateway_has_cancelled_is_offered_anew_as_a_new_hop(desk: Desk) -> None:
    """No old message and no tombstone knows the new hop, and the certificate is for it alone."""
    copy = await desk.released()
    await _cancelled(desk, copy.cid)
    await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=False)
    assert desk.offered(copy)[0].hop == 2
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "CANC", 1, 5, OTHER_GATEWAY),), "manager"))
    assert (await desk.releaser.retarget(copy.mid, GATEWAY, CAROL, override=False)).done
    transfer, metadata = desk.offered(copy)
    assert (transfer.peer, transfer.hop, transfer.state) == (GATEWAY, 4, "X")
    assert metadata.release.may_duplicate is False
    assert json.loads(metadata.release.cert.signed)["xid"] == f"{copy.cid}.4"
    assert any("goes anew to" in line and "hop 4" in line for line in desk.lines())
    assert json.loads(desk.store.view.audit(0, 100)[-1].detail)["hop"] == 4


async def test_the_only_gateway_may_be_asked_again_after_it_cancelled(desk: Desk) -> None:
    copy = await desk.released()
    await _cancelled(desk, copy.cid)
    assert (await desk.releaser.retarget(copy.mid, GATEWAY, CAROL, override=False)).done
    assert (desk.offered(copy)[0].peer, desk.offered(copy)[0].hop) == (GATEWAY, 4)
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 4, "ACC", 1, 9, GATEWAY),), "manager"))
    assert desk.store.view.copy(copy.mid).custody == "RELD"


async def test_a_transfer_that_is_stuck_may_be_overridden(desk: Desk) -> None:
    copy = await desk.released()
    await desk.store.submit(TransferStuck(copy.cid, 2, "554 XQCONFLICT", True))
    assert not (await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=False)).done
    assert (await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)).done


@pytest.mark.parametrize("to", [GATEWAY, "564D00000000000000XX", "withdrawn"])
async def test_a_target_must_be_another_enrolled_gateway(desk: Desk, to: str) -> None:
    copy = await desk.released()
    if to == "withdrawn":
        to = OTHER_GATEWAY
        await desk.store.submit(PutPeer(replace(desk.store.view.peer(to), withdrawn=True), ()))
    refused = await desk.releaser.retarget(copy.mid, to, CAROL, override=True)
    assert not refused.done
    assert refused.why
    assert desk.offered(copy)[0].peer == GATEWAY


async def test_only_what_is_on_its_way_has_a_target(desk: Desk) -> None:
    held, deleted, copy = await desk.held("Policy"), await desk.held("Policy"), await desk.released()
    await desk.releaser.decide(deleted.mid, "Policy", Mark.DELETED, Cause.MANUAL, CAROL)
    await desk.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, "ACC", 1, 5, GATEWAY),), "manager"))
    for mid, why in (
        (held.mid, "it is held: release it first"),
        (deleted.mid, "it was deleted"),
        (copy.mid, "a gateway has it already"),
        (4711, "there is no such message here"),
    ):
        refused = await desk.releaser.retarget(mid, OTHER_GATEWAY, CAROL, override=True)
        assert not refused.done
        assert refused.why == f"MID {mid} is not on its way to a gateway: {why}"


async def test_who_overrides_reads_before_what_it_may_lead_to_and_after_what_was_done(desk: Desk) -> None:
    copy = await desk.released()
    refused = await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=False)
    for word in ("it may be delivered twice", "X-Possible-Duplicate", "the audit says who", "Wait for its answer"):
        assert word in refused.why
    done = await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)
    assert f"MID {copy.mid}: its release goes to " in done.said
    assert "possible duplicate" in done.said
    assert done.said in desk.lines("Critical")


async def test_an_unknown_target_is_answered_with_those_that_are_known(desk: Desk) -> None:
    copy = await desk.released()
    refused = await desk.releaser.retarget(copy.mid, "X" * 20, CAROL, override=True)
    assert refused.why.startswith(f"{'X' * 20} is no enrolled gateway; there are: ")
    assert GATEWAY in refused.why
    assert OTHER_GATEWAY in refused.why


async def test_a_locked_target_takes_nothing(desk: Desk) -> None:
    copy = await desk.released()
    await desk.store.submit(PutPeer(replace(desk.store.view.peer(OTHER_GATEWAY), locked="cloned"), ()))
    refused = await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)
    assert "--unlock" in refused.why
    assert desk.offered(copy)[0].peer == GATEWAY


async def test_changes_that_a_release_ordered_go_along_and_are_not_doubled(desk: Desk) -> None:
    kept = Change(op="add-header", name="X-From-Gateway", value="1")
    await desk.samples.opened("Policy", overflow='{"free_space": true, "header": {"name": "X-Early", "text": "yes"}}')
    copy = await desk.held("Policy", changes=(kept,))
    await desk.releaser.decide(
        copy.mid, "Policy", Mark.RELEASED, Cause.QUEUE_FULL, Actor("policy:overflow@1", "timer", "timer")
    )
    before = desk.offered(copy)[1].changes
    assert [change.name for change in before] == ["X-From-Gateway", "X-Early"]
    await desk.releaser.retarget(copy.mid, OTHER_GATEWAY, CAROL, override=True)
    assert desk.offered(copy)[1].changes == before


@pytest.mark.parametrize("mark", [Mark.RELEASED, Mark.DELETED])
async def test_a_manager_that_was_set_back_decides_nothing(desk: Desk, mark: Mark) -> None:
    """What its older store still holds may have been released or deleted since."""
    copy = await desk.held("Policy")
    hello = HelloFrom(GATEWAY, NONCE, 1, 5, "", NOW, knows_inc=1, knows_seq=900, set_back_here=True)
    await desk.store.submit(hello)
    refused = await desk.releaser.decide(copy.mid, "Policy", mark, Cause.MANUAL, CAROL)
    assert (refused.done, "--accept-setback" in refused.why) == (False, True)
    assert desk.store.view.copy(copy.mid).custody == "HELD"


async def test_a_release_whose_metadata_cannot_be_written_stays_held_and_is_named(desk: Desk) -> None:
    many = tuple(Change(op="add-header", name=f"X-{n}", value="1") for n in range(32))
    await desk.samples.opened("Policy", overflow='{"free_space": true, "header": {"name": "X-Early", "text": "yes"}}')
    copy = await desk.held("Policy", changes=many)
    actor = Actor("policy:overflow@1", "timer", "timer")
    refused = await desk.releaser.decide(copy.mid, "Policy", Mark.RELEASED, Cause.QUEUE_FULL, actor)
    assert not refused.done
    assert any(f"MID {copy.mid} cannot be released" in line for line in desk.lines("Critical"))
    assert desk.store.view.copy(copy.mid).custody == "HELD"
    assert (await desk.releaser.decide(copy.mid, "Policy", Mark.RELEASED, Cause.MANUAL, CAROL)).done


async def test_what_is_known_to_be_corrupt_is_not_released_and_may_be_deleted(desk: Desk) -> None:
    copy = await desk.held("Policy")
    await desk.store.submit(found(desk.store.view, {copy.mid: "the digest does not match"}))
    refused = await desk.releaser.decide(copy.mid, "Policy", Mark.RELEASED, Cause.MANUAL, CAROL)
    assert (refused.done, "CORRUPT" in refused.why, "digest does not match" in refused.why) == (False, True, True)
    assert desk.store.view.copy(copy.mid).custody == "HELD"
    assert (await desk.releaser.decide(copy.mid, "Policy", Mark.DELETED, Cause.MANUAL, CAROL)).done
