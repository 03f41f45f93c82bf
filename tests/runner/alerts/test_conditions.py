"""Which events raise which alert."""

import ast
from pathlib import Path

import pytest

import pratique
from pratique.runner.alerts.conditions import SORTS, heard
from pratique.runner.alerts.settings import AlertClass, Severity
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

PACKAGE = Path(pratique.__file__).parent


def test_every_condition_has_a_class_and_a_severity() -> None:
    assert set(SORTS) == set(Condition) - {Condition.NONE}
    assert {sort.kind for sort in SORTS.values()} == set(AlertClass)


def test_every_alarm_in_the_program_names_its_condition() -> None:
    """Without one two different troubles would count as one, and only the first would be told."""
    missing = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "Alarm"
            if named and "condition" not in {k.arg for k in node.keywords}:  # type: ignore[attr-defined]
                missing.append(f"{path.name}:{node.lineno}")  # type: ignore[attr-defined]
    assert missing == []


@pytest.mark.parametrize(
    ("event", "key", "sort", "over"),
    [
        (log.Fault(error="sweeper: KeyError: 1"), "fault:", "System/Warning", False),
        (log.Alarm(message="x", condition=Condition.LOCKED, subject="S1"), "locked:S1", "Appliances/Critical", False),
        (log.Over(message="x", condition=Condition.LOCKED, subject="S1"), "locked:S1", "Appliances/Critical", True),
        (log.Trouble(message="75 %", condition=Condition.POOL, subject="75"), "pool:75", "System/Warning", False),
        (log.Alarm(message="95 %", condition=Condition.POOL, subject="95"), "pool:95", "System/Critical", False),
        (log.Alarm(message="?"), "other:", "System/Critical", False),
        (log.CanaryLost(mid=4, why="lost"), "canary:", "Custody/Warning", False),
        (log.CanaryReturned(mid=4, seconds=0.2), "canary:", "Custody/Warning", True),
    ],
)
def test_an_event_raises_or_ends_an_alert(event: log.Event, key: str, sort: str, over: bool) -> None:
    said = heard(event)
    assert said is not None
    assert (said.key, str(said.sort), said.over) == (key, sort, over)


@pytest.mark.parametrize(
    "event",
    [
        log.Note(message="started after a clean end"),
        log.Trouble(message="not reloaded"),
        log.AlertNotSent(sort="System/Warning", to="a@b.example", why="550 no"),
        log.NewIcid(protocol="SMTP", icid=1, interface="x", interface_ip="127.0.0.1", address="192.0.2.1"),
    ],
)
def test_others_raise_none(event: log.Event) -> None:
    """A failed alert, above all: it would raise the next one."""
    assert heard(event) is None


def test_severities_are_those_of_the_options() -> None:
    assert {sort.severity for sort in SORTS.values()} == set(Severity)
