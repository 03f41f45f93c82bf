"""From a group and its metadata to a held copy."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.policy.decision import QuarantineWish
from pratique.runner.readiness import Asker
from pratique.runner.suspension import CPQ_LISTENER, Suspension
from pratique.store.moves import PutPeer, PutQuarantine, Receive
from pratique.transfer.messages import Keyword, Verdict
from tests.conformance.samples import DAY, MESSAGE, NOW
from tests.manager.fleet import POLICY, Desk

Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    desks: list[Desk] = []

    async def one(**settings: Any) -> Desk:
        desks.append(Desk(tmp_path / str(len(desks)), monkeypatch, **settings))
        return await desks[-1].made()

    yield one
    for desk in desks:
        await desk.close()


def _refusal(desk: Desk, offer: Any) -> Keyword:
    verdict = desk.decided(offer)
    assert isinstance(verdict, Verdict)
    return verdict.keyword


async def test_a_group_becomes_a_held_copy_with_what_reviewers_search_for(make: Make) -> None:
    desk = await make()
    move = desk.decided(desk.offer())
    assert isinstance(move, Receive)
    copy = move.copy
    assert (copy.custody, copy.hop, copy.subject, copy.from_header) == ("HELD", 1, "Offer", "Alice <alice@example.org>")
    assert (copy.origin_host, copy.origin_ip, copy.origin_mid) == ("gateway.example.net", "192.0.2.1", 1)
    (hold,) = copy.holds
    assert (hold.quarantine, hold.kind, hold.reasons) == ("Policy", "policy", ("message filter:big",))
    assert (hold.exit_at, hold.default_action) == (NOW + 3_600_000, "delete")
    assert json.loads(hold.matched) == [{"part": "1", "text": "Offer"}]
    assert [(e.actor, e.action) for e in move.audit] == [(f"peer:{desk.sender.serial}", "hold")]


async def test_a_quarantines_own_retention_serves_where_the_gateway_states_none(make: Make) -> None:
    desk = await make()
    move = desk.decided(desk.offer(replace(POLICY, retention_s=0)))
    assert isinstance(move, Receive)
    assert move.copy.holds[0].exit_at == NOW + 10 * DAY


async def test_a_name_that_is_unknown_goes_to_unclassified_and_two_of_them_make_one_hold(make: Make) -> None:
    desk = await make()
    wishes = (QuarantineWish("Gone", "policy", ("f:1",)), QuarantineWish("Away", "policy", ("f:2",)), POLICY)
    move = desk.decided(desk.offer(*wishes))
    assert isinstance(move, Receive)
    assert sorted(hold.quarantine for hold in move.copy.holds) == ["Policy", "Unclassified"]


async def test_a_name_that_is_unknown_is_said_once_with_gateway_and_cure(make: Make) -> None:
    desk = await make()
    gone = QuarantineWish("Gone", "policy", ("f:1",))
    for _ in range(3):
        desk.decided(desk.offer(gone))
    (told,) = desk.lines("Gone")
    start = f'gateway.example.net ({desk.sender.serial}) holds mail for the quarantine "Gone", which is not here'
    assert told.startswith(start)
    assert "it goes to Unclassified. Make that quarantine here" in told
    desk.manager.reception.refresh()  # a quarantine was made, another one
    desk.decided(desk.offer(gone))
    assert len(desk.lines("Gone")) == 2


async def test_the_log_leads_from_the_gateways_number_to_ours(make: Make) -> None:
    desk = await make()
    mid = await desk.held()
    texts = desk.lines(f"MID {mid} ")
    assert f"MID {mid} received from the ESA gateway.example.net MID 1 ({desk.sender.serial})" in texts
    assert texts[-1] == f'MID {mid} quarantined to "Policy" (message filter:big)'
    assert texts[0] == f"Start MID {mid} ICID 3"


async def test_attachments_are_listed_by_name(make: Make) -> None:
    desk = await make()
    lines = [
        "Content-Type: multipart/mixed; boundary=b",
        "",
        "--b",
        "",
        "x",
        "--b",
        'Content-Disposition: attachment; filename="a b.txt"',
        "Content-Transfer-Encoding: base64",
        "",
        "aGk=",
        "--b--",
        "",
    ]
    move = desk.decided(desk.offer(octets="\r\n".join(lines).encode()))
    assert isinstance(move, Receive)
    assert [name for name, _ in json.loads(move.copy.attachments)] == ["a b.txt"]


async def test_metadata_that_cannot_be_read_is_refused_and_alarmed(make: Make) -> None:
    desk = await make()
    offer = desk.offer()
    bad = replace_group(offer, metadata=b"{}")
    assert _refusal(desk, bad) is Keyword.META_BAD
    newer = replace_group(
        offer, metadata=offer.group.metadata.replace(b'"v":1', b'"v":9').replace(b'"min":1', b'"min":9')
    )
    assert _refusal(desk, newer) is Keyword.VERSION
    assert len(desk.lines("from gateway.example.net refused: metadata")) == 2


def replace_group(offer: Any, **fields: Any) -> Any:
    return replace(offer, group=replace(offer.group, **fields))


async def test_a_gateway_offers_only_its_own_mail(make: Make) -> None:
    desk = await make()
    offer = replace(desk.offer(), peer=replace(desk.peer(), serial="564DAAAA00000000GW09"))
    assert _refusal(desk, offer) is Keyword.DENIED
    assert desk.lines("refused: it offers mail of")


async def test_a_later_hop_needs_a_release_to_that_gateway_before_it(make: Make) -> None:
    desk = await make()
    offer = desk.offer()
    cid = offer.group.xid[:32]
    metadata = offer.group.metadata.replace(offer.group.xid.encode(), f"{cid}.3".encode())
    later = replace_group(offer, xid=f"{cid}.3", metadata=metadata)
    assert _refusal(desk, later) is Keyword.DENIED
    assert desk.lines("hop 3 does not follow a release to this gateway")


async def test_a_suspended_quarantine_takes_nothing_and_others_go_on(make: Make) -> None:
    desk = await make()
    quarantine = {q.name: q for q in desk.node.store.view.quarantines()}["Policy"]
    await desk.node.store.submit(PutQuarantine(replace(quarantine, suspended=True), ()))
    desk.manager.reception.refresh()
    assert _refusal(desk, desk.offer()) is Keyword.SUSPENDED_QUARANTINE
    assert desk.manager.reception.suspended_quarantines() == ("Policy",)
    assert isinstance(desk.decided(desk.offer(QuarantineWish("Virus", "virus", ("x",)))), Receive)


async def test_without_space_nothing_is_taken_and_every_hello_says_so(make: Make) -> None:
    desk = await make()
    offer = desk.offer()
    assert desk.manager.reception.standing() == (Keyword.READY, "")
    desk.node.store.spool.capacity = 0
    assert desk.manager.reception.standing() == (Keyword.SUSPENDED, "full")
    assert _refusal(desk, offer) is Keyword.FULL
    desk.manager.suspend(Suspension((CPQ_LISTENER,)))
    assert desk.manager.reception.standing() == (Keyword.SUSPENDED, "operator")
    desk.manager.suspend(Suspension())


async def test_the_readiness_checks_have_their_fixed_names_and_each_no_has_its_cure(make: Make) -> None:
    desk = await make()
    asker = Asker(desk.peer(), "1", clock_differs=False, members=(desk.peer().serial,), listening=True)
    checks = desk.manager.reception.checks(asker)
    names = ["enrolled", "service", "committed", "accepting", "clock", "version", "migration", "space", "members"]
    assert checks == tuple((name, "YES", "") for name in names)
    desk.manager.suspend(Suspension(transfers=True))
    desk.manager.reception.uncommitted = lambda: "Commit it"
    desk.node.store.spool.capacity = 0
    wrong = Asker(None, "7", clock_differs=True, members=(asker.members[0], "UNKNOWN0000000000001"), listening=True)
    checks = desk.manager.reception.checks(wrong)
    assert [(n, answer) for n, answer, _ in checks] == [(n, "NO" if n != "migration" else "YES") for n in names]
    checks = tuple(check for check in checks if check[0] != "migration")  # has a test of its own
    assert all(cure for _, _, cure in checks)
    assert checks[-1][2] == "Enrol UNKNOWN0000000000001 on the manager"


async def test_migration_names_the_quarantines_that_are_missing_here_and_passes_once_they_are_made(make: Make) -> None:
    desk = await make()
    reception = desk.manager.reception
    asker = Asker(desk.peer(), "1", clock_differs=False, members=(), listening=True)

    def migration(asker: Asker) -> tuple[str, str]:
        return next(found[1:] for found in reception.checks(asker) if found[0] == "migration")

    desk.decided(desk.offer(QuarantineWish("Law", "policy", ("x",))))
    assert migration(asker) == (
        "NO",
        'Make the quarantine "Law" on the manager: mail held for it goes to Unclassified',
    )
    another = replace(asker, peer=replace(desk.peer(), serial="564DAAAA00000000GW09"))
    assert migration(another) == ("YES", ""), "it has held no such mail"
    for name in ("M" * 100, "N", "O"):
        desk.decided(desk.offer(QuarantineWish(name, "policy", ("x",))))
    answer, cure = migration(asker)
    assert cure.startswith('Make the quarantine "Law", "' + "M" * 64 + '", "N", ... on') and answer == "NO"
    for known in ("Law", "M" * 100, "N", "O"):
        made = replace(reception.quarantines["Policy"], name=known)
        await desk.node.store.submit(PutQuarantine(made, ()))
    reception.refresh()
    assert migration(asker) == ("YES", "")


async def test_a_member_that_is_locked_or_withdrawn_is_missing(make: Make) -> None:
    desk = await make()
    asker = Asker(desk.peer(), "1", clock_differs=False, members=(desk.peer().serial,), listening=True)
    for fields in ({"locked": "cloned"}, {"locked": "", "withdrawn": True}):
        await desk.node.store.submit(PutPeer(replace(desk.peer(), **fields), ()))
        assert desk.manager.reception.checks(asker)[-1][:2] == ("members", "NO")


async def test_a_hostile_subject_is_kept_as_text_and_a_long_header_costs_little(make: Make) -> None:
    desk = await make()
    octets = b"Subject: =?utf-8?q?a=0D=0Ab?=\r\nX-Long: " + b"y" * 300_000 + b"\r\n\r\n" + MESSAGE
    move = desk.decided(desk.offer(octets=octets))
    assert isinstance(move, Receive)
    assert "a" in move.copy.subject
