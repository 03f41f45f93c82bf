"""Every durable call of an appliance is the last one, or fails: nothing acknowledged is lost, nothing else is there.

`python -m proof.durable.crashpoints [quick] [--points N] [--real N] [--mutant NAME]`. One JSON line at the end.
Exit: 0 held, 1 violated or not covered, 2 wrong usage, 3 not runnable here (the text says what to install).
"""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from proof.durable import kernel, mutants, points, shim
from proof.durable.points import Bench, Point
from proof.durable.scenarios import SCENARIOS
from proof.durable.shim import Fault, Unavailable
from proof.durable.sites import SITES, SOMETIMES, Site
from proof.durable.workers import spread

POINTS, REAL, SECONDS, WORKERS = 2_000, 50, 1_500.0, 2
QUICK_POINTS, QUICK_REAL, QUICK_SECONDS = 40, 1, 100.0
HUNTED_MAX = 60
REAL_SCENARIOS = (("deliver", "gateway"), ("transfer", "gateway"), ("transfer", "manager"), ("release", "manager"))
BAD = ("lost", "phantom", "doubled", "changed", "other")


def _work(mutant: str) -> Any:
    def make(directory: Path, number: int) -> Any:
        bench = Bench(directory, number, library=shim.make(shim.shared_place()))
        if mutant:
            bench.change(mutants.CRASH[mutant].change)

        def act(task: dict[str, Any]) -> dict[str, Any]:
            if "fault" in task:
                return bench.point(task)
            return bench.count(task)

        return act

    return make


def _count(mutant: str, seconds: float, *, real: bool) -> list[dict[str, Any]]:
    only = mutants.CRASH[mutant].scenario if mutant else ""
    tasks: list[dict[str, Any]] = [
        {"scenario": s.name, "victim": victim}
        for s in SCENARIOS.values()
        for victim in s.victims
        if not only or s.name == only
    ]
    if real:
        tasks += [{"scenario": name, "victim": victim, "real": True} for name, victim in REAL_SCENARIOS]
    return list(spread(tasks, _work(mutant), workers=WORKERS, seconds=seconds))


