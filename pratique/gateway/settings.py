"""Options of the gateway role: listeners, who may send, who may be written to, limits."""

from dataclasses import dataclass, field
from typing import Any

from pratique.policy.settings import PolicySettings
from pratique.smtp.limits import Limits


def option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


def options(make: Any, doc: str) -> Any:
    return field(default_factory=make, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class HostAccess:
    """One row of a listener's host access table; the first match decides."""

    match: str = option("ALL", "An address, a network (10.0.0.0/8) or ALL.")
    action: str = option(
        "ACCEPT",
        "ACCEPT (recipients are checked), RELAY (they are not), REJECT (554), TCPREFUSE.",
        choices=("ACCEPT", "RELAY", "REJECT", "TCPREFUSE"),
    )
    group: str = option("UNKNOWNLIST", "Name of the sender group, as it stands in the mail log.")
    tls_required: bool = option(False, "Take no mail from these hosts without TLS.")


@dataclass(frozen=True, slots=True)
class RecipientAccess:
    """One row of a public listener's recipient access table; the first match decides, no match is refused."""

    match: str = option("ALL", "a@b.example, b.example, .b.example (subdomains) or ALL.")
    action: str = option("ACCEPT", "ACCEPT or REJECT.", choices=("ACCEPT", "REJECT"))


@dataclass(frozen=True, slots=True)
class Listener:
    """One address on which mail is taken."""

    name: str = option("InboundMail", "Name, as filters and the mail log use it.")
    kind: str = option(
        "public",
        "public (the Internet: recipients are checked) or private (own servers: all is relayed).",
        choices=("public", "private"),
    )
    address: str = option("0.0.0.0", "Address to listen on.")
    port: int = option(25, "Port to listen on.", min=1, max=65535)
    interface: str = option(
        "",
        "Name of the interface to listen on, in place of an address, and as it stands in the mail log; empty = Data 1 "
        "in the log.",
    )
    tls: str = option("may", "STARTTLS: no, may (offered) or must (required).", choices=("no", "may", "must"))
    bare_newlines: str = option(
        "refuse",
        "Bare CR or LF in a message: refuse, or normalise (made CRLF, never kept).",
        choices=("refuse", "normalise"),
    )
    hosts: tuple[HostAccess, ...] = option(
        (), "Host access table; empty: a public listener accepts, a private one relays for private networks only."
    )
    recipients: tuple[RecipientAccess, ...] = option((), "Recipient access table of a public listener.")
    connections_max: int = option(1000, "Sessions at a time; more get 421.", min=1)
    connections_per_address: int = option(50, "Sessions at a time from one address; more get 421.", min=1)
    recipients_per_hour: int = option(0, "Recipients per hour from one address; more get 452. 0 = no limit.", min=0)
    reverse_dns: bool = option(True, "Look up the name of public client addresses.")
    limits: Limits = options(Limits, "Limits of a session.")


@dataclass(frozen=True, slots=True)
class VirusSettings:
    """Engines that are asked for a virus verdict."""

    builtin: bool = option(True, "The embedded engine (YARA-X) with its built-in rules.")
    rules_files: tuple[str, ...] = option((), "Further YARA rule files for the embedded engine.")
    clamd: str = option("", "clamd to ask as well: a socket path or host:port; empty = none.")
    scan_seconds: float = option(
        20.0, "How long an engine may take for one message; then its verdict is unknown.", min=0.1
    )
    workers: int = option(1, "Worker processes of the embedded engine.", min=1, max=64)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    listeners: tuple[Listener, ...] = option((), "Listeners.")
    policy: PolicySettings = options(PolicySettings, "Filters, mail policies and outbreak rules.")
    virus: VirusSettings = options(VirusSettings, "Virus engines.")
    quarantines: tuple[str, ...] = option(
        ("Policy",), "Names of policy quarantines that filters may use; Virus, Outbreak and Unclassified always exist."
    )
    edges: int = option(
        0, "Processes that take and judge mail beside the one that keeps it; 0 = that one does all.", min=0, max=64
    )
    judge_deadline_seconds: float = option(
        5.0,
        "How long a client waits for the verdict before its mail is taken unjudged and judged from the queue.",
        min=0,
    )
    keep_days: int = option(
        7, "How long the rows of mail that left by itself stay, in days; the log and the audit tell of it later.", min=1
    )
    shadow_days: int = option(7, "How long the body of a message stays here after the manager has it, in days.", min=0)
