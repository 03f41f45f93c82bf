"""The site of a run: two gateways, a manager, the place outside, each in its namespace; the appliances as
`pratique run` processes that are killed and started again.

An observer's table in each gateway's store notes, by trigger and so in the same commit, each delivery that becomes DOT
and each answer that ends one. It is what a duplicate is explained by; the product does not know of it.
"""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from pratique.front.enroll import enrol_stopped, own_enrolment
from pratique.front.files import read_options
from pratique.front.init import initialise, set_password
from tests.chaos.mails import FILTER
from tests.chaos.network import Network
from tests.e2e.world import CPQ_PORT, PASSWORD, SMTP_PORT, WEB_PORT, Appliance, until

OUTSIDE, MANAGER, GATEWAYS = "out", "sma", ("gw1", "gw2")
REVIEWERS = ("admin", "second")
START_SECONDS = 120.0  # a busy machine is slow
MOUNTED = ("ip", "netns", "exec")
# Waits that fit a run of minutes instead of one of days; they are options of the product.
HASTE = {
    "delivery.retry.initial_s": "1",
    "delivery.retry.ceiling_s": "4",
    "delivery.retry.transfer_initial_s": "1",
    "delivery.retry.transfer_ceiling_s": "4",
    "delivery.retry.dial_ceiling_s": "2",
    "delivery.retry.refusal_s": "2",
}
OBSERVER = """
CREATE TABLE observed (mid INTEGER, rid INTEGER, what TEXT, reply TEXT);
CREATE TRIGGER observe_dot AFTER UPDATE ON delivery WHEN new.state = 'DOT' OR old.state = 'DOT'
    BEGIN INSERT INTO observed VALUES (new.mid, new.rid, new.state, new.reply); END;
"""


class Housed(Appliance):
    """An appliance in a namespace."""

    def __init__(self, place: str, role: str, network: Network, base: Path) -> None:
        super().__init__(f"{place}.test", role, network.address(place), base / place)
        self.place = place
        self._inside = (*MOUNTED, network.namespace(place))

    def launch(self) -> None:
        with self._output.open("ab") as out, self._errors.open("ab") as err:
            self._said = out.tell()
            command = [*self._inside, sys.executable, "-m", "pratique", "run", str(self.directory)]
            self.process = subprocess.Popen(command, stdout=out, stderr=err)

    def in_dot(self) -> list[tuple[int, int]]:
        """(MID, RID) of the deliveries that a stopped gateway left in DOT."""
        return [(mid, rid) for mid, rid in self.rows("SELECT mid, rid FROM delivery WHERE state = 'DOT'")]


class Site:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.network = Network((OUTSIDE, MANAGER, *GATEWAYS))
        self.manager = Housed(MANAGER, "manager", self.network, base)
        self.gateways = tuple(Housed(name, "gateway", self.network, base) for name in GATEWAYS)
        self.appliances = (self.manager, *self.gateways)

    def build(self) -> None:
        """Namespaces, directories, enrolments; from here on this thread lives outside, like the Internet."""
        self.network.up()
        asyncio.run(self._build())
        for gateway in self.gateways:
            with closing(sqlite3.connect(gateway.directory / "store" / "store.db")) as db:
                db.executescript(OBSERVER)
        self.network.enter(OUTSIDE)

    async def _build(self) -> None:
        for appliance in self.appliances:
            await initialise(
                appliance.role, appliance.directory, name=appliance.name, overrides=self._options(appliance),
                password=PASSWORD,
            )  # fmt: skip
        await set_password(self.manager.directory, read_options(self.manager.directory), REVIEWERS[1], PASSWORD)
        for gateway in self.gateways:
            await enrol_stopped(self.manager.directory, own_enrolment(gateway.directory))
            await enrol_stopped(gateway.directory, own_enrolment(self.manager.directory))

    def _options(self, appliance: Housed) -> dict[str, str]:
        address = json.dumps(appliance.address)
        if appliance.role == "manager":
            return {
                "cpq.address": address,
                "cpq.port": str(CPQ_PORT),
                "web.address": address,
                "web.port": str(WEB_PORT),
                "ssh.enabled": "false",
            }
        return {
            **HASTE,
            "cpq.address": address,
            "web.enabled": "false",
            "ssh.enabled": "false",
            "gateway.listeners.0.address": address,
            "gateway.listeners.0.port": str(SMTP_PORT),
            "gateway.listeners.0.recipients.0.match": '"ALL"',
            "gateway.policy.filters": FILTER,
            "gateway.virus.builtin": "false",
            "delivery.smtproutes": json.dumps([f"ALL {self.network.address(OUTSIDE)}:{SMTP_PORT}"]),
        }

    def start(self) -> None:
        for appliance in self.appliances:
            appliance.launch()
        for appliance in self.appliances:
            until(appliance.ready, START_SECONDS, f"{appliance.name} ready")

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; their exit codes."""
        for appliance in self.appliances:
            appliance.signal(signal.SIGTERM)
        return {a.place: a.stop() if a.runs else int(a.process.returncode) for a in self.appliances if a.process}

    def faults(self) -> list[str]:
        """What appliances said that none should ever say."""
        said = [f"{a.name}: {a.errors()}" for a in self.appliances if "Traceback" in a.errors() + a.output()]
        return said + [f"{a.name}: {line}" for a in self.appliances for line in a.grep("An application fault occurred")]

    def close(self) -> None:
        for appliance in self.appliances:
            appliance.kill()
        self.network.down()


def memory_peak_kib(appliance: Appliance) -> int:
    """VmHWM of the process and its children, summed."""
    total = 0
    for pid in appliance.processes():
        status: dict[str, Any] = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        total += int(status.get("VmHWM", "0 kB").split()[0])
    return total
