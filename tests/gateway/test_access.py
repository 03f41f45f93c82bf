"""Who may connect, and to whom they may write."""

import pytest

from pratique.gateway.access import HostTable, RecipientTable
from pratique.gateway.settings import HostAccess, Listener, RecipientAccess


def _action(table: HostTable, address: str) -> str:
    return table.decide(address).action


def test_the_first_row_that_matches_decides() -> None:
    rows = (
        HostAccess("10.1.2.3", "REJECT", "BLOCKED"),
        HostAccess("10.0.0.0/8, 2001:db8::/32", "relay", "INSIDE", tls_required=True),
        HostAccess("ALL", "ACCEPT", "REST"),
    )
    table = HostTable(Listener(hosts=rows))
    assert table.decide("10.1.2.3").group == "BLOCKED"
    inside = table.decide("10.9.9.9")
    assert (inside.action, inside.group, inside.match, inside.tls_required) == (
        "RELAY",
        "INSIDE",
        "10.0.0.0/8, 2001:db8::/32",
        True,
    )
    assert _action(table, "2001:db8::7") == "RELAY"
    assert _action(table, "203.0.113.1") == "ACCEPT"
    assert table.decide("10.1.2.3").group == "BLOCKED"  # remembered


def test_a_table_without_a_match_rejects() -> None:
    assert _action(HostTable(Listener(hosts=(HostAccess("10.0.0.0/8", "RELAY"),))), "203.0.113.1") == "REJECT"


def test_an_empty_table_lets_the_world_write_to_us_and_only_private_networks_write_through_us() -> None:
    public, private = HostTable(Listener(kind="public")), HostTable(Listener(kind="private"))
    assert _action(public, "203.0.113.1") == "ACCEPT"
    for address in ("127.0.0.1", "10.1.1.1", "172.16.0.1", "192.168.9.9", "::1", "fd12::1"):
        assert _action(private, address) == "RELAY"
    for address in ("203.0.113.1", "172.32.0.1", "2001:db8::1"):
        assert _action(private, address) == "REJECT"


@pytest.mark.parametrize("row", ["10.0.0.0/33", "hosts.example", ""])
def test_a_row_that_is_no_network_is_an_error(row: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        HostTable(Listener(hosts=(HostAccess(row),)))


ROWS = (
    RecipientAccess("bad@example.org", "REJECT"),
    RecipientAccess("example.org", "ACCEPT"),
    RecipientAccess("secret.lab.example.net", "REJECT"),
    RecipientAccess(".example.net", "accept"),
    RecipientAccess("@only.example", "ACCEPT"),
)


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("a@example.org", True),
        ("BAD@Example.ORG", False),
        ("a@sub.example.org", False),  # a domain is not its subdomains
        ("a@lab.example.net", True),
        ("a@deep.lab.example.net", True),
        ("a@secret.lab.example.net", False),
        ("a@example.net", False),  # .example.net are those below
        ("a@only.example", True),
        ("a@elsewhere.example", False),
        ("postmaster", False),
    ],
)
def test_recipients(address: str, accepted: bool) -> None:
    assert RecipientTable(ROWS).accepts(address) is accepted


def test_order_decides_between_a_wide_and_a_narrow_row() -> None:
    wide_first = RecipientTable((RecipientAccess("ALL"), RecipientAccess("bad@example.org", "REJECT")))
    assert wide_first.accepts("bad@example.org")
    narrow_first = RecipientTable((RecipientAccess("bad@example.org", "REJECT"), RecipientAccess("ALL")))
    assert not narrow_first.accepts("bad@example.org")


def test_an_empty_recipient_table_accepts_nobody() -> None:
    """A listener is no open relay by forgetting a table."""
    assert not RecipientTable(()).accepts("a@example.org")
