"""What every operator act works with, how it refuses, and the registry that the faces call.

A command is one typed async function over a Desk and the acting Person, with one permission and one docstring; the
registry checks the permission before it runs, so no face can forget to. Commands never parse HTTP, arguments of a shell
or JSON lines, and never render: the faces do.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from pratique.config.level import Kind
from pratique.console.access.roles import Permission, Person, may, visible
from pratique.console.commands.clusters import Clusters
from pratique.console.commands.leveled import Leveled, Mode
from pratique.console.commands.parts import (
    NOT_RUNNING,
    Acts,
    AlertSender,
    Archive,
    AskWhereto,
    Certificates,
    CommandRefused,
    Elsewhere,
    Fleet,
    Logs,
    Machine,
    Meters,
    NoQueues,
    Queues,
    Trace,
    Why,
)
from pratique.console.commands.staging import Configuration
from pratique.manager.places import Asked
from pratique.manager.release import Actor
from pratique.net.clock import Clock
from pratique.runner.supervisor import Component
from pratique.store.interface import Store
from pratique.store.moves import StoreFailed
from pratique.store.records import AuditEntry, Quarantine
from pratique.telemetry import events as log
from pratique.telemetry.interface import Telemetry

__all__ = [
    "COMMANDS",
    "Asked",
    "Clock",
    "Command",
    "Desk",
    "actor_of",
    "audit",
    "command",
]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """One per appliance. Where commands run `elsewhere`, only name, role, version and clock are here as well."""

    name: str
    role: str  # gateway, manager
    version: str
    store: Store
    clock: Clock
    telemetry: Telemetry
    acts: Acts
    logs: Logs | None = None  # None: this appliance writes none
    queues: Queues = NoQueues()
    meters: Meters | None = None  # None: the appliance does not run
    archive: Archive | None = None
    alerts: AlertSender | None = None  # None: the appliance does not run
    machine: Machine | None = None  # None: the appliance does not run
    components: Callable[[], tuple[Component, ...]] = tuple  # none of an appliance that does not run
    configuration: Configuration | None = None  # None: the appliance does not run
    fleet: Fleet | None = None  # None: the appliance does not run
    trace: Trace | None = None  # None: no gateway, or it does not run
    whereto: AskWhereto | None = None  # None: no gateway, or it does not run
    nameservers: tuple[str, ...] = ()  # that this appliance asks; () = those of the system
    clusters: Clusters | None = None  # None: no gateway, or it does not run
    elsewhere: Elsewhere | None = None  # None: commands run here
    mode: Mode = field(default_factory=Mode)  # of one session
    certificates: Certificates | None = None  # None: the appliance does not run
    changing_users: asyncio.Lock = field(default_factory=asyncio.Lock)  # one at a time

    def for_session(self) -> "Desk":
        """The same desk with a mode of its own: what is configured there is the level of that mode."""
        mode = Mode()
        configuration = Leveled(self.configuration, mode) if self.configuration is not None else None
        return replace(self, mode=mode, configuration=configuration)

    @property
    def prompt(self) -> str:
        """hostname>, and in a cluster the level that the session works on."""
        membership = self.clusters.membership if self.clusters is not None else None
        if membership is None:
            return f"{self.name}> "
        level = self.mode.level
        named = {Kind.CLUSTER: membership.cluster.name, Kind.MACHINE: self.name}.get(level.kind, level.name)
        return f"({level.kind.capitalize()} {named})> "

    def clustered(self) -> Clusters:
        """Raises CommandRefused."""
        if self.clusters is None:
            raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING if self.role == "gateway" else "only gateways cluster")
        return self.clusters

    def running(self) -> Meters:
        """Raises CommandRefused when it does not run."""
        if self.meters is None:
            raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
        return self.meters

    def configured(self) -> Configuration:
        """Raises CommandRefused when the appliance does not run."""
        if self.configuration is None:
            raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
        return self.configuration

    def paired(self) -> Fleet:
        """Raises CommandRefused when it does not run."""
        if self.fleet is None:
            raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)
        return self.fleet

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
    run: Callable[..., Coroutine[Any, Any, Any]]  # behind its permission; __wrapped__ has its types


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

        @functools.wraps(run)
        async def guarded(desk: Desk, person: Person, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if desk.elsewhere is not None:  # which asks for the permission where the person is known
                return cast(T, await desk.elsewhere.run(name, person, args, kwargs))
            if not may(person, permission):
                raise CommandRefused(Why.FORBIDDEN, f"the role {person.role} may not do this")
            try:
                return await run(desk, person, *args, **kwargs)
            except StoreFailed as error:
                desk.telemetry.emit(log.Fault(error=f"{name} by {person.name}: the store failed: {error}"))
                raise CommandRefused(Why.UNAVAILABLE, "the store refused; the log says why") from error

        guarded.__name__ = name
        COMMANDS[name] = Command(name, permission, run.__doc__, guarded)
        return guarded

    return enter
