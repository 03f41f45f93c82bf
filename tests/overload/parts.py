"""The three trials: five times too much mail, kill -9 under load, a full disk. Each gives figures and what is wrong."""

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from pratique.runner.link import WINDOW_BYTES
from pratique.store.sqlite.opening import CACHE_KIB, READ_CACHE_KIB
from tests.e2e.world import Appliance, World, message, until
from tests.overload.loader import CannotRun, Figures, Loader, Spent, memory_peak_kib

MIB, PAGE_BYTES = 1 << 20, 4096
PATIENCE_SECONDS = 120.0  # after which a trial is given up; a busy machine is slow
FACTOR = 5.0
GOOD_PUT_SHARE = 0.8  # of what is done without overload
OFFERED_SHARE = 0.9  # of what the loader was told to offer, or the trial proves nothing
# What may come on top of the peak without overload, each by a limit with a name: the page caches of the writer and of
# two readers, the bodies that a link keeps ready, and the sessions (connections_max, by default).
SESSION_KIB, SESSIONS_MAX = 64, 1000
MEMORY_KIB = CACHE_KIB + 2 * READ_CACHE_KIB + WINDOW_BYTES // 1024 + SESSION_KIB * SESSIONS_MAX
WAITED_SHARE = 0.1  # of the time: above it others had the processor, and good-put is judged by CPU second
CLIENTS, CALM_PHASES = 50, 3
RECOVERY_SECONDS = 2.0
FULL_REPLY_SECONDS = 0.1
RESUME_SECONDS = 5.0
DISK_BYTES = 512 * MIB
RESERVE_BYTES = 64 * MIB


def not_temporary(ends: dict[str, int]) -> dict[str, int]:
    """Ends that are neither a 250 nor a refusal with 4xx in words."""
    return {end: n for end, n in ends.items() if end != "250" and not (end[0] == "4" and end[:3].isdecimal())}


def misplaced(world: World, accepted: list[str]) -> list[str]:
    """Accepted recipients that the manager does not hold exactly once, and others that it holds twice, after all was
    handed over."""
    until(
        lambda: world.gateway.count("copy WHERE custody IN ('RECEIVED', 'Q', 'X')") == 0,
        PATIENCE_SECONDS,
        "all handed over",
    )
    held = Counter(row[0] for row in world.manager.rows("SELECT recipients FROM copy"))
    return [f"{r} is held {held[r]} times" for r in {*accepted, *held} if held[r] != 1]


# --- overload
class _Phase:
    """One load from its begin to its last answer."""

    def __init__(self, gateway: Appliance, how: str, number: float, *, seconds: float, name: str) -> None:
        before = Spent.by(gateway)
        self.figures, self.accepted = Loader(gateway, how, number, seconds=seconds, name=name).figures()
        spent = Spent.by(gateway).since(before)
        self.good_put = float(self.figures["good_put"])
        self.per_cpu_second = len(self.accepted) / spent.cpu
        self.waited = spent.waited
        self.memory_kib = memory_peak_kib(gateway)
        self.figures["gateway_cpu_s"] = round(spent.cpu, 1)


def overload(world: World, *, seconds: float, calm_seconds: float) -> tuple[Figures, list[str]]:
    """What it does with all that CLIENTS clients give it, at its best of CALM_PHASES; then FACTOR times as much."""
    world.pair()
    world.start()
    gateway = world.gateway
    phases = [_Phase(gateway, "keep", CLIENTS, seconds=calm_seconds, name=f"calm{n}x") for n in range(CALM_PHASES)]
    calm = max(phases, key=lambda phase: phase.good_put)
    rate = FACTOR * calm.good_put
    storm = _Phase(gateway, "rate", rate, seconds=seconds, name="storm")
    bound = calm.memory_kib + MEMORY_KIB
    share, cpu_share = storm.good_put / calm.good_put, storm.per_cpu_second / calm.per_cpu_second
    shared_machine = storm.waited > WAITED_SHARE * seconds
    figures = {
        "calm": calm.figures,
        "overload": storm.figures,
        "good_put_share": round(share, 2),
        "good_put_share_per_cpu_second": round(cpu_share, 2),
        "judged_by": "CPU second, for others had the processor" if shared_machine else "second",
        "waited_for_a_processor_s": round(storm.waited, 1),
        "memory_peak_mib": {"calm": calm.memory_kib >> 10, "overload": storm.memory_kib >> 10, "bound": bound >> 10},
    }
    wrong = misplaced(world, [r for phase in (*phases, storm) for r in phase.accepted])
    bad = not_temporary(storm.figures["ends"])
    wrong += [f"{n} attempts ended otherwise than by 250 or 4xx: {end}" for end, n in bad.items()]
    if (cpu_share if shared_machine else share) < GOOD_PUT_SHARE:
        wrong.append(f"good-put fell to {share:.2f}, per CPU second to {cpu_share:.2f}")
    if storm.memory_kib > bound:
        wrong.append(f"memory grew to {storm.memory_kib} KiB; {bound} KiB were allowed")
    if storm.figures["offered"] < OFFERED_SHARE * rate:
        wrong.append(f"the loader offered {storm.figures['offered']} a second instead of {rate:.0f}: no proof")
    if not gateway.runs:
        wrong.append(f"the gateway ended: {gateway.errors()[-500:]}")
    return figures, wrong


