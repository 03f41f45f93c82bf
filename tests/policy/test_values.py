import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.policy import values
from pratique.policy.values import count_addresses, parse_moment, parse_networks


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.2", "192.0.2.0"]),
        ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255"]),
        ("192.0.2.77/24", ["192.0.2.1"], ["192.0.3.1"]),
        ("192.0.2.9-192.0.2.11", ["192.0.2.9", "192.0.2.11"], ["192.0.2.8", "192.0.2.12"]),
        ("192.0.2.9 - 192.0.3.1", ["192.0.2.255"], ["192.0.3.2"]),
        ("192.0.2.9-11", ["192.0.2.10"], ["192.0.2.12"]),
        ("10.1.", ["10.1.0.0", "10.1.255.255"], ["10.2.0.0"]),
        ("10.1.*", ["10.1.7.7"], ["10.0.255.255"]),
        ("10.1.2.x", ["10.1.2.3"], ["10.1.3.3"]),
        ("2001:db8::/32", ["2001:db8::1", "2001:db8:ffff::"], ["2001:db9::", "192.0.2.1"]),
        ("2001:db8::1-2001:db8::f", ["2001:db8::a"], ["2001:db8::10"]),
        ("192.0.2.1, 198.51.100.0/24,2001:db8::1,", ["198.51.100.9", "2001:db8::1"], ["203.0.113.1"]),
        ("192.0.2.0/25, 192.0.2.128/25, 192.0.2.7", ["192.0.2.127", "192.0.2.128"], ["192.0.3.0"]),
        ("fe80::1", ["fe80::1%eth0"], ["fe80::2"]),
    ],
)
def test_membership(text, inside, outside):
    networks = parse_networks(text)
    assert [address for address in inside if not networks.holds(address)] == []
    assert [address for address in outside if networks.holds(address)] == []
    assert not networks.holds("unknown")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("192.0.2.300", "'192.0.2.300' is no address"),
        ("192.0.2.0/33", "is no address"),
        ("mx.example", "is no address"),
        ("192.0.2.9-192.0.2.1", "low to high"),
        ("192.0.2.9-2001:db8::1", "low to high"),
        ("10.1.2.9-300", "is no address"),
    ],
)
def test_what_is_no_list_of_addresses(text, why):
    with pytest.raises(ValueError, match=why):
        parse_networks(text)


def test_a_list_has_a_limit(monkeypatch):
    monkeypatch.setattr(values, "NETWORKS_MAX", 2)
    with pytest.raises(ValueError, match="more than 2"):
        parse_networks("192.0.2.1,192.0.2.2,192.0.2.3")


@given(
    st.lists(st.ip_addresses(v=4).map(lambda ip: ipaddress.ip_network((ip, 8), strict=False)), min_size=1, max_size=8)
    | st.lists(st.ip_addresses(v=4).map(ipaddress.ip_network), min_size=1, max_size=8),
    st.ip_addresses(v=4),
)
@settings(max_examples=100, deadline=None)
def test_membership_is_what_a_plain_scan_says(networks, address):
    found = parse_networks(",".join(map(str, networks)))
    assert found.holds(str(address)) == any(address in network for network in networks)
    assert all(found.holds(str(network[0])) and found.holds(str(network[-1])) for network in networks)


DAY, MINUTE = 86_400_000, 60_000


@pytest.mark.parametrize(
    ("text", "begin", "length"),
    [
        ("01/02/1970", DAY, DAY),
        ("1/2/1970 00:01", DAY + MINUTE, MINUTE),
        ("01/02/1970 00:00:01", DAY + 1000, 1000),
        ("1970-01-02", DAY, DAY),
        (" 1970-01-02T01:00Z ", DAY + 60 * MINUTE, MINUTE),
        ("1970-01-02 00:00:00", DAY, 1000),
    ],
)
def test_moments(text, begin, length):
    assert parse_moment(text) == (begin, begin + length)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("yesterday", "is no date"),
        ("13/01/2026", "is no date: month"),
        ("02/30/2026", "is no date: day"),
        ("02/03/2026 25:00", "is no date: hour"),
        ("02/03/2026 12", "no time of day"),
        ("02/03/2026 12:00:00:00", "no time of day"),
        ("02/03/2026 1::2", "is no date"),
        ("٠٢/03/2026", "is no date"),
    ],
)
def test_what_is_no_moment(text, why):
    with pytest.raises(ValueError, match=why):
        parse_moment(text)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("", 0),
        ("a@b.example", 1),
        ("Bob <bob@here.example>, carol@here.example", 2),
        ('"Last, First @ Home" <a@b.example>, "x@y" <c@d.example>', 2),
        ("Last, First <a@b.example>", 1),
        ("team: a@b.example, c@d.example;", 2),
        ("undisclosed-recipients:;", 0),
        ("a@b.example (home, me@there)", 1),
        ('"open a@b.example, c@d.example', 0),
        ('"quoted \\" <x@y>, " z@w', 1),
        ('"ends with a backslash\\', 0),
    ],
)
def test_counting_addresses(value, count):
    assert count_addresses(value) == count


@pytest.mark.parametrize("value", ['"' + '\\"' * 32_000, '"' * 65_001, "(" * 65_000, "\\" * 65_000, '"\\' * 32_000])
def test_counting_addresses_in_hostile_values_is_quick(value):
    """Quadratic work on 64 KiB would take minutes and meet the test's time-out."""
    assert count_addresses(value) == 0
    assert count_addresses(value + '" , a@b') in (0, 1)
