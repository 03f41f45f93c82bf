"""status, status detail, rate, hostrate, topin, workqueue, resetcounters: the appliance in numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import counting, hosts, suspension
from pratique.console.commands.counting import OWN_HOST, Client, Figures, Oldest
from pratique.console.verbs.committing import agreed
from pratique.console.verbs.shapes import date, iso, span, up_down
from pratique.console.verbs.verb import GATEWAY, Call, Usage, verb
from pratique.mail.text import log_text

TOP = 20
SECONDS_MIN, SECONDS_MAX = 1, 3_600
_LABEL, _COLUMN = 34, 15
# label with its indentation, and the counter; None: a heading
_COUNTERS: tuple[tuple[str, str | None], ...] = (
    ("  Receiving", None),
    ("    Messages Received", "messages_received"),
    ("    Recipients Received", "recipients_received"),
    ("    Gen. Bounce Recipients", "bounces_generated"),
    ("  Rejection", None),
    ("    Rejected Recipients", "recipients_rejected"),
    ("    Dropped Messages", "messages_dropped"),
    ("  Queue", None),
    ("    Soft Bounced Events", "soft_bounced_events"),
    ("  Completion", None),
    ("    Completed Recipients", "recipients_completed"),
    ("      Hard Bounced Recipients", "hard_bounced"),
    ("        DNS Hard Bounces", "hard_bounced_dns"),
    ("        5XX Hard Bounces", "hard_bounced_5xx"),
    ("        Filter Hard Bounces", "hard_bounced_filter"),
    ("        Expired Hard Bounces", "hard_bounced_expired"),
    ("        Other Hard Bounces", "hard_bounced_other"),
    ("      Delivered Recipients", "recipients_delivered"),
    ("      Deleted Recipients", "recipients_deleted"),
    ("  Quarantine", None),
    ("    Messages Transferred", "messages_transferred"),
    ("    Messages Returned", "messages_returned"),
    ("    Messages Quarantined", "messages_held"),
    ("    Messages Released", "messages_released"),
    ("    Messages Deleted", "messages_deleted"),
)
_RATES = (
    ("  Messages Received", "messages_received"),
    ("  Recipients Received", "recipients_received"),
    ("  Soft Bounced Events", "soft_bounced_events"),
    ("  Completed Recipients", "recipients_completed"),
    ("    Hard Bounced Recipients", "hard_bounced"),
    ("    Delivered Recipients", "recipients_delivered"),
    ("  Messages Transferred", "messages_transferred"),
)


@verb("status", Permission.STATUS, usage="status [detail] [--json]")
async def status(call: Call) -> None:
    """Show the state of the system, its counters and gauges; with `detail` rates per hour as well.

    Reset: since `resetcounters`. Uptime: since the start. Lifetime: all that was counted. Oldest Message is of
    ordinary mail; what waits for the appliance at the other end has a line of its own.
    """
    detail = call.words == ("detail",)
    if call.words and not detail:
        raise Usage("say nothing or detail")
    found = await counting.figures(call.desk, call.person)
    own = OWN_HOST[call.desk.role]
    call.give(_as_json(found), lambda: status_text(found, own=own, detail=detail))


def _as_json(found: Figures) -> dict[str, Any]:
    return {
        "as_of": iso(found.now),
        "up_since": iso(found.started),
        "last_reset": iso(found.reset),
        "system_status": found.status,
        "suspended": asdict(found.suspended),
        "oldest_mid": found.oldest.mid,
        "oldest_received": iso(found.oldest.at),
        "oldest_transfer_mid": found.oldest_transfer.mid,
        "oldest_transfer_received": iso(found.oldest_transfer.at),
        "counters": {name: asdict(totals) for name, totals in found.counters.items()},
        "rates_per_hour": {name: dict(zip(("1m", "5m", "15m"), r, strict=True)) for name, r in found.rates.items()},
        "gauges": {
            **asdict(found.gauges),
            "active_recipients": found.active.count,
            "attempted_recipients": found.active.attempted,
            "active_transfers": found.transfers.count,
            "work_queue": found.work_queue,
            "free_bytes": found.free_bytes,
            "resource_conservation": found.conservation,
        },
        "load": asdict(found.load) if found.load is not None else None,
        "quarantines": {name: {"messages": n, "bytes": octets} for name, (n, octets) in found.held.items()},
        "components": [
            {
                "name": one.name,
                "state": one.life.value,
                "since": iso(one.since),
                "restarts": one.restarts,
                "last_error": one.last_error,
                "next_start": iso(one.again_at),
            }
            for one in found.components
        ],
    }


def status_text(found: Figures, *, own: str, detail: bool = False) -> str:
    lines = [] if detail else ['Enter "status detail" for more information.', ""]
    lines += [
        f"Status as of:                  {date(found.now)}",
        f"Up since:                      {date(found.started)} ({span((found.now - found.started) // 1000)})",
        f"Last counter reset:            {date(found.reset)}",
        f"System status:                 {found.status}",
        *_suspended(found),
        f"Oldest Message:                {_age(found.oldest, found.now)}",
        f"{f'Oldest for {own}: ':<31}{_age(found.oldest_transfer, found.now)}",
        "",
        f"{'Counters:':<{_LABEL}}{'Reset':>{_COLUMN}}{'Uptime':>{_COLUMN}}{'Lifetime':>{_COLUMN}}",
    ]
    for label, name in _COUNTERS:
        totals = found.counters[name] if name is not None else None
        lines.append(label if totals is None else _row(label, totals.reset, totals.uptime, totals.lifetime))
    lines += ["  Current IDs"]
    lines += [_row("    Message ID (MID)", found.gauges.mid), _row("    Injection Conn. ID (ICID)", found.gauges.icid)]
    lines += [_row("    Delivery Conn. ID (DCID)", found.gauges.dcid), "", *_rate_lines(found, detail)]
    lines += [f"{'Gauges:':<{_LABEL}}{'Current':>{_COLUMN}}", *(_system(found) if detail else ()), *_gauges(found, own)]
    return "\n".join([*lines, *(_components(found) if detail else ())])


def _row(label: str, *numbers: int) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{number:>{_COLUMN},}" for number in numbers)


def _age(oldest: Oldest, now: int) -> str:
    return f"MID {oldest.mid}, {span((now - oldest.at) // 1000)} old" if oldest.mid else "No Messages"


def _suspended(found: Figures) -> Iterator[str]:
    """What the one word of the status does not tell."""
    now = found.suspended
    if now.listeners:
        yield f"Suspended listeners:           {', '.join(map(log_text, now.listeners))}"
    if now.transfers:
        yield "Transfers:                     Suspended"
    if now.work_queue:
        yield f"Work queue:                    Paused by {log_text(now.work_queue)}"


def _components(found: Figures) -> Iterator[str]:
    """Those that run as they should are not worth a line of a page."""
    noted = [one for one in found.components if one.last_error or one.restarts]
    if found.components:
        yield f"{'Components:':<{_LABEL}}{'State':>{_COLUMN}}{'Restarts':>{_COLUMN}}"
        running = sum(one.life.value == "running" for one in found.components)
        yield f"{'  Running':<{_LABEL}}{running:>{_COLUMN},}"
    for one in noted:
        yield f"  {log_text(one.name):<{_LABEL - 2}}{one.life.value:>{_COLUMN}}{one.restarts:>{_COLUMN},}"
        yield f"    {log_text(one.last_error)}"


def _rate_lines(found: Figures, detail: bool) -> list[str]:
    if not detail:
        return []
    heads = "".join(f"{head:>{_COLUMN}}" for head in ("1-Minute", "5-Minutes", "15-Minutes"))
    rows = [_row(label, *found.rates[name]) for label, name in _RATES]
    return [f"{'Rates (Events Per Hour):':<{_LABEL}}{heads}", *rows, ""]


def _system(found: Figures) -> Iterator[str]:
    """What the machine bears (docs/operate/monitoring.md tells what each share is of)."""
    yield "  System"
    if (load := found.load) is not None:
        yield _share("    RAM Utilization", load.ram)
        yield _share("    CPU Utilization", load.cpu)
        yield _share("      Total", load.total)
        yield _share("    Disk Utilization", load.disk)
        yield _share("    Logging Disk Usage", load.log)
    yield _row("    Resource Conservation", found.conservation)


def _share(label: str, per_cent: int) -> str:
    return f"{label:<{_LABEL}}{f'{per_cent}%':>{_COLUMN}}"


def _gauges(found: Figures, own: str) -> list[str]:
    active, gauges = found.active, found.gauges
    messages = sum(count for count, _ in found.held.values())
    kilobytes = sum(octets for _, octets in found.held.values()) // 1024
    used = [] if found.load is None else [_row("    Kilobytes Used", found.load.spool_octets // 1024)]
    return [
        "  Connections",
        _row("    Current Inbound Conn.", gauges.connections_in),
        _row("    Current Outbound Conn.", gauges.connections_out),
        "  Queue",
        _row("    Active Recipients", active.count),
        _row("      Unattempted Recipients", active.count - active.attempted),
        _row("      Attempted Recipients", active.attempted),
        _row(f"    For {own}", found.transfers.count),
        _row("    Messages In Work Queue", found.work_queue),
        *used,
        _row("    Kilobytes Free", max(0, found.free_bytes) // 1024),
        "  Quarantine",
        _row("    Messages In Quarantine", messages),
        *[_row(f"      {log_text(name)}", count) for name, (count, _) in sorted(found.held.items())],
        _row("    Kilobytes In Quarantine", kilobytes),
    ]


@verb("resetcounters", Permission.QUEUE)
async def resetcounters(call: Call) -> None:
    """Let the counters since the reset, and those of each destination, begin anew."""
    at = await counting.reset_counters(call.desk, call.person)
    call.give({"reset": iso(at)}, lambda: f"Counters reset: {date(at)}")


@verb("topin", Permission.STATUS, places=GATEWAY, usage="topin [--json]")
async def topin(call: Call) -> None:
    """Show who has the most connections to the listeners.

    With edge processes the connections of each listener are shown together.
    """
    found = (await counting.top_in(call.desk, call.person))[:TOP]
    now = call.desk.clock.now_ms()
    data = {"as_of": iso(now), "clients": [asdict(one) for one in found]}
    call.give(data, lambda: topin_text(found, now))


def topin_text(found: Sequence[Client], now_ms: int) -> str:
    lines = [
        f"{'Status as of:':<32}{date(now_ms)}",
        "",
        f"{'#':<5}{'Remote hostname':<30}{'Remote IP addr.':<18}{'listener':<20}{'Conn. In':>8}",
        "",
    ]
    for number, one in enumerate(found, 1):
        name, address = log_text(one.name) or "(edge processes)", one.address or "-"
        lines.append(f"{number:<5}{name:<30}{address:<18}{log_text(one.listener):<20}{one.connections:>8,}")
    return "\n".join(lines)


# --- over time
@verb("rate", Permission.STATUS, usage="rate [SECONDS]")
async def rate(call: Call) -> None:
    """Show connections, recipients and the queue again and again, every SECONDS (10), until Ctrl-C."""
    seconds = await _seconds(call, 0)
    if not call.json:
        call.talk.say(_RATE_HEAD)
    before: tuple[int, int] | None = None
    while True:
        found = await counting.figures(call.desk, call.person)
        now = _reckoned(found)
        row = Rate(found, now, before or now)
        call.give(row.as_json(), row.line)
        before = now
        if not await call.talk.pause(seconds):
            return


_RATE_HEAD = """\
Type Ctrl-C to return to the main prompt.

