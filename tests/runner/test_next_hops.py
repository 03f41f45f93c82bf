"""Where a destination is: exchangers, routes, and names that lead nowhere."""

from typing import Any

import pytest

from tests.runner.conftest import Make
from tests.runner.support import until


async def test_exchangers_are_tried_in_the_order_of_their_preference(make: Make) -> None:
    post = make()
    post.names.mx_of["example.com"] = [(20, "mail.example.com"), (10, "dead.example.com")]
    post.names.addresses_of["dead.example.com"] = ["192.0.2.66"]
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert post.network.dialled == [("192.0.2.66", 25), ("192.0.2.25", 25)]
    assert post.node.log.lines("Connection Error: DCID 1 domain: example.com IP: 192.0.2.66 port: 25")


async def test_a_domain_without_mx_is_its_own_host(make: Make) -> None:
    post = make()
    del post.names.mx_of["example.com"]
    post.names.addresses_of["example.com"] = ["192.0.2.25"]
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")


@pytest.mark.parametrize(
    ("mx", "state"),
    [("missing", "FAILED"), (None, "DUE"), ([(0, "")], "FAILED"), ([(0, "gateway.example.net")], "FAILED")],
)
async def test_domains_that_cannot_be_reached(make: Make, mx: Any, state: str) -> None:
    """Missing: final. No answer: later. Null MX (RFC 7505) and ourselves as the best exchanger: final."""
    post = make()
    if mx == "missing":
        del post.names.mx_of["example.com"]
    else:
        post.names.mx_of["example.com"] = mx
    copy = await post.sent()
    await post.tried(copy)
    assert post.states(copy) == [state]
    assert post.network.dialled == []


async def test_static_routes_name_host_and_port(make: Make) -> None:
    post = make(routes={"example.com": ["192.0.2.30:2525"]})
    post.listen("192.0.2.30", post.hop, 2525)
    copy = await post.sent()
    await post.settled(copy, "DELIVERED")
    assert post.network.dialled == [("192.0.2.30", 2525)]


async def test_a_domain_that_does_not_exist_counts_as_a_dns_bounce(make: Make) -> None:
    post = make()
    copy = await post.sent("a@nowhere.example")
    await post.settled(copy, "FAILED")
    await until(lambda: post.deliverer.destinations["nowhere.example"].health.hard_bounced == {"dns": 1})
