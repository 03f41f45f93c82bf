"""What a monitor sees of real processes: /metrics over TLS while a manager stops and mail waits for it."""

import re
from xml.etree import ElementTree

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.world import HOLD_ALL, Appliance, World, message, until


def _scraped(appliance: Appliance) -> dict[str, float]:
    """Samples by name; of those with labels the sum."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(appliance.fetch("GET", "/metrics").decode()):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_a_manager_that_stops_is_seen(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": HOLD_ALL, "web.enabled": "true"})
    world.start()
    gateway, manager = world.gateway, world.manager
    gateway.send("a@partner.example", ["b@demo.example"], message("one"))
    until(lambda: _scraped(manager).get("pratique_quarantine_messages") == 1, what="one message is held")
    until(lambda: _scraped(gateway)["pratique_link_up"] == 1, what="the link is up")
    until(lambda: _scraped(gateway)["pratique_received_total"] == 1, what="counted with the next flush of the log")
    until(lambda: _scraped(manager)["pratique_taken_over_total"] == 1, what="here too")
    both = _scraped(gateway), _scraped(manager)
    assert both[0]["pratique_taken_over_total"] == 0
    assert all(seen["pratique_process_start_time_seconds"] > 1e9 for seen in both)

    assert manager.stop() == 0
    until(lambda: _scraped(gateway)["pratique_link_up"] == 0, what="the link is down")
    gateway.send("a@partner.example", ["b@demo.example"], message("two"))
    until(lambda: _scraped(gateway)["pratique_link_waiting"] == 1, what="the second message waits")
    until(lambda: _scraped(gateway)["pratique_link_oldest_seconds"] > 0, what="and grows older")

    manager.start()
    until(lambda: _scraped(gateway)["pratique_link_waiting"] == 0, seconds=60, what="it is handed over")
    assert _scraped(gateway)["pratique_link_oldest_seconds"] == 0
    assert _scraped(gateway)["pratique_link_up"] == 1


BOUNCE_OR_HOLD = 'no: if (subject == "^no") { bounce(); } hold: if (true) { quarantine("Policy"); }'


def _figures(appliance: Appliance, page: str = "status") -> dict[str, str]:
    """What a monitor of the reference system reads: counters in all, gauges, seconds that features have left."""
    root = ElementTree.fromstring(appliance.fetch("GET", f"/xml/{page}"))
    values = {"counter": "lifetime", "gauge": "current", "feature": "time_remaining"}
    return {one.attrib["name"]: one.attrib[values[one.tag]] for one in root.iter() if one.tag in values}


def test_a_monitor_of_the_reference_system_reads_true_figures(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": BOUNCE_OR_HOLD, "web.enabled": "true"})
    world.start()
    gateway, manager = world.gateway, world.manager
    gateway.send("a@partner.example", ["b@demo.example", "c@demo.example"], message("no"))
    gateway.send("a@partner.example", ["b@demo.example"], message("yes"))
    until(lambda: _figures(gateway)["filter_hard_bounced_recips"] == "2", what="both are bounced by the filter")
    until(lambda: _figures(manager)["msgs_in_quarantine"] == "1", what="one message is held")
    seen = _figures(gateway)
    assert (seen["5xx_hard_bounced_recips"], seen["hard_bounced_recips"], seen["inj_msgs"]) == ("0", "2", "2")
    features = (
        (gateway, "Incoming Mail Handling"),
        (manager, "Centralized Policy Virus and Outbreak Quarantines"),
    )
    for appliance, feature in features:
        found = _figures(appliance)
        assert int(found[feature]) > 10**9
        assert int(found["kbytes_used"]) >= 65_536 and int(found["kbytes_free"]) > 0
        assert re.fullmatch(r"\d{3,}[MG]", found["log_available"])
        per_cent = ("cpu_utilization", "ram_utilization", "total_utilization", "disk_utilization", "log_used")
        assert all(0 <= int(found[name]) <= 100 for name in per_cent)
        assert int(found["disk_utilization"]) > 0
    names = _figures(gateway, "dnsstatus")
    assert int(names["dns_reqs"]) == int(names["cache_hits"]) + int(names["cache_misses"])
