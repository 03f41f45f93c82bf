"""A decision about a held message: one wins, it is on record, and nothing is sent before it is durable."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.custody import Event
from pratique.policy.decision import QuarantineWish
from pratique.quarantine.lifecycle import Exit, Mark
from pratique.store.moves import Acknowledged, PutPeer, TransfersAnswered
from pratique.transfer.metadata import decode
from pratique.transfer.release import verify_release
from tests.conformance.samples import GATEWAY, NOW, OTHER_GATEWAY, peer
from tests.manager.fleet import CAROL, DAVE, POLICY, Desk

Make = Callable[..., Any]
VIRUS = QuarantineWish("Virus", "virus", ("antivirus:EICAR",))


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    desks: list[Desk] = []

    async def one(**settings: Any) -> Desk:
        desks.append(Desk(tmp_path / str(len(desks)), monkeypatch, **settings))
        return await desks[-1].made()

    yield one
    for desk in desks:
        await desk.close()


async def test_a_release_is_a_sealed_and_signed_transfer_to_the_gateway_that_caught_it(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    desk.node.clock.now = NOW + 90_000
    decided = await desk.decide(mid)
    assert (decided.done, decided.exit) == (True, Exit.RELEASE)
    assert desk.custody(mid) == "REL"
    copy = desk.node.store.view.copy(mid)
    transfer = desk.node.store.view.transfer(copy.cid, 2)
    assert (transfer.peer, transfer.state) == (GATEWAY, "X")
    metadata = decode(transfer.metadata, hop=2)
    (out,) = metadata.release.out
    assert (out.name, out.cause, out.actor, out.held_s) == ("Policy", "manual", "carol", 90)
    assert (metadata.release.mid, metadata.release.rescan) == (mid, ("virus",))
    key = desk.mine.peer().sign_key
    fields = verify_release(metadata.release.cert, public_key=key, xid=f"{copy.cid}.2", sha256=copy.sha256, to=GATEWAY)
    assert (fields["actor"], fields["role"], fields["authn"], fields["session"]) == (
        "carol",
        "operator",
        "password",
        "s1",
    )
    assert metadata.history[-1].ended == "released"
    assert desk.lines(f'MID {mid} released from quarantine "Policy" (manual) t=90')
    assert desk.lines(f"MID {mid} released from all quarantines")


async def test_who_decided_is_in_the_audit_of_the_same_commit(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    await desk.decide(mid)
    row = desk.node.store.view.audit(0, 100)[-1]
    assert (row.actor, row.action, row.mid) == ("carol", "release", mid)
    detail = json.loads(row.detail)
    assert detail == {
        "quarantine": "Policy",
        "cause": "manual",
        "role": "operator",
        "authn": "password",
        "session": "s1",
    }


async def test_of_two_reviewers_one_wins_and_the_other_is_told(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    first, second = await asyncio.gather(
        desk.decide(mid, Mark.RELEASED, actor=CAROL), desk.decide(mid, Mark.DELETED, actor=DAVE)
    )
    assert [first.done, second.done] == [True, False]
    assert second.why == "not held in that quarantine any more"
    assert desk.custody(mid) == "REL"
    acts = [row.actor for row in desk.node.store.view.audit(0, 100) if row.action in ("release", "delete")]
    assert acts == ["carol"]


async def test_many_reviewers_and_many_messages_make_one_decision_each(make: Make) -> None:
    desk = await make()
    mids = [await desk.held() for _ in range(20)]
    results = await asyncio.gather(
        *(
            desk.decide(mid, mark, actor=who)
            for mid in mids
            for mark in Mark
            if mark is not Mark.HELD
            for who in (CAROL, DAVE)
        )
    )
    assert sum(one.done for one in results) == 20
    rows = [row for row in desk.node.store.view.audit(0, 1000) if row.action in ("release", "delete")]
    assert sorted(row.mid for row in rows) == mids


async def test_a_message_in_two_quarantines_leaves_when_both_let_it_go(make: Make) -> None:
    desk = await make()
    mid = await desk.held(POLICY, VIRUS)
    assert (await desk.decide(mid)).exit == Exit.NONE
    assert desk.custody(mid) == "HELD"
    assert (await desk.decide(mid, quarantine="Virus", actor=DAVE)).exit == Exit.RELEASE
    copy = desk.node.store.view.copy(mid)
    release = decode(desk.node.store.view.transfer(copy.cid, 2).metadata, hop=2).release
    assert {(out.name, out.actor) for out in release.out} == {("Policy", "carol"), ("Virus", "dave")}


async def test_one_deletion_is_enough_for_never(make: Make) -> None:
    desk = await make()
    mid = await desk.held(POLICY, VIRUS)
    assert (await desk.decide(mid, Mark.DELETED)).exit == Exit.NONE
    assert (await desk.decide(mid, quarantine="Virus")).exit == Exit.DELETE
    assert desk.custody(mid) == "DEL"
    copy = desk.node.store.view.copy(mid)
    assert desk.node.store.view.transfer(copy.cid, 2) is None
    assert desk.lines(f"MID {mid} deleted from all quarantines")
    assert [row.state for row in desk.node.store.view.journal(GATEWAY, 0, 10)] == ["DEL"]  # the gateway is told


@pytest.mark.parametrize("quarantine", ["Virus", "Nowhere"])
async def test_a_message_can_only_leave_where_it_is(make: Make, quarantine: str) -> None:
    desk = await make()
    mid = await desk.held()
    assert not (await desk.decide(mid, quarantine=quarantine)).done
    assert not (await desk.decide(mid + 1000)).done
    assert desk.custody(mid) == "HELD"


async def test_an_unknown_field_of_the_gateway_goes_back_to_it(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    copy = desk.node.store.view.copy(mid)
    row = desk.node.store.rows.copies[mid]
    desk.node.store.rows.copies[mid] = replace(row, context=copy.context[:-1] + b',"future":{"a":[1]}}')
    await desk.decide(mid)
    metadata = json.loads(desk.node.store.view.transfer(copy.cid, 2).metadata)
    assert metadata["future"] == {"a": [1]}


async def test_a_release_goes_elsewhere_only_when_its_target_cancelled_it_or_an_actor_overrides(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    await desk.decide(mid)
    copy = desk.node.store.view.copy(mid)
    await desk.node.store.submit(PutPeer(peer(OTHER_GATEWAY), ()))
    refused = await desk.manager.releaser.retarget(mid, OTHER_GATEWAY, DAVE, override=False)
    assert not refused.done and "may have it and has not cancelled it" in refused.why
    await desk.node.store.submit(TransfersAnswered((Acknowledged(copy.cid, 2, Event.CANC, 1, 9),), "manager"))
    done = await desk.manager.releaser.retarget(mid, OTHER_GATEWAY, DAVE, override=False)
    assert done.done
    transfer = desk.node.store.view.transfer(copy.cid, 2)
    assert transfer.peer == OTHER_GATEWAY
    release = decode(transfer.metadata, hop=2).release
    assert not release.may_duplicate
    key = desk.mine.peer().sign_key
    assert verify_release(release.cert, public_key=key, xid=f"{copy.cid}.2", sha256=copy.sha256, to=OTHER_GATEWAY)


async def test_an_override_is_on_record_and_says_that_it_may_double(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    await desk.decide(mid)
    copy = desk.node.store.view.copy(mid)
    await desk.node.store.submit(PutPeer(peer(OTHER_GATEWAY), ()))
    assert (await desk.manager.releaser.retarget(mid, OTHER_GATEWAY, DAVE, override=True)).done
    assert decode(desk.node.store.view.transfer(copy.cid, 2).metadata, hop=2).release.may_duplicate
    row = desk.node.store.view.audit(0, 100)[-1]
    assert (row.actor, row.action) == ("dave", "retarget")
    assert json.loads(row.detail)["may_duplicate"] is True


@pytest.mark.parametrize("to", ["UNKNOWN0000000000001", GATEWAY])
async def test_a_release_cannot_go_to_a_stranger_or_where_it_goes_already(make: Make, to: str) -> None:
    desk = await make()
    mid = await desk.held()
    assert not (await desk.manager.releaser.retarget(mid, to, DAVE, override=True)).done  # not released yet
    await desk.decide(mid)
    assert not (await desk.manager.releaser.retarget(mid, to, DAVE, override=True)).done
