"""A virus engine whose silence is noticed: the log says when it stops giving verdicts, and when it gives them again.

What becomes of the message is policy's (on_unknown); here only the operator is told, who would otherwise see mail
pile up in a quarantine without a reason.
"""

from collections.abc import Callable

from pratique.checks.interface import VirusEngine
from pratique.mail.body import Body
from pratique.policy.facts import Unknown, VirusResult
from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition

QUIET_SECONDS = 60.0  # without a missing verdict, before it is said to be over: an overload must not fill the log


class WatchedEngine:
    """A VirusEngine around another."""

    def __init__(
        self, engine: VirusEngine, emit: Callable[[log.Event], None], *, monotonic: Callable[[], float]
    ) -> None:
        self.name = engine.name
        self._engine = engine
        self._emit = emit
        self._monotonic = monotonic
        self._silent = False
        self._silent_at = 0.0

    async def scan(self, body: Body, octets: bytes | None) -> VirusResult | Unknown:
        found = await self._engine.scan(body, octets)
        if isinstance(found, Unknown):
            self._missing(found.why)
        elif self._silent and self._monotonic() >= self._silent_at + QUIET_SECONDS:
            self._silent = False
            text = f"{self.name} gives verdicts again"
            self._emit(log.Over(message=text, condition=Condition.VIRUS_ENGINE, subject=self.name))
        return found

    def _missing(self, why: str) -> None:
        self._silent_at = self._monotonic()
        if not self._silent:
            self._silent = True
            text = f"{self.name} gives no verdict, mail goes by what its policy says of that: {why}"
            self._emit(log.Trouble(message=text, condition=Condition.VIRUS_ENGINE, subject=self.name))
