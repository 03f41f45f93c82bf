"""alertconfig: recipients, classes, severities, intervals and sender, by dialogue and by words."""

import json

import pytest

from tests.console.verbs.configured import READER, Configured

STAGED = 'Staged; "commit" puts it in force.'


async def test_addresses_subscribe_to_classes_and_severities(gw: Configured) -> None:
    heard = await gw.asked("alertconfig", "new", "ops@example.org", "System, hardware", "")
    assert heard.said == ["Alerts are sent from alert@gw.test.\nSending alerts to: none", STAGED]
    assert "- FROM - Configure the From address of alert mail." in heard.asked[0]
    await gw.do("alertconfig new night@example.org all critical")
    assert (await gw.do("alertconfig list")).splitlines()[1:] == [
        "Sending alerts to:",
        "1. ops@example.org (System, Hardware; All)",
        "2. night@example.org (All; Critical)",
    ]
    await gw.do("alertconfig edit night@example.org Custody critical,warning")
    await gw.do("alertconfig delete 1 yes")
    assert await gw.do("commit alerts") != "There are no changes to commit."
    assert json.loads(await gw.do("alertconfig --json", person=READER)) == [
        {"address": "night@example.org", "classes": ["Custody"], "severities": ["Critical", "Warning"]}
    ]
    await gw.do("alertconfig clear yes; commit none")
    assert json.loads(await gw.do("alertconfig --json")) == []


async def test_intervals_and_sender_are_set(gw: Configured) -> None:
    heard = await gw.asked("alertconfig", "setup", "y", "60", "")
    assert heard.complaints == []
    await gw.do("alertconfig from alerts@example.org; commit sender")
    assert "\ninitial_seconds = 60" in gw.text and '\nsender = "alerts@example.org"' in gw.text
    await gw.do("alertconfig setup n 300 3600; alertconfig from default")
    assert (await gw.do("alertconfig list")).startswith("Alerts are sent from alert@gw.test (off: alerts are logged")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("alertconfig new nobody", "is no address"),
        ("alertconfig new a@example.org Weather", "'Weather' is not known; there are: All, System"),
        ("alertconfig new a@example.org All Mild", "'Mild' is not known; there are: All, Critical"),
        ("alertconfig edit 1", "there is none yet"),
        ("alertconfig setup y soon 3600", "write a whole number"),
        ("alertconfig from nobody", "is no address"),
        ("alertconfig sing", "there are: LIST, NEW, EDIT, DELETE, CLEAR, SETUP, FROM"),
    ],
)
async def test_what_cannot_be_done_is_said(gw: Configured, line: str, why: str) -> None:
    assert why in await gw.refused(line)


async def test_only_an_administrator_says_who_gets_alerts(gw: Configured) -> None:
    assert "may not do this" in await gw.refused("alertconfig new a@example.org", person=READER)
