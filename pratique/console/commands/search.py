"""Finding held messages: the list that reviewers and connectors page through.

What is found are messages that are still held in a quarantine that the asker may see; names, reasons and times of
other quarantines are left out, as if they did not exist (docs/rest.md).
"""

import re
from dataclasses import dataclass, replace

from pratique.console.access.roles import Permission, Person
from pratique.console.commands.desk import Desk, command
from pratique.console.commands.parts import CommandRefused, Why
from pratique.quarantine.lifecycle import Mark
from pratique.store.interface import Found, Search, TextTest, View
from pratique.store.records import Copy, Hold

__all__ = ["Row", "Rows", "Search", "TextTest", "addresses_in", "named", "row_of", "search"]

LIMIT_DEFAULT = 25
LIMIT_MAX = 1_000  # clients page by 100 or 250; a page of 1,000 is about 600 KB of JSON
OFFSET_MAX = 1_000_000_000
NAME_SEPARATOR = ", "  # between the names in `inQuarantines`; no quarantine's name holds a comma
ORDERS = ("sender", "subject", "received", "scheduledExit", "size")
TESTS = (
    "contains",
    "starts_with",
    "ends_with",
    "matches_exactly",
    "does_not_contain",
    "does_not_start_with",
    "does_not_end_with",
    "does_not_match",
)
_IN_BRACKETS = re.compile(r"<([^<>\s]{1,320}@[^<>\s]{1,320})>")
_BARE = re.compile(r"[^<>\s,;:()\"]{1,320}@[^<>\s,;()\"]{1,320}")
FROM_CHARS_MAX = 4_000  # of the header that is looked at
FROM_MAX = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One message of the list."""

    mid: int
    origin_mid: int
    origin_host: str
    origin_ip: str
    held_in: tuple[str, ...]
    reasons: tuple[tuple[str, tuple[str, ...]], ...]  # (quarantine, why), never empty
    received: int
    scheduled_exit: int
    sender: str
    recipients: tuple[str, ...]
    subject: str
    from_addresses: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Rows:
    total: int
    rows: tuple[Row, ...]


@command("search", Permission.VIEW)
async def search(desk: Desk, person: Person, query: Search) -> Rows:
    """Held messages that match, a page of them, and how many match in all.

    `query.quarantines` are the names asked for; () = all. Reading a list is not audited, reading a message is.
    """
    if not 1 <= query.limit <= LIMIT_MAX:
        raise CommandRefused(Why.INVALID, f"limit must be 1 to {LIMIT_MAX}")
    if not 0 <= query.offset <= OFFSET_MAX:
        raise CommandRefused(Why.INVALID, f"offset must be 0 to {OFFSET_MAX}")
    if query.order_by not in ORDERS:
        raise CommandRefused(Why.INVALID, f"orderBy must be one of {', '.join(ORDERS)}")
    for test in (query.sender, query.recipient, query.subject):
        if test is not None and test.how not in TESTS:
            raise CommandRefused(Why.INVALID, f"a text filter must be one of {', '.join(TESTS)}")
    seen = tuple(desk.quarantines(person))
    names = tuple(name for name in seen if not query.quarantines or name in query.quarantines)
    if not names:
        return Rows(0, ())

    def read(view: View) -> Found:
        return view.search(replace(query, quarantines=names))

    found: Found = await desk.store.read(read)
    return Rows(found.total, tuple(row_of(copy, holds, seen) for copy, holds in found.copies))


def row_of(copy: Copy, holds: tuple[Hold, ...], seen: tuple[str, ...]) -> Row:
    """The row as somebody who sees the quarantines `seen` gets it."""
    held = [h for h in holds if h.quarantine in seen and h.mark == Mark.HELD]
    return Row(
        mid=copy.mid,
        origin_mid=copy.origin_mid,
        origin_host=copy.origin_host,
        origin_ip=copy.origin_ip,
        held_in=tuple(h.quarantine for h in held),
        reasons=tuple((h.quarantine, h.reasons or ("unknown",)) for h in held),
        received=max((h.received for h in held), default=copy.at),
        scheduled_exit=min((h.exit_at for h in held), default=copy.at),
        sender=copy.envelope.sender,
        recipients=tuple(r.address for r in copy.envelope.recipients),
        subject=copy.subject,
        from_addresses=addresses_in(copy.from_header),
        size=copy.size,
    )


def addresses_in(header: str) -> tuple[str, ...]:
    """The addresses of a decoded From header, for people to read; no decision hangs on them."""
    text = header[:FROM_CHARS_MAX]
    found = _IN_BRACKETS.findall(text) or _BARE.findall(text)
    return tuple(dict.fromkeys(found))[:FROM_MAX]


def named(text: str, seen: dict[str, object]) -> tuple[str, ...]:
    """Which of the quarantines `seen` a name means: itself, or several as `inQuarantines` writes them; () = none."""
    if text in seen:
        return (text,)
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip()) in seen))
