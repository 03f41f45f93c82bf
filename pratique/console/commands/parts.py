"""The parts of an appliance as commands see them, and how a command refuses.

Protocols and values only: what runs behind them is handed to the Desk (desk.py) by whoever starts the faces.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pratique.console.access.roles import Person
from pratique.fleet.certificates import Certificate
from pratique.fleet.enrolment import Enrolment
from pratique.fleet.place import Place
from pratique.gateway.traced import Probe, Stage
from pratique.gateway.whereto import Whereto
from pratique.manager.places import Asked
from pratique.manager.release import Actor, Decided
from pratique.quarantine.lifecycle import Cause, Mark
from pratique.runner.alerts.latest import Raised
from pratique.runner.giving_up import Ended
from pratique.runner.ready import Readiness
from pratique.runner.suspension import Suspension
from pratique.store.records import AuditEntry
from pratique.telemetry.lives import Lives


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


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine has to bear. Per cent of the whole: `cpu`, `ram` of this process; `total` of all that runs; how
    full the disks of the spool and of the log are. Octets: what the spool takes, what is free beside the log. Questions
    to the DNS since the start, and those of them that the cache answered."""

    cpu: int
    total: int
    ram: int
    disk: int
    log: int
    spool_octets: int
    log_free: int
    names_asked: int
    names_cached: int


class Machine(Protocol):
    """The machine under a running appliance."""

    async def examine(self) -> Examined: ...

    def load(self) -> Load:
        """Blocking. Raises OSError."""
        ...

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
AskWhereto = Callable[[str], Awaitable[Whereto]]  # gateway.whereto of a running gateway


class Elsewhere(Protocol):
    """The appliance, where commands are called in another process than its own (console.remote)."""

    async def run(self, name: str, person: Person, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the command returns there. Raises CommandRefused."""
        ...

    async def state(self) -> str:
        """As commands.status.bare_state."""
        ...