Time      Connections Recipients          Recipients          Queue
            In    Out   Received    Delta  Completed    Delta  Active"""


def _reckoned(found: Figures) -> tuple[int, int]:
    return found.counters["recipients_received"].uptime, found.counters["recipients_completed"].uptime


@dataclass(frozen=True, slots=True)
class Rate:
    """A line of `rate`. `now`, `before`: recipients received and completed, by this line and by the one above."""

    found: Figures
    now: tuple[int, int]
    before: tuple[int, int]

    def as_json(self) -> dict[str, Any]:
        (received, completed), before, found = self.now, self.before, self.found
        return {
            "as_of": iso(found.now),
            "connections_in": found.gauges.connections_in,
            "connections_out": found.gauges.connections_out,
            "received": received,
            "received_delta": received - before[0],
            "completed": completed,
            "completed_delta": completed - before[1],
            "active": found.active.count + found.transfers.count,
        }

    def line(self) -> str:
        widths = (6, 7, 11, 9, 11, 9, 8)
        numbers = list(self.as_json().values())[1:]
        return _clock(self.found.now) + "".join(f"{n:>{width}}" for n, width in zip(numbers, widths, strict=True))


def _clock(at_ms: int) -> str:
    return date(at_ms)[11:19]


@verb("hostrate", Permission.STATUS, usage="hostrate HOST [SECONDS]")
async def hostrate(call: Call) -> None:
    """Show one destination again and again, every SECONDS (10), until Ctrl-C."""
    host = await call.word(0, "Recipient host:\n[]>")
    seconds = await _seconds(call, 1)
    if not call.json:
        call.talk.say(_HOSTRATE_HEAD)
    before: tuple[int, ...] | None = None
    while True:
        found = await hosts.host_status(call.desk, call.person, host)
        active = sum(one.waiting.count for one in found)
        counts = [one.state.counts for one in found]
        now = (
            active,
            sum(c.delivered for c in counts),
            sum(c.hard_bounced for c in counts),
            sum(c.soft_bounced for c in counts),
        )
        deltas = [after - old for after, old in zip(now, before or now, strict=True)]
        up = up_down(min((one.state.up for one in found), key=_worst))
        out = sum(one.state.connections for one in found)
        columns = f"{active:>9}" + "".join(f"{delta:>10}" for delta in deltas)
        at = call.desk.clock.now_ms()
        facts = {"as_of": iso(at), "status": up, "connections_out": out, "active": active}
        line = f"{_clock(at)}  {up:<7}{out:>9}{columns}"
        names = ("active_delta", "delivered_delta", "hard_bounced_delta", "soft_bounced_delta")
        call.give(facts | dict(zip(names, deltas, strict=True)), lambda line=line: line)  # type: ignore[misc]
        before = now
        if not await call.talk.pause(seconds):
            return


def _worst(up: bool | None) -> int:
    return {False: 0, None: 1, True: 2}[up]


_HOSTRATE_HEAD = """\
Type Ctrl-C to return to the main prompt.

