"""A message of 100 MB goes the whole way; no process holds it in memory (bars of the issue, part 2).

A worker that scans it maps the spool's file: those pages are the page cache's, the kernel takes them back when it needs
memory. So a worker's own memory is what counts (RssAnon), of every other process all of it (VmHWM).
"""

import hashlib
import re
import threading
from pathlib import Path

from tests.e2e.world import Appliance, World, until

SIZE = 100_000_000
GROWTH_KIB_MAX = 20 * 1024
LINE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-+/=_.,:;!?\r\n"


def _peak_kib(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def _own_kib(pid: int) -> int:
    """Without file pages; 0 when the process has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def _is_worker(pid: int) -> bool:
    return b"multiprocessing" in Path(f"/proc/{pid}/cmdline").read_bytes()


class _Sampler(threading.Thread):
    """The highest own memory of each of some processes, looked at all the time."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.before = {pid: _own_kib(pid) for pid in pids}
        self.highest = dict(self.before)
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.wait(0.002):
            for pid, highest in self.highest.items():
                self.highest[pid] = max(highest, _own_kib(pid))

    def growth(self) -> dict[int, int]:
        self._ends.set()
        self.join()
        return {pid: self.highest[pid] - before for pid, before in self.before.items()}


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
    workers = [pid for pid in pids if _is_worker(pid)]
    assert workers, "the engine runs in processes of its own"
    pids = [pid for pid in pids if pid not in workers]
    sampler = _Sampler(workers)
    sampler.start()
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
    gateway.logged("antivirus negative", count=2)  # the small one, and this: it was scanned
    assert not gateway.grep("unscannable")
    until(lambda: world.hop.recipients()["large@demo.example"], 60, "delivered")

    taken = world.hop.messages[-1]
    assert hashlib.sha256(taken.octets[-SIZE:]).digest() == hashlib.sha256(body).digest()
    assert taken.same_as(body)
    growth = {pid: _peak_kib(pid) - before[pid] for pid in pids} | sampler.growth()
    print(f"peak memory rose by {growth} KiB")  # noqa: T201 - the figure is shown with -rP
    assert max(growth.values()) < GROWTH_KIB_MAX, growth
