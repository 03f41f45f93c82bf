"""tophosts, hoststatus, delivernow: destinations, the quarantine's own two included."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pratique.console.access.roles import Permission
from pratique.console.commands import hosts
from pratique.console.commands.desk import Asked
from pratique.console.commands.hosts import HostRow, HostStatus
from pratique.console.commands.whereto import Whereto, where_to
from pratique.console.verbs.shapes import counter, date, iso, span, up_down
from pratique.console.verbs.verb import Call, NoAnswer, Usage, verb
from pratique.mail.text import log_text

TOP = 20  # destinations shown, as the reference system does
KEYS = ("active_rcpts", "conn_out", "deliv_rcpts", "soft_bounced", "hard_bounced")
_SORT = """Sort results by:

1. Active Recipients
2. Connections Out
3. Delivered Recipients
4. Soft Bounced Events
5. Hard Bounced Recipients
[1]>"""
_HEAD = """\
                                      Active  Conn.   Deliv.     Soft     Hard
#    Recipient Host                   Recip.    Out   Recip.  Bounced  Bounced
"""


@verb("tophosts", Permission.STATUS, usage=f"tophosts [{'|'.join(KEYS)}] [--json]")
async def tophosts(call: Call) -> None:
    """Show the 20 destinations with the most recipients that wait (or by another column).

    Hosts that were down as of the last attempt are marked with `*`. the.cpq.host (on a gateway) is the way to the
    manager, the.cpq.release.host (on a manager) the way back to the gateways; these two count messages.
    """
    key = await _key(call)
    rows = sorted(await hosts.top_hosts(call.desk, call.person), key=lambda row: (-_value(row, key), row.host))[:TOP]
    now = call.desk.clock.now_ms()
    call.give({"as_of": iso(now), "hosts": [_as_json(row) for row in rows]}, lambda: tophosts_text(rows, now))


async def _key(call: Call) -> str:
    given = ""
    if call.words:
        given = call.words[0]
    elif not call.json:
        try:
            given = await call.talk.ask(_SORT, "1")
        except NoAnswer:
            given = "1"
    found = KEYS[int(given or "1") - 1] if (given or "1") in ("1", "2", "3", "4", "5") else given.lower()
    if found not in KEYS or len(call.words) > 1:
        raise Usage(f"sort by one of {', '.join(KEYS)}")
    return found


def _value(row: HostRow, key: str) -> int:
    match key:
        case "active_rcpts":
            return row.active
        case "conn_out":
            return row.connections
        case "deliv_rcpts":
            return row.counts.delivered
        case "soft_bounced":
            return row.counts.soft_bounced
        case _:
            return row.counts.hard_bounced


def _as_json(row: HostRow) -> dict[str, Any]:
    found: dict[str, Any] = {
        "host": row.host,
        "up": row.up,
        "active_rcpts": row.active,
        "conn_out": row.connections,
        "deliv_rcpts": row.counts.delivered,
        "soft_bounced": row.counts.soft_bounced,
        "hard_bounced": row.counts.hard_bounced,
    }
    if row.peers:
        found["appliances"] = [_as_json(peer) for peer in row.peers]
    return found


def tophosts_text(rows: Sequence[HostRow], now_ms: int) -> str:
    lines = [
        f"{'Status as of:':<32}{date(now_ms)}",
        "Hosts marked with '*' were down as of the last delivery attempt.",
        "",
        _HEAD,
    ]
    for number, row in enumerate(rows, 1):
        lines.append(_line(f"{number}{'*' if row.down else ''}", row))
    for row in rows:
        if len(row.peers) > 1:
            lines += ["", f"{row.host}, by appliance:", ""]
            lines += [_line("*" if peer.down else "", peer) for peer in row.peers]
    return "\n".join(lines)


def _line(rank: str, row: HostRow) -> str:
    counts = row.counts
    return (
        f"{rank:<5}{log_text(row.host):<31}{row.active:>8,}{row.connections:>7,}{counts.delivered:>9,}"
        f"{counts.soft_bounced:>9,}{counts.hard_bounced:>9,}"
    )


@verb("hoststatus", Permission.STATUS, usage="hoststatus HOST [--json]")
async def hoststatus(call: Call) -> None:
    """Show the state of one destination: up or down, counters, what waits, the last error, the next attempt.

    Works for the.cpq.host and the.cpq.release.host as well; of the latter there is one block for each gateway.
    """
    host = await call.word(0, "Recipient host:\n[]>")
    found = await hosts.host_status(call.desk, call.person, host)
    now = call.desk.clock.now_ms()
    where = await where_to(call.desk, call.person, host)
    states = [_status_json(one) | (_where_json(where) if where is not None else {}) for one in found]
    data = {"as_of": iso(now), "host": found[0].state.destination, "states": states}
    call.give(data, lambda: "\n\n".join(hoststatus_text(one, now, where) for one in found))


def _where_json(where: Whereto) -> dict[str, Any]:
    return {
        "route": where.route or None,
        "addresses": [asdict(one) for one in where.addresses],
        "mx": [asdict(one) for one in where.exchangers],
        "no_address": where.why,
    }


def _status_json(one: HostStatus) -> dict[str, Any]:
    state = one.state
    return {
        "appliance": state.peer,
        "serial": state.serial,
        "up": state.up,
        "counters": asdict(state.counts) | {"hard_bounced": state.counts.hard_bounced},
        "active": one.waiting.count,
        "attempted": one.waiting.attempted,
        "need_a_person": one.needing,
        "connections": state.connections,
        "oldest_mid": one.oldest_mid,
        "oldest_received": iso(one.oldest_at),
        "last_activity": iso(state.active_ms),
        "last_address": state.address,
        "next_attempt": None if one.suspended else iso(one.next_attempt_ms),
        "suspended": one.suspended,
        "last_error": state.last_error,
        "last_5xx": state.last_5xx,
        "command_client": asdict(state.asked) if state.asked is not None else None,
    }


def hoststatus_text(one: HostStatus, now_ms: int, where: Whereto | None = None) -> str:
    state, counts, waiting = one.state, one.state.counts, one.waiting
    lines = [
        f"Host mail status for: '{log_text(state.destination)}'",
        f"Status as of:         {date(now_ms)}",
        f"Host up/down:         {up_down(state.up)}",
    ]
    if state.serial:
        lines.append(f"Appliance:            {log_text(state.peer)} ({log_text(state.serial)})")
    lines += [
        "",
        "Counters:",
        "  Queue",
        counter("    Soft Bounced Events", counts.soft_bounced),
        "  Completion",
        counter("    Completed Recipients", counts.completed),
        counter("      Hard Bounced Recipients", counts.hard_bounced),
        counter("        DNS Hard Bounces", counts.dns),
        counter("        5XX Hard Bounces", counts.refused),
        counter("        Expired Hard Bounces", counts.expired),
        counter("        Other Hard Bounces", counts.other),
        counter("      Delivered Recipients", counts.delivered),
        counter("      Deleted Recipients", counts.deleted),
        "",
        "Gauges:",
        "  Queue",
        counter("    Active Recipients", waiting.count),
        counter("      Unattempted Recipients", waiting.count - waiting.attempted),
        counter("      Attempted Recipients", waiting.attempted),
    ]
    if state.serial:
        lines.append(counter("    Messages that need a person", one.needing))
    lines += ["  Connections", counter("    Current Outbound Connections", state.connections), ""]
    lines += [f"{label:<22}{text}" for label, text in _ends(one, now_ms)]
    lines += _where_lines(where) if where is not None else ()
    if not state.serial:
        lines += ["Last 5XX Error:", _RULE, f"    {log_text(state.last_5xx) or 'None'}", _RULE]
    return "\n".join(lines)


_RULE = f"    {'-' * 10}"


def _where_lines(where: Whereto) -> Iterator[str]:
    """The addresses that delivery would try, in its order, and what they come from."""
    if where.route:
        yield f"{'SMTP Route':<22}{log_text(where.route)}"
    yield "Ordered IP addresses:"
    yield f"    {'Preference':<13}IPs"
    for one in where.addresses:
        named = f" ({log_text(one.host)})" if one.host else ""
        address = f"[{one.address}]" if ":" in one.address else one.address
        yield f"    {one.preference:<13}{log_text(address)}:{one.port}{named}"
    if not where.addresses:
        yield f"    None{f': {log_text(where.why)}' if where.why else ''}"
    if where.route:
        return
    yield "MX Records:"
    yield f"    {'Preference':<13}{'TTL':<12}Hostname"
    yield from (f"    {one.preference:<13}{span(one.ttl_s):<12}{log_text(one.host) or '.'}" for one in where.exchangers)
    if not where.exchangers:
        yield "    None"


def _ends(one: HostStatus, now_ms: int) -> list[tuple[str, str]]:
    state = one.state
    oldest = f"MID {one.oldest_mid}, {span((now_ms - one.oldest_at) // 1000)} old" if one.oldest_mid else "No Messages"
    found = [
        ("Oldest Message", oldest),
        ("Last Activity", date(state.active_ms)),
        ("Last Address", log_text(state.address) or "None"),
        ("Next Attempt", _next(one, now_ms)),
        ("Last Error", log_text(state.last_error) or "None"),
    ]
    return found + (asked_lines(state.asked, now_ms) if state.asked is not None else [])


def asked_lines(asked: Asked, now_ms: int) -> list[tuple[str, str]]:
    """What a gateway said over SSH of where it takes released mail."""
    place, said = asked.place, "Not yet"
    if place is not None:
        where = f"{log_text(place.host)}:{place.port} ({log_text(place.interface)})"
        said = f"{where}, asked {span((now_ms - asked.at_ms) // 1000)} ago" + ("" if asked.used else ", not used now")
    state = f"{asked.kind}: {log_text(asked.why)}. Cure: {asked.cure}" if asked.kind else "OK" if place else "Not yet"
    return [("Release Address", said), ("Command Client", state)]


def _next(one: HostStatus, now_ms: int) -> str:
    if one.suspended:
        return "None: mail delivery is suspended (resumedel)"
    if not one.waiting.count:
        return "None planned"
    return date(one.next_attempt_ms) if one.next_attempt_ms > now_ms else "Now"


@verb("delivernow", Permission.QUEUE, usage="delivernow {host HOST | all}")
async def delivernow(call: Call) -> None:
    """Try now what waits: for one destination, or for all of them.

    For the.cpq.host and the.cpq.release.host the link says hello at once.
    """
    word = (await call.word(0, _WHICH, "1")).lower()
    if word in ("all", "2"):
        host = ""
    elif word in ("host", "1"):
        host = await call.word(1, "Please enter the recipient domain to schedule for delivery.\n[]>")
    else:
        host = word
    if not host and word not in ("all", "2"):
        raise Usage("name a host, or say all")
    woken = await hosts.deliver_now(call.desk, call.person, host)
    text = f"Rescheduling all messages to {log_text(host)} for immediate delivery." if host else _ALL
    call.give({"host": host or None, "rescheduled": woken}, lambda: text)


_WHICH = """Please choose an option for scheduling immediate delivery.
1. By recipient domain
2. All messages
[1]>"""
_ALL = "Scheduling all messages for delivery."
