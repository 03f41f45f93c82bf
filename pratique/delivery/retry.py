"""When is the next attempt? Pure arithmetic: clock and chance are arguments. Times are ms since 1970 UTC.

Three schedules that must not be confused:
* a *delivery* to a next hop: 60 s, doubling to an hour, given up after 100 tries or three days (RFC 5321 §4.5.4.1
  asks for retries of at least 30 minutes and for 4-5 days at the most; the figures are the field's, and options);
* a *transfer* over the quarantine port that was answered 4xx: 5 s, doubling to 5 minutes, never given up, because
  that port never bounces;
* a *dial* of a peer that did not answer (1 s, doubling to a minute) or that refused us (a minute).

`attempts` and `failures` count what has failed so far and begin at 1. `jitter` lies in [0, 1]; 0.5 is no stray at all.
"""

from pratique.delivery.routes import is_virtual
from pratique.delivery.settings import RetrySettings

DEFAULT = RetrySettings()
_DOUBLINGS_MAX = 32  # past every sensible ceiling; keeps the power small for any count


def _doubling_ms(count: int, initial_s: int, ceiling_s: int) -> int:
    assert count >= 1, "the first wait follows the first failure"
    return min(initial_s << min(count - 1, _DOUBLINGS_MAX), ceiling_s) * 1000


def _stray(span_ms: int, jitter: float, percent: int) -> int:
    assert 0.0 <= jitter <= 1.0
    return span_ms + int(span_ms * percent * (2.0 * jitter - 1.0) / 100)


def delivery_delay_ms(attempts: int, jitter: float, settings: RetrySettings = DEFAULT) -> int:
    """How long a recipient waits after its `attempts`-th failed attempt."""
    return _stray(_doubling_ms(attempts, settings.initial_s, settings.ceiling_s), jitter, settings.jitter_percent)


def next_attempt(
    host: str, *, attempts: int, accepted_at: int, now: int, jitter: float, settings: RetrySettings = DEFAULT
) -> int | None:
    """When to try again, or None: give up and bounce. The last attempt falls on the end of the stay, not behind it."""
    wanted = now + delivery_delay_ms(attempts, jitter, settings)
    if is_virtual(host):
        return wanted  # mail for the quarantine waits as long as it must (docs/operate/quarantine.md)
    end = accepted_at + settings.queue_s_max * 1000
    if attempts >= settings.tries_max or now >= end:
        return None
    return min(wanted, end)


def transfer_delay_ms(attempts: int, settings: RetrySettings = DEFAULT) -> int:
    """How long a copy waits after a 4xx to its group: 5, 10 … 300 s (cpq.md §7)."""
    return _doubling_ms(attempts, settings.transfer_initial_s, settings.transfer_ceiling_s)


def dial_delay_ms(failures: int, jitter: float, settings: RetrySettings = DEFAULT) -> int:
    """How long to wait before a peer is dialled again: 1, 2, 4 … 60 s (cpq.md §1)."""
    return _stray(
        _doubling_ms(failures, settings.dial_initial_s, settings.dial_ceiling_s), jitter, settings.jitter_percent
    )


def refusal_delay_ms(jitter: float, settings: RetrySettings = DEFAULT) -> int:
    """How long to wait after a peer refused our certificate or hello (cpq.md §1, §2)."""
    return _stray(settings.refusal_s * 1000, jitter, settings.jitter_percent)
