"""What an operator suspends at a manager: releases wait, or nothing more is taken to be held."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.runner.suspension import CPQ_LISTENER, Suspension
from tests.conformance.samples import GATEWAY
from tests.manager.fleet import Fleet
from tests.runner.support import turns, until


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    made = await Fleet(tmp_path, monkeypatch).made()
    yield made
    await made.close()


async def test_while_delivery_is_suspended_a_release_waits_and_mail_is_still_held(fleet: Fleet) -> None:
    (mid,) = await fleet.held()
    fleet.manager.suspend(Suspension(delivery=True))
    await until(lambda: not fleet.manager.delivering())
    await fleet.release(mid)
    await turns(500)
    assert fleet.custody(mid) == "REL"
    assert len(await fleet.held(count=1)) == 1
    fleet.manager.suspend(Suspension())
    await until(lambda: fleet.office.hop.messages)


@pytest.mark.parametrize("now", [Suspension(transfers=True), Suspension((CPQ_LISTENER,))])
async def test_while_receiving_is_suspended_sessions_end_and_gateways_keep_their_mail(
    fleet: Fleet, now: Suspension
) -> None:
    await fleet.held()
    fleet.manager.suspend(now)
    fleet.manager.end_suspended()
    await until(lambda: not fleet.manager.receiving_under_way())
    assert (await fleet.office.send()).startswith("250")
    await turns(500)
    assert [copy.custody for copy in fleet.office.copies()][-1] in ("Q", "X")
    fleet.manager.suspend(Suspension())
    assert fleet.office.gateway.link is not None
    fleet.office.gateway.link.retry_now()
    await fleet.held(count=2)


async def test_a_gateway_that_is_enrolled_while_delivery_is_suspended_is_not_dialled(fleet: Fleet) -> None:
    fleet.manager.suspend(Suspension(delivery=True))
    await fleet.manager.links.pop(GATEWAY).stop()
    fleet.manager.peers_changed()
    assert fleet.manager.links[GATEWAY].suspended
