"""showrecipients shows what waits, message by message, on both roles; and nobody sees what is not his to see."""

import json

import pytest

from pratique.console.commands import recipients
from pratique.mail.envelope import Envelope, Recipient
from pratique.store.moves import Acknowledged, Outcome, Settle, TransfersAnswered, TransferStuck
from tests.conformance.samples import GATEWAY, MANAGER, NOW, OTHER_GATEWAY, delivery, hold
from tests.console.verbs.queue_world import OPERATOR, World


async def gateway() -> World:
    """MID 1 waits to be offered, 2 was offered, 3 is ours again, 4 is ordinary mail for two recipients."""
    world = World("gateway")
    await world.samples.enrolled(MANAGER, role="manager")
    two = Envelope("alice@example.org", (Recipient("bob@example.com"), Recipient("eve@example.com")))
    await world.samples.accepted("Q", envelope=two)
    offered = await world.samples.accepted("X", envelope=Envelope("", (Recipient("bob@example.com"),)))
    await world.store.submit(TransferStuck(offered.cid, 1, "452 4.3.1 XQFULL", False, ()))
    refused = await world.samples.accepted("X")
    answer = Acknowledged(refused.cid, 1, "CANC", 1, 1)
    await world.store.submit(TransfersAnswered((answer,), "gateway"))
    both = (delivery(0, "bob@slow.example"), delivery(1, "eve@fast.example"))
    waits = await world.samples.accepted(deliveries=both, envelope=Envelope("carol@example.org", two.recipients))
    await world.store.submit(Settle(waits.mid, (Outcome(0, "DUE", "451 4.3.0 later", NOW + 300_000),), ()))
    return world


async def test_the_way_to_the_manager_shows_how_far_each_hand_over_came() -> None:
    world = await gateway()
    assert (
        await world.said("showrecipients host the.cpq.host")
        == """\

Showing messages, please wait.

MID/       Bytes/  Sender/                Subject
[RID]      [Atmps] Recipient
1          62      alice@example.org      Offer
[0]        [0]     bob@example.com
[1]        [0]     eve@example.com
                   mg07.example.net: not offered yet
2          62      <>                     Offer
[0]        [1]     bob@example.com
                   mg07.example.net: offered, no verdict yet: 452 4.3.1 XQFULL
3          62      alice@example.org      Offer
[0]        [0]     bob@example.com
                   mg07.example.net: refused for good by the manager, ours again, waits for a person"""
    )


async def test_an_ordinary_host_shows_its_own_recipients_with_the_last_answer() -> None:
    world = await gateway()
    assert (await world.said("showrecipients host Slow.example")).endswith("""\
[RID]      [Atmps] Recipient
4          62      carol@example.org      Offer
[0]        [1]     bob@slow.example
                   451 4.3.0 later; next attempt Tue Nov 24 03:18:20 2026 GMT""")
    assert "No messages." in await world.said("showrecipients host idle.example")


async def test_by_sender_and_all_go_over_both_queues() -> None:
    world = await gateway()

    async def mids(line: str) -> list[int]:
        return [message["mid"] for message in json.loads(await world.said(f"{line} --json"))["messages"]]

    assert await mids("showrecipients all") == [1, 2, 3, 4]
    assert await mids("showrecipients sender ALICE@example.org") == [1, 3]
    assert await mids("showrecipients sender '<>'") == [2]
    assert await mids("showrecipients carol@example.org") == [4]


async def test_the_dialogue_asks_for_what_was_not_said() -> None:
    world = await gateway()
    assert "carol@example.org" in await world.said("showrecipients", "1", "fast.example")
    assert "carol@example.org" in await world.said("showrecipients", "2", "carol@example.org")
    assert "carol@example.org" in await world.said("showrecipients 3")
    status, talk = await world.run("showrecipients")
    assert status == 2
    assert "showrecipients {host HOST | sender ADDRESS | all}" in talk.complaints[0]


async def manager() -> World:
    """MID 1 was released from Policy and 2 from Secret, to two gateways."""
    world = World("manager")
    await world.samples.enrolled()
    await world.samples.enrolled(OTHER_GATEWAY)
    for name, serial in (("Policy", GATEWAY), ("Secret", OTHER_GATEWAY)):
        await world.samples.opened(name)
        copy = await world.samples.accepted("HELD", holds=(hold(name),), subject=f"of {name}")
        transfer = world.samples.transfer(copy.cid, 2, peer=serial)
        await world.store.submit(world.samples.exit_hold(copy.mid, "RELEASED", quarantine=name, transfer=transfer))
    return world


async def test_the_way_back_names_the_gateway_of_each_release() -> None:
    world = await manager()
    text = await world.said("showrecipients host the.cpq.release.host")
    assert "gw01.example.net: offered, no verdict yet" in text
    assert "gw02.example.net: offered, no verdict yet" in text


async def test_who_may_not_see_a_quarantine_sees_none_of_its_messages_on_their_way() -> None:
    world = await manager()
    found = json.loads(await world.said("showrecipients all --json", person=OPERATOR))["messages"]
    assert [message["subject"] for message in found] == ["of Policy"]


async def test_what_came_from_mail_cannot_steer_a_terminal() -> None:
    world = World("gateway")
    envelope = Envelope("a\x1b[2J@example.org", (Recipient("b\x9b@example.com"),))
    to = (delivery(0, "b\x9b@h.example"),)
    await world.samples.accepted(subject="\x1b]0;owned\x07\r\n250 ok", envelope=envelope, deliveries=to)
    text = await world.said("showrecipients all")
    assert not any(control in text for control in ("\x1b", "\x9b", "\x07", "\r"))


async def test_a_long_listing_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipients, "LISTED_MAX", 3)
    monkeypatch.setattr(recipients, "PAGE_ROWS", 2)
    world = World("gateway")
    for _ in range(5):
        await world.samples.accepted(deliveries=tuple(delivery(n, f"r{n}@h.example") for n in range(3)))
    monkeypatch.setattr(recipients, "RECIPIENTS_LISTED_MAX", 2)
    text = await world.said("showrecipients host h.example")
    assert text.count("and 1 more recipients") == 3
    monkeypatch.setattr(recipients, "RECIPIENTS_LISTED_MAX", 100)
    assert "3 messages shown; there are more." in text
    monkeypatch.setattr(recipients, "LISTED_MAX", 1000)
    found = json.loads(await world.said("showrecipients host h.example --json"))
    assert [(m["mid"], len(m["recipients"])) for m in found["messages"]] == [(n, 3) for n in range(1, 6)]
    assert found["complete"]
    monkeypatch.setattr(recipients, "SCANNED_MAX", 4)
    assert not json.loads(await world.said("showrecipients host h.example --json"))["complete"]
