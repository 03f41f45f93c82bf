"""Edge processes: mail over several of them is as safe, as limited and as well logged as over one process."""

import os
import re
import signal
from pathlib import Path

import pytest

from pratique.config import apply_overrides
from pratique.confine.landlock import NET_ABI, landlock_abi
from pratique.front.options import GatewayOptions
from tests.e2e.test_outages import Stream
from tests.e2e.world import World, message, until

EDGES = {"gateway.edges": "2"}


def _edges(world: World) -> list[int]:
    def is_edge(pid: int) -> bool:
        return b"pratique.front.edge" in Path(f"/proc/{pid}/cmdline").read_bytes()

    return [pid for pid in world.gateway.processes() if is_edge(pid)]


def test_edges_that_are_killed_are_replaced_and_nothing_is_lost_or_doubled(world: World) -> None:
    world.pair(gateway=EDGES)
    world.faults_expected = True
    world.start()
    stream = Stream(world.gateway, senders=3)
    for _ in range(3):
        stream.more(25)
        os.kill(_edges(world)[0], signal.SIGKILL)
        until(lambda: len(_edges(world)) == 2, 20, "the edge is replaced")
    stream.more(25)
    stream.stop()
    until(lambda: world.gateway.count("copy WHERE custody IN ('Q', 'X', 'RECEIVED')") == 0, 20, "all handed over")
    rows = world.manager.rows("SELECT recipients, count(*) FROM copy WHERE custody = 'HELD' GROUP BY recipients")
    held = dict(rows)
    assert len(stream.accepted) > 75
    assert stream.accepted <= held.keys(), "accepted mail is lost"
    assert held.keys() - stream.accepted <= stream.unknown
    assert set(held.values()) == {1}, "mail is doubled"
    world.gateway.logged(r"An application fault occurred: .*edge process \d ended \(status -9\)", count=3)


def test_edges_die_with_their_custody_and_the_next_one_starts(world: World) -> None:
    world.pair(gateway=EDGES)
    world.start()
    edges = _edges(world)
    assert len(edges) == 2
    world.gateway.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in edges), 5, "edges end")
    world.gateway.start()
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("one")).startswith("250 ")
    assert world.gateway.stop() == 0


def test_limits_are_the_listeners_and_not_the_processes(world: World) -> None:
    world.pair(
        gateway=EDGES
        | {"gateway.listeners.0.connections_per_address": "3", "gateway.listeners.0.recipients_per_hour": "6"}
    )
    world.start(world.gateway)
    talks = [world.gateway.talk() for _ in range(8)]
    greetings = [talk.reply()[:3] for talk in talks]
    for talk in talks:
        talk.sock.close()
    assert sorted(greetings) == ["220"] * 3 + ["421"] * 5
    until(lambda: len(world.gateway.grep(r"ICID \d+ lost")) == 8)
    answers = []
    for _ in range(4):  # connections that the kernel deals out to both processes
        with world.gateway.talk() as talk:
            talk.greeted()
            talk.say("MAIL FROM:<a@partner.example>")
            answers += [talk.say("RCPT TO:<b@demo.example>")[:3] for _ in range(3)]
    assert answers.count("250") == 6 and answers.count("452") == 6


def test_a_messages_lines_stand_in_their_order_and_every_number_is_used_once(world: World) -> None:
    world.pair(gateway=EDGES)
    world.start()
    for number in range(8):
        world.gateway.send("a@partner.example", [f"b{number}@demo.example"], message(f"number {number}"))
    world.gateway.logged("Message done DCID", count=8)
    starts = world.gateway.grep(r"Start MID \d+ ICID \d+")
    assert len(starts) == 8
    for mid in (re.search(r"Start MID (\d+)", line)[1] for line in starts):  # type: ignore[index]
        lines = [line for line in world.gateway.log() if re.search(rf"\bMID {mid}\b", line)]
        assert "Start MID" in lines[0]
        places = {
            word: at for at, line in enumerate(lines) for word in ("ready", "enqueued", "Message done") if word in line
        }
        assert places["ready"] < places["enqueued"] < places["Message done"], lines
    icids = [re.search(r"ICID (\d+)", line)[1] for line in world.gateway.grep("New SMTP ICID")]  # type: ignore[index]
    assert len(set(icids)) == len(icids)


def test_a_large_body_and_a_late_verdict_come_through(world: World) -> None:
    world.pair(gateway=EDGES | {"gateway.judge_deadline_seconds": "0.0"})
    world.start()
    body = message("large", *["x" * 70] * 60_000)
    assert world.gateway.send("a@partner.example", ["b@demo.example"], body).startswith("250 ")
    until(lambda: world.manager.held(), 20)
    (held,) = world.manager.held()
    assert world.manager.release([held["mid"]]) == 1
    until(lambda: world.hop.messages)
    assert world.hop.messages[0].octets.endswith(body)
    assert world.gateway.spool_octets_live() >= 0


@pytest.mark.parametrize("edges", ["0", "2"])
def test_what_edges_count_the_appliance_counts(world: World, edges: str) -> None:
    world.pair(gateway={"gateway.edges": edges, "web.enabled": "true"})
    world.start()
    for _ in range(3):
        world.gateway.send("a@partner.example", ["b@demo.example"], message("counted"))
    until(lambda: world.gateway.rest("GET", "/health")["data"]["counters"]["received"] == 3)


@pytest.mark.skipif(landlock_abi() < NET_ABI, reason="needs a kernel with Landlock, 6.7 or later")
def test_an_edge_and_its_workers_are_shut_out_and_work(world: World) -> None:
    """Privileges gone for good; a large mail, and one for a worker, are judged all the same; a new configuration that
    an edge cannot read itself is in force."""
    world.pair(gateway=EDGES | {"gateway.virus.builtin": "true"})
    world.start()
    zipped = message("zipped").replace(b"\r\n\r\n", b"\r\nContent-Type: application/zip\r\n\r\n", 1)
    large = message("large") + (b"y" * 76 + b"\r\n") * 40_000
    for mail in (zipped, large):
        assert world.gateway.send("a@partner.example", ["b@demo.example"], mail).startswith("250 ")
    edges = _edges(world)
    workers = [pid for pid in world.gateway.processes() if pid not in edges and _status(pid)["NoNewPrivs"] == "1"]
    assert workers, "no worker ran"
    for pid in (*edges, *workers):
        status = _status(pid)
        assert (status["NoNewPrivs"], int(status["CapEff"], 16)) == ("1", 0)
    world.gateway.logged(r"MID \d+ antivirus negative", count=2)
    changed = 'none: if (subject == "refused") { drop(); }'
    file = world.gateway.directory / "pratique.toml"
    file.write_text(apply_overrides(file.read_text(), {"gateway.policy.filters": changed}, GatewayOptions))
    world.gateway.signal(signal.SIGHUP)
    world.gateway.logged("Info: reloaded: ")
    assert world.gateway.send("a@partner.example", ["b@demo.example"], message("refused")).startswith("250 ")
    world.gateway.logged(r"Dropped by message filter 'none'|MID \d+ .*drop", count=1)


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
