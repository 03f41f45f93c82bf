"""The counters of a running appliance: sampled for their rates, kept in the store over lives, reset by a person."""

import asyncio
from dataclasses import dataclass

from pratique.console.commands.parts import Gauges
from pratique.gateway.app import Gateway
from pratique.manager.app import Manager
from pratique.runner.link_items import Health
from pratique.store.moves import PutSetting, StoreFailed
from pratique.store.records import AuditEntry
from pratique.telemetry.counters import Counters
from pratique.telemetry.lives import SAMPLE_SECONDS, Lives

SETTING = "counters"
KEEP_SECONDS = 60  # what a crash takes of the lifetime at the most


@dataclass(slots=True)
class RunningMeters:
    role: Gateway | Manager
    lives: Lives
    _kept: str = ""

    @classmethod
    def of(cls, role: Gateway | Manager, counters: Counters) -> "RunningMeters":
        services = role.services
        kept = services.store.view.setting(SETTING)
        return cls(role, Lives(counters.values, kept, now_ms=services.clock.now_ms()))

    async def run(self) -> None:
        """Sample and keep, for ever."""
        rounds = 0
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            self.lives.sample(self.role.services.clock.now_ms())
            rounds += 1
            if rounds % (KEEP_SECONDS // SAMPLE_SECONDS) == 0:
                await self.keep()

    async def keep(self) -> None:
        """What has risen is written. A store that fails has said so itself."""
        text = self.lives.text()
        if text == self._kept:
            return
        try:
            await self.role.services.store.submit(PutSetting(SETTING, text))
        except StoreFailed:
            return
        self._kept = text

    async def reset(self, entry: AuditEntry) -> None:
        self.lives.reset(self.role.services.clock.now_ms())
        for health in self._healths():
            health.forget_counts()
        await self.role.services.store.submit(PutSetting(SETTING, self.lives.text(), (entry,)))

    def gauges(self) -> Gauges:
        services, role = self.role.services, self.role
        return Gauges(
            role.connections_in(),
            role.connections_out(),
            services.store.newest_mid(),
            services.numbers.icid.reached - 1,
            services.numbers.dcid.reached - 1,
        )

    def clients(self) -> dict[tuple[str, str, str], int]:
        if isinstance(self.role, Manager):
            return {}
        edges = self.role.parts.edges
        if edges is None:
            return dict(self.role.intake.clients())
        names = [listener.name for listener in self.role.settings.listeners]
        counts = {name: edges.connections(self.role.settings.listeners, {name}) for name in names}
        return {("", "", name): count for name, count in counts.items() if count}

    def _healths(self) -> list[Health]:
        if isinstance(self.role, Manager):
            return [link.health for link in self.role.links.values()]
        own = [self.role.link.health] if self.role.link is not None else []
        return own + [found.health for found in self.role.deliverer.destinations.values()]
