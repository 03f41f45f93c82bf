"""`make overload`: five times too much mail, kill -9 under load, a full disk. One JSON line; exit status 0 when the
gateway refused what it could not take with 4xx, did its work meanwhile, came back in time, and lost nothing.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.e2e.world import World
from tests.overload import parts
from tests.overload.loader import CannotRun, Figures

Trial = Callable[[World], tuple[Figures, list[str]]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make overload")
    parser.add_argument("--seconds", type=float, default=60.0, help="of overload")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--only", choices=("overload", "recovery", "disk"))
    arguments = parser.parse_args()
    trials: dict[str, Trial] = {
        "overload": lambda world: parts.overload(world, seconds=arguments.seconds, calm_seconds=5.0),
        "recovery": lambda world: parts.recovery(world, kills=arguments.kills),
        "disk": parts.full_disk,
    }
    figures: dict[str, object] = {}
    wrong: list[str] = []
    for name, trial in trials.items():
        if arguments.only in (None, name):
            try:
                found, complaints = _one(trial)
            except CannotRun as why:
                print(f"overload cannot run: {why}", file=sys.stderr)
                return 2
            figures[name] = found
            wrong += [f"{name}: {complaint}" for complaint in complaints]
    for line in wrong[:30]:
        print(line, file=sys.stderr)
    print(json.dumps({"overload_and_recovery": "failed" if wrong else "ok", **figures, "wrong": len(wrong)}))
    return 1 if wrong else 0


def _one(trial: Trial) -> tuple[Figures, list[str]]:
    world = World(Path(tempfile.mkdtemp(prefix="pratique-overload-")) / "world")
    try:
        figures, wrong = trial(world)
    except BaseException:
        world.faults_expected = True
        world.close()
        raise
    world.faults_expected = True  # a full disk is one, and it is said in the log
    world.close()
    return figures, wrong


if __name__ == "__main__":
    raise SystemExit(main())
