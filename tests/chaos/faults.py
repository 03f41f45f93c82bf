"""What goes wrong in a run: processes die every two seconds, replies are lost, places are cut off."""

import random
import threading
from collections import Counter
from contextlib import ExitStack

from tests.chaos.network import Network
from tests.chaos.site import GATEWAYS, MANAGER, OUTSIDE, Housed, Site

KILL_SECONDS = 2.0
PARTITION_SECONDS = (0.5, 3.0)
EAT_SECONDS = (0.2, 0.8)  # how long replies are lost before the connections break
REST_SECONDS = (0.3, 1.5)
# (who answers, who asks): the answers are lost, and then the connection.
PAIRS = [
    *((MANAGER, gateway) for gateway in GATEWAYS * 3),  # XQACC of a hold
    *((gateway, MANAGER) for gateway in GATEWAYS * 2),  # XQACC of a release
    *((OUTSIDE, gateway) for gateway in GATEWAYS),  # 250 of the destination
    *((gateway, OUTSIDE) for gateway in GATEWAYS),  # 250 to a client
]


class Killer(threading.Thread):
    """kill -9 of a process chosen by chance; it is started again at once. `left_in_dot` counts, for each (gateway, MID,
    RID), the deaths that left it in DOT: read between death and start."""

    def __init__(self, site: Site, *, seed: int) -> None:
        super().__init__(daemon=True)
        self._site = site
        self._chance = random.Random(f"kill {seed}")
        self._stop_wanted = threading.Event()
        self.kills: Counter[str] = Counter()
        self.left_in_dot: Counter[tuple[str, int, int]] = Counter()
        self.died: list[str] = []  # ended by themselves

    def run(self) -> None:
        while not self._stop_wanted.wait(KILL_SECONDS):
            for appliance in self._site.appliances:
                self._revive(appliance)
            self._kill(self._chance.choice(self._site.appliances))

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join(60)
        for appliance in self._site.appliances:
            self._revive(appliance)

    def _revive(self, appliance: Housed) -> None:
        if not appliance.runs and appliance.process is not None:
            self.died.append(f"{appliance.name} ended with {appliance.process.returncode}: {appliance.errors()[-500:]}")
            self._start(appliance)

    def _kill(self, appliance: Housed) -> None:
        appliance.kill()
        self.kills[appliance.place] += 1
        self._start(appliance)

    def _start(self, appliance: Housed) -> None:
        if appliance.role == "gateway":
            self.left_in_dot.update((appliance.place, mid, rid) for mid, rid in appliance.in_dot())
        appliance.launch()


class Cutter(threading.Thread):
    """One fault of the network after another."""

    def __init__(self, network: Network, *, seed: int) -> None:
        super().__init__(daemon=True)
        self._network = network
        self._chance = random.Random(f"cut {seed}")
        self._stop_wanted = threading.Event()
        self.partitions = 0
        self.cuts = 0
        self.broken = 0  # connections that ended without their replies

    def run(self) -> None:
        while not self._stop_wanted.wait(self._chance.uniform(*REST_SECONDS)):
            if self._chance.random() < 0.25:
                self._partition()
            else:
                self._eat_replies(*self._chance.choice(PAIRS))

    def stop(self) -> None:
        self._stop_wanted.set()
        self.join(60)

    def _partition(self) -> None:
        with self._network.partitioned(self._chance.choice((MANAGER, *GATEWAYS))):
            self.partitions += 1
            self._stop_wanted.wait(self._chance.uniform(*PARTITION_SECONDS))

    def _eat_replies(self, answers: str, asks: str) -> None:
        """Requests arrive and are acted on, answers are swallowed; then the asking side's connection ends."""
        with ExitStack() as cut:
            cut.enter_context(self._network.swallowed(answers, asks))
            self.cuts += 1
            self._stop_wanted.wait(self._chance.uniform(*EAT_SECONDS))
            self.broken += self._network.break_connections(asks, answers)
