"""The technical note where an interface is missing on one member of a cluster: two gateways and a manager that run, the
guide's section replayed over OpenSSH's client. Mail of the member flows meanwhile, and once.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.guide import walking
from tests.e2e.note_site import WAIT, asked, subjects
from tests.e2e.ssh_client import Client, let_in, make_key
from tests.e2e.world import HOLD_ALL, SSH_PORT, Appliance, World, message, until

INTERFACES = {"gw1": "Data", "gw2": "Front"}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Iterator[World]:
    world.manager = world.make("manager")
    make_key(tmp_path)
    for host, (name, interface) in enumerate(INTERFACES.items(), 3):
        options = {
            "interfaces.0.name": json.dumps(interface),
            "interfaces.0.address": json.dumps(f"{world.network}.{host}"),
            "gateway.listeners.0.interface": json.dumps(interface),
            "gateway.policy.filters": HOLD_ALL,
            "ssh.enabled": "true",
        }
        world.enrol(world.manager, world.make("gateway", name, host=host, options=options))
    world.start()
    for gateway in world.appliances[1:]:
        let_in(gateway, tmp_path)
    yield world


def flows(world: World, gateway: Appliance, subject: str) -> None:
    """Mail of this gateway is held, released, and delivered once."""
    assert gateway.send("a@partner.example", ["b@demo.example"], message(subject)).startswith("250")

    def mids() -> list[int]:
        return [row["mid"] for row in world.manager.held() if row["attributes"]["subject"] == subject]

    assert world.manager.release(until(mids, WAIT, f"{subject!r} is held")) == 1
    until(lambda: subjects(world.hop)[subject], WAIT, f"{subject!r} arrives")


def restarted(gateway: Appliance) -> None:
    """Its quarantine port has moved."""
    assert gateway.stop() == 0
    gateway.start()


def join(world: World, gw1: Client, gw2: Client) -> None:
    (row,) = json.loads(gw1.do("clusterconfig listdetail --json"))["machines"]
    gw1.do(f"clusterconfig prepjoin new {gw2.do('clusterconfig prepjoin print').strip()}")
    told = gw2.do(f"clusterconfig join {gw1.appliance.address}:{SSH_PORT} {row['host_key']} by-key")
    assert "Joining the cluster was successful: site." in told


@pytest.mark.timeout(300)
def test_an_interface_is_missing_on_one_member(site: World, tmp_path: Path) -> None:
    _, first, second = site.appliances
    gw1, gw2 = Client(first, tmp_path), Client(second, tmp_path)
    gw1.do("clusterconfig create site")
    gw1.do("clustermode cluster; set cpq.interface Data; commit 'where released mail comes back'")
    restarted(first)
    join(site, gw1, gw2)

    names = {"gw1.example.org": first.name, "gw2.example.org": second.name, "192.0.2.22": second.address}
    ask = {"gw1.example.org": asked(gw1), "gw2.example.org": asked(gw2)}
    with walking("An interface is missing on one member of a cluster", names, ask) as shows:
        for verb in ("readiness", "clustercheck", "displayalerts"):
            shows.next(verb)
        flows(site, second, "meanwhile")
        for verb in ("interfaceconfig new", "clustercheck", "readiness"):
            shows.next(verb)
        restarted(second)
        flows(site, second, "afterwards")
        gw1.do(f"interfaceconfig new Backup {first.address}; commit 'here alone'")
        shows.next("clustermode cluster")
        shows.next("interfaceconfig delete")
    assert subjects(site.hop) == Counter(("meanwhile", "afterwards"))
