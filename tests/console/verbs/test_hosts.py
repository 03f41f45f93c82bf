"""tophosts, hoststatus and delivernow say what an operator asks of a destination, the quarantine's own two included."""

import json
from dataclasses import replace
from typing import Any

from pratique.console.commands.parts import HostCounts, LinkState
from pratique.gateway.whereto import Address, Whereto
from pratique.net.resolver import Exchanger
from pratique.store.moves import Outcome, Settle, TransferStuck
from tests.conformance.samples import GATEWAY, MANAGER, NOW, OTHER_GATEWAY, delivery
from tests.console.verbs.queue_world import OPERATOR, World

UP = HostCounts(delivered=182_000, soft_bounced=38_548, dns=7, refused=13_980)


def link(destination: str, serial: str = "", **fields: Any) -> LinkState:
    base: dict[str, Any] = {"peer": f"{serial[-4:].lower()}.example.net" if serial else "", "up": True}
    base |= {"last_error": "", "next_attempt_ms": 0, "waiting": 0} | fields
    return LinkState(destination, base.pop("peer"), serial, base.pop("up"), **base)


async def gateway() -> World:
    """Its manager is down: one transfer waits, one was offered, one is stuck; mail waits for one host."""
    world = World("gateway")
    await world.samples.enrolled(MANAGER, role="manager")
    await world.samples.accepted("Q")
    await world.samples.accepted("X")
    stuck = await world.samples.accepted("X")
    await world.store.submit(TransferStuck(stuck.cid, 1, "CORRUPT: the disk", True, ()))
    due = (delivery(0, "bob@slow.example"), delivery(1, "eve@slow.example"))
    waits = await world.samples.accepted(deliveries=due)
    await world.store.submit(Settle(waits.mid, (Outcome(0, "DUE", "451 4.3.0 later", NOW + 300_000),), ()))
    refused = "[Errno 111] Connect call failed ('192.0.2.7', 7025)"
    tried = {"next_attempt_ms": NOW + 60_000, "active_ms": NOW - 5_000, "address": "192.0.2.7:7025"}
    answers = {"last_error": "451 4.3.0 later", "last_5xx": "550 5.1.1 no"}
    world.acts.known = [
        link("the.cpq.host", MANAGER, up=False, last_error=refused, **tried),
        link("slow.example", connections=2, counts=UP, active_ms=NOW, **answers),
        link("idle.example"),
    ]
    return world


async def test_tophosts_shows_the_way_to_the_manager_among_the_hosts() -> None:
    world = await gateway()
    assert (
        await world.said("tophosts active_rcpts")
        == """\
Status as of:                   Tue Nov 24 03:13:20 2026 GMT
Hosts marked with '*' were down as of the last delivery attempt.

                                      Active  Conn.   Deliv.     Soft     Hard
#    Recipient Host                   Recip.    Out   Recip.  Bounced  Bounced

1*   the.cpq.host                          3      0        0        0        0
2    slow.example                          2      2  182,000   38,548   13,987
3    idle.example                          0      0        0        0        0"""
    )


async def test_tophosts_sorts_by_the_column_that_is_named_asked_for_or_taken_when_nobody_answers() -> None:
    world = await gateway()
    first = "1    slow.example"
    for line in ("tophosts conn_out", "tophosts deliv_rcpts", "tophosts soft_bounced", "tophosts hard_bounced"):
        assert first in await world.said(line)
    assert first in await world.said("tophosts", "3")
    assert first in await world.said("tophosts 2")
    assert "1*   the.cpq.host" in await world.said("tophosts", "")
    assert "1*   the.cpq.host" in await world.said("tophosts")
    assert "sort by one of active_rcpts" in await world.refused("tophosts size")


async def test_tophosts_as_json_has_numbers_to_reckon_with() -> None:
    world = await gateway()
    data = json.loads(await world.said("tophosts --json"))
    assert [(row["host"], row["up"], row["active_rcpts"]) for row in data["hosts"]] == [
        ("the.cpq.host", False, 3),
        ("slow.example", True, 2),
        ("idle.example", True, 0),
    ]
    assert data["hosts"][1]["hard_bounced"] == 13_987


