"""Alerts by mail, from real appliances to a mail server, once each."""

import json
import os
import re
import signal
from pathlib import Path

from tests.e2e.next_hop import NextHop, Taken
from tests.e2e.test_verbs import data, said
from tests.e2e.world import SMTP_PORT, World, message, until

OPS = {"alerts.recipients.0.address": '"ops@demo.example"'}


def _subject(mail: Taken) -> str:
    found = re.search(rb"^Subject: (.*)\r$", mail.octets, re.MULTILINE)
    return found[1].decode() if found else ""


def _alerts(hop: NextHop, words: str = "") -> list[Taken]:
    return [mail for mail in list(hop.messages) if b"X-Pratique-Alert:" in mail.octets and words in _subject(mail)]


def _hosts(world: World) -> dict[str, str]:
    return {"alerts.hosts": json.dumps([f"{world.hop.address}:{world.hop.port}"])}


def test_a_test_alert_arrives_once_from_either_role(world: World) -> None:
    world.pair(gateway=OPS, manager=OPS | _hosts(world))
    world.start()
    for appliance in (world.gateway, world.manager):
        text = said(appliance, "testalert")
        assert "to ops@demo.example: sent: 250" in text, text
        (mail,) = _alerts(world.hop, appliance.name)
        assert mail.sender == "" and mail.recipients == ("ops@demo.example",)
        assert _subject(mail).startswith(f"Information <System> {appliance.name}: This is a test of the alerts")
        assert b"Auto-Submitted: auto-generated\r\n" in mail.octets
        appliance.logged(r'A System/Information alert was sent to ops@demo\.example with subject "Information <System>')
        (shown,) = data(appliance, "displayalerts")["alerts"]
        assert shown["recipients"] == [
            {"address": "ops@demo.example", "state": "sent", "reply": shown["recipients"][0]["reply"]}
        ]
        assert appliance.stop() == 0
        assert world.run("fsck", str(appliance.directory)).returncode == 0
        appliance.start()
    assert len(_alerts(world.hop)) == 2


def test_an_alert_of_a_manager_outlives_a_mail_server_that_is_away_and_a_crash(world: World) -> None:
    world.make("manager", options=OPS | _hosts(world))
    manager = world.appliances[0]
    world.hop.close()
    manager.start()
    manager.kill()  # the next start says that this one had no proper end, and nobody takes it
    manager.start()
    until(lambda: manager.count("delivery WHERE state = 'DUE' AND attempts > 0") == 1, what="it was tried in vain")
    manager.kill()
    world.hop = NextHop(f"{world.network}.9", SMTP_PORT)
    manager.start()
    until(lambda: manager.count("delivery WHERE state = 'DELIVERED'") == 1, 20, "it arrives")
    assert len(_alerts(world.hop, "started after an end that was not clean")) == 1  # the second crash is counted
    manager.stop()
    assert world.run("fsck", str(manager.directory)).returncode == 0


def test_a_process_of_ours_that_dies_is_replaced_and_somebody_hears_of_it(world: World) -> None:
    world.pair(gateway=OPS | {"gateway.edges": "1"})
    world.faults_expected = True
    world.start()
    (edge,) = [
        pid for pid in world.gateway.processes() if b"pratique.front.edge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(edge, signal.SIGKILL)
    until(lambda: _alerts(world.hop, "edge process 0 ended (status -9)"), what="the alert arrives")

    def restarted() -> bool:
        found = {one["name"]: one for one in data(world.gateway, "status detail")["components"]}
        return found["edge process 0"]["restarts"] == 1 and found["edge process 0"]["state"] == "running"

    until(restarted, what="status shows it")
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("after")).startswith("250")
    until(world.manager.held, what="mail flows")
    assert len(_alerts(world.hop)) == 1


def test_a_suspension_is_told_and_its_end_is(world: World) -> None:
    world.pair(manager=OPS | _hosts(world))
    world.start(world.manager)
    said(world.manager, "suspendtransfers")
    until(lambda: _alerts(world.hop, "an operator has suspended transfers"), what="the alert arrives")
    said(world.manager, "resumetransfers")
    until(lambda: _alerts(world.hop, "over: nothing is suspended any more"), what="its end is told")
    assert len(_alerts(world.hop)) == 2


def test_the_command_line_examines_its_machine(world: World) -> None:
    world.pair(manager=OPS | _hosts(world))
    world.start()
    until(lambda: "canary: MID" in said(world.gateway, "doctor"), what="all is well, with a canary")
    checks = {one["name"]: one for one in data(world.manager, "doctor")["checks"]}
    assert checks["components"]["state"] == "ok", checks["components"]
    names = [one["name"] for one in data(world.manager, "diagnostic DISK_USAGE")["disks"]]
    assert names == ["store", "spool", "log"]
    assert said(world.gateway, "diagnostic NETWORK FLUSH") == "The DNS cache is empty."
    asked = said(world.gateway, f"diagnostic NETWORK SMTPPING {world.hop.address} {world.hop.port}")
    assert "220 destination.example ESMTP" in asked
    assert _alerts(world.hop) == []
