"""How the verbs of the queues write times, numbers and states. Pure; the shapes are those of the reference system."""

from datetime import UTC, datetime

from pratique.mail.text import log_text

NOTHING_YET = "Never"
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def date(at_ms: int, never: str = NOTHING_YET) -> str:
    """Mon Jul 21 11:57:38 2014 GMT."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S %Y GMT") if at_ms else never


def iso(at_ms: int) -> str | None:
    """For JSON; None = never."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds") if at_ms else None


def span(seconds: int) -> str:
    """1d 2h 3m 4s, without the units in front that are 0."""
    days, rest = divmod(max(0, seconds), DAY_S)
    hours, rest = divmod(rest, HOUR_S)
    minutes, rest = divmod(rest, MINUTE_S)
    parts = [f"{days}d", f"{hours}h", f"{minutes}m", f"{rest}s"]
    while len(parts) > 1 and parts[0][:-1] == "0":
        parts.pop(0)
    return " ".join(parts)


def up_down(up: bool | None) -> str:
    return {True: "up", False: "down", None: "unknown"}[up]


def cut(text: str, width: int) -> str:
    """What came from mail, for a column: escaped, and no longer than `width`."""
    shown = log_text(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def counter(label: str, value: int) -> str:
    """One line of a list of counters; `label` with its indentation."""
    return f"{label:<38}{value:>7,}"
