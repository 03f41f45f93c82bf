"""The three trials: five times too much mail, kill -9 under load, a full disk. Each gives figures and what was wrong."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.world import SMTP_PORT, Appliance, World, message, until

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
FACTOR = 5.0
GOOD_PUT_SHARE = 0.8  # of what is done without overload
OFFERED_SHARE = 0.9  # of what the loader was told to offer, or the trial proves nothing
MEMORY_SHARE = 1.5  # of the peak without overload, plus what the sessions that are allowed may hold
SESSION_KIB = 100
RECOVERY_SECONDS = 2.0
FULL_REPLY_SECONDS = 0.1
RESUME_SECONDS = 5.0
DISK_BYTES = 512 * MIB
RESERVE_BYTES = 64 * MIB
Figures = dict[str, Any]


class Loader:
    """tests.overload.loader in a process of its own."""

    def __init__(self, gateway: Appliance, *options: str) -> None:
        command = [sys.executable, "-m", "tests.overload.loader", gateway.address, str(SMTP_PORT), "--list", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def figures(self) -> Figures:
        output = self._process.communicate()[0]
        assert self._process.returncode == 0, "the loader failed"
        found: Figures = json.loads(output)
        return found

    @property
    def runs(self) -> bool:
        return self._process.poll() is None


def memory_peak_kib(appliance: Appliance) -> int:
    """VmHWM of the process and its children, summed."""
    total = 0
    for pid in appliance.processes():
        with suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmHWM:") else 0
    return total


def not_temporary(ends: dict[str, int]) -> dict[str, int]:
    """Ends that are neither a 250 nor a refusal with 4xx in words."""
    return {end: n for end, n in ends.items() if end != "250" and not end[:3].isdecimal() or end[:1] == "5"}


def misplaced(world: World, accepted: list[str]) -> list[str]:
    """Accepted recipients that the manager does not hold exactly once, after all was handed over."""
    until(lambda: world.gateway.count("copy WHERE custody IN ('RECEIVED', 'Q', 'X')") == 0, 60, "all handed over")
    held = Counter(row[0] for row in world.manager.rows("SELECT recipients FROM copy"))
    wrong = [f"{r} is held {held[r]} times" for r in accepted if held[r] != 1]
    return wrong + [f"{r} is held {n} times" for r, n in held.items() if n > 1 and r not in set(accepted)]


def overload(world: World, *, seconds: float, calm_seconds: float) -> tuple[Figures, list[str]]:
    """What it does with all that 50 clients give it; then FACTOR times as much, come what may."""
    world.pair()
    world.start()
    gateway = world.gateway
    calm = Loader(gateway, "--seconds", str(calm_seconds), "--name", "calm").figures()
    before = memory_peak_kib(gateway)
    rate = FACTOR * calm["good_put"]
    storm = Loader(gateway, "--rate", str(rate), "--seconds", str(seconds), "--name", "storm").figures()
    after = memory_peak_kib(gateway)
    bound = int(MEMORY_SHARE * before) + SESSION_KIB * 1000
    bad = not_temporary(storm["ends"])
    offered = storm["attempts"] / seconds
    figures = {
        "calm": _without_list(calm),
        "overload": _without_list(storm),
        "offered_per_second": round(offered),
        "good_put_share": round(storm["good_put"] / calm["good_put"], 2),
        "memory_peak_mib": {"calm": before // 1024, "overload": after // 1024, "bound": bound // 1024},
    }
    wrong = misplaced(world, calm["accepted"] + storm["accepted"])
    wrong += [f"{n} attempts ended otherwise than by 250 or 4xx: {end}" for end, n in bad.items()]
    if storm["good_put"] < GOOD_PUT_SHARE * calm["good_put"]:
        wrong.append(f"good-put fell to {figures['good_put_share']} of what it is without overload")
    if after > bound:
        wrong.append(f"memory grew to {after} KiB; {bound} KiB were allowed")
    if offered < OFFERED_SHARE * rate:
        wrong.append(f"the loader offered {offered:.0f} a second instead of {rate:.0f}: this proves nothing")
    if not gateway.runs:
        wrong.append(f"the gateway ended: {gateway.errors()[-500:]}")
    return figures, wrong


def _without_list(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if name != "accepted"}


def recovery(world: World, *, kills: int) -> tuple[Figures, list[str]]:
    """kill -9 of the gateway under load: how long until the next 250."""
    world.pair()
    world.start()
    gateway, gaps, accepted = world.gateway, [], []
    for number in range(kills):
        load = Loader(gateway, "--sessions", "20", "--seconds", "6", "--name", f"load{number}x")
        until(lambda: _took(gateway, f"probe{number}x", accepted), 10, "mail flows")
        gateway.kill()
        killed = time.monotonic()
        gateway.launch()
        until(lambda: _took(gateway, f"after{number}x", accepted), 30, "the next 250")
        gaps.append(round(time.monotonic() - killed, 2))
        accepted += load.figures()["accepted"]
        until(gateway.ready, 20, "ready")
    figures = {"kills": kills, "until_next_250_s": gaps, "longest_s": max(gaps)}
    wrong = misplaced(world, accepted)
    if max(gaps) > RECOVERY_SECONDS:
        wrong.append(f"the next 250 took {max(gaps)} s")
    return figures, wrong


def _took(gateway: Appliance, name: str, accepted: list[str]) -> bool:
    recipient = f"{name}{time.monotonic_ns()}@demo.example"
    taken = gateway.send("a@partner.example", [recipient], message("probe")).startswith("250")
    accepted += [recipient] if taken else []
    return taken


class Disk:
    """A tmpfs of DISK_BYTES, and ballast in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"
        place.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PermissionError(f"this machine does not let us mount a tmpfs ({done.stderr.strip()}): run it as root")

    def fill(self, leave: int) -> None:
        """So many octets stay free."""
        free = os.statvfs(self.place)
        length = (self._ballast.stat().st_size if self._ballast.exists() else 0) + free.f_bavail * free.f_frsize - leave
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, length)

    def free(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=False)


