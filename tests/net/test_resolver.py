"""DNS for mail against a small server of ours that answers, lies and keeps silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from pratique.net.resolver import LIFETIME_SECONDS, LookupFailed, NoSuchDomain, Resolver

ZONE = {
    ("example.org.", "MX"): ["20 b.example.org.", "10 A.Example.org."],
    ("a.example.org.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("a.example.org.", "AAAA"): ["2001:db8::1"],
    ("v6.example.org.", "AAAA"): ["2001:db8::6"],
    ("noanswer.example.org.", "A"): [],
    ("null.example.org.", "MX"): ["0 ."],
    ("7.113.51.8.in-addr.arpa.", "PTR"): ["Client.example.org."],
    ("client.example.org.", "A"): ["8.51.113.7"],
    ("8.113.51.8.in-addr.arpa.", "PTR"): ["liar.example.org."],
    ("liar.example.org.", "A"): ["192.0.2.99"],
}
BEHAVIOURS = {"servfail.": "servfail", "silent.": "silent", "garbage.": "garbage", "refused.": "refused"}


class DnsServer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        assert self.transport is not None
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = str(question.name).lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        behaviour = next((b for suffix, b in BEHAVIOURS.items() if name.endswith(suffix)), "")
        if behaviour == "silent":
            return
        if behaviour == "garbage":
            self.transport.sendto(b"\x00garbage\xff" * 3, source)
            return
        self.transport.sendto(_answer(query, name, kind, behaviour).to_wire(), source)


def _answer(query: dns.message.Message, name: str, kind: str, behaviour: str) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    if behaviour:
        answer.set_rcode(dns.rcode.SERVFAIL if behaviour == "servfail" else dns.rcode.REFUSED)
    elif (name, kind) in ZONE:
        if ZONE[name, kind]:
            answer.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", kind, *ZONE[name, kind]))
    elif not any(known == name for known, _ in ZONE):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        DnsServer, local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


@pytest.fixture
def resolver(server: DnsServer) -> Resolver:
    assert server.transport is not None
    made = Resolver(("127.0.0.1",), port=server.transport.get_extra_info("sockname")[1])
    made._resolver.lifetime = 0.3  # the real one is checked below; tests do not wait five seconds
    return made


async def test_mail_exchangers_come_as_published_in_lower_case(resolver: Resolver) -> None:
    assert sorted(await resolver.mx("example.org")) == [(10, "a.example.org"), (20, "b.example.org")]


async def test_mail_exchangers_for_people_come_preferred_first_with_what_is_left_of_their_time(
    resolver: Resolver,
) -> None:
    found = await resolver.exchangers("example.org")
    assert [(one.preference, one.host) for one in found] == [(10, "a.example.org"), (20, "b.example.org")]
    assert all(290 <= one.ttl_s <= 300 for one in found)
    assert await resolver.exchangers("a.example.org") == []


async def test_a_domain_without_mx_is_told_apart_from_one_that_does_not_exist(resolver: Resolver) -> None:
    assert await resolver.mx("a.example.org") == []
    with pytest.raises(NoSuchDomain, match=r"nowhere\.example\.org does not exist"):
        await resolver.mx("nowhere.example.org")


async def test_a_null_mx_is_an_empty_name(resolver: Resolver) -> None:
    assert await resolver.mx("null.example.org") == [(0, "")]


async def test_addresses_are_v4_first_then_v6(resolver: Resolver) -> None:
    found = await resolver.addresses("a.example.org")
    assert sorted(found[:2]) == ["192.0.2.1", "192.0.2.2"]
    assert found[2:] == ["2001:db8::1"]
    assert await resolver.addresses("v6.example.org") == ["2001:db8::6"]


async def test_a_name_without_addresses_is_an_empty_list(resolver: Resolver) -> None:
    assert await resolver.addresses("noanswer.example.org") == []


@pytest.mark.parametrize("zone", ["servfail", "silent", "garbage", "refused"])
async def test_a_dead_or_lying_server_is_a_temporary_failure_within_bounded_time(resolver: Resolver, zone: str) -> None:
    started = time.monotonic()
    with pytest.raises(LookupFailed, match=rf"MX of x\.{zone}: "):
        await resolver.mx(f"x.{zone}")
    assert time.monotonic() - started < 1.5
    with pytest.raises(LookupFailed):
        await resolver.addresses(f"x.{zone}")


async def test_a_name_that_no_dns_can_hold_is_a_failure_and_no_crash(resolver: Resolver) -> None:
    for name in ("a" * 64 + ".example.org", "a..example.org", ".".join(["x" * 60] * 5)):
        with pytest.raises(LookupFailed):
            await resolver.mx(name)


async def test_answers_are_remembered(resolver: Resolver, server: DnsServer) -> None:
    for _ in range(3):
        await resolver.mx("example.org")
    assert server.asked.count(("example.org.", "MX")) == 1


async def test_questions_are_counted_and_those_that_the_cache_answered(resolver: Resolver) -> None:
    assert resolver.counts() == (0, 0)
    for _ in range(3):
        await resolver.mx("example.org")
    with pytest.raises(NoSuchDomain):
        await resolver.mx("gone.example.org")
    assert resolver.counts() == (4, 2)
    resolver.flush()
    await resolver.mx("example.org")
    assert resolver.counts() == (5, 2)


async def test_names_are_asked_as_they_are_without_the_machines_search_list(
    resolver: Resolver, server: DnsServer
) -> None:
    with pytest.raises(NoSuchDomain):
        await resolver.mx("nowhere")
    assert server.asked == [("nowhere.", "MX")]


async def test_a_clients_name_is_verified_when_it_leads_back(resolver: Resolver) -> None:
    assert await resolver.client_name("8.51.113.7") == ("client.example.org", True)
    assert await resolver.client_name("8.51.113.8") == ("liar.example.org", False)
    assert await resolver.client_name("8.51.113.200") == ("unknown", False)


async def test_private_addresses_are_not_asked_for(resolver: Resolver, server: DnsServer) -> None:
    for address in ("127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "fd00::1"):
        assert await resolver.client_name(address) == ("unknown", False)
    assert server.asked == []


def test_a_lookup_costs_at_most_five_seconds_and_a_machine_without_dns_still_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Resolver(("192.0.2.53",))._resolver.lifetime == LIFETIME_SECONDS == 5.0
    import dns.resolver

    def missing(*_: object, **__: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", missing)
    assert Resolver()._resolver.lifetime == LIFETIME_SECONDS


async def test_records_of_any_type_come_as_the_dns_writes_them(resolver: Resolver) -> None:
    assert await resolver.records("null.example.org", "MX") == ["0 ."]
    assert await resolver.records("8.51.113.7", "PTR") == ["Client.example.org."]
    with pytest.raises(NoSuchDomain, match="is no address"):
        await resolver.records("null.example.org", "PTR")
