"""Quarantine configuration, outbreak rules, health and the API's own description (contract §7, §8, /health)."""

import json
from typing import Any

import pytest

from pratique.console.rest.routes import ROUTES
from tests.conformance.samples import DAY, NOW, hold
from tests.console.rest_world import RestWorld, holds

NEW = {
    "quarantine_name": "Finance",
    "quarantine_type": "policy",
    "quarantine_retention_period": 36,
    "quarantine_retention_units": "hours",
    "quarantine_automatic_action": True,
    "quarantine_normal_actions": {"quarantine_action": "Release"},
    "quarantine_overflow_actions": {
        "quarantine_strip_action": True,
        "quarantine_subject_action": "prepend",
        "quarantine_subject_text": "[EARLY] ",
        "quarantine_header_name": "Inappropriate-release-early",
        "quarantine_header_text": "True",
    },
    "quarantine_users": ["operator"],
    "quarantine_groups": [],
    "quarantine_custom_roles": [],
}
PATH = "/config/local_quarantines"


async def _made(rest: RestWorld, **changed: Any) -> Any:
    return await rest.call("POST", f"{PATH}?device_type=sma", body=NEW | changed)


async def test_a_quarantine_is_made_shown_changed_and_dropped(rest: RestWorld) -> None:
    answer = await _made(rest)
    assert answer.text == '{"data": {"totalCount": 1, "quarantine_names": ["Finance"]}}'
    shown = (await rest.get(f"{PATH}/Finance?device_type=sma"))["data"]
    assert {name: shown[name] for name in NEW} == NEW | {"quarantine_normal_actions": {"quarantine_action": "release"}}
    assert shown["created_by"] == "administrator"
    assert shown["created_on"] == "24 Nov 2026 03:13:20 (GMT +00:00)"
    names = (await rest.get("/config/quarantines", user="operator"))["data"]["quarantines"]
    assert names == {"outbreak": ["Outbreak"], "policy": ["Finance", "Policy"]}

    copy = await rest.held(holds=(hold("Finance"),))
    changed = {"quarantine_retention_period": 2, "quarantine_retention_units": "days", "quarantine_users": []}
    answer = await rest.call("PUT", f"{PATH}/Finance", body=changed)
    assert answer.text == '{"data": {"message": "Quarantine Finance was updated."}}'
    shown = (await rest.get(f"{PATH}/Finance"))["data"]
    assert (shown["quarantine_retention_period"], shown["quarantine_retention_units"]) == (2, "days")
    assert shown["quarantine_overflow_actions"] == NEW["quarantine_overflow_actions"]
    assert shown["quarantine_users"] == []
    assert rest.store.view.holds(copy.mid)[0].exit_at == NOW + DAY  # mail that is held keeps its exit

    answer = await rest.call("DELETE", f"{PATH}/Finance")
    assert "applied to 1 messages" in answer.json()["data"]["message"]
    assert rest.custody(copy.mid) == "REL"
    assert (await rest.call("GET", f"{PATH}/Finance")).status_code == 404
    assert rest.acts.changed == 3
    actions = [action for _, action, _ in rest.audited()]
    assert {"create-quarantine", "change-quarantine", "drop-quarantine", "grant-quarantine"} <= set(actions)


@pytest.mark.parametrize(
    "changed, status",
    [
        ({"quarantine_name": "Policy"}, 409),
        ({"quarantine_name": "policy"}, 409),
        ({"quarantine_name": "a,b"}, 400),
        ({"quarantine_name": ""}, 400),
        ({"quarantine_name": "x" * 61}, 400),
        ({"quarantine_name": "a\u202eb"}, 400),
        ({"quarantine_retention_period": 0}, 400),
        ({"quarantine_retention_period": 5_000, "quarantine_retention_units": "days"}, 400),
        ({"quarantine_retention_units": "weeks"}, 400),
        ({"quarantine_normal_actions": {"quarantine_action": "bounce"}}, 400),
        ({"quarantine_overflow_actions": {"quarantine_header_name": "X\r\nY"}}, 400),
        ({"quarantine_overflow_actions": {"quarantine_subject_action": "shout"}}, 400),
        ({"quarantine_overflow_actions": {"unheard": 1}}, 404),
        ({"quarantine_users": ["nobody"]}, 400),
        ({"quarantine_users": "operator"}, 400),
        ({"quarantine_groups": ["staff"]}, 400),
        ({"unheard": 1}, 404),
    ],
)
async def test_a_quarantine_that_cannot_be_is_refused(rest: RestWorld, changed: dict[str, Any], status: int) -> None:
    answer = await _made(rest, **changed)
    assert answer.status_code == status, answer.text
    assert len(rest.store.view.quarantines()) == 5


@pytest.mark.parametrize("name", ["Virus", "Outbreak", "Unclassified"])
async def test_the_systems_quarantines_stay(rest: RestWorld, name: str) -> None:
    assert (await rest.call("DELETE", f"{PATH}/{name}")).status_code == 409


async def test_a_quarantine_cannot_be_renamed(rest: RestWorld) -> None:
    answer = await rest.call("PUT", f"{PATH}/Policy", body={"quarantine_name": "Other"})
    assert answer.json()["error"]["message"] == "A quarantine cannot be renamed."


async def test_users_that_quarantines_can_be_given_to(rest: RestWorld) -> None:
    names = (await rest.get("/config/quarantine_users"))["data"]["quarantine_users"]
    assert "operator" in names
    assert "administrator" not in names


