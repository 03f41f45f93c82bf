"""deleterecipients and bouncerecipients ask first, act on what they may, and name the rest with the cure."""

import json
from dataclasses import replace

from pratique.console.commands.parts import NoQueues
from pratique.runner.giving_up import Ended
from tests.console.verbs.queue_world import OPERATOR, World
from tests.console.verbs.test_recipients import gateway, manager


async def test_the_dialogue_is_that_of_the_reference_system() -> None:
    world = await gateway()
    world.queues.result = Ended({4})
    status, talk = await world.run("deleterecipients", "1", "fast.example", "y")
    assert (status, talk.complaints) == (0, [])
    assert talk.asked[1] == "Please enter the hostname for the messages you wish to delete.\n[]>"
    assert talk.asked[2] == 'Are you sure you want to delete all messages being delivered to "fast.example"? [N]>'
    assert talk.said == ["Deleting messages, please wait.", "1 messages deleted."]
    assert world.queues.ended == [("fast.example", None, "admin", False)]


async def test_without_a_yes_nothing_happens() -> None:
    world = await gateway()
    assert await world.said("deleterecipients", "3", "") == "No messages deleted."
    assert await world.said("bouncerecipients all no") == "No messages bounced."
    assert "give the answer with the command: deleterecipients {host" in await world.refused("deleterecipients all")
    assert world.queues.ended == []


async def test_of_the_way_to_the_manager_each_message_is_asked_for() -> None:
    world = await gateway()
    offered = "it was offered to the manager"
    world.queues.why = {2: offered}
    status, talk = await world.run("deleterecipients host the.cpq.host yes")
    assert status == 1
    assert talk.text.endswith("2 messages deleted.")
    assert talk.complaints == [f"MID 2: not deleted: {offered}"]
    assert world.queues.ended == [(1, "admin", False), (2, "admin", False), (3, "admin", False)]


async def test_all_and_by_sender_end_both_queues() -> None:
    world = await gateway()
    world.queues.result = Ended({4}, {5: "it is being sent"})
    status, talk = await world.run("bouncerecipients all yes --json")
    assert status == 1
    assert json.loads(talk.text) == {"messages": 4, "refused": [{"why": "it is being sent", "mids": [5]}]}
    assert world.queues.ended == [("", None, "admin", True), (1, "admin", True), (2, "admin", True), (3, "admin", True)]
    world.queues.ended.clear()
    await world.run("bouncerecipients sender carol@example.org yes")
    assert world.queues.ended == [("", frozenset({4}), "admin", True)]


async def test_who_may_not_see_a_quarantine_asks_for_none_of_its_messages() -> None:
    world = await manager()
    await world.run("deleterecipients all yes", person=OPERATOR)
    assert world.queues.ended == [("", None, "olga", False), (1, "olga", False)]


async def test_an_appliance_that_does_not_run_says_so() -> None:
    world = World("gateway")
    world.desk = replace(world.desk, queues=NoQueues())
    assert "does not run; start it first" in await world.refused("deleterecipients host a.example yes")
    assert "tried when it starts" in await world.refused("delivernow all")


async def test_many_refusals_are_named_in_one_line_each() -> None:
    world = await gateway()
    world.queues.result = Ended(set(), dict.fromkeys(range(10, 510), "busy"))
    _, talk = await world.run("deleterecipients host fast.example yes")
    (complaint,) = talk.complaints
    assert complaint.startswith("MID 10, 11, ") and complaint.endswith(" and 300 more: not deleted: busy")
