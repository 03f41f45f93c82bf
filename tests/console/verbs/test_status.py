"""status and its family say how the appliance is, in numbers that a person and a script can read."""

import json
from dataclasses import replace

from pratique.console.commands.parts import Load
from pratique.console.verbs.verb import commands_of, perform
from pratique.runner.supervisor import Component, Life
from pratique.runner.suspension import Suspension
from tests.conformance.samples import MANAGER, NOW, delivery, hold
from tests.console.verbs.queue_world import ADMIN, OPERATOR, Listener, World


async def gateway() -> World:
    world = World("gateway")
    await world.samples.enrolled(MANAGER, role="manager")
    await world.samples.accepted("Q", at=NOW - 90_061_000)
    await world.samples.accepted(deliveries=(delivery(0), delivery(1, "eve@slow.example")), at=NOW - 60_000)
    await world.samples.accepted("RECEIVED")
    world.meters.values = {"received": 1200.0, "recipients": 1500.0, "delivered": 1_000_000.0, "bounced": 3.0}
    world.meters.values |= {"bounced_5xx": 2.0, "bounced_dns": 1.0, "recipients_deleted": 4.0, "transferred": 9.0}
    return world


async def test_status_has_the_head_of_the_reference_system_and_every_counter_three_times() -> None:
    world = await gateway()
    await world.said("resetcounters")
    world.meters.values["delivered"] += 5
    world.store.spool.capacity = 2 << 20
    text = await world.said("status")
    head, _, rest = text.partition("Counters:")
    assert (
        head
        == """\
Enter "status detail" for more information.

Status as of:                  Tue Nov 24 03:13:20 2026 GMT
Up since:                      Tue Nov 24 02:22:46 2026 GMT (50m 34s)
Last counter reset:            Tue Nov 24 03:13:20 2026 GMT
System status:                 Online
Oldest Message:                MID 2, 1m 0s old
Oldest for the.cpq.host:       MID 1, 1d 1h 1m 1s old

"""
    )
    lines = rest.split("\n")
    assert lines[0] == "                                   Reset         Uptime       Lifetime"
    for line in (
        "    Messages Received                           0          1,200          1,200",
        "      Delivered Recipients                      5      1,000,005      1,000,005",
        "      Hard Bounced Recipients                   0              3              3",
        "        5XX Hard Bounces                        0              2              2",
        "    Completed Recipients                        5      1,000,012      1,000,012",
        "    Message ID (MID)                           41",
        "    Current Inbound Conn.                       3",
        "    Active Recipients                           2",
        "      Unattempted Recipients                    2",
        "    For the.cpq.host                            1",
        "    Messages In Work Queue                      1",
    ):
        assert line in lines, line
    assert "Rates" not in text


async def test_status_detail_adds_rates_per_hour() -> None:
    world = await gateway()
    text = await world.said("status detail")
    assert not text.startswith("Enter")
    assert "Rates (Events Per Hour):                 1-Minute      5-Minutes     15-Minutes" in text
    assert "say nothing or detail" in await world.refused("status all")


class Loaded:
    def load(self) -> Load:
        return Load(
            cpu=7, total=31, ram=2, disk=64, log=12, spool_octets=5 << 20, log_free=1, names_asked=0, names_cached=0
        )


async def test_status_detail_shows_what_the_machine_bears() -> None:
    world = await gateway()
    world.desk = replace(world.desk, machine=Loaded())  # type: ignore[arg-type]
    text = await world.said("status detail")
    for line in (
        "    RAM Utilization                            2%\n",
        "    CPU Utilization                            7%\n",
        "      Total                                   31%\n",
        "    Resource Conservation                       0\n",
        "    Kilobytes Used                          5,120\n",
    ):
        assert line in text, text
    assert "RAM" not in await world.said("status")
    assert json.loads(await world.said("status --json"))["load"]["disk"] == 64


async def test_the_status_is_in_the_words_of_the_reference_system_and_names_what_it_hides() -> None:
    world = await gateway()
    await world.store.submit(Suspension(("InboundMail",), True, False, "olga: a bad rule").put(()))
    text = await world.said("status")
    assert "System status:                 Delivery Suspended\n" in text
    assert "Suspended listeners:           InboundMail\n" in text
    assert "Work queue:                    Paused by olga: a bad rule\n" in text
    await world.said("suspend 0")
    data = json.loads(await world.said("status --json"))
    assert data["system_status"] == "Offline"
    assert data["counters"]["recipients_delivered"] == {"reset": 1_000_000, "uptime": 1_000_000, "lifetime": 1_000_000}
    assert data["gauges"]["active_transfers"] == 1


async def test_on_a_manager_a_person_sees_the_quarantines_that_are_his() -> None:
    world = World("manager")
    for name in ("Policy", "Secret"):
        await world.samples.opened(name)
        await world.samples.accepted("HELD", holds=(hold(name),))
    assert "      Secret   " in await world.said("status")
    text = await world.said("status", person=OPERATOR)
    assert "Secret" not in text
    assert "    Messages In Quarantine                      1" in text


