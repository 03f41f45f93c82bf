"""A message of 100 MB goes the whole way; no process holds it in memory (bars of the issue, part 2)."""

import hashlib
import re
from pathlib import Path

from tests.e2e.world import Appliance, World, until

SIZE = 100_000_000
GROWTH_KIB_MAX = 20 * 1024
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-+/=_.,:;!?\r\n"


def _peak_kib(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def _processes(*appliances: Appliance) -> list[int]:
    return [pid for appliance in appliances for pid in appliance.processes()]


def test_a_hundred_megabytes_pass_through_hold_and_release_in_bounded_memory(world: World) -> None:
    world.pair(gateway={"gateway.virus.builtin": "true"})
    world.start()
    gateway, manager = world.gateway, world.manager
    gateway.send("a@partner.example", ["small@demo.example"], b"Subject: warm up\r\n\r\nHello.\r\n")
    (row,) = until(manager.held)
    manager.release([row["mid"]])
    until(lambda: world.hop.messages)
    pids = _processes(gateway, manager)
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is counted from here
    before = {pid: _peak_kib(pid) for pid in pids}

    head = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n"
    rest = SIZE - len(head)
    body = head + (LINE * (rest // len(LINE) + 1))[: rest - 2] + b"\r\n"
    with gateway.talk() as talk:
        talk.sock.settimeout(60)
        talk.greeted()
        talk.say(f"MAIL FROM:<a@partner.example> SIZE={SIZE}")
        talk.say("RCPT TO:<large@demo.example>")
        assert talk.say("DATA").startswith("354")
        talk.raw(body)  # no line begins with a dot
        talk.raw(b".\r\n")
        assert talk.reply().startswith("250 2.0.0 ok: Message")
    (row,) = until(manager.held, 60, "held")
    assert manager.release([row["mid"]]) == 1
    assert manager.release([row["mid"]], "Virus") == 1  # too large for the engine: held as unscannable as well
    until(lambda: world.hop.recipients()["large@demo.example"], 60, "delivered")

    taken = world.hop.messages[-1]
    assert hashlib.sha256(taken.octets[-SIZE:]).digest() == hashlib.sha256(body).digest()
    assert taken.same_as(body)
    growth = {pid: _peak_kib(pid) - before[pid] for pid in pids}
    print(f"peak memory rose by {growth} KiB")  # noqa: T201 - the figure is shown with -rP
    assert max(growth.values()) < GROWTH_KIB_MAX, growth
