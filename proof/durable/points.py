"""One point: a scenario, in which one durable call of one appliance meets one fault; and which points are run."""

import os
import random
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from proof.durable import census, pace, shim
from proof.durable.ledger import Promise, Verdict, judge
from proof.durable.recording import both
from proof.durable.scenarios import SCENARIOS, begin, prepare
from proof.durable.shim import Fault, Op, faults_of
from proof.durable.sites import Site, here, kind_of, site_of
from proof.durable.world import Stuck, World, build

SEED = 20
MISSES = 1.25  # points are run in another order of threads than they were counted in: some meet no such call


@dataclass(frozen=True, slots=True)
class Point:
    scenario: str
    victim: str
    at: int
    fault: int
    site: str = ""  # as it was counted
    real: bool = False  # a process of its own: `pratique run`


@dataclass(slots=True)
class Outcome:
    point: dict[str, Any]
    hit: bool
    op: str  # what was met
    kind: str
    number: int  # of the call that met the fault
    calls: int  # of the victim, in all its lives
    verdict: dict[str, Any]
    seconds: float

    @property
    def good(self) -> bool:
        return not any(self.verdict[name] for name in ("lost", "phantom", "doubled", "changed", "other"))


class Bench:
    """A world, and what is promised in its saved states."""

    def __init__(self, directory: Path, number: int, *, library: Path | None = None) -> None:
        self.world: World = build(directory, 1 + 60 * number)
        self.promised: dict[str, list[Promise]] = prepare(self.world)
        self._library = library
        self._mutate: Any = None

    def change(self, mutate: Any) -> None:
        """A mutant's change is made in every process of the product."""
        self._mutate = mutate

    def _begin(self, name: str) -> None:
        begin(self.world, SCENARIOS[name], self.promised)
        for place in self.world.running:
            if self._mutate is not None:
                place.plan.change = both(place.plan.change, self._mutate)

    def _live(self, name: str) -> Verdict:
        """Run it to its end and judge it."""
        world = self.world
        wrong: list[str] = []
        try:
            world.start()
            SCENARIOS[name].run(world)
            wrong += world.stop()
        except (Stuck, TimeoutError) as stuck:
            world.kill()
            return Verdict(other=[f"stuck: {stuck}"])
        found, more = census.take(world)
        verdict = judge(world.promises, found)
        verdict.other += wrong + more
        return verdict

    def point(self, task: dict[str, Any]) -> dict[str, Any]:
        point, began = Point(**task), time.monotonic()
        self._begin(point.scenario)
        victim = next(p for p in self.world.running if p.role == point.victim)
        victim.plan.at, victim.plan.fault = point.at, Fault(point.fault)
        if point.real:
            victim.plan.library, victim.plan.from_start = self._library, True
        verdict = self._live(point.scenario)
        log = list(shim.read_log(victim.log, victim.directory)) if victim.log.exists() else []
        met = next((e for e in log if e.fault), None)
        if met is not None and met.op is Op.UNLINK:  # a file that could not be removed stays until the next start
            verdict.other = [text for text in verdict.other if not text.endswith(census.KEPT)]
        outcome = Outcome(
            point=task,
            hit=met is not None,
            op=met.op.name.lower() if met else "",
            kind=kind_of(met.path) if met else "",
            number=met.number if met else 0,
            calls=sum(e.op is not Op.SYNCED for e in log),
            verdict=verdict.to_json(),
            seconds=round(time.monotonic() - began, 2),
        )
        return asdict(outcome)

    def count(self, task: dict[str, Any]) -> dict[str, Any]:
        """The scenario unharmed: each call of the victim, with its site."""
        name, role = task["scenario"], task["victim"]
        self._begin(name)
        victim = next(p for p in self.world.running if p.role == role)
        heard = self.world.base / "heard"
        heard.unlink(missing_ok=True)
        if task.get("real"):
            victim.plan.library, victim.plan.from_start = self._library, True
        else:
            victim.plan.hear = listener(heard, victim.directory)
        verdict = self._live(name)
        if task.get("real"):
            calls = [[str(e.number), str(Site("", e.op.name.lower(), kind_of(e.path)))] for e in _calls(victim)]
        else:
            calls = [list(line.split("\t")) for line in heard.read_text().splitlines()]
        return {"task": task, "calls": calls, "verdict": verdict.to_json(), "logged": len(_calls(victim))}


def _calls(victim: Any) -> list[shim.Entry]:
    return [e for e in shim.read_log(victim.log, victim.directory) if e.op is not Op.SYNCED]


def listener(file: Path, directory: Path) -> Any:
    """Writes down the number and the site of each call, in the process that makes it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    base = f"{directory}{os.sep}"

    def hear(number: int, op: Op, path: str) -> None:
        below = "" if path == str(directory) else path.removeprefix(base)
        os.write(descriptor, f"{number}\t{site_of(here(), op, below)}\n".encode())

    return hear


def warm() -> None:
    """What a forked process needs is loaded and hurried; called once, before the first fork."""
    import gc

    pace.hurry()
    gc.collect()
    gc.freeze()


def choose(counted: list[dict[str, Any]], wanted: int) -> list[Point]:
    """Every fault of every site of every scenario at least once, then evenly among all others."""
    every: dict[tuple[str, str, str, int], list[Point]] = defaultdict(list)
    for run in counted:
        task = run["task"]
        for number, site in run["calls"] if not task.get("real") else ():
            op = Op[site.split(" | ")[1].upper()]
            for fault in faults_of(op):
                point = Point(task["scenario"], task["victim"], int(number), int(fault), site)
                every[task["scenario"], task["victim"], site, int(fault)].append(point)
    chance = random.Random(SEED)
    first, rest = [], []
    for group in every.values():
        chance.shuffle(group)
        first.append(group[0])
        rest += group[1:]
    chance.shuffle(first)
    chance.shuffle(rest)
    chosen = (first + rest)[: int(wanted * MISSES)]
    chance.shuffle(chosen)
    return chosen
