"""One seed: two gateways, a manager, a destination and senders; mail, faults and people; then quiet, then the count."""

import asyncio
import gc
import hashlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from pratique.delivery.custody import Tombstone
from pratique.fleet import trust
from pratique.gateway import intake
from pratique.gateway.receive import Session
from pratique.net import pump
from pratique.runner.cpq_session import CpqSession
from pratique.runner.delivery_session import DeliverySession
from pratique.telemetry import events as log
from tests.sim import secure, senders
from tests.sim.appliance import Appliance, Life
from tests.sim.destination import Destination
from tests.sim.faults import Faults
from tests.sim.ledger import Ledger
from tests.sim.loop import OWNER, TASK_NUMBERS, VirtualLoop, context_of, run
from tests.sim.net import Network, Taken, bind
from tests.sim.operators import Operators
from tests.sim.plans import DAY, DESTINATION, Plan, limits_of, plan_of

ADDRESSES = {"gw1": "192.0.2.1", "gw2": "192.0.2.2", "sma": "192.0.2.7"}
FATES = (
    ("plain", 4), ("held", 6), ("secret", 2), ("brief", 2), ("two", 3), ("doubled", 1), ("dropped", 1),
    ("bounced", 1), ("marked", 1), ("outbreak", 1), ("virus", 2),
)  # fmt: skip
QUIET_SECONDS_MAX = 8 * DAY


def told(error: BaseException | None) -> str:
    """The exception and the innermost places of it."""
    frames = traceback.extract_tb(error.__traceback__)[-4:] if error is not None else ()
    places = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
    return f"{error!r} at {places}"


