"""/xml/status and /xml/dnsstatus: the figures of a running appliance in the XML that monitors of the reference system
read (docs/operate/monitoring.md).

Monitors look names up and fail over one that is missing, so every name is there; 0 stands where the thing cannot happen
here. They cut the text with patterns as well: one element a line, attributes in this order, no units but that of
`log_available`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from pratique.console.commands import counting as commands
from pratique.console.commands.counting import Figures
from pratique.console.commands.desk import Desk
from pratique.console.commands.parts import Load
from pratique.console.rest.request import Answer, Call
from pratique.telemetry.lives import Totals

REALM = "IronPort Web Interface"  # some monitors answer to this one only

NEVER = ""  # the counter of what cannot happen here
COUNTERS = {  # name in XML -> of commands.counting.COUNTERS
    "inj_msgs": "messages_received",
    "inj_recips": "recipients_received",
    "gen_bounce_recips": "bounces_generated",
    "rejected_recips": "recipients_rejected",
    "dropped_msgs": "messages_dropped",
    "soft_bounced_evts": "soft_bounced_events",
    "completed_recips": "recipients_completed",
    "hard_bounced_recips": "hard_bounced",
    "dns_hard_bounced_recips": "hard_bounced_dns",
    "5xx_hard_bounced_recips": "hard_bounced_5xx",
    "filter_hard_bounced_recips": "hard_bounced_filter",
    "expired_hard_bounced_recips": "hard_bounced_expired",
    "other_hard_bounced_recips": "hard_bounced_other",
    "delivered_recips": "recipients_delivered",
    "deleted_recips": "recipients_deleted",
    "global_unsub_hits": NEVER,
}
RATES = (
    "inj_msgs",
    "inj_recips",
    "soft_bounced_evts",
    "completed_recips",
    "hard_bounced_recips",
    "delivered_recips",
)
FEATURES = {
    "gateway": ("Incoming Mail Handling", "Outbreak Filters"),
    "manager": ("Centralized Policy Virus and Outbreak Quarantines",),
}
# Nothing here expires. Monitors read seconds, alarm when few are left, and some read nothing else: the most that fits
# into 31 bits, 68 years, is what all of them take for well.
UNLIMITED_SECONDS = 2**31 - 1
KB = 1_024
MB, GB = KB**2, KB**3


async def get(call: Call) -> Answer:
    """Counters, rates and gauges in XML."""
    return await _page(call, _status)


async def get_dns(call: Call) -> Answer:
    """What the DNS was asked, in XML."""
    return await _page(call, _dns_status)


async def _page(call: Call, lines: Callable[[Desk, Figures], Iterator[str]]) -> Answer:
    person = await call.person()
    call.query.done()
    found = await commands.figures(call.desk, person)
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *lines(call.desk, found), ""])
    return Answer(200, text.encode(), media_type="text/xml")


def _status(desk: Desk, found: Figures) -> Iterator[str]:
    oldest = found.oldest
    age = (found.now - oldest.at) // 1_000 if oldest.mid else 0
    born = f"{_time(found.started)} ({_span(found.now - found.started)})"
    yield f"<status{_head(desk, found)}>"
    yield f"  <birth_time{_attributes(timestamp=born)}/>"
    yield f"  <last_counter_reset{_attributes(timestamp=_time(found.reset))}/>"
    yield f"  <system{_attributes(status=found.status.lower())}/>"
    yield f"  <oldest_message{_attributes(secs=age, mid=oldest.mid)}/>"
    features = [_attributes(name=name, time_remaining=UNLIMITED_SECONDS) for name in FEATURES[desk.role]]
    yield from _group("feature", features)
    yield from _group("counter", [_counter(name, _totals(found, ours)) for name, ours in COUNTERS.items()])
    numbers = found.gauges
    ids = _attributes(message_id=numbers.mid, injection_conn_id=numbers.icid, delivery_conn_id=numbers.dcid)
    yield f"  <current_ids{ids}/>"
    rates = [(name, found.rates[COUNTERS[name]]) for name in RATES]
    yield from _group(
        "rate", [_attributes(name=name, last_1_min=a, last_5_min=b, last_15_min=c) for name, (a, b, c) in rates]
    )
    gauges = {**_loads(found.load), **_queues(found)}
    yield from _group("gauge", [_attributes(name=name, current=value) for name, value in gauges.items()])
    yield "</status>"


def _dns_status(desk: Desk, found: Figures) -> Iterator[str]:
    """Since the start, for nothing is kept of it."""
    yield f"<dns_status{_head(desk, found)}>"
    yield from _group("counter", [_counter(n, Totals(v, v, v)) for n, v in _names(found.load).items()])
    yield "</dns_status>"


def _names(load: Load | None) -> dict[str, int]:
    if load is None:
        return {}
    asked = load.names_asked - load.names_cached
    return {
        "dns_reqs": load.names_asked,
        "network_reqs": asked,
        "cache_hits": load.names_cached,
        "cache_misses": asked,
        "cache_exceptions": 0,
        "cache_expired": 0,
    }


def _totals(found: Figures, ours: str) -> Totals:
    return found.counters[ours] if ours else Totals(0, 0, 0)


def _loads(load: Load | None) -> dict[str, int | str]:
    if load is None:
        return {}
    return {
        "ram_utilization": load.ram,
        "total_utilization": load.total,
        "cpu_utilization": load.cpu,
        "av_utilization": 0,
        "case_utilization": 0,
        "bm_utilization": 0,
        "disk_utilization": load.disk,
        "log_used": load.log,
        "log_available": _room(load.log_free),
        "kbytes_used": load.spool_octets // KB,
        "reporting_utilization": 0,
        "quarantine_utilization": 0,
    }


def _queues(found: Figures) -> dict[str, int | str]:
    messages = sum(count for count, _ in found.held.values())
    kbytes = sum(octets for _, octets in found.held.values()) // KB
    return {
        "resource_conservation": found.conservation,
        "conn_in": found.gauges.connections_in,
        "conn_out": found.gauges.connections_out,
        "active_recips": found.active.count,
        "unattempted_recips": found.active.count - found.active.attempted,
        "attempted_recips": found.active.attempted,
        "msgs_in_work_queue": found.work_queue,
        "dests_in_memory": found.hosts,
        "kbytes_free": max(0, found.free_bytes) // KB,
        "msgs_in_quarantine": messages,
        "kbytes_in_quarantine": kbytes,
        "msgs_in_policy_virus_outbreak_quarantine": messages,  # the name that newer systems have
        "kbytes_in_policy_virus_outbreak_quarantine": kbytes,
    }


def _room(octets: int) -> str:
    """388G, 072G, 900M: monitors take the first three characters for the number and the last for the unit."""
    return f"{octets // GB:03}G" if octets >= GB else f"{octets // MB:03}M"


def _time(ms: int) -> str:
    """20261124140000, UTC; "" = never."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y%m%d%H%M%S") if ms else ""


def _span(ms: int) -> str:
    """0d 0h 50m 34s: unlike in `status`, all four units are always there."""
    minutes, seconds = divmod(max(0, ms) // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours // 24}d {hours % 24}h {minutes}m {seconds}s"


def _head(desk: Desk, found: Figures) -> str:
    return _attributes(build=desk.version, hostname=desk.name, timestamp=_time(found.now))


def _counter(name: str, totals: Totals) -> str:
    return _attributes(name=name, reset=totals.reset, uptime=totals.uptime, lifetime=totals.lifetime)


def _group(element: str, rows: list[str]) -> Iterator[str]:
    yield f"  <{element}s>"
    yield from (f"    <{element}{row}/>" for row in rows)
    yield f"  </{element}s>"


def _attributes(**values: object) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items())
