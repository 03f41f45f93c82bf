"""The technical note by which people find the faults of a central quarantine, walked through: each link of a running
manager and gateway is broken, every command shows what docs/operate/troubleshooting.md says, its cure is applied, and
the mail that waited arrives exactly once. Commands go over OpenSSH's client; the appliances are real processes.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.front.init import initialise
from tests.e2e.note_site import OPTIONS, Site
from tests.e2e.ssh_client import Terminal
from tests.e2e.test_pairing import serial_of
from tests.e2e.world import CPQ_PORT, PASSWORD, Appliance, World, need, until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    base = tmp_path_factory.mktemp("note")
    world = World(base / "world")
    world.faults_expected = True
    hop = json.dumps([f"{world.hop.address}:{world.hop.port}"])
    world.pair(gateway=OPTIONS | {"gateway.edges": "1"}, manager=OPTIONS | {"alerts.hosts": hop})
    try:
        world.start()
        made = Site(world, base)
        yield made
        made.settle()
    finally:
        world.close()


def test_held_mail_does_not_leave_a_gateway(site: Site) -> None:
    assert site.manager.stop() == 0
    site.hold("no manager")
    with site.walk("Held mail does not leave a gateway") as shows:
        shows.next("tophosts")
        shows.next("hoststatus")
        shows.next("showrecipients")
        shows.next("telnet")
        shows.next("readiness")
        shows.next("grep")
        site.gateway.logged("has not been reached for", seconds=40)
        site.manager.start()
        shows.next("delivernow")
        site.comes_back("no manager")
        shows.next("telnet")
        shows.next("displayalerts")


def test_released_mail_does_not_come_back(site: Site) -> None:
    site.hold("no gateway")
    until(lambda: site.held("no gateway"))
    assert site.gateway.stop() == 0
    site.release("no gateway")
    with site.walk("Released mail does not come back") as shows:
        for verb in ("tophosts", "hoststatus", "showrecipients", "grep", "telnet"):
            shows.next(verb)
    site.gateway.start()
    site.arrives("no gateway")


def test_a_manager_that_is_suspended(site: Site) -> None:
    site.ask(site.manager)("suspend 0")
    site.hold("suspended")
    with site.walk("The manager takes nothing: it is suspended") as shows:
        for verb in ("readiness", "hoststatus", "grep", "status", "displayalerts"):
            shows.next(verb)
        assert site.held("suspended") == []
        shows.next("resume")
        shows.next("readiness")
    site.comes_back("suspended")


def test_another_certificate_on_one_side(site: Site, tmp_path: Path) -> None:
    assert site.gateway.stop() == 0
    serial = serial_of(site.gateway)
    own = {"appliance.serial": json.dumps(serial)}
    made = initialise("gateway", tmp_path / "anew", name=site.gateway.name, overrides=own, password=PASSWORD)
    asyncio.run(made)
    for name in ("cpq.crt", "cpq.key"):
        shutil.copy(tmp_path / "anew" / "keys" / name, site.gateway.directory / "keys" / name)
    site.gateway.start()
    site.hold("another key")
    with site.walk("The certificate of one side is another") as shows:
        for verb in ("readiness", "hoststatus", "grep", "applianceconfig test", "grep"):
            shows.next(verb)
        assert site.held("another key") == []
        done = site.world.run("enroll", str(site.manager.directory), "--withdraw", serial)
        assert done.returncode == 0, done.stderr
        shows.next("smaconfig print")
        shows.next("applianceconfig paste")
        shows.next("readiness")
    site.comes_back("another key")


@contextmanager
def without_ssh(gateway: Appliance) -> Iterator[None]:
    """It runs with its command line switched off."""
    path = gateway.directory / "pratique.toml"
    text = path.read_text()
    before, after = text.split("[ssh]", 1)
    assert "enabled = true" in after

    def restart(now: str) -> None:
        assert gateway.stop() == 0
        path.write_text(now)
        gateway.start()

    restart(f"{before}[ssh]{after.replace('enabled = true', 'enabled = false', 1)}")
    try:
        yield
    finally:
        restart(text)


def test_a_gateway_that_refuses_ssh_delays_no_release(site: Site) -> None:
    with site.walk("The manager cannot ask a gateway over SSH") as shows:
        with without_ssh(site.gateway):
            site.hold("no ssh")
            site.comes_back("no ssh")
            for verb in ("applianceconfig test", "hoststatus", "grep"):
                shows.next(verb)
        shows.next("applianceconfig test")


def test_a_component_that_is_killed(site: Site) -> None:
    (edge,) = [
        pid for pid in site.gateway.processes() if b"pratique.front.edge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(edge, signal.SIGKILL)
    with site.walk("A part of an appliance died") as shows:
        for verb in ("grep", "displayalerts", "status detail"):
            shows.next(verb)
    site.hold("after a death")
    site.comes_back("after a death")


def test_who_spoke_with_whom(site: Site) -> None:
    site.hold("followed")
    site.comes_back("followed")
    with site.walk("Who spoke with whom") as shows:
        told = shows.next('grep "CPQ ICID"')
        shows.next('grep "port 7025"')
        (found,) = json.loads(site.ask(site.gateway)("findevent -s followed --json"))
        shows.meanings["mid"] = str(found["mid"])
        shows.next("findevent -m")
        shows.next("findevent -c")
    log = str(site.manager.directory / "log" / "mail.current")  # the same by the system's own tools
    words = [need("grep", "grep"), "CPQ ICID", log]
    assert set(told.splitlines()) <= set(subprocess.run(words, capture_output=True, text=True).stdout.splitlines())
    terminal = Terminal([need("telnet", "telnet"), site.manager.address, str(CPQ_PORT)])
    terminal.until(f"220 {site.manager.name} ESMTP")
    terminal.type("QUIT\r")
    terminal.until("221 ")
    terminal.ended()
