"""The technical note where a firewall swallows port 7025: manager and gateway each in a network namespace, the guide's
section replayed over OpenSSH's client from a third, mail that waited delivered once when the port is open again.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise
from tests.chaos.needed import need_namespaces
from tests.chaos.network import Network
from tests.chaos.site import MOUNTED, Housed
from tests.e2e.guide import walking
from tests.e2e.next_hop import NextHop
from tests.e2e.note_site import WAIT, asked, subjects
from tests.e2e.ssh_client import Client, let_in, make_key
from tests.e2e.world import CPQ_PORT, HOLD_ALL, PASSWORD, SMTP_PORT, SSH_PORT, WEB_PORT, message, until

OUTSIDE, MANAGER, GATEWAY = "out", "sma", "gw1"
T = TypeVar("T")


class Site:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.network = Network((OUTSIDE, MANAGER, GATEWAY))
        self.manager = Housed(MANAGER, "manager", self.network, base)
        self.gateway = Housed(GATEWAY, "gateway", self.network, base)
        self.hop: NextHop | None = None

    def outside(self, do: Callable[[], T]) -> T:
        """What a thread does that opens its sockets where the Internet is."""
        found: list[T] = []

        def run() -> None:
            self.network.enter(OUTSIDE)
            found.append(do())

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
        return found[0]

    def build(self) -> None:
        self.network.up()
        self.hop = self.outside(lambda: NextHop(self.network.address(OUTSIDE), SMTP_PORT))
        asyncio.run(self._build())
        make_key(self.base)
        for one in (self.manager, self.gateway):
            one.launch()
        for one in (self.manager, self.gateway):
            until(one.ready, 120.0, f"{one.name} ready")
            let_in(one, self.base)

    async def _build(self) -> None:
        for one in (self.manager, self.gateway):
            address = json.dumps(one.address)
            options = {"cpq.address": address, "ssh.address": address, "ssh.port": str(SSH_PORT)}
            if one is self.manager:
                options |= {"web.address": address, "web.port": str(WEB_PORT)}
            else:
                options |= {
                    "web.enabled": "false",
                    "gateway.listeners.0.address": address,
                    "gateway.listeners.0.port": str(SMTP_PORT),
                    "gateway.listeners.0.recipients.0.match": '"ALL"',
                    "gateway.policy.filters": HOLD_ALL,
                    "gateway.virus.builtin": "false",
                    "delivery.smtproutes": json.dumps([f"ALL {self.network.address(OUTSIDE)}:{SMTP_PORT}"]),
                }
            await initialise(one.role, one.directory, name=one.name, overrides=options, password=PASSWORD)
        await enrol_stopped(self.manager.directory, own_enrolment(self.gateway.directory))
        await enrol_stopped(self.gateway.directory, own_enrolment(self.manager.directory))

    def ask(self, one: Housed) -> Callable[[str], str]:
        return asked(Client(one, self.base, inside=(*MOUNTED, self.network.namespace(OUTSIDE))))

    def hold(self, subject: str) -> None:
        mail = message(subject)
        reply = self.outside(lambda: self.gateway.send("a@partner.example", ["b@demo.example"], mail))
        assert reply.startswith("250"), reply

    def held(self) -> list[int]:
        return [row["mid"] for row in self.outside(self.manager.held)]

    def release(self) -> None:
        (mid,) = until(self.held, WAIT, "it is held")
        assert self.outside(lambda: self.manager.release([mid])) == 1

    def close(self) -> None:
        for one in (self.manager, self.gateway):
            one.kill()
        if self.hop is not None:
            self.hop.close()
        self.network.down()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    need_namespaces()
    found = Site(tmp_path)
    try:
        found.build()
        yield found
    finally:
        found.close()


@pytest.mark.timeout(400)
def test_a_firewall_swallows_the_quarantine_port(site: Site) -> None:
    manager, gateway, hop = site.manager, site.gateway, site.hop
    assert hop is not None
    named = {"sma.example.org": manager, "gw1.example.org": gateway}
    names = {name: one.name for name, one in named.items()}
    names |= {"192.0.2.10": manager.address, "192.0.2.21": gateway.address}
    with walking(
        "A firewall swallows the quarantine port", names, {name: site.ask(one) for name, one in named.items()}
    ) as shows:
        with contextlib.ExitStack() as wall:
            wall.enter_context(site.network.swallowed(GATEWAY, MANAGER, port=CPQ_PORT))
            site.network.break_connections(GATEWAY, MANAGER)
            site.hold("outward")
            for verb in ("telnet", "readiness", "hoststatus"):
                shows.next(verb, seconds=WAIT)
            assert site.held() == []
        until(site.held, WAIT, "the port is open and the gateway has tried again")
        with site.network.swallowed(MANAGER, GATEWAY, port=CPQ_PORT):
            site.network.break_connections(MANAGER, GATEWAY)
            site.release()
            for verb in ("telnet", "applianceconfig test"):
                shows.next(verb, seconds=WAIT)
            assert not hop.messages
        until(lambda: hop.messages, WAIT, "the port is open and the manager has tried again")
    for one in (manager, gateway):
        assert one.stop() == 0
    assert subjects(hop) == {"outward": 1}
