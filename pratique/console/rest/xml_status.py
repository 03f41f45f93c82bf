"""/xml/status: the counters, rates and gauges of a running appliance in the XML shape that monitors of the reference
system read (docs/operate/monitoring.md). Only what this product knows: features and loads of engines are not there.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from pratique.console.commands import counting as commands
from pratique.console.commands.counting import Figures
from pratique.console.commands.desk import Desk
from pratique.console.rest.request import Answer, Call

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
    "expired_hard_bounced_recips": "hard_bounced_expired",
    "other_hard_bounced_recips": "hard_bounced_other",
    "delivered_recips": "recipients_delivered",
    "deleted_recips": "recipients_deleted",
}
KB = 1_024


async def get(call: Call) -> Answer:
    """Counters, rates and gauges in XML."""
    person = await call.person()
    call.query.done()
    found = await commands.figures(call.desk, person)
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *_status(call.desk, found), ""])
    return Answer(200, text.encode(), media_type="text/xml")


def _status(desk: Desk, found: Figures) -> Iterator[str]:
    oldest = found.oldest
    age = (found.now - oldest.at) // 1_000 if oldest.mid else 0
    yield f"<status{_attributes(build=desk.version, hostname=desk.name, timestamp=_time(found.now))}>"
    yield f"  <birth_time{_attributes(timestamp=_time(found.started))}/>"
    yield f"  <last_counter_reset{_attributes(timestamp=_time(found.reset))}/>"
    yield f"  <system{_attributes(status=found.status.lower())}/>"
    yield f"  <oldest_message{_attributes(secs=age, mid=oldest.mid)}/>"
    yield "  <counters>"
    for name, ours in COUNTERS.items():
        totals = found.counters[ours]
        values = _attributes(name=name, reset=totals.reset, uptime=totals.uptime, lifetime=totals.lifetime)
        yield f"    <counter{values}/>"
    yield "  </counters>"
    numbers = found.gauges
    ids = _attributes(message_id=numbers.mid, injection_conn_id=numbers.icid, delivery_conn_id=numbers.dcid)
    yield f"  <current_ids{ids}/>"
    yield "  <rates>"
    for name, ours in COUNTERS.items():
        if ours in found.rates:
            one, five, fifteen = found.rates[ours]
            values = _attributes(name=name, last_1_min=one, last_5_min=five, last_15_min=fifteen)
            yield f"    <rate{values}/>"
    yield "  </rates>"
    yield "  <gauges>"
    for name, value in _gauges(found).items():
        yield f"    <gauge{_attributes(name=name, current=value)}/>"
    yield "  </gauges>"
    yield "</status>"


def _gauges(found: Figures) -> dict[str, int]:
    held = found.held.values()
    return {
        "conn_in": found.gauges.connections_in,
        "conn_out": found.gauges.connections_out,
        "active_recips": found.active.count,
        "unattempted_recips": found.active.count - found.active.attempted,
        "attempted_recips": found.active.attempted,
        "msgs_in_work_queue": found.work_queue,
        "kbytes_free": max(0, found.free_bytes) // KB,
        "msgs_in_policy_virus_outbreak_quarantine": sum(count for count, _ in held),
        "kbytes_in_policy_virus_outbreak_quarantine": sum(octets for _, octets in held) // KB,
    }


def _time(ms: int) -> str:
    """20261124140000, UTC; "" = never."""
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y%m%d%H%M%S") if ms else ""


def _attributes(**values: object) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items())
