"""What the verbs of the machine ask of a running appliance: its doctor, the room on its disks, its DNS cache."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pratique.console.commands.parts import Disk, Examined, Load
from pratique.front import load
from pratique.front.appliance import Appliance


@dataclass(frozen=True, slots=True)
class RunningMachine:
    appliance: Appliance
    cpu: load.CpuShare = field(default_factory=load.CpuShare)

    async def examine(self) -> Examined:
        """The checks of `pratique doctor`: over the socket and the ports, as from outside."""
        from pratique.front.doctor import examine, rendered  # late: its libraries are for those who ask

        checks = await examine(self.appliance.directory)
        rows: list[dict[str, Any]] = [check.to_json() for check in checks]
        return Examined(rows, rendered(checks), not any(check.failed for check in checks))

    def load(self) -> Load:
        """Blocking: it looks at every segment of the spool."""
        appliance, store = self.appliance, self.appliance.options.store
        cpu = self.cpu.per_cent()
        disk, _ = load.fullness(appliance.directory / store.spool)
        log, log_free = load.fullness(appliance.directory / appliance.options.log.directory)
        asked, cached = appliance.role.resolver.counts()
        return Load(
            cpu=cpu,
            total=load.all_that_runs(cpu),
            ram=load.memory(),
            disk=disk,
            log=log,
            spool_octets=load.segments(appliance.directory / store.spool),
            log_free=log_free,
            names_asked=asked,
            names_cached=cached,
        )

    def disks(self) -> tuple[Disk, ...]:
        """Blocking: it looks at every file of ours."""
        appliance, options = self.appliance, self.appliance.options
        places = {"store": options.store.directory, "spool": options.store.spool, "log": options.log.directory}
        return tuple(_disk(name, appliance.directory / place) for name, place in places.items())

    def flush_names(self) -> None:
        """What the DNS said is asked anew."""
        self.appliance.role.resolver.flush()


def _disk(name: str, place: Path) -> Disk:
    """Raises OSError."""
    found = os.statvfs(place)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    ours = 0
    for folder, _, files in os.walk(place):
        for file in files:
            try:
                ours += os.lstat(os.path.join(folder, file)).st_blocks * 512
            except FileNotFoundError:
                continue  # a running appliance removes files meanwhile
    return Disk(name, str(place), ours, free, size)
