"""The literals that rules compare with: address blocks, moments, and how many addresses a header holds."""

import ipaddress
import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime

NETWORKS_MAX = 10_000  # a longer list is a reputation feed, not a rule
_PARTIAL = re.compile(r"((?:[0-9]{1,3}\.){1,3})(?:\*|x)?\Z")
_SHORT_RANGE = re.compile(r"((?:[0-9]{1,3}\.){3})([0-9]{1,3})-([0-9]{1,3})\Z")
# the closing quote is optional at the end, so that no quote is tried twice: the search stays linear
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*(?:"|\\?\Z)', re.DOTALL)
_COMMENT = re.compile(r"\([^()]*\)")
_DATE_FORMS = (
    (re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})(?:[ ]+(?P<time>[\d:]+))?\Z", re.ASCII)),
    (re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?:[ T]+(?P<time>[\d:]+)Z?)?\Z", re.ASCII)),
)
_UNIT_MS = (86_400_000, 60_000, 1_000)  # a day, a minute, a second: the precision that was written


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of addresses: for each IP version the sorted, disjoint blocks by their first and last number."""

    first: dict[int, tuple[int, ...]]
    last: dict[int, tuple[int, ...]]

    def holds(self, address: str) -> bool:
        """False for what is no address."""
        try:
            ip = _address(address)
        except ValueError:
            return False
        first = self.first.get(ip.version, ())
        index = bisect_right(first, int(ip)) - 1
        return index >= 0 and int(ip) <= self.last[ip.version][index]


def parse_networks(text: str) -> Networks:
    """Addresses, CIDR blocks, ranges `a-b`, `a.b.c.1-9`, partial `a.b.`, joined by commas. ValueError says what is
    wrong."""
    items = [item for item in (piece.strip() for piece in text.split(",")) if item]
    if not items:
        raise ValueError("the list of addresses is empty")
    if len(items) > NETWORKS_MAX:
        raise ValueError(f"more than {NETWORKS_MAX} addresses in one list")
    blocks: dict[int, list[tuple[int, int]]] = {}
    for item in items:
        try:
            low, high = _block(item)
        except ValueError:
            raise ValueError(f"{item!r} is no address, block or range") from None
        if low.version != high.version or int(low) > int(high):
            raise ValueError(f"the range {item!r} does not go from low to high")
        blocks.setdefault(low.version, []).append((int(low), int(high)))
    merged = {version: _merge(found) for version, found in blocks.items()}
    return Networks(
        {version: tuple(low for low, _ in found) for version, found in merged.items()},
        {version: tuple(high for _, high in found) for version, found in merged.items()},
    )


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> _Address:
    """An address; one that is IPv4 in IPv6 clothes counts as IPv4, as the listener may see it so."""
    ip = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def _block(item: str) -> tuple[_Address, _Address]:
    if short := _SHORT_RANGE.match(item):
        return _address(short[1] + short[2]), _address(short[1] + short[3])
    if partial := _PARTIAL.match(item):
        octets = partial[1].rstrip(".").split(".")
        low = octets + ["0"] * (4 - len(octets))
        high = octets + ["255"] * (4 - len(octets))
        return _address(".".join(low)), _address(".".join(high))
    if "-" in item:
        low_text, _, high_text = item.partition("-")
        return _address(low_text.strip()), _address(high_text.strip())
    if "/" in item:
        network = ipaddress.ip_network(item, strict=False)
        return network[0], network[-1]
    return _address(item), _address(item)


def _merge(blocks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(blocks):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def parse_moment(text: str) -> tuple[int, int]:
    """(begin, end) in ms since 1970, UTC, of the day, minute or second that is written as MM/DD/YYYY or YYYY-MM-DD
    with HH:MM or HH:MM:SS behind it. ValueError says what is wrong."""
    for form in _DATE_FORMS:
        found = form.match(text.strip())
        if found is not None:
            break
    else:
        raise ValueError(f"{text!r} is no date")
    times = found["time"].split(":") if found["time"] else []
    if len(times) not in (0, 2, 3):
        raise ValueError(f"{found['time']!r} is no time of day")
    try:
        hour, minute, second = (int(piece) for piece in (*times, "0", "0", "0")[:3])
        moment = datetime(int(found["year"]), int(found["month"]), int(found["day"]), hour, minute, second, tzinfo=UTC)
    except ValueError as wrong:
        raise ValueError(f"{text!r} is no date: {wrong}") from None
    begin = int(moment.timestamp()) * 1_000
    return begin, begin + _UNIT_MS[max(0, len(times) - 1)]


def count_addresses(value: str) -> int:
    """Addresses in a decoded address header: the list items that hold an "@" outside quotes and comments."""
    bare = _COMMENT.sub("", _QUOTED.sub("", value))
    return sum("@" in item for item in bare.replace(";", ",").split(","))
