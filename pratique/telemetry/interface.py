"""Where events go."""

from typing import Protocol

from pratique.telemetry.events import Event


class Telemetry(Protocol):
    def emit(self, event: Event) -> None:
        """Queue one event; written with the next flush, at most 1 s later. Never blocks, never raises."""
        ...