# --- recovery
def recovery(world: World, *, kills: int) -> tuple[Figures, list[str]]:
    """kill -9 of the gateway under load: how long until the next 250."""
    world.pair()
    world.start()
    gateway = world.gateway
    gaps: list[float] = []
    waits: list[float] = []
    accepted: list[str] = []
    for number in range(kills):
        load = Loader(gateway, "keep", 20, seconds=6, name=f"load{number}x")
        _until_taken(gateway, "probe", accepted)
        gateway.kill()
        killed = time.monotonic()
        gateway.launch()
        _until_taken(gateway, "after", accepted)
        gaps.append(round(time.monotonic() - killed, 2))
        waits.append(round(Spent.by(gateway).waited, 2))
        accepted += load.figures()[1]
        until(gateway.ready, PATIENCE_SECONDS, "ready")
    wrong = misplaced(world, accepted)
    own = [round(gap - waited, 2) for gap, waited in zip(gaps, waits, strict=True)]
    if max(own) > RECOVERY_SECONDS:
        wrong.append(f"the next 250 took {max(own)} s beside the time in which others had the processor")
    return {
        "kills": kills,
        "until_next_250_s": gaps,
        "waited_for_a_processor_s": waits,
        "longest_own_s": max(own),
    }, wrong


def _until_taken(gateway: Appliance, name: str, accepted: list[str]) -> None:
    until(lambda: took(gateway, name, accepted), PATIENCE_SECONDS, "mail is taken")


def took(gateway: Appliance, name: str, accepted: list[str]) -> bool:
    """Does it take a mail? Whom it was taken for is added to `accepted`."""
    recipient = f"{name}{time.monotonic_ns()}@demo.example"
    taken = gateway.send("a@partner.example", [recipient], message("probe")).startswith("250")
    accepted += [recipient] if taken else []
    return taken


# --- disk
class Disk:
    """A tmpfs of DISK_BYTES, and ballast in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"
        place.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRun(f"this machine does not let us mount a tmpfs ({done.stderr.strip()}): run it as root")

    def fill(self, leave: int) -> None:
        """So many octets stay free."""
        with self._ballast.open("ab") as file:
            size = self._free() - leave
            while size >= PAGE_BYTES:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
                except OSError:  # mail came meanwhile
                    size //= 2
                else:
                    size = self._free() - leave

    def _free(self) -> int:
        disk = os.statvfs(self.place)
        return disk.f_bavail * disk.f_frsize

    def free(self) -> None:
        self._ballast.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=False)


def full_disk(world: World, *, load_seconds: float = 12.0) -> tuple[Figures, list[str]]:
    """The disk of rows and bodies fills under load: first into the reserve, then to the last octet; then there is
    space again."""
    disk = Disk(world.base / "small")
    try:
        return _full_disk(world, disk, load_seconds)
    finally:
        for appliance in world.appliances:
            appliance.kill()
        disk.close()


def _full_disk(world: World, disk: Disk, load_seconds: float) -> tuple[Figures, list[str]]:
    world.pair(
        gateway={
            "store.directory": f'"{disk.place}/store"',
            "store.spool": f'"{disk.place}/spool"',
            "store.reserve_bytes": str(RESERVE_BYTES),
        }
    )
    gateway = world.gateway
    (gateway.directory / "store").symlink_to(disk.place / "store")  # where the world looks for its rows
    world.start()
    accepted: list[str] = []
    load = Loader(gateway, "keep", 10, seconds=load_seconds, name="load")
    _until_taken(gateway, "before", accepted)
    disk.fill(RESERVE_BYTES - MIB)
    until(lambda: _refusal(gateway)[0].startswith("452 4.3.1"), PATIENCE_SECONDS, "452")
    reply, seconds = _refusal(gateway)
    disk.fill(0)
    worst = {_refusal(gateway)[0] for _ in range(20)}
    alive = gateway.runs
    disk.free()
    freed = time.monotonic()
    _until_taken(gateway, "after", accepted)
    resumed = time.monotonic() - freed
    figures, taken = load.figures()
    wrong = misplaced(world, accepted + taken)
    wrong += [f"{n} attempts ended otherwise: {end}" for end, n in not_temporary(figures["ends"]).items()]
    if seconds > FULL_REPLY_SECONDS:
        wrong.append(f"452 took {seconds:.3f} s")
    if resumed > RESUME_SECONDS:
        wrong.append(f"mail was taken again {resumed:.1f} s after there was space")
    if not alive or any(not r.startswith("452 4.3.1") for r in worst):
        wrong.append(f"with no octet free: runs {alive}, answers {sorted(worst)}")
    timing = {"reply": reply, "reply_ms": round(seconds * 1000, 1), "resumed_s": round(resumed, 2)}
    return {**timing, "load": figures}, wrong


def _refusal(gateway: Appliance) -> tuple[str, float]:
    """The reply to a mail, and how long it took from the command on."""
    with gateway.talk() as talk:
        talk.greeted()
        began = time.monotonic()
        reply = talk.say("MAIL FROM:<a@partner.example>")
        return reply, time.monotonic() - began
