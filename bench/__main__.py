"""`make bench`: measures, prints a table, writes bench/results.json. `--quick` is the short form for CI."""

import argparse
import json
import os
import platform
from pathlib import Path

from bench import p1

RESULTS = Path(__file__).parent / "results.json"
BARS = {
    "P1 10 KB, 20 sessions": (p1.Load(20, 10_240, 6_000, 800), 8.0),
    "P1 10 KB, 100 sessions": (p1.Load(100, 10_240, 8_000, 800), 8.0),
    "P1 2 KB, 20 sessions": (p1.Load(20, 2_048, 6_000, 800), 5.0),
    "P1 100 KB, 20 sessions": (p1.Load(20, 102_400, 2_000, 400), 3.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="only the first bar, with fewer messages")
    parser.add_argument("--pairs", type=int, default=5, help="rounds on each side")
    parser.add_argument("--bar", default="", help="only bars whose name contains this")
    arguments = parser.parse_args()
    results: dict[str, object] = {}
    good = True
    for name, (load, goal) in BARS.items():
        if arguments.bar not in name or (arguments.quick and results):
            continue
        pairs = 2 if arguments.quick else arguments.pairs
        figures = p1.run(load, pairs)
        figures |= {"goal": goal, "met": float(str(figures["ratio"])) >= goal}
        good = good and bool(figures["met"])
        results[name] = figures
        print(
            f"{name:24} ours {figures['ours']:>6} msg/s   Postfix pair {figures['peer']:>5} msg/s   "
            f"ratio {figures['ratio']:>6} (goal {goal})   CPU {figures['cpu_ms']} ms/msg   "
            f"{'met' if figures['met'] else 'NOT MET'}",
            flush=True,
        )
    durable = p1.flushes(1_000, BARS["P1 10 KB, 20 sessions"][0])
    print(f"durable calls (strace, 20 sessions): {durable['calls']} for {durable['messages']} messages")
    results["durable calls"] = durable
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    RESULTS.write_text(json.dumps({"machine": machine, "bars": results}, indent=2) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
