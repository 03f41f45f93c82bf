"""`make bench`: measures, prints a table, writes bench/results.json and one plot a bar. `--quick` is the short form."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import accept, life, link, p1
from bench.client import CLIENTS, Load
from bench.machine import described
from bench.plot import draw

HERE = Path(__file__).parent
Measure = Callable[[argparse.Namespace], dict[str, Any]]


def _whole_path(load: Load) -> Measure:
    return lambda asked: p1.run(load, asked.pairs, edges=asked.edges, send=CLIENTS[asked.client])


def _accept(asked: argparse.Namespace) -> dict[str, Any]:
    return accept.run(HUNDRED, asked.pairs, edges=asked.edges, send=CLIENTS[asked.client])


TWENTY, HUNDRED = Load(20, 10_240, 6_000, 800), Load(100, 10_240, 8_000, 800)
# bar -> (how it is measured, the figure, its goal, whether less is better)
BARS: dict[str, tuple[Measure, str, float, bool]] = {
    "P1 10 KB, 20 sessions": (_whole_path(TWENTY), "ratio", 8.0, False),
    "P1 10 KB, 100 sessions": (_whole_path(HUNDRED), "ratio", 12.0, False),
    "P1 2 KB, 20 sessions": (_whole_path(Load(20, 2_048, 6_000, 800)), "ratio", 7.0, False),
    "P1 100 KB, 20 sessions": (_whole_path(Load(20, 102_400, 2_000, 400)), "ratio", 4.5, False),
    "P2 processor time, 10 KB": (_whole_path(TWENTY), "cpu_ratio", 8.0, False),
    "P3 durable accept": (_accept, "ratio", 10.0, False),
    "P4 hand-off": (lambda asked: link.hand_over(asked.messages(10_000), 10_240), "ratio", 0.5, False),
    "P5 release": (
        lambda asked: link.release(asked.messages(50_000), asked.messages(4_000), 10_240),
        "ratio",
        20,
        False,
    ),
    "P7 idle sessions, MiB": (lambda asked: life.idle(5_000, edges=asked.edges), "ours", 64.0, True),
    "P9 durable calls a message": (lambda asked: life.writes(2_000, HUNDRED), "ours", 0.25, True),
    "P10 restart, seconds": (lambda asked: life.restart(asked.messages(100_000)), "ours", 1.0, True),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="every chosen bar with few messages and two pairs")
    parser.add_argument("--pairs", type=int, default=5, help="rounds on each side")
    parser.add_argument("--bar", default="", help="only bars whose name contains this")
    parser.add_argument("--edges", type=int, default=0, help="edge processes of our gateway; 0 = one process")
    parser.add_argument("--client", choices=CLIENTS, default="sender", help="smtp-source never pipelines")
    asked = parser.parse_args()
    asked.pairs = 2 if asked.quick else asked.pairs
    asked.messages = lambda count: min(count, 2_000) if asked.quick else count
    path = HERE / "results.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    good = True
    for name, (measure, figure, goal, less) in BARS.items():
        if asked.bar not in name:
            continue
        title = f"{name}, {asked.edges} edges" if asked.edges else name
        title += ", no pipelining" if asked.client == "smtp-source" and name.split()[0] in ("P1", "P2", "P3") else ""
        found = measure(asked)
        met = found[figure] <= goal if less else found[figure] >= goal
        results[title] = found | {"goal": goal, "met": met, "machine": described()}
        good = good and met
        told = "  ".join(f"{key} {value}" for key, value in found.items() if not isinstance(value, list | dict))
        print(f"{title:36} {figure} {found[figure]} (goal {goal:g}) {'met' if met else 'NOT MET'}   {told}", flush=True)
        path.write_text(json.dumps(results, indent=2) + "\n")
        draw(HERE / "plots", title, results[title])
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