async def test_hoststatus_names_the_last_error_and_the_next_attempt_of_the_way_to_the_manager() -> None:
    world = await gateway()
    assert (
        await world.said("hoststatus the.cpq.host")
        == """\
Host mail status for: 'the.cpq.host'
Status as of:         Tue Nov 24 03:13:20 2026 GMT
Host up/down:         down
Appliance:            mg07.example.net (564DAAAA00000000MG07)

Counters:
  Queue
    Soft Bounced Events                     0
  Completion
    Completed Recipients                    0
      Hard Bounced Recipients               0
        DNS Hard Bounces                    0
        5XX Hard Bounces                    0
        Expired Hard Bounces                0
        Other Hard Bounces                  0
      Delivered Recipients                  0
      Deleted Recipients                    0

Gauges:
  Queue
    Active Recipients                       2
      Unattempted Recipients                2
      Attempted Recipients                  0
    Messages that need a person             1
  Connections
    Current Outbound Connections            0

Oldest Message        MID 1, 0s old
Last Activity         Tue Nov 24 03:13:15 2026 GMT
Last Address          192.0.2.7:7025
Next Attempt          Tue Nov 24 03:14:20 2026 GMT
Last Error            [Errno 111] Connect call failed ('192.0.2.7', 7025)"""
    )


async def test_hoststatus_says_that_nothing_is_tried_while_delivery_is_suspended() -> None:
    world = await gateway()
    await world.said("suspenddel 0")
    text = await world.said("hoststatus the.cpq.host")
    assert "Next Attempt          None: mail delivery is suspended (resumedel)\n" in text
    assert json.loads(await world.said("hoststatus slow.example --json"))["states"][0]["suspended"]
    assert "`resumedel` first" in await world.refused("delivernow all")
    assert world.queues.woken == []


async def test_hoststatus_of_an_ordinary_host() -> None:
    world = await gateway()
    text = await world.said("hoststatus SLOW.example.")
    assert "Host mail status for: 'slow.example'" in text
    assert "        5XX Hard Bounces               13,980" in text
    lines = text.split("\n")
    assert "      Unattempted Recipients                1" in lines
    assert "      Attempted Recipients                  1" in lines
    assert lines[-6:] == [
        "Next Attempt          Now",
        "Last Error            451 4.3.0 later",
        "Last 5XX Error:",
        "    ----------",
        "    550 5.1.1 no",
        "    ----------",
    ]
    assert "nothing waits for 'unheard.example'" in await world.refused("hoststatus unheard.example")
    assert "here it is the.cpq.host" in await world.refused("hoststatus the.cpq.release.host")


async def test_hoststatus_shows_the_addresses_in_order_and_the_records_that_they_come_from() -> None:
    world, asked = await gateway(), []

    async def whereto(host: str) -> Whereto:
        asked.append(host)
        addresses = (
            Address(10, "192.0.2.7", 25, "mx.slow.example"),
            Address(20, "2001:db8::7", 25, "mx2.slow.example"),
        )
        return Whereto("", (Exchanger(10, "mx.slow.example", 90), Exchanger(20, "mx2\x1b.slow.example", 90)), addresses)

    world.desk = replace(world.desk, whereto=whereto)
    text = await world.said("hoststatus Slow.Example.")
    assert text.split("\n")[-12:-4] == [
        "Ordered IP addresses:",
        "    Preference   IPs",
        "    10           192.0.2.7:25 (mx.slow.example)",
        "    20           [2001:db8::7]:25 (mx2.slow.example)",
        "MX Records:",
        "    Preference   TTL         Hostname",
        "    10           1m 30s      mx.slow.example",
        "    20           1m 30s      mx2\\x1b.slow.example",
    ]
    (state,) = json.loads(await world.said("hoststatus slow.example --json"))["states"]
    assert state["mx"][0] == {"preference": 10, "host": "mx.slow.example", "ttl_s": 90}
    assert state["addresses"][1]["address"] == "2001:db8::7" and state["route"] is None
    await world.said("hoststatus the.cpq.host")
    assert asked == ["slow.example", "slow.example"], "the quarantine's own is no name of the DNS"


