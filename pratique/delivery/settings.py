"""The options of the queue: retries, bounces, shares, destinations. Values only; each is read by the module that its
class names."""

from dataclasses import dataclass, field
from typing import Any


def _option(default: Any, doc: str, **checks: Any) -> Any:
    """`checks`: min, max, choices."""
    return field(default=default, metadata={"doc": doc, **checks})


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """retry.py. Spans in seconds."""

    initial_s: int = _option(
        60, "Wait after the first failed attempt, in seconds; it doubles with each further one.", min=0
    )
    ceiling_s: int = _option(3600, "Longest wait between two attempts, in seconds.", min=1)
    jitter_percent: int = _option(
        20, "How far a wait may stray up or down, so that retries do not march in step.", min=0, max=100
    )
    tries_max: int = _option(100, "Attempts before a recipient bounces.", min=1)
    queue_s_max: int = _option(
        259_200,
        "Longest stay in the queue before a recipient bounces, in seconds; never for the quarantine's own hosts.",
        min=1,
    )
    transfer_initial_s: int = _option(
        5, "CPQ: wait before a copy that was answered 4xx is offered again, in seconds.", min=1
    )
    transfer_ceiling_s: int = _option(300, "CPQ: longest wait before a copy is offered again, in seconds.", min=1)
    dial_initial_s: int = _option(
        1, "CPQ: wait before a lost connection is dialled again, in seconds; it doubles.", min=1
    )
    dial_ceiling_s: int = _option(60, "CPQ: longest wait before dialling again, in seconds.", min=1)
    refusal_s: int = _option(60, "CPQ: wait after a peer refused our certificate or hello, in seconds.", min=1)


@dataclass(frozen=True, slots=True)
class BounceSettings:
    """bounce.py."""

    delay_warning: bool = _option(False, "Tell the sender when a message waits: once, at the second failed attempt.")
    original_bytes_max: int = _option(
        10_240, "A bounce carries the whole original below this size, else its header only.", min=0
    )


@dataclass(frozen=True, slots=True)
class FairnessSettings:
    """fairness.py."""

    per_destination_max: int = _option(20, "Connections open to one destination at once.", min=1)
    total_max: int = _option(200, "Connections open for delivery at once, all destinations together.", min=1)
    destinations_max: int = _option(
        100_000,
        "Destinations that may wait for a turn in memory; the rest wait in the store until there is room.",
        min=1,
    )


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """destinations.py. A row that says nothing changes nothing."""

    name: str = _option("", "The destination: a domain, .domain (all below it) or [address].")
    connections_max: int = _option(
        0, "Connections open to it at once; 0 = as many as `delivery.shares.per_destination_max`.", min=0
    )
    messages_max: int = _option(0, "Messages sent over one connection before it is closed; 0 = no limit.", min=0)
    tls: str = _option(
        "default",
        "TLS towards it: no, may (when offered), must, or default (as `delivery.tls`).",
        choices=("default", "no", "may", "must"),
    )
