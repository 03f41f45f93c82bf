"""Conditions that last: what is looked at again and again, and said only when it begins and when it ends. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from pratique.telemetry import events as log
from pratique.telemetry.conditions import Condition


@dataclass(frozen=True, slots=True)
class Standing:
    """One that holds now. `begun`: what is said of it; None: whoever found it has said so. `over`: said at its end."""

    condition: Condition
    subject: str
    begun: log.Event | None
    over: str


class Standings:
    def __init__(self) -> None:
        self._known: dict[tuple[Condition, str], Standing] = {}

    def look(self, now: Iterable[Standing]) -> list[log.Event]:
        """What is to be said, given all that holds now."""
        found = {(one.condition, one.subject): one for one in now}
        said = [one.begun for key, one in found.items() if key not in self._known and one.begun is not None]
        ended = [one for key, one in self._known.items() if key not in found]
        self._known = found
        return said + [log.Over(message=one.over, condition=one.condition, subject=one.subject) for one in ended]
