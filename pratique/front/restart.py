"""Which changes of the configuration take effect at once, and which with the next start only.

One table: options, and tables with all below them, that a running appliance puts in force. What is not in it needs a
restart and is named.
"""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from pratique.config.schema import NAME
from pratique.front.options import Options

LIVE = frozenset(
    {
        "appliance.cluster_users",
        "gateway.listeners.hosts",
        "gateway.listeners.recipients",
        "gateway.policy",
        "gateway.quarantines",
        "delivery.smtproutes",
        "delivery.interface",
        "delivery.interface_ip",
        "delivery.tls",
        "delivery.destinations",
        "delivery.retry.initial_s",
        "delivery.retry.ceiling_s",
        "delivery.retry.jitter_percent",
        "delivery.retry.tries_max",
        "delivery.retry.queue_s_max",
        "delivery.bounce",
        "delivery.idle_seconds",
        "interfaces",  # who names one changes with it
        "log.rollover_bytes",
        "log.keep_files",
        "log.syslog",
        "log.syslog_facility",
        "log.debug",
        "manager.alternate_release_gateway",
        "manager.pool_bytes",
        "manager.rescan",
    }
)


def needs_restart(running: Options, wanted: Options) -> list[str]:
    """In words, one for each option."""
    return list(_changed(running, wanted, "", ""))


def _changed(old: Any, new: Any, key: str, shown: str) -> Iterator[str]:
    """`key`: as LIVE has it; `shown`: with the names of tables."""
    if old == new or key in LIVE:
        return
    if is_dataclass(old) and is_dataclass(new):
        for one in fields(old):
            yield from _changed(
                getattr(old, one.name), getattr(new, one.name), _join(key, one.name), _join(shown, one.name)
            )
    elif _named(old) or _named(new):
        before, after = _by_name(old), _by_name(new)
        for name in dict.fromkeys((*before, *after)):
            if name not in after:
                yield f"{shown}.{name} goes"
            elif name not in before:
                yield f"{shown}.{name} comes"
            else:
                yield from _changed(before[name], after[name], key, f"{shown}.{name}")
    else:
        yield shown


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _named(tables: Any) -> bool:
    return isinstance(tables, tuple) and bool(tables) and all(hasattr(one, NAME) for one in tables)


def _by_name(tables: Any) -> dict[str, Any]:
    return {getattr(one, NAME): one for one in tables}
