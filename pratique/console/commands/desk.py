"""What every operator act works with, how it refuses, and the registry that the faces call.

A command is one typed async function over a Desk and the acting Person, with one permission and one docstring; the
registry checks the permission before it runs, so no face can forget to. Commands never parse HTTP, arguments of a shell
or JSON lines, and never render: the faces do.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from pratique.console.access.roles import Permission, Person, may, visible
from pratique.manager.release import Actor, Decided
from pratique.net.clock import Clock
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.store.interface import Store
from pratique.store.moves import StoreFailed
from pratique.store.records import AuditEntry, Quarantine
from pratique.telemetry import events as log
from pratique.telemetry.interface import Telemetry

__all__ = [
    "COMMANDS",
    "Acts",
    "Clock",
    "Command",
    "CommandRefused",
    "Desk",
    "LinkState",
    "Logs",
    "Why",
    "actor_of",
    "audit",
    "command",
]

P = ParamSpec("P")
T = TypeVar("T")


class Why(StrEnum):
    """Kinds of refusal; a face translates them into its own codes."""

    INVALID = "invalid"
    NOT_FOUND = "not found"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"


class CommandRefused(Exception):
    """Nothing was changed. `text` may be shown to whoever asked."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why
        self.text = text


@dataclass(frozen=True, slots=True)
class LinkState:
    """A destination as an operator sees it."""

    destination: str
    peer: str  # name, "" for an ordinary host
    serial: str  # of the peer, "" for an ordinary host
    up: bool | None  # None: not tried yet
    last_error: str
    next_attempt_ms: int  # 0 = none planned
    waiting: int  # recipients of a host; a peer's transfers are counted by the store
    connections: int = 0


class Acts(Protocol):
    """What the role does for a command. A stopped appliance has a plain one (front.stopped_acts)."""

    async def decide(self, mid: int, quarantine: str, mark: Mark, cause: Cause, actor: Actor) -> Decided:
        """The one way in which a mark is given. Durable on return."""
        ...

    async def retarget(self, mid: int, to: str, actor: Actor, *, override: bool) -> Decided:
        """A release that is on its way goes to the gateway with the serial `to`. Durable on return."""
        ...

    async def send_copy(self, mid: int, quarantine: str, addresses: tuple[str, ...], actor: Actor) -> Decided:
        """A copy of a held message goes elsewhere. Durable on return. Raises BadAddress."""
        ...

    async def resolve(self, mid: int, actor: Actor, *, send: bool, to: str) -> Decided:
        """A person ends the doubt about a manager's copy. Durable on return."""
        ...

    def quarantines_changed(self) -> None: ...

    def deliver(self, mid: int) -> None:
        """Gateway: deliveries of `mid` were just committed; take them up."""
        ...

    def links(self) -> tuple[LinkState, ...]: ...

    def counters(self) -> dict[str, float]: ...


class Logs(Protocol):
    """The log files of the appliance."""

    @property
    def directory(self) -> Path: ...

    def roll_over(self) -> None:
        """Let the current files go under dated names and begin new ones. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One per appliance."""

    name: str
    role: str  # gateway, manager
    version: str
    store: Store
    clock: Clock
    telemetry: Telemetry
    acts: Acts
    logs: Logs | None = None  # None: this appliance writes none

    def quarantines(self, person: Person) -> dict[str, Quarantine]:
        """Those that the person may see, by name."""
        known = {q.name: q for q in self.store.view.quarantines()}
        return {name: known[name] for name in visible(person, known)}


def actor_of(person: Person) -> Actor:
    return Actor(person.name, person.role, person.authn, person.session)


def audit(person: Person, action: str, mid: int = 0, cid: str = "", *, detail: str = "") -> AuditEntry:
    return AuditEntry(person.name, action, mid, cid, detail)


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    permission: Permission
    doc: str


COMMANDS: dict[str, Command] = {}


def command(
    name: str, permission: Permission
) -> Callable[
    [Callable[Concatenate[Desk, Person, P], Coroutine[Any, Any, T]]],
    Callable[Concatenate[Desk, Person, P], Coroutine[Any, Any, T]],
]:
    """Enter a function into the registry behind its permission."""

    def enter(
        run: Callable[Concatenate[Desk, Person, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[Desk, Person, P], Coroutine[Any, Any, T]]:
        assert name not in COMMANDS, f"two commands are called {name}"
        assert run.__doc__, f"the command {name} has no description"
        COMMANDS[name] = Command(name, permission, run.__doc__)

        async def guarded(desk: Desk, person: Person, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if not may(person, permission):
                raise CommandRefused(Why.FORBIDDEN, f"the role {person.role} may not do this")
            try:
                return await run(desk, person, *args, **kwargs)
            except StoreFailed as error:
                desk.telemetry.emit(log.Fault(error=f"{name} by {person.name}: the store failed: {error}"))
                raise CommandRefused(Why.UNAVAILABLE, "the store refused; the log says why") from error

        guarded.__doc__ = run.__doc__
        guarded.__name__ = name
        return guarded

    return enter
