"""The verbs of the queues on running appliances, by `pratique shell` on the machine itself."""

import json
import subprocess
import sys
from typing import Any

from tests.e2e.shell_talk import does, typed
from tests.e2e.world import Appliance, World, message, until


def said(appliance: Appliance, line: str) -> str:
    """What the line says; it succeeds."""
    words = [sys.executable, "-m", "pratique", "shell", str(appliance.directory), line]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rstrip("\n")


def data(appliance: Appliance, line: str) -> Any:
    return json.loads(said(appliance, f"{line} --json"))


def test_mail_that_waits_for_a_manager_that_is_down_is_seen_with_the_reason_and_the_time(world: World) -> None:
    world.pair()
    world.start(world.gateway)
    for number in (1, 2):
        assert world.gateway.send("a@partner.example", ["b@demo.example"], message(f"held {number}")).startswith("250")

    (host,) = data(world.gateway, "tophosts")["hosts"]
    assert (host["host"], host["active_rcpts"], host["up"]) == ("the.cpq.host", 2, False)
    assert "1*   the.cpq.host" in said(world.gateway, "tophosts active_rcpts")
    (state,) = data(world.gateway, "hoststatus the.cpq.host")["states"]
    assert "refused" in state["last_error"]
    assert state["next_attempt"] > state["last_activity"]
    text = said(world.gateway, "showrecipients host the.cpq.host")
    assert "held 1" in text and "held 2" in text and "b@demo.example" in text
    assert "sma1.test: not offered yet" in text

    world.start(world.manager)
    assert "Rescheduling all messages to the.cpq.host" in said(world.gateway, "delivernow host the.cpq.host")
    until(lambda: data(world.gateway, "tophosts")["hosts"][0]["deliv_rcpts"] == 2, what="both are handed over")
    until(lambda: said(world.gateway, "showrecipients host the.cpq.host").endswith("No messages."))
    (state,) = data(world.gateway, "hoststatus the.cpq.host")["states"]
    assert (state["up"], state["active"], state["last_error"]) == (True, 0, "")


def test_a_release_that_waits_for_a_gateway_that_is_down_is_seen_on_the_manager(world: World) -> None:
    world.pair()
    world.start()
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("for later")).startswith("250")
    (row,) = until(world.manager.held)
    world.gateway.stop()
    assert world.manager.release([row["mid"]]) == 1

    def down() -> bool:
        (state,) = data(world.manager, "hoststatus the.cpq.release.host")["states"]
        return (
            state["up"] is False and state["active"] == 1 and bool(state["last_error"]) and bool(state["next_attempt"])
        )

    until(down, what="the manager has noticed")
    assert "1*   the.cpq.release.host" in said(world.manager, "tophosts active_rcpts")
    text = said(world.manager, "showrecipients host the.cpq.release.host")
    assert "for later" in text and "gw2.test: offered, no verdict yet" in text


def test_mail_that_waits_for_the_manager_is_deleted_or_bounced_by_a_person(world: World) -> None:
    world.pair()
    world.start(world.gateway)
    for number in (1, 2):
        assert world.gateway.send("a@partner.example", ["b@demo.example"], message(f"held {number}")).startswith("250")
    assert "2 messages deleted." in said(world.gateway, "deleterecipients host the.cpq.host yes")
    assert world.gateway.count("copy WHERE custody = 'SETTLED'") == 2
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("held 3")).startswith("250")
    assert "1 messages bounced." in said(world.gateway, "bouncerecipients sender a@partner.example yes")
    (notice,) = until(lambda: list(world.hop.messages))
    assert notice.recipients == ("a@partner.example",) and b"Status: 5.0.0" in notice.octets

    world.start(world.manager)
    until(lambda: data(world.gateway, "hoststatus the.cpq.host")["states"][0]["up"])
    assert world.manager.count("copy") == 0
    assert len(world.hop.messages) == 1


def greeting(appliance: Appliance) -> str:
    with appliance.talk() as talk:
        return talk.reply()[:4]


