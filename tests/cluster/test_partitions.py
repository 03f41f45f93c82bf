"""Five gateways in network namespaces, each a real process: they form a cluster, are cut off from each other, are
changed on both sides, and are one again.

Members are spoken to by `pratique shell` on their own machine, which needs no network.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.fleet import cluster_file
from pratique.front.init import initialise
from tests.chaos import network
from tests.chaos.network import Network
from tests.chaos.site import Housed
from tests.e2e.world import PASSWORD, SMTP_PORT, message, until

NAMES = ("gw1", "gw2", "gw3", "gw4", "gw5")
HEAL_SECONDS = 75.0  # a member that is back is noticed within 30 s, and this machine may be busy


class Member(Housed):
    def say(self, line: str, *, fails: bool = False) -> str:
        words = [sys.executable, "-m", "pratique", "shell", str(self.directory), line]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def data(self, line: str) -> Any:
        words = [sys.executable, "-m", "pratique", "shell", str(self.directory), f"{line} --json"]
        return json.loads(subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout)

    @property
    def digest(self) -> str:
        membership = cluster_file.read(self.directory)
        return membership.state.digest() if membership is not None else ""

    def routes(self) -> str:
        """Of the cluster, as this member has them in force."""
        membership = cluster_file.read(self.directory)
        return membership.in_force.get("smtproutes", "") if membership is not None else ""

    def takes_mail(self, site: "Site") -> str:
        """The reply to a message that is sent on its own machine."""
        replies: list[str] = []

        def send() -> None:
            site.network.enter(self.place)
            replies.append(self.send("a@partner.example", ["b@demo.example"], message("while alone")))

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(30)
        return replies[0]


class Site:
    def __init__(self, base: Path) -> None:
        self.network = Network(NAMES)
        self.members = {name: Member(name, "gateway", self.network, base) for name in NAMES}

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def build(self) -> None:
        self.network.up()
        for member in self.members.values():
            asyncio.run(self._init(member))
            member.launch()
        for member in self.members.values():
            until(member.ready, 120.0, f"{member.name} ready")

    async def _init(self, member: Member) -> None:
        address = json.dumps(member.address)
        overrides = {
            "interfaces.0.name": "Data",
            "interfaces.0.address": address,
            "cpq.address": address,
            "ssh.address": address,
            "ssh.port": "2222",
            "web.enabled": "false",
            "gateway.listeners.0.interface": "Data",
            "gateway.listeners.0.port": str(SMTP_PORT),
            "gateway.listeners.0.recipients.0.match": '"ALL"',
            "gateway.virus.builtin": "false",
        }
        await initialise("gateway", member.directory, name=member.name, overrides=overrides, password=PASSWORD)

    def join(self) -> None:
        """The first makes the cluster, the others join it by key."""
        first = self["gw1"]
        first.say("clusterconfig create site")
        (row,) = first.data("clusterconfig listdetail")["machines"]
        for name in NAMES[1:]:
            first.say(f"clusterconfig prepjoin new {self[name].say('clusterconfig prepjoin print').strip()}")
            said = self[name].say(f"clusterconfig join {first.address}:2222 {row['host_key']} by-key")
            assert "Joining the cluster was successful: site." in said
        self.one("all have joined")

    def one(self, what: str, names: tuple[str, ...] = NAMES) -> None:
        """Wait until these have the same state."""
        until(lambda: len({self[name].digest for name in names}) == 1, HEAL_SECONDS, what)

    def close(self) -> None:
        for member in self.members.values():
            member.kill()
        self.network.down()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    try:
        network.check()
    except network.CannotRun as why:
        if os.environ.get("CI") == "true":
            pytest.fail(str(why))
        pytest.skip(str(why))
    found = Site(tmp_path)
    try:
        found.build()
        yield found
    finally:
        found.close()


@pytest.mark.timeout(600)  # ten restarts' worth of imports on a busy machine
def test_five_members_are_cut_off_changed_on_both_sides_and_one_again(site: Site) -> None:
    site.join()
    gw1, gw4, gw5 = site["gw1"], site["gw4"], site["gw5"]
    assert [row["name"] for row in gw5.data("clusterconfig list")["machines"]] == [f"{n}.test" for n in NAMES]

    # a change reaches all; one that a member could not use is refused with the names
    gw1.say("clustermode cluster; set delivery.smtproutes 'ALL first.example:25'; commit routes")
    site.one("the routes are everywhere")
    until(lambda: all("first.example" in site[name].routes() for name in NAMES), what="and in force")
    refused = gw4.say("clustermode cluster; set cpq.interface Backup; commit", fails=True)
    assert "missing on gw1.test, gw2.test, gw3.test, gw4.test, gw5.test" in refused
    gw4.say("clustermode cluster; clearchanges yes")

    with contextlib.ExitStack() as cut:
        for name in ("gw4", "gw5"):
            cut.enter_context(site.network.partitioned(name))
        gw1.say("clustermode cluster; set delivery.smtproutes 'ALL left.example:25'; commit left")
        gw5.say("clustermode cluster; set delivery.smtproutes 'ALL right.example:25'; commit right")
        gw5.say("clustermode cluster; set delivery.bounce.delay_warning true; commit alone")
        gw4.say("clusterconfig addgroup Branch; clusterconfig setgroup gw4.test Branch")
        site.one("the three that see each other", NAMES[:3])
        assert "right.example" in gw5.routes() and "left.example" in site["gw2"].routes()
        for name in NAMES:
            assert site[name].takes_mail(site).startswith("250"), f"{name} takes mail meanwhile"
        until(lambda: "not reached" in gw1.say("clustercheck", fails=True), what="gw1 says who is away")

    site.one("all have the same state again")
    for name in NAMES:
        (finding,) = [f for f in site[name].data("clustercheck") if "versions" in f]
        assert "smtproutes of cluster was changed apart" in finding["what"]
        assert {"left.example" in str(v["value"]) for v in finding["versions"]} == {True, False}
        assert "right.example" in site[name].routes(), "the later one is in force everywhere"
        groups = {row["name"]: row["group"] for row in site[name].data("clusterconfig list")["machines"]}
        assert groups == {f"{n}.test": "Branch" if n == "gw4" else "Main_Group" for n in NAMES}
    assert gw1.grep("smtproutes of cluster was changed apart on two sides")

    gw4.say("clustercheck choose cluster/text/smtproutes 2")
    site.one("the choice is everywhere")
    until(lambda: all("left.example" in site[name].routes() for name in NAMES), what="and in force")
    until(lambda: gw5.data("clustercheck") == [], HEAL_SECONDS, "nothing is left to say")

    # who is removed while away hears of it when it is back, and works on with what it had
    with site.network.partitioned("gw5"):
        gw1.say("clusterconfig removemachine gw5.test yes")
        gw5.say("clustermode cluster; set delivery.tls no; commit never")
    until(lambda: not gw5.digest, HEAL_SECONDS, "gw5 is in no cluster")
    site.one("the others do not know what it did last", NAMES[:4])
    assert 'tls = "no"' not in gw1.say("clustermode cluster; showconfig")
    assert "left.example" in (gw5.directory / "pratique.toml").read_text()
    assert gw5.takes_mail(site).startswith("250")
    assert not [line for member in site.members.values() for line in member.grep("An application fault occurred")]
