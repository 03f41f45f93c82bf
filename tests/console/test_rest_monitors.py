"""What monitors of the reference system do with /xml/status and /xml/dnsstatus, by the patterns that they publish:
plug-ins that cut the text, agents that walk the document and fail over a name that is missing, templates of paths.
"""

import re
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree

from tests.console.rest_world import RestWorld, holds
from tests.console.test_rest_xml_status import asked
from tests.console.verbs.test_machine import SetMachine

CUT = {  # a plug-in that looks for these, one after the other, attributes in this order and digits alone
    "counter": r'<counter\s+name="([^"]+)"\s+reset="\d+"\s+uptime="\d+"\s+lifetime="(\d+)"',
    "rate": r'<rate\s+name="([^"]+)"\s+last_1_min="\d+"\s+last_5_min="(\d+)"',
    "gauge": r'<gauge\s+name="([^"]+)"\s+current="(\d+)"',
    "feature": r'<feature\s+name="([^"]+)"\s+time_remaining="(\d+)"',
}
GRAPHS = {  # an agent's services: where the first is there, all of them must be
    "processor": (
        *("total_utilization", "cpu_utilization", "case_utilization", "av_utilization"),
        *("reporting_utilization", "quarantine_utilization", "bm_utilization"),
    ),
    "processing": ("conn_in", "conn_out", "dests_in_memory", "msgs_in_quarantine", "msgs_in_work_queue"),
    "recipients": ("active_recips", "attempted_recips", "unattempted_recips"),
    "room": ("kbytes_free", "kbytes_in_quarantine", "kbytes_used"),
    "machine": ("disk_utilization", "ram_utilization", "resource_conservation"),
    "log": ("log_available", "log_used"),
}
LIFETIMES = (
    *("hard_bounced_recips", "5xx_hard_bounced_recips", "dns_hard_bounced_recips", "expired_hard_bounced_recips"),
    *("filter_hard_bounced_recips", "other_hard_bounced_recips", "completed_recips", "deleted_recips"),
    *("global_unsub_hits", "delivered_recips", "inj_msgs", "inj_recips", "gen_bounce_recips", "rejected_recips"),
    *("dropped_msgs", "soft_bounced_evts"),
)
NAMES = ("dns_reqs", "network_reqs", "cache_hits", "cache_misses", "cache_exceptions", "cache_expired")
PER_HOUR = (
    *("inj_msgs", "inj_recips", "soft_bounced_evts"),
    *("completed_recips", "hard_bounced_recips", "delivered_recips"),
)
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}
EXPIRY_WARNING_DAYS = 30


async def page(rest: RestWorld, name: str) -> str:
    answer = await asked(rest, machine=SetMachine(), path=f"/xml/{name}")
    assert answer.status_code == 200, answer.text
    return answer.text


def walked(text: str, group: str, element: str, attribute: str) -> dict[str, str]:
    """As an agent: the first group of that name; of each element in it two attributes, the name without spaces."""
    first: Any = minidom.parseString(text).getElementsByTagName(group)[0]
    return {
        re.sub(r"\s+", "_", one.attributes["name"].value): one.attributes[attribute].value
        for one in first.getElementsByTagName(element)
    }


async def test_a_plug_in_that_cuts_the_text_finds_every_kind(rest: RestWorld) -> None:
    await rest.held(**holds("Policy"))
    text = await page(rest, "status")
    found = {kind: dict(re.findall(pattern, text)) for kind, pattern in CUT.items()}
    assert set(LIFETIMES) == set(found["counter"])
    assert set(PER_HOUR) == set(found["rate"])
    wanted = {name for names in GRAPHS.values() for name in names} - {"log_available"}
    assert wanted <= set(found["gauge"])
    assert (found["gauge"]["msgs_in_quarantine"], found["gauge"]["cpu_utilization"]) == ("1", "3")
    born = re.search(r'birth_time\s+timestamp="(\d{14}) \((\d+)d (\d+)h (\d+)m (\d+)s\)"', text)
    assert born is not None and born.groups() == ("20261124022246", "0", "0", "50", "34")


async def test_no_feature_looks_as_if_it_ended(rest: RestWorld) -> None:
    left = walked(await page(rest, "status"), "features", "feature", "time_remaining")
    assert left
    for seconds in left.values():
        assert int(seconds) // 86_400 > EXPIRY_WARNING_DAYS
        assert int(seconds) < 1 << 31  # a monitor that counts in 32 bits


async def test_an_agent_that_walks_the_document_has_all_names_of_its_graphs(rest: RestWorld) -> None:
    text = await page(rest, "status")
    gauges = walked(text, "gauges", "gauge", "current")
    for names in GRAPHS.values():
        for name in names:
            value = gauges[name]  # it fails over a name that is missing
            if name == "log_available":  # it takes the first three characters and the last
                assert int(value[:3]) * UNITS[value[-1:]] == 72 * 10**9
            else:
                assert int(value) >= 0
    assert (gauges["total_utilization"], gauges["ram_utilization"], gauges["kbytes_used"]) == ("41", "6", "65536")
    counters = walked(text, "counters", "counter", "lifetime")
    assert [counters[name] for name in ("inj_msgs", "delivered_recips", "global_unsub_hits")] == ["5", "2", "0"]
    looked_up = walked(await page(rest, "dnsstatus"), "counters", "counter", "lifetime")
    assert [looked_up[name] for name in NAMES] == ["9", "5", "4", "5", "0", "0"]


async def test_a_check_of_the_bounce_rate_adds_two_rates(rest: RestWorld) -> None:
    rates = walked(await page(rest, "status"), "rates", "rate", "last_5_min")
    assert int(rates["soft_bounced_evts"]) + int(rates["hard_bounced_recips"]) == 0


async def test_a_template_of_paths_finds_each_item(rest: RestWorld) -> None:
    root = ElementTree.fromstring(await page(rest, "status"))
    assert root.tag == "status"
    for name in LIFETIMES:
        assert [e.get("lifetime", "").isdigit() for e in root.findall(f"./counters/counter[@name='{name}']")] == [True]
    for name in PER_HOUR:
        assert [e.get("last_1_min", "").isdigit() for e in root.findall(f"./rates/rate[@name='{name}']")] == [True]
    for name in ("active_recips", "conn_in", "conn_out", "msgs_in_policy_virus_outbreak_quarantine"):
        assert len(root.findall(f"./gauges/gauge[@name='{name}']")) == 1


async def test_a_script_that_cuts_lines_at_quotes_finds_one_line_for_each_gauge(rest: RestWorld) -> None:
    lines = (await page(rest, "status")).splitlines()
    for name, value in (("total_utilization", "41"), ("ram_utilization", "6"), ("conn_in", "3"), ('"attempted', "0")):
        assert [line.split('"')[3] for line in lines if name in line] == [value]
    assert all(line.count("<") == 1 for line in lines)


async def test_a_script_that_answers_to_one_realm_alone_is_challenged_by_it(rest: RestWorld) -> None:
    for name in ("status", "dnsstatus"):
        answer = await asked(rest, "", path=f"/xml/{name}")
        assert answer.headers["www-authenticate"].startswith('Basic realm="IronPort Web Interface"')
    other = await asked(rest, "", path="/metrics")
    assert other.headers["www-authenticate"].startswith('Basic realm="pratique"')
