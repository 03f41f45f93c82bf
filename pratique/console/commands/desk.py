"""What every operator act works with, how it refuses, and the registry that the faces call.

A command is one typed async function over a Desk and the acting Person, with one permission and one docstring; the
registry checks the permission before it runs, so no face can forget to. Commands never parse HTTP, arguments of a shell
or JSON lines, and never render: the faces do.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from pratique.config.level import Kind
from pratique.console.access.roles import Permission, Person, may, visible
from pratique.console.commands.clusters import Clusters
from pratique.console.commands.leveled import Leveled, Mode
from pratique.console.commands.staging import Configuration
from pratique.fleet.certificates import Certificate
from pratique.fleet.enrolment import Enrolment
from pratique.fleet.place import Place
from pratique.gateway.traced import Probe, Stage
from pratique.manager.places import Asked
from pratique.manager.release import Actor, Decided
from pratique.net.clock import Clock
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.alerts.latest import Raised
from pratique.runner.giving_up import Ended
from pratique.runner.ready import Readiness
from pratique.runner.supervisor import Component
from pratique.runner.suspension import Suspension
from pratique.store.interface import Store
from pratique.store.moves import StoreFailed
from pratique.store.records import AuditEntry, Quarantine
from pratique.telemetry import events as log
from pratique.telemetry.interface import Telemetry
from pratique.telemetry.lives import Lives

__all__ = [
    "COMMANDS",
    "Acts",
    "AlertSender",
    "Archive",
    "Asked",
    "Clock",
    "Command",
    "CommandRefused",
    "Desk",
    "Disk",
    "Elsewhere",
    "Examined",
    "Fleet",
    "Gauges",
    "HostCounts",
    "LinkState",
    "Logs",
    "Machine",
    "Meters",
    "NoQueues",
    "Queues",
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
class HostCounts:
    """Of one destination, since the process began or the counters were reset. Recipients, but `soft_bounced`: events;
    of the quarantine's own destinations: messages."""

    delivered: int = 0
    soft_bounced: int = 0
    dns: int = 0  # given up, and why: this one and the next three
    refused: int = 0
    expired: int = 0
    other: int = 0
    deleted: int = 0

    @property
    def hard_bounced(self) -> int:
        return self.dns + self.refused + self.expired + self.other

    @property
    def completed(self) -> int:
        return self.hard_bounced + self.delivered + self.deleted


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
    active_ms: int = 0  # when the last attempt began, 0 = none yet
    address: str = ""  # and where it went, host:port
    last_5xx: str = ""
    counts: HostCounts = HostCounts()
    asked: Asked | None = None  # manager: what this gateway said over SSH; None: it is not asked


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

    def row_written(self) -> None:
        """A row of our journal was just committed: the peer is to hear of it."""
        ...

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


NOT_RUNNING = "the appliance does not run; start it first"


class Queues(Protocol):
    """What a running role does with its queues for a person."""

    def wake(self, host: str) -> int:
        """Try what waits for `host` ("" = all destinations) now. How many destinations were told."""
        ...

    async def end_waiting(self, host: str, mids: frozenset[int] | None, actor: str, *, bounced: bool) -> Ended:
        """Delete or bounce ordinary mail that waits: of `mids`; None: all that goes to `host` ("" = anywhere)."""
        ...

    async def end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        """Delete or bounce a message that waits for one of the quarantine's own destinations. Why not, "" = it is."""
        ...

    def redirect(self, host: str, mids: frozenset[int] | None, to: str) -> int:
        """Ordinary mail that waits, picked as by end_waiting, goes to `to` ("" = the usual way). How many messages; it
        is kept in the store already."""
        ...

    def listeners(self) -> tuple[str, ...]:
        """Their names; the quarantine port is one of them."""
        ...

    def apply(self, now: Suspension) -> None:
        """Let this be what is suspended, and nothing else. It is kept in the store already."""
        ...

    async def quiet(self, seconds: float, *, receiving: bool) -> None:
        """Wait until what was suspended (receiving, or delivery) is quiet; after so many seconds break it off."""
        ...


