"""/xml/status as a monitor of the reference system reads it, who may, and names that need escaping."""

from dataclasses import replace
from xml.etree import ElementTree

import httpx
import pytest

from pratique.console.access.roles import ROLES as PERMISSIONS
from pratique.console.access.roles import Permission
from pratique.console.commands.parts import Load, Machine
from pratique.console.rest.app import make_app
from pratique.console.rest.xml_status import RATES
from tests.console import rest_world
from tests.console.rest_world import RestWorld, basic, holds
from tests.console.verbs.queue_world import SetMeters, SetQueues
from tests.console.verbs.test_machine import LOAD, SetMachine


async def asked(
    rest: RestWorld,
    user: str = "administrator",
    *,
    name: str = "sma.example",
    machine: Machine | None = None,
    path: str = "/xml/status",
) -> httpx.Response:
    meters = SetMeters()
    meters.values = {"received": 5.0, "bounced": 1.0, "bounced_dns": 1.0, "delivered": 2.0}
    desk = replace(rest.desk, name=name, meters=meters, queues=SetQueues(), machine=machine)
    transport = httpx.ASGITransport(app=make_app(desk, rest.signin, fault=rest.faults.append))
    async with httpx.AsyncClient(transport=transport, base_url="https://sma.example:8443") as client:
        headers = {"Authorization": basic(user)} if user else {}
        return await client.get(path, headers=headers)


async def test_a_monitor_reads_its_numbers(rest: RestWorld) -> None:
    copy = await rest.held(**holds("Policy"))
    answer = await asked(rest)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    root = ElementTree.fromstring(answer.text)
    assert (root.tag, root.get("hostname"), root.get("build")) == ("status", "sma.example", "0.1.0")
    counters = {c.get("name"): c.get("lifetime") for c in root.iter("counter")}
    assert [counters[n] for n in ("inj_msgs", "completed_recips", "dns_hard_bounced_recips")] == ["5", "3", "1"]
    rates = {r.get("name"): r.get("last_15_min") for r in root.iter("rate")}
    assert list(rates) == [*RATES]
    gauges = {g.get("name"): g.get("current") for g in root.iter("gauge")}
    assert (gauges["conn_in"], gauges["conn_out"]) == ("3", "2")
    assert (gauges["msgs_in_quarantine"], gauges["resource_conservation"]) == ("1", "0")
    assert gauges["msgs_in_policy_virus_outbreak_quarantine"] == "1"
    assert gauges["kbytes_in_policy_virus_outbreak_quarantine"] == str(copy.extent.length // 1_024)
    ids = root.find("current_ids")
    assert ids is not None and ids.attrib == {"message_id": "41", "injection_conn_id": "7", "delivery_conn_id": "9"}
    system, reset = root.find("system"), root.find("last_counter_reset")
    assert system is not None and system.get("status") == "online"
    assert reset is not None and reset.get("timestamp") == ""  # never


@pytest.mark.parametrize("role", rest_world.ROLES)
async def test_whoever_may_see_the_state_may_ask(rest: RestWorld, role: str) -> None:
    answer = await asked(rest, role)
    assert answer.status_code == (200 if Permission.STATUS in PERMISSIONS.get(role, frozenset()) else 403)


async def test_a_stranger_learns_nothing(rest: RestWorld) -> None:
    answer = await asked(rest, "")
    assert answer.status_code == 401 and "<status" not in answer.text


async def test_a_name_is_escaped(rest: RestWorld) -> None:
    answer = await asked(rest, name='<a "b" & c>')
    assert ElementTree.fromstring(answer.text).get("hostname") == '<a "b" & c>'


class BrokenMachine(SetMachine):
    def load(self) -> Load:
        raise OSError("the disk is gone")


async def test_a_machine_that_cannot_be_measured_takes_no_other_figure_away(rest: RestWorld) -> None:
    answer = await asked(rest, machine=BrokenMachine())
    gauges = {g.get("name") for g in ElementTree.fromstring(answer.text).iter("gauge")}
    assert "conn_in" in gauges and "cpu_utilization" not in gauges
    names = await asked(rest, machine=BrokenMachine(), path="/xml/dnsstatus")
    assert names.status_code == 200 and list(ElementTree.fromstring(names.text).iter("counter")) == []


@pytest.mark.parametrize(
    ("octets", "shown"),
    [(388 << 30, "388G"), (72 << 30, "072G"), ((1 << 30) - 1, "1023M"), (900 << 20, "900M"), (5, "000M")],
)
async def test_the_room_of_the_log_is_a_number_and_a_unit(rest: RestWorld, octets: int, shown: str) -> None:
    class Roomy(SetMachine):
        def load(self) -> Load:
            return replace(LOAD, log_free=octets)

    answer = await asked(rest, machine=Roomy())
    assert f'<gauge name="log_available" current="{shown}"/>' in answer.text
