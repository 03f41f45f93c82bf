"""/metrics as Prometheus reads it: who may, what it says, and that nothing from mail is a label."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pratique.console.access.roles import ROLES as PERMISSIONS
from pratique.console.access.roles import Permission
from pratique.console.commands.parts import LinkState
from pratique.console.rest.app import make_app
from pratique.console.rest.metrics import COUNTED
from pratique.runner.supervisor import Component, Life
from pratique.telemetry.counters import RULES
from tests.conformance.samples import NOW
from tests.console import rest_world
from tests.console.rest_world import RestWorld, basic, holds
from tests.console.verbs.queue_world import SetMeters

PEER = {"peer": "gw1.example", "serial": "GW" * 10}


async def scraped(rest: RestWorld, user: str = "administrator") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Samples by name and labels. Every family has a help text and a type."""
    answer = await rest.client.get("/metrics", headers={"Authorization": basic(user), "Accept": "text/plain"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation and family.type in ("counter", "gauge"), family.name
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def at(found: Any, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


@pytest.mark.parametrize("role", rest_world.ROLES)
async def test_whoever_may_see_the_state_may_scrape(rest: RestWorld, role: str) -> None:
    answer = await rest.client.get("/metrics", headers={"Authorization": basic(role)})
    allowed = Permission.STATUS in PERMISSIONS.get(role, frozenset())
    assert answer.status_code == (200 if allowed else 403)
    assert allowed or "pratique_" not in answer.text


async def test_a_stranger_learns_nothing(rest: RestWorld) -> None:
    answer = await rest.client.get("/metrics")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert "pratique_" not in answer.text


async def test_what_is_held_is_measured(rest: RestWorld) -> None:
    before = at(await scraped(rest), "pratique_committed_number")
    copy = await rest.held(**holds("Policy"))
    found = await scraped(rest)
    assert at(found, "pratique_quarantine_messages", quarantine="Policy") == 1
    assert at(found, "pratique_quarantine_bytes", quarantine="Policy") == copy.extent.length
    assert at(found, "pratique_copies", custody="HELD") == 1
    assert at(found, "pratique_audit_number") == len(rest.audited())
    assert at(found, "pratique_spool_free_bytes") > 0
    assert at(found, "pratique_state", state="degraded") == 1  # the link of this world is down
    assert at(found, "pratique_committed_number") >= before


async def test_a_user_sees_the_quarantines_that_were_given(rest: RestWorld) -> None:
    await rest.held(**holds("Virus"))
    seen = {dict(labels).get("quarantine") for _, labels in await scraped(rest, "operator")} - {None}
    assert seen <= set(rest_world.SEEN)
    assert ("pratique_quarantine_messages", (("quarantine", "Virus"),)) in await scraped(rest)


async def test_a_link_that_is_down(rest: RestWorld) -> None:
    found = await scraped(rest)
    assert at(found, "pratique_link_up", **PEER) == 0
    assert at(found, "pratique_link_waiting", **PEER) == 0
    assert at(found, "pratique_link_oldest_seconds", **PEER) == 0


async def test_labels_are_escaped_and_nothing_of_mail_is_one(rest: RestWorld) -> None:
    """Destinations of mail are counted and not named; an error text is nowhere."""
    peer = 'a"b\\c\nd'
    links = (
        LinkState("the.cpq.release.host", peer, "S1", True, "", 0, 0),
        LinkState("the.cpq.release.host", "new", "S2", None, "", 0, 0),
        LinkState("victim.example", "", "", False, "554 secret answer", 0, 4),
        LinkState("other.example", "", "", None, "", 0, 4),
    )
    rest.acts.links = lambda: links  # type: ignore[method-assign]
    answer = await rest.client.get("/metrics", headers={"Authorization": basic("administrator")})
    found = await scraped(rest)
    assert at(found, "pratique_link_up", peer=peer, serial="S1") == 1
    assert ("pratique_link_up", (("peer", "new"), ("serial", "S2"))) not in found  # an idle link is no alarm
    assert at(found, "pratique_link_waiting", peer="new", serial="S2") == 0
    assert [at(found, "pratique_destinations", state=s) for s in ("up", "down", "unknown")] == [0, 1, 1]
    for text in ("victim.example", "other.example", "secret answer"):
        assert text not in answer.text


async def test_every_counter_of_the_log_is_there(rest: RestWorld) -> None:
    assert {rule.counter for rule in RULES} == set(COUNTED)
    values = {name: float(number) for number, name in enumerate(COUNTED)}
    extra = {"last_canary_ok": 0.0, "last_canary_seconds": 15.0, f"clock_ahead_ms.{'GW' * 10}": 1_500.0}
    rest.acts.counters = lambda: values | extra  # type: ignore[method-assign]
    found = await scraped(rest)
    assert {name: at(found, f"pratique_{name}_total") for name in COUNTED} == values
    assert (at(found, "pratique_last_canary_ok"), at(found, "pratique_last_canary_seconds")) == (0, 15)
    assert at(found, "pratique_peer_clock_ahead_seconds", **PEER) == 1.5


async def test_alerts_are_counted_by_class_severity_and_outcome(rest: RestWorld) -> None:
    numbers = {"alerts.Anti-Virus.Warning.raised": 3.0, "alerts.System.Critical.failed": 1.0}
    rest.acts.counters = lambda: numbers  # type: ignore[method-assign]
    found = await scraped(rest)
    raised = {"class": "Anti-Virus", "severity": "Warning", "outcome": "raised"}
    assert at(found, "pratique_alerts_total", **raised) == 3
    assert (
        at(found, "pratique_alerts_total", **{**raised, "class": "System", "severity": "Critical", "outcome": "failed"})
        == 1
    )


async def test_components_are_up_or_not(rest: RestWorld) -> None:
    known = (
        Component("sweeper", Life.RUNNING, NOW, restarts=2),
        Component("SSH", Life.WAITING, NOW, last_error="in use"),
        Component("link to X", Life.ENDED, NOW),
    )
    app = make_app(replace(rest.desk, components=lambda: known), rest.signin, fault=rest.faults.append)
    rest.client._transport.app = app  # type: ignore[attr-defined]
    found = await scraped(rest)
    assert at(found, "pratique_component_up", component="sweeper") == 1
    assert at(found, "pratique_component_up", component="SSH") == 0
    assert ("pratique_component_up", (("component", "link to X"),)) not in found
    assert at(found, "pratique_component_restarts_total", component="sweeper") == 2


async def test_a_running_appliance_says_since_when(rest: RestWorld) -> None:
    rest.client._transport.app = make_app(  # type: ignore[attr-defined]
        replace(rest.desk, meters=SetMeters()), rest.signin, fault=rest.faults.append
    )
    found = await scraped(rest)
    assert at(found, "pratique_process_start_time_seconds") == (NOW - 3_034_000) / 1_000
    assert (at(found, "pratique_connections", direction="in"), at(found, "pratique_connections", direction="out")) == (
        3,
        2,
    )