def test_what_is_suspended_stays_so_over_a_restart(world: World) -> None:
    """On both roles, and through edge processes, too."""
    world.pair(gateway={"gateway.edges": "2"})
    world.start()
    assert "Receiving suspended for InboundMail, cpq_listener." in said(world.gateway, "suspend 0")
    until(lambda: greeting(world.gateway) == "421 ", what="edges have heard of it")
    world.gateway.stop()
    world.gateway.start()
    assert greeting(world.gateway) == "421 "
    assert said(world.manager, "suspendtransfers 0").endswith("Transfers suspended.")
    assert said(world.gateway, "resume") == "Receiving resumed for InboundMail, cpq_listener.\nMail delivery resumed."
    until(lambda: greeting(world.gateway) == "220 ", what="edges have heard of it")
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("held")).startswith("250")

    def refused() -> bool:
        return "SUSPENDED operator" in data(world.gateway, "hoststatus the.cpq.host")["states"][0]["last_error"]

    until(refused, what="the manager takes nothing")
    assert world.manager.count("copy") == 0
    assert said(world.manager, "resumetransfers") == "Transfers resumed."
    said(world.gateway, "delivernow host the.cpq.host")
    until(world.manager.held, what="it takes mail again")


def test_status_counts_over_a_restart_and_shows_who_is_connected(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": ""})
    world.start()
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("one")).startswith("250")

    def counted(name: str) -> dict[str, int]:
        return dict(data(world.gateway, "status")["counters"][name])

    until(lambda: counted("recipients_delivered")["uptime"] == 1, what="the delivery is counted")
    world.gateway.stop()
    world.gateway.start()
    assert counted("recipients_delivered") == {"reset": 1, "uptime": 0, "lifetime": 1}
    assert said(world.gateway, "resetcounters").startswith("Counters reset: ")
    assert counted("recipients_delivered") == {"reset": 0, "uptime": 0, "lifetime": 1}
    with world.gateway.talk() as talk:
        talk.greeted()
        assert "InboundMail                1" in said(world.gateway, "topin")
    assert "System status:                 Online" in said(world.gateway, "status detail")
    assert "System status:                 Online" in said(world.manager, "status")


def test_a_paused_work_queue_takes_mail_and_judges_it_when_it_is_resumed(world: World) -> None:
    """Through edge processes; what waits is durable and survives a restart."""
    world.pair(gateway={"gateway.edges": "2", "gateway.policy.filters": ""})
    world.start()
    assert "Status:   Paused by local:" in said(world.gateway, "workqueue pause test")

    def waits() -> bool:
        assert world.gateway.send("a@partner.example", ["b@demo.example"], message("one")).startswith("250")
        return world.gateway.count("copy WHERE custody = 'RECEIVED'") > 0

    until(waits, what="edges have heard of it")
    passed = len(world.hop.messages)
    world.gateway.stop()
    world.gateway.start()
    waiting = world.gateway.count("copy WHERE custody = 'RECEIVED'")
    assert waiting == data(world.gateway, "workqueue")["messages"] > 0
    assert "System status:                 Work Queue Paused" in said(world.gateway, "status")
    assert "Status:   Operational" in said(world.gateway, "workqueue resume")
    until(lambda: world.gateway.count("copy WHERE custody = 'RECEIVED'") == 0, what="all is judged")
    until(lambda: len(world.hop.messages) >= passed + waiting, what="and delivered")


def test_a_trace_says_what_then_happens_and_leaves_nothing(world: World) -> None:
    world.pair(gateway={"gateway.policy.filters": 'hold: if (subject == "Held") { quarantine("Policy"); }'})
    world.start()
    gateway = world.gateway
    until(lambda: typed(gateway, "readiness")[1] == 0, what="ready")
    assert "takes effect" not in does(gateway, "destconfig new demo.example 2 0 no; commit limits")
    line = f"trace {world.network}.77 - a@partner.example b@demo.example mx.partner.example"
    shown = does(gateway, line)
    assert f"route: {world.hop.address}:{world.hop.port}\n    TLS: no\n    connections: 2 at the most" in shown
    message_lines = ("Subject: Held", "", "x", ".")
    shown = does(gateway, "trace", f"{world.network}.77", "", "a@partner.example", "b@demo.example", "", *message_lines)
    assert 'held in the quarantine "Policy" (message filter:hold)' in shown
    assert f"goes to the manager {world.manager.name}" in shown
    assert gateway.count("copy") == 0 and not gateway.grep("Start MID")
