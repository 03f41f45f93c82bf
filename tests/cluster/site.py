"""Five gateways in network namespaces and a manager, each a real process.

They are spoken to by `pratique shell` on their own machine, which needs no network.
"""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pratique.fleet import cluster_file
from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.init import initialise
from pratique.front.shell import shell
from tests.chaos.needed import need_namespaces
from tests.chaos.network import Network
from tests.chaos.site import Housed
from tests.e2e.shell_talk import Typist
from tests.e2e.world import PASSWORD, SMTP_PORT, message, until

MANAGER = "sma"
NAMES = ("gw1", "gw2", "gw3", "gw4", "gw5")
HEAL_SECONDS = 75.0  # a member that is back is noticed within 30 s, and this machine may be busy


@dataclass
class Script(Typist):
    """Nobody is there to answer."""

    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        self.complaints.append(text)


class Member(Housed):
    def say(self, line: str, *, fails: bool = False) -> str:
        script = Script(interactive=False)
        status = shell(self.directory, line, script)
        said = "".join((*script.shown, *script.complaints))
        assert bool(status) is fails, said
        return said

    def data(self, line: str) -> Any:
        """What a command gives with --json, also one that exits 1 because it has something to say."""
        script = Script(interactive=False)
        shell(self.directory, f"{line} --json", script)
        assert script.shown, script.complaints
        return json.loads("".join(script.shown))

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
    """The manager knows all members but the last."""

    def __init__(self, base: Path) -> None:
        self.network = Network((*NAMES, MANAGER))
        self.members = {name: Member(name, "gateway", self.network, base) for name in NAMES}
        self.manager = Member(MANAGER, "manager", self.network, base)

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def build(self) -> None:
        self.network.up()
        every = (*self.members.values(), self.manager)
        for member in every:
            asyncio.run(self._init(member))
        for name in NAMES[:-1]:
            asyncio.run(_enrol(self.manager, self[name]))
        for member in every:
            member.launch()
        for member in every:
            until(member.ready, 120.0, f"{member.name} ready")

    async def _init(self, member: Member) -> None:
        address = json.dumps(member.address)
        if member.role == "manager":
            overrides = {"cpq.address": address, "web.enabled": "false", "ssh.enabled": "false"}
            await initialise("manager", member.directory, name=member.name, overrides=overrides, password=PASSWORD)
            return
        overrides = {
            "interfaces.0.name": "Data",
            "interfaces.0.address": address,
            "cpq.interface": "Data",
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
        for name in NAMES[1:]:
            self.admit(name)
        self.one("all have joined")

    def admit(self, name: str) -> None:
        first = self["gw1"]
        rows = first.data("clusterconfig listdetail")["machines"]
        host_key = next(row["host_key"] for row in rows if row["name"] == first.name)
        first.say(f"clusterconfig prepjoin new {self[name].say('clusterconfig prepjoin print').strip()}")
        said = self[name].say(f"clusterconfig join {first.address}:2222 {host_key} by-key")
        assert "Joining the cluster was successful: site." in said

    def one(self, what: str, names: tuple[str, ...] = NAMES) -> None:
        """Wait until these have the same state."""
        until(lambda: len({self[name].digest for name in names}) == 1, HEAL_SECONDS, what)

    def close(self) -> None:
        for member in (*self.members.values(), self.manager):
            member.kill()
        self.network.down()

    def faults(self) -> list[str]:
        return [line for member in self.members.values() for line in member.grep("An application fault occurred")]


async def _enrol(one: Member, other: Member) -> None:
    for here, there in ((one, other), (other, one)):
        await enrol_stopped(here.directory, own_enrolment(there.directory))


@contextmanager
def built(base: Path) -> Iterator[Site]:
    """A site that runs, its gateways one cluster; skipped where this machine makes no network namespaces."""
    need_namespaces()
    found = Site(base)
    try:
        found.build()
        found.join()
        yield found
    finally:
        found.close()
