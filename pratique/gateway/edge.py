"""The role of an edge process: listeners and judging of a gateway whose rows another process keeps.

What it accepts it hands to custody; it dials nobody, keeps nothing, and ends when custody does.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pratique.checks.interface import Engines
from pratique.gateway.apply import Planner
from pratique.gateway.bounce import Bouncer
from pratique.gateway.intake import Intake
from pratique.gateway.judging import Judging, Outlets
from pratique.gateway.pipeline import Pipeline
from pratique.gateway.settings import GatewaySettings
from pratique.gateway.tally import SharedTally, Tally
from pratique.net.resolver import Resolver
from pratique.policy.evaluate import Program
from pratique.runner.services import Services
from pratique.runner.settings import DeliverySettings

STOP_SECONDS = 10.0  # sessions may finish what they have begun


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """What the front hands in. `tallies`: the shared table of each listener."""

    settings: GatewaySettings
    delivery: DeliverySettings
    program: Program
    engines: Engines
    smtp_tls: Any  # ssl.SSLContext for STARTTLS
    number: int
    edges: int
    tallies: list[int]


class EdgeRole:
    def __init__(self, services: Services, parts: EdgeParts) -> None:
        self.services = services
        self._parts = parts
        self.planner = Planner(services, seals=False)
        self.pipeline = Pipeline(parts.program, parts.engines)
        self.bouncer = Bouncer(services, parts.delivery.bounce)
        self.judging = Judging(
            services,
            pipeline=self.pipeline,
            planner=self.planner,
            bouncer=self.bouncer,
            outlets=Outlets(transfer=lambda copy, octets: None, deliver=lambda copy: None),  # custody goes on with it
            deadline_seconds=parts.settings.judge_deadline_seconds,
            hops_max=parts.delivery.hops_max,
            late=False,
        )
        self.intake = Intake(
            services,
            parts.settings,
            judging=self.judging,
            resolver=Resolver(parts.delivery.nameservers),
            tls=parts.smtp_tls,
            tally=self._tally,
        )

    def _tally(self, listener: int) -> Tally:
        return SharedTally(self._parts.tallies[listener], row=self._parts.number, rows=self._parts.edges)

    def suspend(self, listeners: Sequence[str], *, paused: bool, close: bool) -> None:
        """What custody says of an operator's wish."""
        self.judging.paused = paused
        self.intake.suspend(listeners)
        if close:
            self.intake.end_suspended()

    async def stop(self) -> None:
        """Take nothing new; sessions end, and what they had handed over is answered."""
        self.intake.close()
        self.intake.shut_down()
        deadline = self.services.clock.monotonic() + STOP_SECONDS
        while self.intake.busy and self.services.clock.monotonic() < deadline:  # noqa: ASYNC110 - at shutdown only
            await asyncio.sleep(0.02)
        await self.services.tasks.close()