# --- rules --------------------------------------------------------------------------------------------------------
async def _outbreak(rest: RestWorld, rule: str, size: int = 100) -> int:
    octets = b"Subject: x\r\n\r\n" + b"x" * size
    return (await rest.held(octets, **holds("Outbreak", reasons=(f"Outbreak rule:{rule}",)))).mid


@pytest.mark.parametrize("path", ["/quarantine/messages/rules", "/quarantine/rules"])
async def test_the_summary_by_rule(rest: RestWorld, path: str) -> None:
    for rule, size in (("A", 2_000_000), ("A", 10), ("B", 10)):
        await _outbreak(rest, rule, size)
    await rest.held()
    found = await rest.get(f"{path}?quarantineType=pvo")
    assert list(found) == ["meta", "data"]
    assert found["meta"] == {"totalAverageMessageSize": "652KB", "totalNumberOfMessages": 3}
    assert found["data"][0] == {
        "rid": 1,
        "attributes": {
            "numberOfMessages": 2,
            "capacity": "100.0%",
            "ruleId": "Outbreak rule:A",
            "totalSize": "1.9MB",
            "ruleDescription": "N/A",
            "averageMessageSize": "977KB",
        },
    }
    assert [row["attributes"]["ruleId"] for row in found["data"]] == ["Outbreak rule:A", "Outbreak rule:B"]


async def test_a_rules_messages_are_searched_and_decided_together(rest: RestWorld) -> None:
    mids = [await _outbreak(rest, "A") for _ in range(3)]
    other = await _outbreak(rest, "B")
    page = await rest.get("/quarantine/rules_search?quarantineType=pvo&ruleId=Outbreak%20rule:A&limit=2&orderDir=asc")
    assert page["meta"]["totalCount"] == 3
    assert [row["mid"] for row in page["data"]] == mids[:2]
    body = {"action": "release", "quarantineType": "pvo", "ruleId": ["Outbreak rule:A"]}
    done = (await rest.call("POST", "/quarantine/messages/rules", body=body)).json()["data"]
    assert done == {
        "action": "release",
        "quarantineType": "pvo",
        "ruleIds": ["Outbreak rule:A"],
        "totalCount": 3,
    }
    assert [rest.custody(mid) for mid in mids] == ["REL"] * 3
    assert rest.custody(other) == "HELD"
    body = {"quarantineType": "pvo", "ruleIds": ["Outbreak rule:B"]}
    done = (await rest.call("DELETE", "/quarantine/rules", body=body)).json()["data"]
    assert (done["action"], done["totalCount"], rest.custody(other)) == ("delete", 1, "DEL")


async def test_a_rules_exit_is_delayed(rest: RestWorld) -> None:
    mid = await _outbreak(rest, "A")
    body = {"action": "delay", "delay": "24h", "ruleId": ["Outbreak rule:A"]}
    done = (await rest.call("POST", "/quarantine/rules", body=body)).json()["data"]
    assert (done["delayedTime"], done["totalCount"]) == ("24 hours", 1)
    assert rest.store.view.holds(mid)[0].exit_at == NOW + 2 * DAY


# --- health and description ----------------------------------------------------------------------------------------
async def test_health_says_no_more_than_the_state_without_a_sign_in(rest: RestWorld) -> None:
    assert (await rest.call("GET", "/health", user="")).text == '{"data": {"status": "ok"}}'
    assert (await rest.call("GET", "/health", password="wrong")).status_code == 401


async def test_health_in_numbers(rest: RestWorld) -> None:
    await rest.held()
    found = (await rest.get("/health"))["data"]
    assert found["status"] == "degraded"
    assert found["reasons"] == ["gw1.example is not reached: connection refused"]
    assert (found["role"], found["version"], found["name"]) == ("manager", "0.1.0", "sma.example")
    assert found["gauges"]["copy.HELD"] == 1
    assert found["quarantines"]["Policy"]["messages"] == 1
    assert found["freeBytes"] > 0
    assert found["counters"]["released"] == 0
    assert found["links"] == [
        {
            "destination": "the.cpq.release.host",
            "peer": "gw1.example",
            "up": False,
            "lastError": "connection refused",
            "nextAttempt": "24 Nov 2026 03:13:25 (GMT +00:00)",
            "waiting": 0,
            "connections": 0,
        }
    ]
    rest.clock.now += 60_000
    assert (await rest.get("/health"))["data"]["links"][0]["nextAttempt"] is None


async def test_a_full_disk_is_told_to_monitors(rest: RestWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(rest.store.spool), "free_bytes", lambda self: 0)
    answer = await rest.call("GET", "/health", user="")
    assert (answer.status_code, answer.json()) == (503, {"data": {"status": "failed"}})
    assert (await rest.get("/health"))["data"]["status"] == "failed"


async def test_the_description_names_every_route(rest: RestWorld) -> None:
    found = (await rest.call("GET", "/openapi.json", user="")).json()
    assert found["openapi"] == "3.1.0"
    described = {(m.upper(), path) for path, methods in found["paths"].items() for m in methods}
    assert described == {(route.method, route.path) for route in ROUTES}
    operations = [m["operationId"] for methods in found["paths"].values() for m in methods.values()]
    assert len(set(operations)) == len(operations)
    assert all(m["summary"] for methods in found["paths"].values() for m in methods.values())
    assert "http" not in json.dumps(found["servers"])
