"""The JSON of the answers, to the letter of docs/rest.md: names, order, dates, sizes.

Written by the standard library's `json` with its default separators, `meta` in front of `data`: operators cut these
texts with grep and awk (§10), so spaces and order are part of the contract.
"""

import datetime
import json
from typing import Any

from pratique.console.commands.search import NAME_SEPARATOR, Row, Rows

KIB = 1024


def render(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


def date(ms: int) -> str:
    """As in "07 Sep 2022 09:08:03 (GMT +00:00)"."""
    when = datetime.datetime.fromtimestamp(min(max(ms, 0), 253_402_300_799_000) / 1_000, datetime.UTC)
    return f"{when.day:02} {_MONTHS[when.month - 1]} {when.year} {when:%H:%M:%S} (GMT +00:00)"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # whatever the locale


def size(octets: int) -> str:
    """As in "312.97K"."""
    return f"{octets / KIB:.2f}K" if octets < KIB * KIB else f"{octets / KIB / KIB:.2f}M"


def messages(found: Rows) -> dict[str, Any]:
    return {"meta": {"totalCount": found.total}, "data": [message(row) for row in found.rows]}


def message(row: Row) -> dict[str, Any]:
    reasons = [{"quarantineName": name, "reason": list(why)} for name, why in row.reasons]
    return {
        "mid": row.mid,
        "attributes": {
            "esaHostName": row.origin_host,
            "esaMid": row.origin_mid,
            "inQuarantines": NAME_SEPARATOR.join(row.held_in),
            "originatingEsaIp": row.origin_ip,
            "quarantineForReason": list(dict.fromkeys(why for _, whys in row.reasons for why in whys)),
            "quarantineForReasonDict": reasons,
            "received": date(row.received),
            "scheduledExit": date(row.scheduled_exit),
            "recipient": list(row.recipients),
            "sender": row.sender,
            "size": size(row.size),
            "subject": row.subject,
            "fromAddress": list(row.from_addresses),
        },
    }
