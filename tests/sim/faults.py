"""What goes wrong, and when. Every fault ends by itself; `heal` ends all of them before the last count.

A kind is one function: it begins the fault and says after how many seconds, and how, it ends.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from pratique.runner.suspension import Suspension
from pratique.store.moves import PutPeer, StoreFailed
from pratique.transfer.messages import Limits
from tests.sim.appliance import PORT
from tests.sim.net import Connection, Cut
from tests.sim.plans import DAY, HOUR

SMALL_BYTES = 1_000
MINUTE = 60.0
CUTS = ("reset", "lost", "lost", "mute")


class Faults:
    def __init__(self, world: Any) -> None:
        self._world = world
        self.is_over = False
        self.is_closed = False  # whoever ends now stays down
        self._down: dict[str, int] = {}  # outages that keep an appliance down, by name

    def plan(self, count: int, span: float, weights: dict[str, float]) -> None:
        random = self._world.random
        kinds, shares = tuple(weights), tuple(weights.values())
        for _ in range(count if kinds else 0):
            kind = random.choices(kinds, shares)[0]
            self._world.loop.call_at(random.uniform(0.0, span), self._begin, kind)

    def _begin(self, kind: str) -> None:
        if not self.is_over:
            self._world.injected[kind] += 1
            self._world.note("fault", kind)
            KINDS[kind](self)

    def _later(self, low: float, high: float, end: Callable[[], Any]) -> None:
        self._world.loop.call_later(self._world.random.uniform(low, high), end)

    def _any(self) -> Any:
        return self._world.random.choice(self._world.appliances)

    def _any_up(self) -> Any | None:
        """One whose role runs."""
        up = [a for a in self._world.appliances if a.is_up and a.life.role is not None and not a.life.stopping]
        return self._world.random.choice(up) if up else None

    # --- processes
    def crashed(self, appliance: Any) -> None:
        """A supervisor starts it again, unless an outage keeps it down."""
        if not self._down.get(appliance.name):
            self._later(0.5, 40.0, lambda: self.start(appliance))

    def start(self, appliance: Any) -> None:
        if not self.is_closed and not appliance.is_up and not self._down.get(appliance.name):
            appliance.boot()
            self.booted(appliance)

    def booted(self, appliance: Any) -> None:
        mean = self._world.plan.effects_between_crashes
        if mean and not self.is_over:
            appliance.life.crash_at = int(self._world.random.expovariate(1 / mean)) + 1

    def _crash(self) -> None:
        self._any().crash("at a random time")

    def _power(self) -> None:
        self._any().crash("its power failed", silent=True)

    def _away(self, low: float, high: float) -> None:
        appliance = self._any()
        self._down[appliance.name] = self._down.get(appliance.name, 0) + 1
        appliance.crash("an outage begins", silent=self._world.random.random() < 0.5)

        def back() -> None:
            self._down[appliance.name] = max(0, self._down.get(appliance.name, 0) - 1)
            self.start(appliance)

        self._later(low, high, back)

    def _outage(self) -> None:
        self._away(2 * MINUTE, HOUR)

    def _days(self) -> None:
        self._away(DAY / 2, 4 * DAY)

    def _clean_restart(self) -> None:
        appliance = self._any_up()
        if appliance is None:
            return
        life = appliance.life

        async def again() -> None:
            await appliance.stop()
            await asyncio.sleep(1.0)  # what waited for the store is told
            self._world.stopped(life)
            self.crashed(appliance)

        life.stopping = True
        self._world.spawn(again(), f"clean end of {life}", context=life.fresh_context())

    # --- the network
    def befall(self, connection: Connection) -> None:
        """Decide what happens to a new connection."""
        random, plan = self._world.random, self._world.plan
        connection.dribble = random.random() < plan.dribble
        if self.is_over or random.random() >= plan.cut:
            return
        if random.random() < plan.zombie:
            first = 5 if connection.port == PORT else 1  # there, what counts comes after the hello
            connection.cut = Cut(0, writes=random.randint(first, 8), style="zombie")
        elif random.random() < 0.5:
            connection.cut = Cut(random.randrange(2), writes=random.randint(1, 9), style=random.choice(CUTS))
        else:
            connection.cut = Cut(random.randrange(2), octets=random.randint(1, 6_000), style=random.choice(CUTS))
        self._world.injected[f"connection {connection.cut.style}"] += 1

    def zombie(self, connection: Connection) -> None:
        """The worst moment for the receiver to refuse: the next attempt is cancelled, and the late one still comes."""
        world = self._world
        if self.is_over or world.random.random() >= world.plan.spite:
            return
        client, server = connection.hosts
        if server == world.manager.address and "small limit" in world.plan.weights:
            self._begin("small limit")
        gateway = next((g for g in world.gateways if g.address == server), None)
        if gateway is not None and client == world.manager.address and "wrong key" in world.plan.weights:
            world.injected["wrong key"] += 1
            self._wrong_key(gateway)

    def _partition(self) -> None:
        network, random = self._world.network, self._world.random
        hosts = [a.address for a in self._world.appliances]
        a, b = random.sample(hosts, 2)
        network.block(a, b)
        self._later(5.0, 20 * MINUTE, lambda: network.heal(a, b))

    # --- disks and clocks
    def _disk_full(self) -> None:
        appliance = self._any()
        spool = appliance.disk.spool
        before = spool.capacity
        spool.capacity = spool._taken + self._world.random.choice((0, 2_000, 20_000))

        def freed() -> None:
            appliance.disk.spool.capacity = before

        self._later(10.0, 20 * MINUTE, freed)

    def _commit_full(self) -> None:
        for _ in range(self._world.random.randint(1, 4)):
            self._fails(self._any(), StoreFailed("the disk is full", full=True))

    def _fatal(self) -> None:
        self._fails(self._any(), StoreFailed("the disk gave an I/O error", fatal=True))

    def _fails(self, appliance: Any, failure: StoreFailed) -> None:
        if appliance.is_up:
            appliance.life.store_failed = True
            appliance.disk.fail_next(failure)

    def _unknown_commit(self) -> None:
        appliance = self._any()
        if appliance.is_up:
            appliance.life.store_failed = True
            appliance.disk.is_unknown = True

    def _slow_disk(self) -> None:
        appliance = self._any()
        appliance.commit_seconds = self._world.random.choice((0.2, 2.0, 15.0))

        def fast() -> None:
            appliance.commit_seconds = 0.002

        self._later(5.0, 10 * MINUTE, fast)

    def _clock_step(self) -> None:
        clock = self._any().clock
        clock.offset_ms += int(1000 * self._world.random.choice((-7200, -400, -20, 20, 400, 7200)))

        def set_right() -> None:
            clock.offset_ms = 0

        self._later(MINUTE, HOUR, set_right)

    # --- what is asked for help
    def _scanner(self) -> None:
        self._world.scanner_fails += 1

        def well() -> None:
            self._world.scanner_fails -= 1

        self._later(10.0, 30 * MINUTE, well)

    def _destination(self) -> None:
        destination = self._world.destination
        destination.mood = self._world.random.choice(("busy", "defers", "slow", "cruel", "cruel"))

        def well() -> None:
            destination.mood = "well"

        self._later(10.0, 2 * HOUR, well)

    # --- what the appliances themselves refuse
    def _small_limit(self) -> None:
        """The manager takes only small messages: others are cancelled, and become the gateway's own again."""
        manager = self._world.manager
        if not manager.is_up or manager.life.role is None:
            return
        service = manager.life.role.cpq
        service.limits = Limits(message_bytes=SMALL_BYTES)

        def all_sizes() -> None:
            service.limits = Limits()

        self._later(5.0, 10 * MINUTE, all_sizes)

    def _wrong_key(self, gateway: Any = None) -> None:
        """A gateway does not believe the manager's certificates: releases are cancelled and go to the alternate one."""
        gateway = gateway or self._world.random.choice(self._world.gateways)
        self._enrol(gateway, wrong=True)
        self._later(5.0, 10 * MINUTE, lambda: self._enrol(gateway, wrong=False))

    def _enrol(self, gateway: Any, *, wrong: bool) -> None:
        if not gateway.is_up or gateway.life.role is None or gateway.life.stopping:
            if not wrong:
                self._later(MINUTE, MINUTE, lambda: self._enrol(gateway, wrong=False))
            return
        life, peer = gateway.life, self._world.manager.as_peer(wrong_key=wrong)

        def done(future: Any) -> None:
            if future.exception() is None:
                life.role.peers_changed()
            elif not wrong:
                self._later(1.0, 10.0, lambda: self._enrol(gateway, wrong=False))

        self._world.loop.call_soon(
            lambda: life.store.submit(PutPeer(peer, ())).add_done_callback(done), context=life.fresh_context()
        )
        gateway.keys_wrong = wrong

    def _suspended(self) -> None:
        manager = self._world.manager
        if not manager.is_up or manager.life.role is None:
            return
        role = manager.life.role
        role.suspend(Suspension(transfers=True))
        self._later(5.0, 20 * MINUTE, lambda: role.suspend(Suspension()))

    def _override(self) -> None:
        self._world.operators.override()

    # --- the end of all
    def heal(self) -> None:
        """From here on nothing goes wrong any more."""
        world = self._world
        self.is_over = True
        self._down.clear()
        world.network.heal()
        world.network.silent.clear()
        world.network.wake()
        world.scanner_fails = 0
        world.destination.mood = "well"
        for end in world.network.connections.values():
            end._connection.cut = None
        for appliance in world.appliances:
            self._heal(appliance)

    def _heal(self, appliance: Any) -> None:
        appliance.clock.offset_ms = 0
        appliance.commit_seconds = 0.002
        appliance.disk._failures.clear()
        appliance.disk.is_unknown = False
        if appliance.is_up:
            appliance.life.crash_at = 0
        self.start(appliance)
        appliance.disk.spool.capacity = 1 << 30
        if appliance.keys_wrong:
            self._enrol(appliance, wrong=False)
        role = appliance.life.role
        if appliance.role == "manager" and role is not None:
            role.cpq.limits = Limits()
            role.suspend(Suspension())


KINDS: dict[str, Callable[[Faults], None]] = {
    "crash": Faults._crash,
    "power": Faults._power,
    "outage": Faults._outage,
    "days": Faults._days,
    "clean restart": Faults._clean_restart,
    "partition": Faults._partition,
    "disk full": Faults._disk_full,
    "commit full": Faults._commit_full,
    "fatal": Faults._fatal,
    "unknown commit": Faults._unknown_commit,
    "slow disk": Faults._slow_disk,
    "clock step": Faults._clock_step,
    "scanner": Faults._scanner,
    "destination": Faults._destination,
    "small limit": Faults._small_limit,
    "wrong key": Faults._wrong_key,
    "suspended": Faults._suspended,
    "override": Faults._override,
}