def _real_points(counted: list[dict[str, Any]], wanted: int) -> list[Point]:
    """Evenly over the calls of each, all faults in turn."""
    runs = [run for run in counted if run["task"].get("real")]
    chosen = []
    for index in range(wanted):
        run = runs[index % len(runs)]
        round_, rounds = index // len(runs), -(-wanted // len(runs))
        number, site = run["calls"][(2 * round_ + 1) * len(run["calls"]) // (2 * rounds)]
        faults = shim.faults_of(shim.Op[site.split(" | ")[1].upper()])
        fault = faults[index % len(faults)]
        task = run["task"]
        chosen.append(Point(task["scenario"], task["victim"], int(number), int(fault), site, real=True))
    return chosen


def coverage(counted: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What the list of sites lacks, and what it has in vain."""
    seen = {Site(*site.split(" | ")) for run in counted if not run["task"].get("real") for _, site in run["calls"]}
    unmet = SITES - seen - SOMETIMES
    return {"not_in_the_list": sorted(map(str, seen - SITES)), "met_by_no_run": sorted(map(str, unmet))}


def _tell(outcome: dict[str, Any]) -> None:
    point = outcome["point"]
    said = {name: outcome["verdict"][name] for name in BAD if outcome["verdict"][name]}
    where = f"{point['scenario']}, call {point['at']} of the {point['victim']}"
    print(f"VIOLATED: {where}, {Fault(point['fault']).name} at {outcome['op']} of {outcome['kind']}: {said}")
    print(f"          counted as {point['site']}{' (pratique run)' if point['real'] else ''}", flush=True)


def hunt(mutant: str, seconds: float) -> dict[str, Any]:
    """Is the mutant caught? Only where it can show, and only until it does."""
    points.warm()
    broken = mutants.CRASH[mutant]
    counted = _count(mutant, seconds, real=False)
    every = [p for p in points.choose(counted, 1_000_000) if p.fault == broken.fault and p.site.endswith(broken.sites)]
    # Again and again: threads fall in otherwise each time, and a point that hit nothing may hit the next time.
    tasks = [asdict(point) for point in islice(cycle(every), HUNTED_MAX)]
    tried = 0
    for outcome in spread(tasks, _work(mutant), workers=WORKERS, seconds=seconds):
        tried += 1
        if any(outcome["verdict"][name] for name in BAD):
            _tell(outcome)
            return {"mutant": mutant, "caught": True, "points": tried, "good": False}
    return {"mutant": mutant, "caught": False, "points": tried, "good": True}


def _tried(chosen: list[Point], seconds: float) -> list[dict[str, Any]]:
    """What came of each, as far as the time goes; what is wrong is told at once."""
    outcomes = []
    for outcome in spread([asdict(point) for point in chosen], _work(""), workers=WORKERS, seconds=seconds):
        outcomes.append(outcome)
        if any(outcome["verdict"][name] for name in BAD):
            _tell(outcome)
    return outcomes


def run(wanted: int, real: int, seconds: float) -> dict[str, Any]:
    """The figures; `good` is the verdict."""
    began = time.monotonic()
    points.warm()
    counted = _count("", seconds, real=real > 0)
    unharmed = [run for run in counted if any(run["verdict"][name] for name in BAD)]
    for one in unharmed:
        print(f"VIOLATED without any fault: {one['task']}: {one['verdict']}")
    chosen = points.choose(counted, wanted) + (_real_points(counted, real) if real else [])
    outcomes = _tried(chosen, seconds - (time.monotonic() - began))
    figures = _figures(counted, outcomes)
    figures["left_out_for_time"] = len(chosen) - len(outcomes)
    if figures["points"] < wanted and not figures["left_out_for_time"]:  # runs differ: some met no call at their point
        further = [point for point in points.choose(counted, 2 * wanted) if point not in chosen]
        outcomes += _tried(further, seconds - (time.monotonic() - began))
        figures = _figures(counted, outcomes) | {"left_out_for_time": 0}
    figures["seconds"] = round(time.monotonic() - began, 1)
    wrong = unharmed or any(figures[name] for name in BAD) or any(coverage(counted).values())
    enough = figures["points"] >= wanted and not figures["left_out_for_time"]
    if not enough:
        print(f"only {figures['points']} of {wanted} points were run in {figures['seconds']} s")
    figures["good"] = bool(enough and not wrong)
    return figures


def _what(outcome: dict[str, Any]) -> tuple[Any, ...]:
    """Two runs that met the same fault at the same call are one point."""
    point = outcome["point"]
    return point["scenario"], point["victim"], outcome["number"], point["fault"]


def _figures(counted: list[dict[str, Any]], outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    calls = [site for run in counted if not run["task"].get("real") for _, site in run["calls"]]
    hits = [o for o in outcomes if o["hit"]]
    return {
        "points": len({_what(o) for o in hits if not o["point"]["real"]}),
        "real_starts": sum(o["point"]["real"] for o in hits),
        "missed": len(outcomes) - len(hits),
        "calls": len(calls),
        "possible_points": sum(len(shim.faults_of(shim.Op[site.split(" | ")[1].upper()])) for site in calls),
        "sites": len(set(calls)),
        "faults": dict(sorted(Counter(Fault(o["point"]["fault"]).name for o in hits).items())),
        "scenarios": dict(sorted(Counter(o["point"]["scenario"] for o in hits).items())),
        **{name: sum(len(o["verdict"][name]) for o in outcomes) for name in BAD},
        "named_duplicates_at_the_border": sum(o["verdict"]["named"] for o in outcomes),
        **coverage(counted),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="crashpoints", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("size", nargs="?", choices=("quick", "full"), default="full")
    parser.add_argument("--points", type=int, default=0, help="how many points; default by size")
    parser.add_argument("--real", type=int, default=-1, help="how many of them as real starts, besides")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long at the most")
    parser.add_argument(
        "--mutant", choices=sorted(mutants.CRASH), default="", help="a product that is broken on purpose"
    )
    given = parser.parse_args(arguments)
    quick = given.size == "quick"
    try:
        shim.preloaded(arguments, "proof.durable.crashpoints")
        observed = kernel.observe() if not given.mutant else {}
    except Unavailable as why:
        print(f"not run: {why}", file=sys.stderr)
        return 3
    seconds = given.seconds or (QUICK_SECONDS if quick else SECONDS)
    if given.mutant:
        figures = hunt(given.mutant, seconds)
    else:
        wanted = given.points or (QUICK_POINTS if quick else POINTS)
        real = given.real if given.real >= 0 else (QUICK_REAL if quick else REAL)
        figures = run(wanted, real, seconds) | observed
        figures["good"] = figures["good"] and not observed["passed_by"]
    print(json.dumps({"crashpoints": figures}))
    return 0 if figures["good"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
