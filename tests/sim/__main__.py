"""`python -m tests.sim --seeds N`: simulate so many whole systems; exit status 1 when one breaks a promise.

One line of JSON tells the figures. `--seed N` replays one, with everything that happens in it. See docs/simulation.md.
"""

import argparse
import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from typing import Any

from tests.sim.world import Outcome, run_seed

BROKEN_MAX = 5  # lines of one seed that are shown


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _one(seed: int) -> tuple[Outcome, bool]:
    """The outcome, and whether a failing seed gave the same trace again."""
    outcome = run_seed(seed)
    again = not outcome.broken or run_seed(seed).trace == outcome.trace
    gc.collect()
    return outcome, again


def shown(outcome: Outcome) -> list[str]:
    """What a person reads of a seed that broke a promise; nothing of others."""
    if not outcome.broken:
        return []
    head = f"seed {outcome.seed}: {len(outcome.broken)} promises broken; `make sim SEED={outcome.seed}`"
    return [head, *(f"    {line[:400]}" for line in outcome.broken[:BROKEN_MAX])]


def replay(seed: int) -> int:
    outcome = run_seed(seed, tell=_say)
    for line in outcome.broken:
        _say(f"BROKEN {line}")
    _say(f"seed {seed}: {'broken' if outcome.broken else 'all promises kept'}, trace {outcome.trace}")
    return 1 if outcome.broken else 0


def many(first: int, count: int, processes: int) -> int:
    began = time.monotonic()
    figures: dict[str, Any] = {"seeds": 0, "failed": 0, "not_replayed": 0, "steps": 0, "messages": 0, "acts": 0}
    injected: Counter[str] = Counter()
    fates: Counter[str] = Counter()
    virtual, duplicates = 0.0, 0
    gc.freeze()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for outcome, again in pool.imap_unordered(_one, range(first, first + count), chunksize=4):
            figures["seeds"] += 1
            figures["failed"] += bool(outcome.broken)
            figures["not_replayed"] += not again
            for name in ("steps", "messages", "acts"):
                figures[name] += getattr(outcome, name)
            virtual += outcome.seconds
            duplicates += outcome.duplicates
            injected.update(outcome.injected)
            fates.update(outcome.fates)
            for line in shown(outcome):
                _say(line)
            if not again:
                _say(f"seed {outcome.seed} did not replay: the simulation itself depends on something")
    figures |= {
        "virtual_hours": round(virtual / 3600),
        "named_duplicates": duplicates,
        "fates": dict(sorted(fates.items())),
        "injected": dict(sorted(injected.items())),
        "seconds": round(time.monotonic() - began, 1),
    }
    _say(json.dumps(figures))
    return 1 if figures["failed"] or figures["not_replayed"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Simulate whole systems, by seed.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one and show its trace")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return replay(arguments.seed)
    return many(arguments.first, arguments.seeds, arguments.processes)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets of texts are walked in the same order in every replay
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]])
    sys.exit(main())
