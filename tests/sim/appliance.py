"""An appliance: a disk and a clock that last, and one life after another of the real role code.

A life ends cleanly or by a crash at any effect (an octet written, a move submitted, a commit, a body). Then everything
that is not committed is gone: tasks are cancelled, timers forgotten, and what the old code still does has no effect.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from pratique.checks.interface import Engines
from pratique.fleet.identity import Keys
from pratique.fleet.trust import Trust
from pratique.front.acts import GatewayActs, ManagerActs
from pratique.gateway import app as gateway_app
from pratique.manager import app as manager_app
from pratique.net.tasks import Tasks
from pratique.quarantine.kinds import SYSTEM_MADE
from pratique.runner.services import NUMBERS_GAP, Numbers, Services
from pratique.store.moves import PutPeer, PutQuarantine, StoreFailed
from pratique.store.records import Peer, Quarantine
from pratique.telemetry import events as log
from pratique.telemetry.counters import Counters
from tests.sim import plans
from tests.sim.checks import Content, Engine
from tests.sim.disk import Spool, Store
from tests.sim.loop import context_of
from tests.sim.secure import certificate_of, fingerprint_of

EPOCH_MS = 1_795_490_000_000
PORT = 7025


class Clock:
    """Wall clock with steps; monotonic since the beginning; randomness by seed, other for every life."""

    def __init__(self, loop: Any, seed: str) -> None:
        self.loop, self.seed = loop, seed
        self.offset_ms = 0
        self._random = Random(seed)

    def reborn(self, life: int) -> None:
        self._random = Random(f"{self.seed} {life}")

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.loop.time() * 1000) + self.offset_ms

    def monotonic(self) -> float:
        return self.loop.time()

    def random(self, count: int) -> bytes:
        return self._random.randbytes(count)


class Life:
    """One run of the process. `effect(what)` is called before whatever leaves the memory; False: it is dead."""

    def __init__(self, host: "Appliance", number: int) -> None:
        self.host, self.number = host, number
        self.world, self.loop = host.world, host.world.loop
        self.dead = False
        self.stopping = False
        self.effects = 0
        self.crash_at = 0  # after so many effects; 0 = not planned
        self.store_failed = False
        self.failures: list[str] = []
        self.context = context_of(self)
        self.tasks = Tasks(self._failed)
        self.role: Any = None
        self.store: Any = None
        self.services: Any = None

    def __str__(self) -> str:
        return f"{self.host.name}/{self.number}"

    def fresh_context(self) -> Any:
        return self.context.copy()

    def effect(self, what: str) -> bool:
        if self.dead:
            return False
        self.effects += 1
        if self.effects == self.crash_at:
            self.host.crash(f"before it could {what}" if what != "be durable" else "with the commit done, nobody told")
            return False
        return True

    def commit_seconds(self) -> float:
        return self.host.commit_seconds * self.world.random.uniform(0.5, 1.5)

    def fatal(self) -> None:
        """The store has failed for good: the process ends at once, or after it has tried to end well."""
        self.loop.call_soon(self.host.crash, "its store failed", context=self.world.context)

    def emit(self, event: log.Event) -> None:
        if not self.dead:
            self.world.logged(self, event)

    def _failed(self, name: str, error: BaseException) -> None:
        if not self.dead and not (isinstance(error, StoreFailed) and error.fatal):
            self.failures.append(f"{self} task {name}: {type(error).__name__}: {error}")

    def spawn(self, work: Any, name: str) -> Any:
        """A task that counts as the appliance's own."""
        return self.loop.create_task(work, name=name, context=self.fresh_context())


