"""What /health counts."""

import pytest

from pratique.telemetry import events as e
from pratique.telemetry.counters import RULES, Counters


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        (e.MidReady(mid=1, size=1, sender="a"), {"received": 1}),
        (e.RecipientRefused(icid=1, recipient="a", reply="550"), {"refused": 1}),
        (e.Quarantined(mid=1, quarantine="Policy", reason="r"), {"held": 1}),
        (e.AllEnded(mid=1, mark="released"), {"released": 1}),
        (e.AllEnded(mid=1, mark="deleted"), {"deleted": 1}),
        (e.MessageDone(dcid=1, mid=1, rids=(0, 1)), {"delivered": 2}),
        (e.MessageDone(dcid=1, mid=1, rids=(0,), quarantine=True), {"transferred": 1}),
        (
            e.Undelivered(what="Bounced", dcid=1, mid=1, rid=0, enhanced="5.1.0", phrase="p", code="550", reply=""),
            {"bounced": 1, "bounced_5xx": 1},
        ),
        (  # by our own policy: no host was asked
            e.Undelivered(what="Bounced", dcid=0, mid=1, rid=0, enhanced="5.7.1", phrase="p", code="550", reply=""),
            {"bounced": 1, "bounced_filter": 1},
        ),
        (  # no host was asked here either, but its domain takes no mail
            e.Undelivered(what="Bounced", dcid=0, mid=1, rid=0, enhanced="5.1.10", phrase="p", code="556", reply=""),
            {"bounced": 1, "bounced_5xx": 1},
        ),
        (
            e.Undelivered(what="Bounced", dcid=1, mid=1, rid=0, enhanced="5.1.2", phrase="p", code="000", reply=""),
            {"bounced": 1, "bounced_dns": 1},
        ),
        (
            e.Undelivered(what="Bounced", dcid=1, mid=1, rid=0, enhanced="5.2.0", phrase="p", code="450", reply=""),
            {"bounced": 1, "bounced_expired": 1},
        ),
        (
            e.Undelivered(what="Bounced", dcid=1, mid=1, rid=0, enhanced="5.4.1", phrase="p", code="000", reply=""),
            {"bounced": 1, "bounced_expired": 1},
        ),
        (
            e.Undelivered(what="Bounced", dcid=0, mid=1, rid=0, enhanced="5.0.0", phrase="p", code="000", reply=""),
            {"bounced": 1, "bounced_other": 1},
        ),
        (e.RecipientsDeleted(mid=1, rids=(0, 2), domain="a.example", actor="olga"), {"recipients_deleted": 2}),
        (
            e.Undelivered(what="Delayed", dcid=1, mid=1, rid=0, enhanced="4.1.0", phrase="p", code="450", reply=""),
            {"delayed": 1},
        ),
        (e.Virus(mid=1, verdict="positive", name="x"), {"infected": 1}),
        (e.Virus(mid=1, verdict="negative"), {}),
        (e.StartMid(mid=1, icid=1), {}),
        (e.Alarm(message="x"), {"alarms": 1}),
    ],
)
def test_event_adds_to_its_counter_and_no_other(event: e.Event, counted: dict[str, int]) -> None:
    one, many = Counters(), Counters()
    one.emit(event)
    many.count([(event, 0), (event, 1)])
    assert {name: value for name, value in one.values().items() if value} == counted
    assert {name: value for name, value in many.values().items() if value} == {n: 2 * v for n, v in counted.items()}


def test_every_counter_is_there_from_the_start_so_that_a_graph_begins_at_zero() -> None:
    assert Counters().values() == {rule.counter: 0 for rule in RULES}


def test_rules_name_fields_that_their_events_have() -> None:
    for rule in RULES:
        assert {rule.field, rule.amount} - {""} <= {*rule.event.__struct_fields__, *vars(rule.event)}, rule


def test_gauges_and_counters_without_an_event() -> None:
    counters = Counters()
    counters.set_gauge("queue_messages", 12)
    counters.set_gauge("queue_messages", 11)
    counters.add("log_lines_lost", 3)
    counters.add("log_lines_lost", 2)
    assert counters.values()["queue_messages"] == 11
    assert counters.values()["log_lines_lost"] == 5