def full_disk(world: World) -> tuple[Figures, list[str]]:
    """The disk of rows and bodies fills under load: first into the reserve, then to the last octet; then there is
    space again."""
    disk = Disk(world.base / "small")
    try:
        return _full_disk(world, disk)
    finally:
        for appliance in world.appliances:
            appliance.kill()
        disk.close()


def _full_disk(world: World, disk: Disk) -> tuple[Figures, list[str]]:
    world.pair(
        gateway={
            "store.directory": f'"{disk.place}/store"',
            "store.spool": f'"{disk.place}/spool"',
            "store.reserve_bytes": str(RESERVE_BYTES),
        }
    )
    world.start()
    gateway, accepted = world.gateway, []
    load = Loader(gateway, "--sessions", "10", "--seconds", "12", "--name", "load")
    until(lambda: _took(gateway, "before", accepted), 10, "mail flows")
    disk.fill(RESERVE_BYTES - MIB)
    until(lambda: _refusal(gateway)[0].startswith("452 4.3.1"), 5, "452")
    reply, seconds = _refusal(gateway)
    disk.fill(0)
    worst = [_refusal(gateway)[0] for _ in range(20)]
    alive = gateway.runs
    disk.free()
    freed = time.monotonic()
    until(lambda: _took(gateway, "after", accepted), 30, "mail is taken again")
    resumed = time.monotonic() - freed
    figures = load.figures()
    wrong = misplaced(world, accepted + figures["accepted"])
    wrong += [f"{n} attempts ended otherwise: {end}" for end, n in not_temporary(figures["ends"]).items()]
    if seconds > FULL_REPLY_SECONDS:
        wrong.append(f"452 took {seconds:.3f} s")
    if resumed > RESUME_SECONDS:
        wrong.append(f"mail was taken again {resumed:.1f} s after there was space")
    if not alive or any(not r.startswith("452 4.3.1") for r in worst):
        wrong.append(f"with no octet free: runs {alive}, answers {sorted(set(worst))}")
    return {
        "reply": reply,
        "reply_ms": round(seconds * 1000, 1),
        "resumed_s": round(resumed, 2),
        "load": _without_list(figures),
    }, wrong


def _refusal(gateway: Appliance) -> tuple[str, float]:
    """The reply to a mail, and how long it took from the command on."""
    with gateway.talk() as talk:
        talk.greeted()
        began = time.monotonic()
        reply = talk.say("MAIL FROM:<a@partner.example>")
        return reply, time.monotonic() - began