Time      Host   CrtCncOut  ActvRcp   ActvRcp    DlvRcp HrdBncRcp SftBncEvt
          Status                        Delta     Delta     Delta     Delta"""


async def _seconds(call: Call, number: int) -> int:
    text = call.words[number] if number < len(call.words) else "10"
    if not text.isascii() or not text.isdigit() or not SECONDS_MIN <= int(text[:6]) <= SECONDS_MAX:
        raise Usage(f"the seconds are a number from {SECONDS_MIN} to {SECONDS_MAX}")
    return int(text)


# --- the work queue
@verb("workqueue", Permission.STATUS, places=GATEWAY, usage="workqueue [status | pause [REASON] | resume | rate]")
async def workqueue(call: Call) -> None:
    """Show the work queue: mail that was accepted and is not judged yet; pause and resume judging, watch it.

    While it is paused mail is taken and waits on the disk; what the manager releases is not held up.
    """
    act = call.words[0].lower() if call.words else "status"
    if not call.words and not call.json:
        await _work_queue(call)
        act = (await call.operation(_OPERATIONS)).lower()
        if not act:
            return
    if act not in ("status", "pause", "resume", "rate"):
        raise Usage("say status, pause, resume or rate")
    if act == "pause":
        if not call.words and not await agreed(call, 0, "Are you sure you want to pause the work queue?"):
            return
        reason = " ".join(call.words[1:]) if call.words else await call.talk.ask(_REASON)
        await suspension.pause_work_queue(call.desk, call.person, reason)
    elif act == "resume":
        await suspension.resume_work_queue(call.desk, call.person)
    elif act == "rate":
        await _watch(call)
        return
    await _work_queue(call)


_OPERATIONS = """
Choose the operation you want to perform:
- STATUS - Display work queue status
- PAUSE - Pause the work queue
- RESUME - Resume the work queue
- RATE - Display work queue statistics over time
[]>"""
_REASON = "Please enter the reason for pausing the work queue.\n[]>"


async def _work_queue(call: Call) -> None:
    why, count = await counting.work_queue(call.desk, call.person)
    now = call.desk.clock.now_ms()
    data = {"as_of": iso(now), "paused_by": why or None, "messages": count}
    call.give(data, lambda: workqueue_text(why, count, now))


def workqueue_text(why: str, count: int, now_ms: int) -> str:
    state = f"Paused by {log_text(why)}" if why else "Operational"
    return f"Status as of: {date(now_ms)}\nStatus:   {state}\nMessages: {count}"


async def _watch(call: Call) -> None:
    if not call.json:
        call.talk.say("Type Ctrl-C to return to the main prompt.\n\nTime      Pending    In   Out")
    before: tuple[int, int] | None = None
    while True:
        found = await counting.figures(call.desk, call.person)
        arrived = found.counters["messages_received"].uptime
        came = arrived - (before[1] if before else arrived)
        left = came - (found.work_queue - (before[0] if before else found.work_queue))
        facts = {"as_of": iso(found.now), "pending": found.work_queue, "in": came, "out": max(0, left)}
        line = f"{_clock(found.now)}{found.work_queue:>9}{came:>6}{max(0, left):>6}"
        call.give(facts, lambda line=line: line)  # type: ignore[misc]
        before = found.work_queue, arrived
        if not await call.talk.pause(10):
            return
