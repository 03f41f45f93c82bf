"""What a monitor sees of real processes: /metrics over TLS while a manager stops and mail waits for it."""

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