async def test_without_a_running_appliance_there_are_no_numbers() -> None:
    world = await gateway()
    world.desk = replace(world.desk, meters=None)
    for line in ("status", "resetcounters", "topin", "rate"):
        assert "does not run" in await world.refused_after(line)


async def test_topin_shows_who_has_the_most_connections() -> None:
    world = await gateway()
    world.meters.connected = {
        ("mx.a.example", "192.0.2.9", "InboundMail"): 2,
        ("b\x1b[2J", "192.0.2.8", "InboundMail"): 7,
    }
    assert (
        await world.said("topin")
        == """\
Status as of:                   Tue Nov 24 03:13:20 2026 GMT

#    Remote hostname               Remote IP addr.   listener            Conn. In

1    b\\x1b[2J                      192.0.2.8         InboundMail                7
2    mx.a.example                  192.0.2.9         InboundMail                2"""
    )
    assert json.loads(await world.said("topin --json"))["clients"][0]["connections"] == 7


async def live(world: World, line: str, pauses: int = 1) -> list[str]:
    talk = Listener(pauses=pauses)
    (words,) = commands_of(line)
    assert await perform(world.desk, ADMIN, words, talk) == 0, talk.complaints
    return talk.text.split("\n")


async def test_rate_goes_on_until_the_listener_leaves() -> None:
    world = await gateway()
    lines = await live(world, "rate 1")
    assert lines[2:4] == [
        "Time      Connections Recipients          Recipients          Queue",
        "            In    Out   Received    Delta  Completed    Delta  Active",
    ]
    assert lines[4:] == ["03:13:20     3      2       1500        0    1000007        0       3"] * 2
    assert "the seconds are a number" in await world.refused("rate soon")
    assert "the seconds are a number" in await world.refused("rate 0")


async def test_live_displays_give_an_object_a_line() -> None:
    world = await gateway()
    rows = [json.loads(line) for line in await live(world, "rate 1 --json")]
    assert [(row["received"], row["received_delta"], row["active"]) for row in rows] == [(1_500, 0, 3)] * 2
    row = json.loads((await live(world, "hostrate the.cpq.host 5 --json"))[0])
    assert (row["status"], row["active"], row["delivered_delta"]) == ("unknown", 1, 0)
    row = json.loads((await live(world, "workqueue rate --json"))[0])
    assert (row["pending"], row["in"], row["out"]) == (1, 0, 0)


async def test_hostrate_shows_one_destination() -> None:
    world = await gateway()
    lines = await live(world, "hostrate the.cpq.host 5")
    assert lines[-1] == "03:13:20  unknown        0        1         0         0         0         0"
    assert len(lines) == 6


async def test_the_work_queue_is_shown_paused_and_resumed() -> None:
    world = await gateway()
    assert await world.said("workqueue") == (
        "Status as of: Tue Nov 24 03:13:20 2026 GMT\nStatus:   Operational\nMessages: 1"
    )
    text = await world.said("workqueue pause 'a bad rule'", person=OPERATOR)
    assert "Status:   Paused by olga: a bad rule" in text
    assert world.queues.applied[-1] == Suspension(work_queue="olga: a bad rule")
    assert "System status:                 Work Queue Paused" in await world.said("status")
    assert "Status:   Operational" in await world.said("workqueue resume")
    assert (await live(world, "workqueue rate"))[-1] == "03:13:20        1     0     0"
    assert "say status, pause, resume or rate" in await world.refused("workqueue stop")
    reader = replace(OPERATOR, role="read-only-operator")
    assert "may not do this" in await world.refused("workqueue pause", person=reader)
    assert "Unknown command" in await World("manager").refused("workqueue")


async def test_the_detail_shows_what_was_started_again() -> None:
    world = World("gateway")
    known = (
        Component("sweeper", Life.RUNNING, NOW),
        Component("SSH", Life.WAITING, NOW, restarts=2, last_error="OSError: in use", again_at=NOW + 1_000),
    )
    world.desk = replace(world.desk, components=lambda: known)
    text = await world.said("status detail")
    assert "Components:" not in await world.said("status")
    assert [line.split() for line in text.split("\n")[-4:]] == [
        ["Components:", "State", "Restarts"],
        ["Running", "1"],
        ["SSH", "waiting", "2"],
        ["OSError:", "in", "use"],
    ]
    rows = json.loads(await world.said("status detail --json"))["components"]
    assert [(row["name"], row["state"], row["restarts"]) for row in rows] == [
        ("sweeper", "running", 0),
        ("SSH", "waiting", 2),
    ]


async def test_workqueue_shows_its_state_asks_what_to_do_and_before_it_pauses() -> None:
    world = World("gateway")
    _, talk = await world.run("workqueue", "pause", "n")
    assert "- PAUSE - Pause the work queue" in talk.asked[0] and "Are you sure" in talk.asked[1]
    assert world.queues.applied == [], "it was not paused"
    _, talk = await world.run("workqueue", "PAUSE", "y", "new engine")
    assert talk.said[-1].split("\n")[1] == "Status:   Paused by admin: new engine"
    assert "Operational" in await world.said("workqueue resume")
    assert (await world.said("workqueue")).count("Status as of: ") == 1, "where nobody answers the state is all"
