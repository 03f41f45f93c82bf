"""The monitoring page, its alert rules and the dashboard name the metrics that exist, and the page names them all."""

import json
import re
from pathlib import Path
from typing import Any

from pratique.console.commands.metrics import Measured
from pratique.console.commands.parts import LinkState
from pratique.console.commands.status import Health
from pratique.console.rest.metrics import Numbers
from pratique.fleet.place import Place
from pratique.manager.places import Asked
from pratique.runner.supervisor import Component, Life
from tests.conformance.samples import SampleClock
from tests.docs.pages import OPERATE, blocks_of, text_of

PAGE = OPERATE / "monitoring.md"
DASHBOARD = OPERATE / "grafana.json"
_NAME = re.compile(r"\bpratique_\w+")


class AnyDesk:
    name, role, version = "a", "gateway", "1"
    clock = SampleClock()


def exported() -> set[str]:
    """Every sample that an appliance can show."""
    counters = {
        "last_canary_ok": 1.0,
        "last_canary_seconds": 1.0,
        "clock_ahead_ms.S": 1.0,
        "alerts.System.Warning.raised": 1.0,
    }
    place = Place("gateway", "S", "p", "Management", "192.0.2.1", 7025, True, "")
    asked = Asked(place, at_ms=1, tried_ms=1, kind="timeout", why="w", cure="c")
    links = (LinkState("the.cpq.host", "p", "S", True, "", 0, 0, asked=asked),)
    health = Health(
        "ok", (), 1, 1, counters, {"copy.HELD": 1}, {"Policy": (1, 1)}, links, (Component("x", Life.RUNNING, 0),)
    )
    desk: Any = AnyDesk()
    families = Numbers(desk, Measured(health, {}, 1, 1.0, 1, 1)).collect()
    return {sample.name for family in families for sample in family.samples}


def queries(dashboard: Path) -> list[str]:
    panels = json.loads(text_of(dashboard))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_the_page_lists_every_metric_and_no_other() -> None:
    rows = set(re.findall(r"^\| `(pratique_\w+)` \|", text_of(PAGE), re.MULTILINE))
    assert rows == exported()


def test_alert_rules_ask_for_metrics_that_exist() -> None:
    asked = {name for block in blocks_of(PAGE, "yaml") for name in _NAME.findall(block)}
    assert len(asked) > 5
    assert asked <= exported()


def test_every_query_of_the_dashboard_names_a_metric_that_exists() -> None:
    found = queries(DASHBOARD)
    assert len(found) > 5
    for query in found:
        assert _NAME.findall(query), query
        assert set(_NAME.findall(query)) <= exported(), query