class NoQueues:
    """Of an appliance that does not run."""

    def wake(self, host: str) -> int:
        raise CommandRefused(Why.UNAVAILABLE, "the appliance does not run; what waits is tried when it starts")

    async def end_waiting(self, host: str, mids: frozenset[int] | None, actor: str, *, bounced: bool) -> Ended:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)

    async def end_own(self, mid: int, actor: str, *, bounced: bool) -> str:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)

    def redirect(self, host: str, mids: frozenset[int] | None, to: str) -> int:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)

    def listeners(self) -> tuple[str, ...]:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)

    def apply(self, now: Suspension) -> None:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)

    async def quiet(self, seconds: float, *, receiving: bool) -> None:
        raise CommandRefused(Why.UNAVAILABLE, NOT_RUNNING)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is open at this moment, and the newest numbers."""

    connections_in: int
    connections_out: int
    mid: int
    icid: int
    dcid: int


class Meters(Protocol):
    """The counters of a running appliance."""

    @property
    def lives(self) -> Lives: ...

    def gauges(self) -> Gauges: ...

    def clients(self) -> dict[tuple[str, str, str], int]:
        """Open sessions by (name, address, listener); name and address are "" where another process has them."""
        ...

    async def reset(self, entry: AuditEntry) -> None:
        """Counters begin anew. Durable on return."""
        ...


@dataclass(frozen=True, slots=True)
class Examined:
    """What the doctor found: each check as JSON, the whole as text, and whether no required one failed."""

    checks: list[dict[str, Any]]
    text: str
    well: bool


@dataclass(frozen=True, slots=True)
class Disk:
    """Octets: what the appliance has there, what is free on that disk for it, and how large the disk is."""

    name: str
    place: str
    ours: int
    free: int
    size: int


class Machine(Protocol):
    """The machine under a running appliance."""

    async def examine(self) -> Examined: ...

    def disks(self) -> tuple[Disk, ...]:
        """Blocking. Raises OSError."""
        ...

    def flush_names(self) -> None:
        """Names of hosts are asked of the DNS anew."""
        ...


class AlertSender(Protocol):
    """The alerts of a running appliance."""

    async def test(self) -> Raised:
        """Send a test to every recipient. Durable on return. Raises StoreFailed, OSError."""
        ...


class Archive(Protocol):
    """Where a person keeps messages as files."""

    def keep(self, name: str, pieces: Iterable[bytes]) -> Path:
        """A new file, whole or not at all. Raises OSError (FileExistsError: it is kept already). Blocking."""
        ...


class Fleet(Protocol):
    """The running appliance among those that it is enrolled with."""

    def place(self) -> Place:
        """Where our quarantine port takes mail."""
        ...

    def enrolment(self) -> Enrolment:
        """What a peer must know of us; makes our key for SSH when it is missing. Raises OSError, ValueError."""
        ...

    @property
    def configured_alternate(self) -> str:
        """Manager: the serial in the configuration of the gateway that takes what another has cancelled."""
        ...

    def changed(self) -> None:
        """Peers were added, changed or taken away; it is in the store already."""
        ...

    def asked(self, serial: str) -> Asked | None:
        """Manager: what this gateway said over SSH of where it takes mail; None: it is not asked."""
        ...

    async def ask(self, serial: str) -> Asked | None:
        """The same, asked anew now."""
        ...

    async def probe(self, serial: str, place: tuple[str, int]) -> str:
        """Dial a peer's quarantine port: banner, TLS with both certificates. "", or what is wrong."""
        ...

    async def readiness(self) -> tuple[Readiness, ...]:
        """Gateway: what is so between us and the manager, asked over the quarantine port."""
        ...


class Certificates(Protocol):
    """The certificates of a running appliance. A change is in force on return, for connections that begin then."""

    def listed(self) -> tuple[Certificate, ...]:
        """That of the quarantine port (cpq), that of the REST API and the listeners (web), and the one that waits to
        be shown at the quarantine port (cpq-next). Raises OSError, BadCertificate."""
        ...

    async def renew_cpq(self, actor: str) -> str:
        """Begin to replace that of the quarantine port, or go on. Returns for whom it waits, in words; "" = it is
        shown. Raises OSError, StoreFailed."""
        ...

    def fresh_web(self) -> tuple[str, str]:
        """A certificate of our own making and its key, in PEM; in use nowhere yet."""
        ...

    async def use_web(self, certificate: str, key: str, entry: AuditEntry, *, own: bool) -> str:
        """Take a pair in use; `own`: people made it, so it is not renewed by itself. Returns what else must be done
        before all of the appliance shows it, in words; "" = nothing. Raises BadCertificate, OSError, StoreFailed."""
        ...


Trace = Callable[[Probe], Awaitable[tuple[Stage, ...]]]  # gateway.tracing.trace of a running gateway


class Elsewhere(Protocol):
    """The appliance, where commands are called in another process than its own (console.remote)."""

    async def run(self, name: str, person: Person, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the command returns there. Raises CommandRefused."""
        ...

    async def state(self) -> str:
        """As commands.status.bare_state."""
        ...


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