async def test_hoststatus_says_why_there_is_no_address_and_names_a_static_route() -> None:
    world = await gateway()
    known = {"slow.example": Whereto("", (), (), "4.4.3 no answer"), "idle.example": Whereto("next.example:26", (), ())}

    async def whereto(host: str) -> Whereto:
        return known[host]

    world.desk = replace(world.desk, whereto=whereto)
    text = await world.said("hoststatus slow.example")
    assert "    None: 4.4.3 no answer\nMX Records:\n" in text
    text = await world.said("hoststatus idle.example")
    assert "SMTP Route            next.example:26\n" in text and "MX Records" not in text


async def test_hoststatus_on_a_manager_has_a_block_for_each_gateway_that_is_enrolled() -> None:
    world = World("manager")
    await world.samples.enrolled()
    await world.samples.enrolled(OTHER_GATEWAY)
    await world.samples.enrolled("WITHDRAWN", withdrawn=True)
    full = "XQSUSPENDED full"
    world.acts.known = [
        link("the.cpq.release.host", GATEWAY, up=False, last_error=full, counts=HostCounts(delivered=4)),
        link("the.cpq.release.host", OTHER_GATEWAY, connections=1, counts=HostCounts(delivered=5)),
    ]
    found = json.loads(await world.said("hoststatus the.cpq.release.host --json"))
    assert [(s["serial"], s["up"], s["last_error"], s["counters"]["delivered"]) for s in found["states"]] == [
        (GATEWAY, False, full, 4),
        (OTHER_GATEWAY, True, "", 5),
    ]
    text = await world.said("hoststatus the.cpq.release.host")
    assert text.count("Host mail status for: 'the.cpq.release.host'") == 2
    table = await world.said("tophosts active_rcpts")
    assert table.endswith("""\
1*   the.cpq.release.host                  0      1        9        0        0

the.cpq.release.host, by appliance:

*    gw01.example.net                      0      0        4        0        0
     gw02.example.net                      0      1        5        0        0""")


async def test_a_stopped_appliance_shows_what_its_store_knows() -> None:
    world = await gateway()
    world.acts.known = []
    table = await world.said("tophosts active_rcpts")
    assert "1    the.cpq.host                          3" in table
    assert "2    slow.example                          2" in table
    assert "Host up/down:         unknown" in await world.said("hoststatus the.cpq.host")


async def test_without_an_enrolment_hoststatus_says_so() -> None:
    assert "no manager is enrolled here" in await World("gateway").refused("hoststatus the.cpq.host")


async def test_names_of_hosts_and_answers_cannot_steer_a_terminal() -> None:
    world = World("gateway")
    world.acts.known = [link("a\x1b[2j.example", last_error="550 \x1b]0;owned\x07")]
    for text in (await world.said("tophosts 1"), await world.said("hoststatus 'a\x1b[2j.example'")):
        assert "\x1b" not in text


async def test_delivernow_wakes_one_destination_or_all_and_is_on_record() -> None:
    world = await gateway()
    assert await world.said("delivernow host the.cpq.host") == (
        "Rescheduling all messages to the.cpq.host for immediate delivery."
    )
    assert await world.said("delivernow slow.example")
    assert await world.said("delivernow all") == "Scheduling all messages for delivery."
    assert await world.said("delivernow", "1", "idle.example")
    assert world.queues.woken == ["the.cpq.host", "slow.example", "", "idle.example"]
    rows = [(actor, json.loads(detail)) for actor, action, _, detail in world.audited() if action == "deliver-now"]
    assert rows[0] == ("admin", {"host": "the.cpq.host"})


async def test_roles_without_the_permission_wake_nothing() -> None:
    world = await gateway()
    reader = OPERATOR.__class__("rita", "read-only-operator", "password")
    assert "may not do this" in await world.refused("delivernow all", person=reader)
    assert "may not do this" in await world.refused("showrecipients all", person=reader)
    assert await world.said("tophosts 1", person=reader)
    assert world.queues.woken == []
