"""quarantineconfig shows and changes the quarantines of a manager, by words and in a dialogue."""

import json

from tests.console.verbs.queue_world import OPERATOR, World


async def manager() -> World:
    world = World("manager")
    await world.said("quarantineconfig new Policy 10d delete")
    await world.said("quarantineconfig new Secret 12h release")
    return world


async def test_the_list_shows_what_a_person_may_see() -> None:
    world = await manager()
    text = await world.said("quarantineconfig list")
    assert text.split("\n")[:2] == [
        "Currently configured quarantines:",
        "  #  Quarantine Name           Kilobytes  Messages   Retention  Policy",
    ]
    assert "  1  Policy                            0         0         10d  Delete" in text
    assert "  2  Secret                            0         0         12h  Release" in text
    assert [row["name"] for row in json.loads(await world.said("quarantineconfig --json", person=OPERATOR))] == [
        "Policy"
    ], "of the other there is no trace"


async def test_a_quarantine_is_made_changed_and_deleted_in_a_dialogue() -> None:
    world = World("manager")
    _, talk = await world.run("quarantineconfig", "new", "Law", "30d", "release")
    assert talk.said[-1] == "Law has been created."
    assert "Choose the operation you want to perform:" in talk.asked[0]
    _, talk = await world.run("quarantineconfig", "edit", "1", "", "delete")
    assert talk.said[-1] == "Law has been changed." and "[30d]>" in talk.asked[2]
    (row,) = json.loads(await world.said("quarantineconfig --json"))
    assert (row["retention_s"], row["default_action"]) == (30 * 86_400, "delete")
    _, talk = await world.run("quarantineconfig", "delete", "law", "")
    assert talk.said[-1] == "Law was not deleted."
    assert "Law has been deleted" in await world.said("quarantineconfig delete Law yes")
    assert json.loads(await world.said("quarantineconfig list --json")) == []
    actions = [row[:2] for row in world.audited()]
    assert actions == [("admin", f"{do}-quarantine") for do in ("create", "change", "drop")]


async def test_what_is_wrong_changes_nothing_and_says_what_is_right() -> None:
    world = await manager()
    assert "as in 10d" in await world.refused("quarantineconfig new Law tomorrow delete")
    assert "release or delete" in await world.refused("quarantineconfig new Law 1d keep")
    assert "exists" in await world.refused("quarantineconfig new policy 1d delete")
    assert "no user nobody" in await world.refused("quarantineconfig edit Policy 1d delete nobody")
    assert "'Nowhere'" in await world.refused("quarantineconfig delete Nowhere yes")
    assert "may not do this" in await world.refused("quarantineconfig new Law 1d delete", person=OPERATOR)
    assert "LIST, NEW" in await world.refused("quarantineconfig burn")
    assert len(json.loads(await world.said("quarantineconfig --json"))) == 2


async def test_a_gateway_has_none_yet() -> None:
    assert "Unknown command" in await World("gateway").refused("quarantineconfig")
    assert "quarantineconfig" not in await World("gateway").said("help")