@dataclass
class Outcome:
    """What one seed came to. `trace` is the hash of everything that happened, in order."""

    seed: int
    broken: list[str]
    trace: str
    steps: int = 0
    seconds: float = 0.0  # of virtual time
    messages: int = 0
    acts: int = 0
    duplicates: int = 0  # deliveries after the first, each with a name
    injected: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, seed: int, plan: Plan, tell: Callable[[str], Any] | None) -> None:
        self.seed, self.plan, self._tell = seed, plan, tell
        self.random = Random(f"world {seed}")
        self.loop = VirtualLoop()
        self.loop.steps_max = plan.steps_max
        self.context = context_of(None)
        self._hash = hashlib.blake2b(digest_size=12)
        self.injected: Counter[str] = Counter()
        self.fates: Counter[str] = Counter()
        self.duplicates = 0
        self.scanner_fails = 0
        self.errors: list[str] = []
        self._lives: list[Life] = []
        self._own_tasks: set[Any] = set()
        self.ledger = Ledger(self)
        self.faults = Faults(self)
        self.operators = Operators(self)
        self.senders = senders.Senders(self)
        self.destination = Destination(self)
        self.network = self.loop.network = Network(
            self.loop,
            Random(f"network {seed}"),
            effect=lambda owner, what: owner is None or owner.effect(what),
            note=self.note,
            on_connect=self.faults.befall,
            on_zombie=self.faults.zombie,
        )
        self.network.buffer_bytes = plan.buffer_bytes
        self.network.listening[DESTINATION, 25] = self.destination.session, None
        self.manager = Appliance(self, "sma", "manager", ADDRESSES["sma"])
        self.gateways = [Appliance(self, name, "gateway", ADDRESSES[name]) for name in ("gw1", "gw2")]
        self.appliances = [self.manager, *self.gateways]
        self.loop.set_exception_handler(self._exception)

    # --- the trace
    def note(self, what: str, text: str) -> None:
        line = f"{self.loop.time():.4f} {what} {text}"
        self._hash.update(line.encode())
        if self._tell is not None:
            self._tell(line)

    def logged(self, life: Life, event: log.Event) -> None:
        self._hash.update(type(event).__name__.encode())
        if self._tell is not None:
            self._tell(f"{self.loop.time():.4f} log {life} {type(event).__name__} {event.text()}")

    @property
    def trace(self) -> str:
        return self._hash.hexdigest()

    # --- whose code failed
    def _exception(self, loop: Any, found: dict[str, Any]) -> None:
        handle, task = found.get("handle"), found.get("task") or found.get("future")
        life = handle._context.get(OWNER) if handle is not None else getattr(task, "owner", None)
        if life is None or not life.dead:
            self.errors.append(f"{life or 'world'}: {found.get('message')}: {told(found.get('exception'))}")

    def spawn(self, work: Any, name: str, context: Any = None) -> Any:
        task = self.loop.create_task(work, name=name, context=context or self.context.copy())
        self._own_tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: Any) -> None:
        self._own_tasks.discard(task)
        life = task.owner
        if not task.cancelled() and task.exception() is not None and (life is None or not life.dead):
            self.errors.append(f"{task.get_name()}: {told(task.exception())}")

    def tasks_of(self, life: Life) -> list[Any]:
        found = [t for t in asyncio.all_tasks(self.loop) if t.owner is life]
        return sorted(found, key=hash)

    # --- lives
    def booted(self, life: Life) -> None:
        self._lives.append(life)

    def crashed(self, appliance: Appliance) -> None:
        self.faults.crashed(appliance)

    def stopped(self, life: Life) -> None:
        """After a clean end nothing of it may be left."""
        left = [t.get_name() for t in self.tasks_of(life) if not t.get_name().startswith("clean end")]
        if left and not life.dead:
            self.ledger.breaks("leak", f"{life} has ended and left {', '.join(left)}")
        life.dead = True
        self.network.crashed(life, life.host.address, silent=False)
        self.loop.forget_timers(life)

    # --- from the first message to the count
    async def _run(self) -> None:
        plan = self.plan
        for appliance in self.appliances:
            appliance.boot()
        await asyncio.sleep(5.0)
        for appliance in self.appliances:
            self.faults.booted(appliance)
        start = self.loop.time()
        bursts = [self.random.uniform(0.0, plan.span) for _ in range(1 + plan.messages // 8)]
        mails = []
        for number in range(plan.messages):
            at = start + self.random.choice(bursts) + self.random.uniform(0.0, 3.0)
            mails.append((at, senders.draw(self.random, number, FATES)))
        self.senders.plan(mails)
        self.faults.plan(plan.faults, plan.span, plan.weights)
        self.operators.begin()
        await asyncio.sleep(plan.span)
        self.note("heal", "nothing goes wrong from here on")
        self.faults.heal()
        await self._quiet()
        self.faults.is_closed = True
        for appliance in self.appliances:
            life = appliance.life
            assert life is not None
            await self.spawn(appliance.stop(), f"clean end of {life}", context=life.fresh_context())
            await asyncio.sleep(1.0)  # what waited for the store is told
            self.stopped(life)
        self.ledger.close()

    async def _quiet(self) -> None:
        end, pause = self.loop.time() + QUIET_SECONDS_MAX, 10.0
        while why := self.unrest():
            if self.loop.time() > end:
                self.ledger.breaks("I14", f"it does not get quiet: {why}")
                return
            self.operators.tidy()
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 600.0)

    def unrest(self) -> str:
        """What still has to move by itself; "" when nothing has."""
        if self.senders.waiting:
            return f"{self.senders.waiting} messages are not yet taken by a gateway"
        for appliance in self.appliances:
            rows = appliance.rows
            if not appliance.is_up or appliance.life.role is None:
                return f"{appliance.name} is down"
            if rows.due:
                return f"{appliance.name} has deliveries of MID {min(rows.due)}"
            for transfer in rows.transfers.values():
                if transfer.state in ("Q", "X") or (transfer.state == "CANC" and self._may_move(appliance, transfer)):
                    return f"{appliance.name} has {transfer.cid}.{transfer.hop} in {transfer.state}"
            for mid, copy in rows.copies.items():
                if copy.custody in ("RECEIVED", "ACTIVE"):
                    return f"{appliance.name} MID {mid} is {copy.custody}"
            for row in rows.rows.values():
                if row.state in ("FIN", "DEL") and row.seq > rows.peers[row.peer].journal_out:
                    return f"{appliance.name} has journal row {row.seq} for {row.peer}"
        return ""

    def _may_move(self, appliance: Appliance, transfer: Any) -> bool:
        if self.is_cancelled_by_all(transfer):
            return False  # it is on a person's list, who may offer it as hop + 2
        return appliance.rows.copies[transfer.mid].custody in ("REL", "LOC")

    def is_cancelled_by_all(self, transfer: Any) -> bool:
        """A release that no gateway will ever take by this hop."""
        tombs = [g.rows.tombs.get((transfer.cid, transfer.hop)) for g in self.gateways]
        return transfer.hop % 2 == 0 and all(t is not None and t.kind is Tombstone.CANC for t in tombs)

    def run(self) -> Outcome:
        try:
            run(self.loop, self._watched())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this seed's outcome
            self.errors.append(f"the run itself: {told(error)}")
        for life in self._lives:
            self.errors += life.failures
        broken = [*self.ledger.broken, *(f"exception: {e}" for e in self.errors)]
        return Outcome(
            self.seed,
            broken,
            self.trace,
            self.loop.steps,
            self.loop.time(),
            len(self.ledger.attempts),
            self.operators.acts,
            self.duplicates,
            self.injected,
            self.fates,
        )

    async def _watched(self) -> None:
        await self._run()
        await asyncio.sleep(120.0)  # what the clients still have open ends by itself
        left = [t.get_name() for t in sorted(asyncio.all_tasks(self.loop), key=hash) if t is not asyncio.current_task()]
        left = [name for name in left if not name.startswith("sender of")]
        if left:
            self.ledger.breaks("leak", f"left at the end: {', '.join(left)}")


@contextmanager
def _stand_ins() -> Iterator[None]:
    """TLS, and hashes by number: a set of sessions is walked in the same order in each replay."""
    with (
        mock.patch.object(pump, "TlsChannel", secure.Channel),
        mock.patch.object(intake, "bind", bind),
        mock.patch.object(intake, "Acceptor", Taken),
        mock.patch.object(trust, "pinned_context", secure.pinned_context),
        mock.patch.object(DeliverySession, "__hash__", lambda self: self.dcid),
        mock.patch.object(CpqSession, "__hash__", lambda self: self.icid),
        mock.patch.object(Session, "__hash__", lambda self: self.icid),
    ):
        yield


def run_seed(seed: int, *, plan: Plan | None = None, tell: Callable[[str], Any] | None = None) -> Outcome:
    """The same seed and plan give the same outcome, to the last line of the trace."""
    import tests.sim.loop as loop_module

    plan = plan or plan_of(seed)
    loop_module.TASK_NUMBERS = type(TASK_NUMBERS)(1)
    was_on = gc.isenabled()
    gc.disable()  # a destructor must not run at a time that depends on the machine
    try:
        with _stand_ins(), limits_of(plan):
            world = World(seed, plan, tell)
            outcome = world.run()
            world.loop.close()
    finally:
        if was_on:
            gc.enable()
    return outcome


__all__ = ["Outcome", "World", "run_seed"]
