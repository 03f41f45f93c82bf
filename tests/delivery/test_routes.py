"""Where mail for a domain goes: the table, address literals, MX."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.routes import (
    CPQ_HOST,
    MX_HOSTS_MAX,
    RELEASE_HOST,
    Hop,
    NoRoute,
    Route,
    RouteError,
    Routes,
    Way,
    address_literal,
    is_virtual,
    mx_order,
    parse_hop,
)

TABLE = Routes(
    {
        "example.org": ["mx.example.org:2525", "backup.example.org"],
        ".example.org": ["inner.example.org"],
        ".deep.example.org": ["deep.example.org"],
        "Sink.Example.": ["/dev/null"],
        "open.example": ["usedns"],
        "[192.0.2.9]": ["10.0.0.1"],
        "ALL": ["192.0.2.1:26", "[2001:db8::1]:26"],
    }
)


@pytest.mark.parametrize(
    ("domain", "hosts"),
    [
        ("example.org", ("mx.example.org:2525", "backup.example.org:25")),
        ("EXAMPLE.org.", ("mx.example.org:2525", "backup.example.org:25")),
        ("a.example.org", ("inner.example.org:25",)),
        ("a.b.example.org", ("inner.example.org:25",)),
        ("a.deep.example.org", ("deep.example.org:25",)),
        ("other.example", ("192.0.2.1:26", "2001:db8::1:26")),
        ("notexample.org", ("192.0.2.1:26", "2001:db8::1:26")),
        ("[192.0.2.7]", ("192.0.2.7:25",)),
        ("[192.0.2.9]", ("10.0.0.1:25",)),
        ("[IPv6:2001:db8::7]", ("2001:db8::7:25",)),
    ],
)
def test_the_most_specific_line_wins(domain: str, hosts: tuple[str, ...]) -> None:
    route = TABLE.find(domain)
    assert route.way is Way.HOSTS
    assert tuple(f"{hop.host}:{hop.port}" for hop in route.hops) == hosts


@pytest.mark.parametrize(
    ("domain", "way"),
    [
        ("sink.example", Way.DISCARD),
        ("open.example", Way.MX),
        (CPQ_HOST, Way.PEER),
        (RELEASE_HOST, Way.PEER),
    ],
)
def test_other_ways(domain: str, way: Way) -> None:
    assert TABLE.find(domain) == Route(way)


def test_without_a_table_the_dns_decides() -> None:
    assert Routes({}).find("example.org") == Route(Way.MX)
    assert Routes({"*": ["smart.example"]}).find("example.org").hops == (Hop("smart.example"),)


def test_only_the_two_hosts_of_the_quarantine_are_virtual() -> None:
    assert is_virtual("the.cpq.host")
    assert is_virtual("the.cpq.release.host")
    assert not is_virtual("the.cpq.host.example.org")


@pytest.mark.parametrize(
    ("target", "hop"),
    [
        ("mx.example", Hop("mx.example", 25)),
        (" MX.example.:2525 ", Hop("mx.example", 2525)),
        ("localhost", Hop("localhost", 25)),
        ("127.0.0.3:2525", Hop("127.0.0.3", 2525)),
        ("[2001:DB8::1]", Hop("2001:db8::1", 25)),
        ("[IPv6:2001:db8::1]:65535", Hop("2001:db8::1", 65535)),
        ("[192.0.2.1]:26", Hop("192.0.2.1", 26)),
    ],
)
def test_targets_are_read(target: str, hop: Hop) -> None:
    assert parse_hop(target) == hop


@pytest.mark.parametrize(
    ("target", "cure"),
    [
        ("", "write host, host:port"),
        ("mx.example:", "number from 1 to 65535"),
        ("mx.example:0", "number from 1 to 65535"),
        ("mx.example:65536", "number from 1 to 65535"),
        ("mx.example:٢٥", "number from 1 to 65535"),
        ("2001:db8::1", "brackets"),
        ("[2001:db8::1", "[2001:db8::1]:25"),
        ("[2001:db8::1]25", "[2001:db8::1]:25"),
        ("[mx.example]", "not an IP address"),
        ("[fe80::1%eth0]", "not an IP address"),
        ("999.1.1.1", "IPv4"),
        ("a b.example", "not a host name"),
        ("-a.example", "not a host name"),
        (f"{'a' * 250}.example", "not a host name"),
    ],
)
def test_a_bad_target_is_refused_with_the_cure(target: str, cure: str) -> None:
    with pytest.raises(RouteError) as refused:
        parse_hop(target)
    assert cure in str(refused.value)


@pytest.mark.parametrize(
    ("key", "targets", "cure"),
    [
        ("example.org", [], "1 to 20 targets"),
        ("example.org", ["a.example"] * 21, "1 to 20 targets"),
        ("example.org", ["/dev/null", "a.example"], "/dev/null stands alone"),
        ("example.org", ["a.example", "UseDns"], "USEDNS stands alone"),
        ("example.org", ["a.example:x"], "route for 'example.org'"),
        ("bad domain", ["a.example"], "the key must be"),
        (".", ["a.example"], "the key must be"),
        ("[nonsense]", ["a.example"], "the key must be"),
        (CPQ_HOST, ["a.example"], "enrolment"),
    ],
)
def test_a_bad_line_is_refused_with_the_cure(key: str, targets: list[str], cure: str) -> None:
    with pytest.raises(RouteError) as refused:
        Routes({key: targets})
    assert cure in str(refused.value)


@pytest.mark.parametrize("domain", ["example.org", "[", "[]", "[300.1.1.1]", "[IPv6:zz]", "192.0.2.1"])
def test_what_is_no_address_literal(domain: str) -> None:
    assert address_literal(domain) is None


@given(st.text(max_size=60))
def test_hostile_domains_never_raise(domain: str) -> None:
    assert isinstance(TABLE.find(domain), Route)


@given(st.text(max_size=60))
def test_a_target_is_read_or_refused(target: str) -> None:
    try:
        hop = parse_hop(target)
    except RouteError:
        return
    assert 1 <= hop.port <= 65535
    assert hop.host.isascii() and hop.host.isprintable() and hop.host


def dice(*values: float) -> Iterator[float]:
    return iter(values)


def test_mx_by_preference_and_equals_by_chance() -> None:
    records = [(20, "c.example."), (10, "A.example"), (10, "b.example")]
    assert mx_order(records, dice(0.1, 0.9, 0.2).__next__) == ("b.example", "a.example", "c.example")
    assert mx_order(records, dice(0.1, 0.2, 0.9).__next__) == ("a.example", "b.example", "c.example")


def test_without_mx_the_domain_itself_is_the_host() -> None:
    assert mx_order([], lambda: 0.0, domain="Example.org.") == ("example.org",)
    assert mx_order([], lambda: 0.0) == ()


def test_null_mx_takes_no_mail() -> None:
    with pytest.raises(NoRoute) as refused:
        mx_order([(0, ".")], lambda: 0.0, domain="example.org")
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (556, "5.1.10")


def test_a_null_mx_beside_others_is_ignored() -> None:
    assert mx_order([(0, "."), (5, "a.example")], lambda: 0.0) == ("a.example",)


def test_our_own_name_ends_the_list() -> None:
    records = [(10, "a.example"), (20, "US.example."), (20, "b.example"), (30, "c.example")]
    assert mx_order(records, lambda: 0.0, own=frozenset({"us.example"})) == ("a.example",)


def test_mail_that_would_come_back_to_us_is_refused() -> None:
    with pytest.raises(NoRoute) as refused:
        mx_order([(10, "us.example"), (10, "a.example")], lambda: 0.0, own=frozenset({"us.example"}))
    assert refused.value.reply.enhanced == "5.4.6"


def test_a_host_is_tried_once_and_the_list_is_bounded() -> None:
    assert mx_order([(1, "a.example"), (2, "a.example")], lambda: 0.0) == ("a.example",)
    many = [(n, f"mx{n}.example") for n in range(100)]
    assert mx_order(many, lambda: 0.0) == tuple(f"mx{n}.example" for n in range(MX_HOSTS_MAX))
