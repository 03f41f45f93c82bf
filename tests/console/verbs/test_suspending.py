"""Suspend and resume: kept in the store first, applied, waited for; in the shapes of the reference system."""

import json
from dataclasses import replace

from pratique.console.commands.parts import NoQueues
from pratique.console.commands.status import health
from pratique.runner.suspension import Suspension, suspended
from tests.console.verbs.queue_world import ADMIN, World

ALL = ("InboundMail", "OutboundMail", "cpq_listener")


async def test_suspend_stops_receiving_and_delivery() -> None:
    world = World("gateway")
    status, talk = await world.run("suspend", "")
    assert (status, talk.complaints) == (0, [])
    assert talk.asked == ["Enter the number of seconds to wait before abruptly closing connections.\n[30]>"]
    assert (
        talk.text
        == """\
Waiting for listeners to exit...
Receiving suspended for InboundMail, OutboundMail, cpq_listener.
Waiting for outgoing deliveries to finish...
Mail delivery suspended."""
    )
    assert world.queues.applied == [Suspension(ALL), Suspension(ALL, delivery=True)]
    assert world.queues.waited == [(30, True), (30, False)]
    assert suspended(world.store.view) == Suspension(ALL, delivery=True)
    assert [(actor, action) for actor, action, *_ in world.audited()] == [
        ("admin", "suspend-listeners"),
        ("admin", "suspend-delivery"),
    ]
    assert await world.said("resume") == (
        "Receiving resumed for InboundMail, OutboundMail, cpq_listener.\nMail delivery resumed."
    )
    assert suspended(world.store.view) == Suspension()
    assert world.queues.applied[-1] == Suspension()


async def test_listeners_are_chosen_by_name_or_number() -> None:
    world = World("gateway")
    _, talk = await world.run("suspendlistener", "2, cpq_listener", "5")
    assert (
        talk.asked[0]
        == """\
Choose the listener(s) you wish to suspend.
Separate multiple entries with commas.
1. All
2. InboundMail
3. OutboundMail
4. cpq_listener
[1]>"""
    )
    assert talk.said == ["Waiting for listeners to exit...", "Receiving suspended for InboundMail, cpq_listener."]
    assert world.queues.waited == [(5, True)]
    assert await world.said("suspendlistener outboundmail 0")
    assert suspended(world.store.view).listeners == ALL
    assert await world.said("resumelistener inboundmail") == "Receiving resumed for InboundMail."
    assert suspended(world.store.view).listeners == ("OutboundMail", "cpq_listener")
    assert await world.said("resumelistener all")
    assert suspended(world.store.view) == Suspension()


async def test_what_cannot_be_meant_changes_nothing() -> None:
    world = World("gateway")
    assert "'Other' is no listener; there are: InboundMail" in await world.refused_after("suspendlistener Other 1")
    assert "'9' is no listener" in await world.refused_after("suspendlistener 9 1")
    assert "the seconds must be a number" in await world.refused_after("suspenddel soon")
    assert "give the answer with the command" in await world.refused_after("suspendlistener")
    assert "Unknown command: 'suspendtransfers'" in await world.refused_after("suspendtransfers")
    assert (world.queues.applied, world.audited()) == ([], [])


async def test_delivery_alone() -> None:
    world = World("gateway")
    assert await world.said("suspenddel") == "Waiting for outgoing deliveries to finish...\nMail delivery suspended."
    assert world.queues.waited == [(30, False)]
    assert await world.said("resumedel") == "Mail delivery resumed."
    assert world.queues.applied == [Suspension(delivery=True), Suspension()]


async def test_a_manager_suspends_transfers_and_names_the_quarantine_port() -> None:
    world = World("manager")
    assert await world.said("suspendtransfers 3") == "Waiting for transfers to finish...\nTransfers suspended."
    assert suspended(world.store.view) == Suspension(transfers=True)
    assert await world.said("suspend 0")
    assert await world.said("resume") == "Receiving resumed for cpq_listener.\nMail delivery resumed."
    assert suspended(world.store.view) == Suspension(transfers=True)
    assert await world.said("resumetransfers") == "Transfers resumed."
    assert suspended(world.store.view) == Suspension()


async def test_an_appliance_that_does_not_run_is_not_suspended() -> None:
    world = World("gateway")
    world.desk = replace(world.desk, queues=NoQueues())
    for line in ("suspend 1", "resume", "suspenddel 1", "resumedel", "resumelistener all"):
        assert "does not run" in await world.refused_after(line)
    assert world.audited() == []


async def test_a_monitor_hears_of_it() -> None:
    world = World("gateway")
    assert (await health(world.desk, ADMIN)).status == "ok"
    await world.store.submit(Suspension(("InboundMail",), True, False, "olga").put(()))
    found = await health(world.desk, ADMIN)
    assert found.status == "degraded"
    assert found.reasons == (
        "an operator has suspended receiving at InboundMail",
        "an operator has suspended delivery",
        "an operator has suspended the work queue",
    )


async def test_the_record_names_the_listeners() -> None:
    world = World("gateway")
    await world.said("suspendlistener InboundMail 1")
    ((*_, detail),) = world.audited()
    assert json.loads(detail) == {"listeners": ["InboundMail"]}
