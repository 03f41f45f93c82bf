"""Which options of a gateway a cluster may set for its members, and which are always of one machine.

A feature is set whole at a level. Of a machine is what names it, its disks, its processes and its addresses; listeners
and the quarantine port name an interface, which each machine has at an address of its own.
"""

from collections.abc import Iterator
from dataclasses import MISSING

from pratique.config.blocks import Name
from pratique.config.levels import Feature
from pratique.config.schema import Option, Shape, options_of
from pratique.config.writing import toml_value
from pratique.front.options import GatewayOptions

FEATURES = (
    Feature("listeners", (("gateway", "listeners"),), "Listeners."),
    Feature("policy", (("gateway", "policy"),), "Filters, mail policies and outbreak rules."),
    Feature("virus", (("gateway", "virus"),), "Virus engines."),
    Feature("quarantines", (("gateway", "quarantines"),), "Names of policy quarantines."),
    Feature(
        "gateway",
        tuple(("gateway", name) for name in ("judge_deadline_seconds", "keep_days", "shadow_days")),
        "How long mail is judged and its rows are kept.",
    ),
    Feature("cpq", (("cpq", "interface"), ("cpq", "port")), "The quarantine port: its interface and number."),
    Feature("smtproutes", (("delivery", "smtproutes"),), "Static routes."),
    Feature(
        "delivery",
        tuple(("delivery", name) for name in ("interface", "nameservers", "tls", "idle_seconds", "hops_max")),
        "Delivery to next hops.",
    ),
    Feature("destinations", (("delivery", "destinations"),), "Limits and TLS of single destinations."),
    Feature("bounce", (("delivery", "retry"), ("delivery", "bounce")), "Retries, queue times, bounces."),
    Feature("shares", (("delivery", "shares"),), "How connections are shared between destinations."),
    Feature("alerts", (("alerts",),), "Alerts by mail."),
    Feature(
        "log",
        tuple(("log", n) for n in ("rollover_bytes", "keep_files", "debug", "json", "syslog", "syslog_facility")),
        "The logs.",
    ),
)
MACHINE_ONLY: tuple[Name, ...] = (
    ("appliance",),
    ("interfaces",),
    ("web",),
    ("ssh",),
    ("process",),
    ("store",),
    ("gateway", "edges"),
    ("cpq", "address"),
    ("cpq", "announce"),
    ("cpq", "source"),
    ("delivery", "interface_ip"),
    ("log", "directory"),
)
BY_NAME = {feature.name: feature for feature in FEATURES}


def blank(feature: Feature) -> str:
    """The piece of a feature that was made new at a level: everything of it has its default."""
    lines: list[str] = []
    table: Name = ()
    for name, option in _options(GatewayOptions, ()):
        if name not in feature.options:
            continue
        if option.shape is Shape.TABLE:
            lines.append(f"[{'.'.join(name)}]")
            table = name
            continue
        if name[:-1] != table:
            table = name[:-1]
            lines.append(f"[{'.'.join(table)}]")
        lines.append(f"{name[-1]} = {toml_value(() if option.default is MISSING else option.default)}")
    return "\n".join(lines) + "\n"


def _options(cls: type, path: Name) -> Iterator[tuple[Name, Option]]:
    for option in options_of(cls):
        name = (*path, option.name)
        yield name, option
        if option.shape is Shape.TABLE:
            yield from _options(option.type, name)