class Appliance:
    def __init__(self, world: Any, name: str, role: str, address: str) -> None:
        self.world, self.name, self.role, self.address = world, name, role, address
        self.serial = f"564D{name.upper():0>16}"
        self.clock = Clock(world.loop, f"{world.seed} {name}")
        self.life: Life | None = None
        self.lives = 0
        self.commit_seconds = 0.002
        self.disk: Store | None = None  # what the last life left
        self.keys_wrong = False  # a gateway that does not believe the manager's signature

    @property
    def is_up(self) -> bool:
        return self.life is not None and not self.life.dead

    @property
    def rows(self) -> Any:
        """What is durable now."""
        assert self.disk is not None
        return self.disk.rows

    # --- life
    def boot(self) -> Life:
        assert not self.is_up
        self.lives += 1
        life = self.life = Life(self, self.lives)
        self.clock.reborn(self.lives)
        if self.disk is None:
            spool = Spool(inline_max=self.world.plan.inline_max)
            life.store = Store(life, role=self.role, serial=self.serial, clock=self.clock, spool=spool)
        else:
            life.store = self.disk.survived(life, self.clock)
        self.disk = life.store
        self.world.network.booted(self.address)
        self.world.note("boot", str(life))
        life.spawn(self._start(life), f"start of {life}")
        return life

    async def _start(self, life: Life) -> None:
        if self.lives == 1:
            await self._enrol(life.store)
        life.services = Services(
            f"{self.name}.example.net",
            life.store,
            life,
            self.clock,
            life.tasks,
            Numbers.starting_at(self.lives * NUMBERS_GAP),
        )
        trust = Trust(Keys(Path(self.name)), life.store.view.peers)
        life.role = self._manager(life, trust) if self.role == "manager" else self._gateway(life, trust)
        await life.role.start()
        self.world.booted(life)

    def _gateway(self, life: Life, trust: Trust) -> Any:
        world = self.world
        engines = Engines((Engine(world, life),) if world.plan.virus else (), Content(world, life))
        parts = gateway_app.Parts(
            settings=plans.gateway_settings(world.plan, self.address),
            cpq=plans.cpq_settings(self.address),
            delivery=plans.delivery_settings(self.address),
            program=plans.program(),
            engines=engines,
            trust=trust,
            smtp_tls=None,
        )
        return gateway_app.Gateway(life.services, parts)

    def _manager(self, life: Life, trust: Trust) -> Any:
        parts = manager_app.Parts(
            settings=plans.manager_settings(self.world.plan, self.world.gateways[1].serial),
            cpq=plans.cpq_settings(self.address),
            trust=trust,
            signing_key=plans.signing_key(),
        )
        return manager_app.Manager(life.services, parts)

    async def _enrol(self, store: Store) -> None:
        for other in self.world.appliances:
            if other is not self and other.role != self.role:
                await store.submit(PutPeer(other.as_peer(), ()))
        if self.role == "manager":
            for made in (*SYSTEM_MADE.values(), *plans.QUARANTINES):
                quarantine = Quarantine(made.name, made.kind, made.retention_s, made.default_action, plans.FREES_SPACE)
                await store.submit(PutQuarantine(quarantine, ()))

    def as_peer(self, *, wrong_key: bool = False) -> Peer:
        return Peer(
            self.serial,
            self.role,
            f"{self.name}.example.net",
            self.address,
            PORT,
            certificate_of(self.name).decode(),
            fingerprint_of(self.name),
            plans.public_key(wrong=wrong_key) if self.role == "manager" else "",
        )

    def crash(self, why: str, *, silent: bool = False) -> None:
        """The process is gone, now. `silent`: the power failed, and nobody is told."""
        life = self.life
        if life is None or life.dead:
            return
        life.dead = True
        self.world.note("crash", f"{life} {why}")
        self.world.injected["crash"] += 1
        self.world.network.crashed(life, self.address, silent=silent)
        # Also the timers that the last turns of the dying code make.
        self.world.loop.call_soon(self._bury, life, 3, context=self.world.context)
        self.world.crashed(self)

    def _bury(self, life: Life, turns: int) -> None:
        self.world.loop.forget_timers(life)
        for task in self.world.tasks_of(life):
            task.cancel()
        if turns:
            self.world.loop.call_soon(self._bury, life, turns - 1, context=self.world.context)

    async def stop(self) -> None:
        """A clean end, as after SIGTERM."""
        life = self.life
        assert life is not None and not life.dead
        life.stopping = True
        await life.role.stop()
        await life.store.close()

    # --- for operators
    def acts(self) -> Any:
        assert self.life is not None
        make: Callable[..., Any] = ManagerActs if self.role == "manager" else GatewayActs
        return make(self.life.role, Counters())
