"""Released mail comes back: only with the manager's signature for this transfer, this body and this gateway."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.fleet.identity import create, public_signing_key
from pratique.gateway import context as stored
from pratique.runner.cpq_parts import Offer
from pratique.runner.readiness import Asker
from pratique.store.moves import Receive
from pratique.telemetry import events as log
from pratique.transfer.messages import Keyword, Verdict
from pratique.transfer.metadata import decode
from tests.conformance.samples import GATEWAY, MANAGER, MESSAGE
from tests.gateway.office import clean, infected
from tests.manager.fleet import Fleet
from tests.runner.support import turns, until

Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    fleets: list[Fleet] = []

    async def one(**how: Any) -> Fleet:
        fleets.append(Fleet(tmp_path / str(len(fleets)), monkeypatch, **how))
        return await fleets[-1].made()

    yield one
    for fleet in fleets:
        await fleet.close()


async def _offer(fleet: Fleet) -> Offer:
    """The release of a held message, as the gateway reads it off the wire; the wire itself is cut before."""
    (mid,) = await fleet.held()
    offers: list[Offer] = []
    reinject = fleet.office.gateway.reinject
    take = type(reinject).take

    def keep(self: Any, offer: Offer, decided: Any) -> None:
        offers.append(offer)

    type(reinject).take = keep  # type: ignore[method-assign]
    try:
        await fleet.release(mid)
        await until(lambda: offers)
    finally:
        type(reinject).take = take  # type: ignore[method-assign]
    return offers[0]


async def _decided(fleet: Fleet, offer: Offer) -> Receive | Verdict:
    found: list[Receive | Verdict] = []
    fleet.office.gateway.reinject.take(offer, found.append)
    await until(lambda: found)
    return found[0]


async def test_a_release_becomes_mail_that_is_due_with_all_it_came_with(make: Make) -> None:
    fleet = await make(rescan=())
    offer = await _offer(fleet)
    move = await _decided(fleet, offer)
    assert isinstance(move, Receive)
    copy = move.copy
    assert (copy.custody, copy.hop, move.hop) == ("ACTIVE", 2, 2)
    assert [d.address for d in copy.deliveries] == ["b@example.com"]
    assert (copy.origin_mid, copy.origin_host) == (1, "gateway.example.net")
    context = stored.decode(copy.context)
    assert (context.journal_to, context.xid, context.may_duplicate) == (MANAGER, offer.group.xid, False)
    assert context.returned is not None and context.returned.with_ == "CPQ"
    assert len(context.trace) == 1
    (entry,) = move.audit
    assert (entry.actor, entry.action) == (f"peer:{MANAGER}", "return")
    assert "carol" in entry.detail  # who let it go


async def test_it_is_delivered_once_with_the_whole_trace(make: Make) -> None:
    fleet = await make()
    (mid,) = await fleet.held()
    await fleet.release(mid)
    await until(lambda: fleet.custody(mid) == "CLOSED")
    ((sender, recipients, octets),) = fleet.office.hop.messages
    assert (sender, recipients) == ("a@sender.example", ["b@example.com"])
    assert octets.endswith(MESSAGE)
    head = octets.removesuffix(MESSAGE)
    assert head.count(b"Received: ") == 2 and b"with CPQ id" in head and b"with ESMTP id 1;" in head
    (line,) = fleet.office.lines("on release from quarantine")
    assert "received from the SMA " in line
    assert line.endswith('(MID originally 1) on release from quarantine "Policy"')


LIES = ("another transfer", "another body", "another gateway", "no signature", "a stranger's key")


@pytest.mark.parametrize("lie", LIES)
async def test_without_a_true_certificate_nothing_is_taken(make: Make, lie: str, tmp_path: Path) -> None:
    fleet = await make(rescan=())
    offer = await _offer(fleet)
    match lie:
        case "another transfer":
            xid = "00" * 16 + ".2"
            metadata = offer.group.metadata.replace(f'"xid":"{offer.group.xid}"'.encode(), f'"xid":"{xid}"'.encode(), 1)
            offer = replace(offer, group=replace(offer.group, xid=xid, metadata=metadata))
        case "another body":
            offer = replace(offer, group=replace(offer.group, sha256="00" * 32))
        case "another gateway":
            fleet.office.node.store.serial = "564DAAAA00000000GW02"  # we are not the one that it names
        case "no signature":
            signature = decode(offer.group.metadata, hop=2).release.cert.sig  # type: ignore[union-attr]
            metadata = offer.group.metadata.replace(signature.encode(), b"A" * len(signature))
            offer = replace(offer, group=replace(offer.group, metadata=metadata))
        case _:
            keys = create(tmp_path / "k", name="x", serial="X" * 20, addresses=(), signing=True)
            offer = replace(offer, peer=replace(offer.peer, sign_key=public_signing_key(keys)))
    decided = await _decided(fleet, offer)
    assert isinstance(decided, Verdict) and decided.keyword in (Keyword.DENIED, Keyword.META_BAD)
    assert any(isinstance(e, log.Alarm) for e in fleet.office.node.log.events)


async def test_metadata_that_cannot_be_read_is_refused(make: Make) -> None:
    fleet = await make(rescan=())
    offer = await _offer(fleet)
    decided = await _decided(fleet, replace(offer, group=replace(offer.group, metadata=b"{}")))
    assert isinstance(decided, Verdict) and decided.keyword is Keyword.META_BAD


async def test_a_virus_that_is_known_only_now_sends_it_back_to_quarantine(make: Make) -> None:
    fleet = await make(virus=True)
    (mid,) = await fleet.held()
    fleet.office.engine.answers.append(infected("New.Virus"))
    await fleet.release(mid)
    await until(lambda: len([m for m in range(1, fleet.node.store._mid + 1) if fleet.node.store.view.copy(m)]) == 2)
    await turns(50)
    assert fleet.office.hop.messages == []
    (again,) = [
        c for m in range(1, fleet.node.store._mid + 1) if (c := fleet.node.store.view.copy(m)) and c.custody == "HELD"
    ]
    assert (again.hop, again.cid) == (3, fleet.node.store.view.copy(mid).cid)
    assert [hold.quarantine for hold in fleet.node.store.view.holds(again.mid)] == ["Virus"]
    fleet.office.engine.answers.append(infected("New.Virus"))
    await fleet.release(again.mid, "Virus")
    await until(lambda: fleet.office.hop.messages)  # a reviewer has seen that finding
    assert len(fleet.office.hop.messages) == 1


async def test_what_a_reviewer_has_seen_is_not_held_again(make: Make) -> None:
    fleet = await make(virus=True, filters="")
    fleet.office.engine.answers.extend([infected(), infected()])
    (mid,) = await fleet.held()
    await fleet.release(mid, "Virus")
    await until(lambda: fleet.office.hop.messages)


async def test_a_clean_rescan_delivers(make: Make) -> None:
    fleet = await make(virus=True)
    fleet.office.engine.answers.extend([clean(), clean()])
    (mid,) = await fleet.held()
    await fleet.release(mid)
    await until(lambda: fleet.office.hop.messages)
    assert len(fleet.office.engine.scanned) == 2


async def test_a_rescan_that_breaks_is_tried_again_and_nothing_is_lost(make: Make) -> None:
    fleet = await make(virus=True)
    (mid,) = await fleet.held()
    fleet.office.engine.answers.append(RuntimeError("engine died"))
    await fleet.release(mid)
    await until(lambda: fleet.office.node.failures)
    fleet.office.node.failures.clear()
    fleet.manager.links[GATEWAY].retry_now()  # an operator does not wait for the pause to end
    await until(lambda: fleet.office.hop.messages)
    await turns(100)
    assert len(fleet.office.hop.messages) == 1


async def test_a_suspended_gateway_takes_no_release_and_says_so(make: Make) -> None:
    fleet = await make()
    reinject = fleet.office.gateway.reinject
    assert reinject.standing() == (Keyword.READY, "")
    reinject.suspended = "service"
    assert reinject.standing() == (Keyword.SUSPENDED, "service")
    peer = fleet.office.node.store.view.peer(MANAGER)
    asker = Asker(peer, "1", clock_differs=False, members=(), listening=True)
    checks = {name: (answer, cure) for name, answer, cure in reinject.checks(asker)}
    assert {name for name, (answer, cure) in checks.items() if answer == "NO" and cure} == {"accepting", "service"}
    assert {name for name, found in checks.items() if found == ("YES", "")} == {
        "enrolled",
        "committed",
        "clock",
        "version",
        "space",
    }
    fleet.office.node.store.spool.capacity = 0
    assert ("space", "NO", "Free disk space on the gateway") in reinject.checks(asker)
