"""The trace field we put in front of a message (RFC 5321 §4.4), and the date form of mail (RFC 5322 §3.3).

What the peer said of itself stands in it, so every value is escaped: no value can end the field, open or close a
comment, or begin another clause. Dates need neither locale nor time zone: mail is dated in UTC.
"""

import re
from datetime import UTC, datetime

CLAUSE_CHARS_MAX = 255  # of any value that came from outside; a domain is no longer

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What may stand bare in a clause: atoms, domains, address literals, addresses. No blank, bracket, quote or backslash.
_BARE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.:@\[\]-]{1,255}\Z")
_NOT_BARE = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.:@\[\]-]")


def received_line(
    *,
    from_helo: str,
    from_ip: str,
    rdns: str,
    by: str,
    with_: str,
    id: str,
    for_address: str | None = None,
    date: str,
) -> bytes:
    """One Received field, folded, with its CRLF.

    `for_address` belongs there only when the message has one recipient: more would betray blind copies
    (RFC 5321 §7.2). `date` comes from rfc5322_date.
    """
    host = _bare(rdns) if rdns else "unknown"
    literal = f"IPv6:{_bare(from_ip)}" if ":" in from_ip else _bare(from_ip)
    whom = "" if for_address is None else f"\r\n\tfor <{_bare(for_address)}>"
    return (
        f"Received: from {_bare(from_helo) or 'unknown'} ({host} [{literal}])\r\n"
        f"\tby {_bare(by)} with {_bare(with_)} id {_bare(id)}{whom};\r\n"
        f"\t{date}\r\n"
    ).encode("ascii")


def _bare(text: str) -> str:
    if _BARE.match(text) is not None:
        return text
    return _NOT_BARE.sub("?", text[:CLAUSE_CHARS_MAX])


def rfc5322_date(at_ms: int) -> str:
    """The moment, ms since 1970, as `Mon, 24 Nov 2025 04:00:00 +0000`."""
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02d} {month} {at.year:04d} {at.hour:02d}:{at.minute:02d}:{at.second:02d} +0000"
