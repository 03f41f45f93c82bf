"""A person ends what was to go to the manager: only what no manager can have, in one commit, by name."""

import asyncio
import email
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.delivery.settings import BounceSettings
from pratique.gateway.giving_up import GONE, OFFERED, SET_BACK, OwnCopies
from pratique.runner.link_items import Health
from pratique.store.moves import (
    Acknowledged,
    FoundOld,
    Intend,
    StoreFailed,
    TransfersAnswered,
    TransferStuck,
)
from tests.gateway.office import Office

HOLD = 'hold: if (true) { quarantine("Virus"); }'
Make = Callable[..., Awaitable[Office]]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    made: list[Office] = []

    async def one(**how: Any) -> Office:
        made.append(await Office(tmp_path, monkeypatch, filters=HOLD, **how).made())
        return made[-1]

    yield one
    for office in made:
        await office.close()


def own(office: Office) -> OwnCopies:
    return OwnCopies(office.node.services, office.gateway.bouncer, BounceSettings())


async def queued(office: Office, **how: Any) -> Any:
    """A copy in Q: the manager is not reached."""
    assert (await office.send(**how)).startswith("250")
    copy = office.copies()[-1]
    assert copy.custody == "Q"
    return copy


async def test_what_was_never_offered_is_deleted_and_nobody_gets_it(make: Make) -> None:
    office = await make()
    copy, health = await queued(office), Health()
    assert await own(office).end(copy.mid, "olga", bounced=False, health=health) == ("", None)
    view = office.node.store.view
    assert office.copies("SETTLED")[0].mid == copy.mid
    assert [d.state for d in view.deliveries(copy.mid)] == ["CANCELLED"]
    transfer = view.transfer(copy.cid, 1)
    assert transfer is not None and transfer.state == "CANC"
    row = view.audit(0, 100)[-1]
    assert (row.actor, row.action, row.mid) == ("olga", "delete-recipients", copy.mid)
    assert json.loads(row.detail) == {"was": "Q", "hop": 1, "recipients": ["b@example.com"]}
    assert office.lines(f"MID {copy.mid} to RID [0] at the.cpq.host: deleted by olga")
    assert health.deleted == 1
    await office.node.store.submit(Intend(((copy.cid, 1),)))
    assert office.copies("X") == []
    assert await own(office).end(copy.mid, "olga", bounced=False, health=health) == (GONE, None)


async def test_what_was_never_offered_is_bounced_without_its_body(make: Make) -> None:
    office = await make()
    octets = b"From: a@sender.example\r\nSubject: Offer\r\n\r\nX5O!P the virus itself\r\n"
    copy, health = await queued(office, octets=octets), Health()
    why, notice = await own(office).end(copy.mid, "olga", bounced=True, health=health)
    assert why == "" and notice is not None
    text = b"".join(office.node.store.spool.open(notice.extent, notice.sha256).pieces())
    assert b"Subject: Offer" in text and b"X5O!P" not in text
    report = email.message_from_bytes(text).get_payload()[1].as_string()
    assert "Final-Recipient: rfc822; b@example.com" in report and "Status: 5.0.0" in report
    assert office.node.store.view.copy(notice.mid) is not None
    assert [d.state for d in office.node.store.view.deliveries(copy.mid)] == ["FAILED"]
    assert health.hard_bounced == {"other": 1}


async def test_what_the_manager_refused_for_good_is_ours_to_end(make: Make) -> None:
    office = await make()
    copy = await queued(office)
    await office.node.store.submit(Intend(((copy.cid, 1),)))
    await office.node.store.submit(TransfersAnswered((Acknowledged(copy.cid, 1, "CANC", 1, 1),), "gateway"))
    assert office.copies("LOC")
    assert await own(office).end(copy.mid, "olga", bounced=False, health=None) == ("", None)
    assert office.copies("SETTLED")


async def test_what_the_manager_may_have_is_refused_with_the_cure(make: Make) -> None:
    office = await make()
    copy = await queued(office)
    await office.node.store.submit(Intend(((copy.cid, 1),)))
    before = office.node.store.view.copy(copy.mid)
    assert await own(office).end(copy.mid, "olga", bounced=False, health=None) == (OFFERED, None)
    assert await own(office).end(copy.mid, "olga", bounced=True, health=None) == (OFFERED, None)
    assert office.node.store.view.copy(copy.mid) == before
    await office.node.store.submit(TransferStuck(copy.cid, 1, "XQCONFLICT", stuck=True))
    why, _ = await own(office).end(copy.mid, "olga", bounced=False, health=None)
    assert "which answered 'XQCONFLICT'" in why


async def test_one_that_is_offered_while_it_is_ended_is_refused(make: Make) -> None:
    office = await make()
    copy = await queued(office)
    store = office.node.store
    store.manual = True
    store.submit(Intend(((copy.cid, 1),)))
    ending = own(office).end(copy.mid, "olga", bounced=False, health=None)
    task = office.node.tasks.spawn(ending, "the verb")
    await asyncio.sleep(0)
    store.manual = False
    store.commit()
    assert await task == (OFFERED, None)


async def test_what_an_older_store_still_holds_is_not_ended(make: Make) -> None:
    office = await make()
    copy = await queued(office)
    await office.node.store.submit(FoundOld(9, 9, ()))
    assert await own(office).end(copy.mid, "olga", bounced=False, health=None) == (SET_BACK, None)
    assert own(office).kept(replace(copy, hop=2)) == SET_BACK
    assert own(office).kept(copy) == ""


async def test_a_disk_that_refuses_changes_nothing(make: Make) -> None:
    office = await make()
    copy = await queued(office)
    office.node.store.fail_next(StoreFailed("disk full", full=True))
    assert await own(office).end(copy.mid, "olga", bounced=False, health=None) == ("disk full", None)
    assert office.copies("Q")
    assert await own(office).end(99, "olga", bounced=False, health=None) == (GONE, None)
