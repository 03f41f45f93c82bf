"""What the machine's own commands do, by name: arguments as a JSON object in, a JSON value out.

The same table serves the socket of a running appliance and the store of a stopped one. Each act calls commands of
console.commands or the enrolment of this room; none decides anything itself.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pratique.console.access.roles import Person
from pratique.console.commands.desk import Desk


class BadArguments(Exception):
    """The command's arguments cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """`peers_changed` is called after an enrolment changed."""

    desk: Desk
    peers_changed: Callable[[], None]


Act = Callable[[Bench, Person, dict[str, Any]], Awaitable[Any]]
LOCAL_ACTS: dict[str, Act] = {}
