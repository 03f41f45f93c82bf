"""The product's waits and sizes, made small: what takes minutes or gigabytes in service happens within one short run.

Only numbers are changed, and for a forked process only. A name that the product no longer has fails here, at once.
"""

from dataclasses import replace
from importlib import import_module
from typing import Any

from pratique.manager.expire import Expirer
from pratique.net.clock import SystemClock
from pratique.runner.reactions import REACTIONS
from pratique.store.spool import FileSpool

SEGMENT_BYTES = 16_384  # a few messages fill a segment: turning, spares and removal belong to every run
MEMORY_BYTES = 4_096  # a larger body has a file of its own
SOON = 0.03
EXPIRY_SECONDS = 0.05

NUMBERS: dict[str, Any] = {
    "pratique.front.appliance.LOG_FLUSH_SECONDS": 0.1,
    "pratique.runner.sweep.EVERY_SECONDS": 0.05,
    "pratique.runner.link.JOURNAL_SECONDS": SOON,
    "pratique.runner.link_session.IDLE_SECONDS": 1.0,
    "pratique.runner.link_session.STORE_PAUSE_SECONDS": SOON,
    "pratique.runner.outcomes.NOTICE_RETRY_MS": int(SOON * 1000),
    "pratique.runner.deliverer.HELD_BACK_MS": int(SOON * 1000),
    "pratique.runner.outcomes.SETTLE_RETRY_SECONDS": SOON,
    "pratique.store.sqlite.carrying.CHECKPOINT_PAGES": 24,  # log pages are carried over many times in a run
    "pratique.gateway.app.UNJUDGED_SECONDS": SOON,
}
DELAYS = {
    "pratique.runner.link.dial_delay_ms": int(SOON * 1000),
    "pratique.runner.link.refusal_delay_ms": int(SOON * 1000),
    "pratique.runner.link_session.transfer_delay_ms": int(SOON * 1000),
}


def _replace(name: str, value: Any) -> None:
    module, _, attribute = name.rpartition(".")
    found = import_module(module)
    assert hasattr(found, attribute), f"{name} is gone; proof/durable/pace.py shortens it"
    setattr(found, attribute, value)


def hurry() -> None:
    """For this process and those that it forks."""
    for name, number in NUMBERS.items():
        _replace(name, number)
    for name, ms in DELAYS.items():
        _replace(name, lambda *_, ms=ms, **__: ms)
    for keyword, reaction in REACTIONS.items():
        REACTIONS[keyword] = replace(reaction, pause_seconds=min(reaction.pause_seconds, SOON))
    defaults = FileSpool.__init__.__kwdefaults__ or {}
    assert {"segment_bytes", "memory_bytes"} <= defaults.keys()
    defaults["segment_bytes"], defaults["memory_bytes"] = SEGMENT_BYTES, MEMORY_BYTES
    begin = Expirer.__init__

    def quick(self: Expirer, *arguments: Any, every_seconds: float, **others: Any) -> None:
        begin(self, *arguments, every_seconds=EXPIRY_SECONDS, **others)  # type: ignore[arg-type]

    Expirer.__init__ = quick  # type: ignore[method-assign]


def later(ms: int) -> None:
    """The wall clock of this process stands `ms` ahead, from its start on."""

    class Ahead(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() + ms

    _replace("pratique.front.appliance.SystemClock", Ahead)
