"""Where mail to a host would go, as a person reads it, is where delivery takes it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pratique.delivery.routes import Routes
from pratique.gateway.whereto import Address, whereto
from pratique.net.resolver import Exchanger, LookupFailed, NoSuchDomain, Resolver
from tests.gateway.office import Office

MX = {"example.com": [Exchanger(10, "mx.example.com", 60), Exchanger(20, "gone.example.com", 60)], "null.example": []}
ADDRESSES = {"mx.example.com": ["192.0.2.7", "2001:db8::7"], "next.example": ["192.0.2.9"]}


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    async def exchangers(self: Resolver, domain: str) -> list[Exchanger]:
        if domain == "dead.example":
            raise LookupFailed("MX of dead.example: no answer")
        return MX[domain]

    async def mx(self: Resolver, domain: str) -> list[tuple[int, str]]:
        return [(one.preference, one.host) for one in MX[domain]]

    async def addresses(self: Resolver, host: str) -> list[str]:
        if host not in ADDRESSES:
            raise NoSuchDomain(f"{host} does not exist")
        return ADDRESSES[host]

    for name, instead in (("exchangers", exchangers), ("mx", mx), ("addresses", addresses)):
        monkeypatch.setattr(Resolver, name, instead)
    made = await Office(tmp_path, monkeypatch).made(manager=False)
    made.gateway.deliverer.use(Routes({"routed.example": ["next.example:26"], "junk.example": ["/dev/null"]}))
    yield made
    await made.close()


async def test_by_mx_the_records_and_the_addresses_in_the_order_in_which_they_are_tried(office: Office) -> None:
    found = await whereto(office.gateway, "example.com")
    assert (found.route, found.why) == ("", "")
    assert [one.host for one in found.exchangers] == ["mx.example.com", "gone.example.com"]
    assert found.addresses == (
        Address(10, "192.0.2.7", 25, "mx.example.com"),
        Address(10, "2001:db8::7", 25, "mx.example.com"),
    )


async def test_by_a_static_route_its_targets_and_no_records(office: Office) -> None:
    found = await whereto(office.gateway, "routed.example")
    assert (found.route, found.exchangers) == ("next.example:26", ())
    assert found.addresses == (Address(0, "192.0.2.9", 26, "next.example"),)
    assert (await whereto(office.gateway, "junk.example")).addresses == ()


async def test_why_there_is_no_address(office: Office) -> None:
    assert "null.example does not exist" in (await whereto(office.gateway, "null.example")).why
    assert (await whereto(office.gateway, "dead.example")).why == "MX of dead.example: no answer"
