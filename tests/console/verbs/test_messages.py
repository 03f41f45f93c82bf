"""One message by its MID: shown without steering the terminal, ended where that is safe, saved whole."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pratique.console.commands import messages
from pratique.front.archive import FileArchive
from pratique.runner.giving_up import Ended
from pratique.store.moves import LetGo, Outcome, Settle
from tests.conformance.samples import MANAGER, NOW, delivery, hold
from tests.console.verbs.queue_world import OPERATOR, World

OCTETS = b"From: a@b.example\r\nSubject: \x1b[2J offer\r\n\r\nHello.\r\nFrom here on.\r\n"


async def gateway(custody: str = "ACTIVE", **fields: Any) -> World:
    world = World("gateway")
    await world.samples.enrolled(MANAGER, role="manager")
    await world.samples.accepted(custody, body=world.samples.body(OCTETS), at=NOW - 3_935_000, **fields)
    return world


async def test_a_message_is_shown_with_its_state_and_its_octets_escaped() -> None:
    world = await gateway()
    assert (
        await world.said("showmessage 1")
        == """\
MID 1: 1 hour 5 mins 35 secs old
in the delivery queue

From: a@b.example
Subject: \\x1b[2J offer

Hello.
From here on.
"""
    )
    assert world.audited()[-1][:3] == ("admin", "view", 1)
    data = json.loads(await world.said("showmessage 1 --json"))
    assert (data["state"], data["whole"], data["bytes"]) == ("ACTIVE", True, len(OCTETS))


async def test_a_long_message_ends_and_says_where_the_rest_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "SHOWN_BYTES", 50)
    world = await gateway()
    assert (await world.said("showmessage 1")).endswith("has 65 bytes. archivemessage saves all of it)")


async def test_what_is_not_there_is_refused() -> None:
    world = await gateway()
    assert "there is no MID 7 here" in await world.refused("showmessage 7")
    assert "a MID is a number" in await world.refused("showmessage 1x")
    assert "a MID is a number" in await world.refused(f"showmessage {'9' * 30}")
    await world.store.submit(Settle(1, (Outcome(0, "DELIVERED", ""),), ()))
    await world.store.submit(LetGo((1,)))
    assert "The body has been let go." in await world.said("showmessage 1")
    assert "has been let go" in await with_archive(world).refused("archivemessage 1")


async def test_removing_shows_the_message_and_asks() -> None:
    world = await gateway()
    world.queues.result = Ended({1})
    status, talk = await world.run("removemessage 1", "y")
    assert (status, talk.asked) == (0, ["Remove this message? [N]>"])
    assert talk.said[0].startswith("MID 1: 1 hour 5 mins 35 secs old") and "Hello." not in talk.text
    assert talk.said[-1] == "MID 1 has been removed."
    assert world.queues.ended == [("", frozenset({1}), "admin", False)]
    assert (await world.said("removemessage 1", "")).endswith("MID 1 was not removed.")


async def test_removing_what_waits_for_the_manager_or_cannot_be_removed() -> None:
    world = await gateway("Q")
    assert await world.said("removemessage 1 yes") == "MID 1 has been removed."
    assert world.queues.ended == [(1, "admin", False)]
    world.queues.why = {1: "it was offered"}
    assert "MID 1 was not removed: it was offered" in await world.refused("removemessage 1 yes")
    assert "is being judged" in await (await gateway("RECEIVED")).refused("removemessage 1 yes")
    busy = await gateway()
    busy.queues.result = Ended(set(), {1: "it is being sent"})
    assert "it is being sent" in await busy.refused("removemessage 1 yes")
    held = World("manager")
    await held.samples.accepted("HELD")
    assert "delete it in its quarantine" in await held.refused("removemessage 1 yes")


async def test_the_oldest_is_of_ordinary_mail_if_there_is_any() -> None:
    world = World("gateway")
    await world.samples.enrolled(MANAGER, role="manager")
    assert await world.said("oldmessage") == "No messages."
    assert await world.said("oldmessage --json") == "null"
    await world.samples.accepted("Q", at=NOW - 1_000)
    assert (await world.said("oldmessage")).startswith("MID 1: 1 sec old\nwaits for the manager, not offered yet")
    await world.samples.accepted(at=NOW - 62_000, deliveries=(delivery(),))
    assert (await world.said("oldmessage")).startswith("MID 2: 1 min 2 secs old\nin the delivery queue")


def with_archive(world: World, directory: Path = Path("nowhere")) -> World:
    world.desk = replace(world.desk, archive=FileArchive(directory))
    return world


async def test_a_message_is_saved_whole_once_and_on_record(tmp_path: Path) -> None:
    world = with_archive(await gateway(), tmp_path)
    folder = tmp_path / "archive"
    said = await world.said("archivemessage 1")
    assert said == f"MID 1 has been saved in file oldmessage_1.mbox in the directory {folder}"
    octets = (folder / "oldmessage_1.mbox").read_bytes()
    assert octets.startswith(b"From alice@example.org ") and b"\n>From here on.\n" in octets
    assert (folder / "oldmessage_1.mbox").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert world.audited()[-1][:3] == ("admin", "archive", 1)
    assert "is there already" in await world.refused("archivemessage 1")
    assert [path.name for path in folder.iterdir()] == ["oldmessage_1.mbox"]


async def test_what_is_not_what_was_accepted_is_not_saved(tmp_path: Path) -> None:
    world = with_archive(World("gateway"), tmp_path)
    await world.samples.accepted(body=replace(world.samples.body(OCTETS), sha256="ab" * 32))
    assert "not what was accepted" in await world.refused("archivemessage 1")
    assert list((tmp_path / "archive").iterdir()) == []


async def test_on_a_manager_messages_of_other_quarantines_are_not_there() -> None:
    world = World("manager")
    for name in ("Policy", "Secret"):
        await world.samples.opened(name)
        await world.samples.accepted("HELD", holds=(hold(name),))
    assert "held in quarantine" in await world.said("showmessage 1", person=OPERATOR)
    assert "there is no MID 2 here" in await world.refused("showmessage 2", person=OPERATOR)
