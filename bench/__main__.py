"""`make bench`: measures, prints a table, writes bench/results.json and one plot a bar. `--quick` is the short form."""

import argparse
import json
from pathlib import Path
from typing import Any

from bench.bars import BARS, bar_of
from bench.client import CLIENTS
from bench.machine import described
from bench.plot import draw

HERE = Path(__file__).parent
RESULTS, PLOTS = HERE / "results.json", HERE / "plots"
ON_BOTH_SIDES = ("P1", "P2", "P3")  # bars that --client changes


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--quick", action="store_true", help="every chosen bar with few messages and two pairs")
    parser.add_argument("--pairs", type=int, default=5, help="rounds on each side")
    parser.add_argument("--bar", default="", help="only bars whose name contains this")
    parser.add_argument("--rows", type=int, default=1_000_000, help="P1: rows of the past in each of our stores")
    parser.add_argument("--edges", type=int, default=0, help="edge processes of our gateway; 0 = one process")
    parser.add_argument("--client", choices=CLIENTS, default="sender", help="smtp-source never pipelines")
    parser.add_argument("--draw", action="store_true", help="judge and draw anew what was measured; measure nothing")
    asked = parser.parse_args()
    asked.pairs, asked.rows = (2, min(asked.rows, 10_000)) if asked.quick else (asked.pairs, asked.rows)
    asked.messages = lambda count: min(count, 2_000) if asked.quick else count
    return asked


def _title(name: str, asked: argparse.Namespace) -> str:
    title = f"{name}, {asked.edges} edges" if asked.edges else name
    slow = asked.client == "smtp-source" and name.split()[0] in ON_BOTH_SIDES
    return f"{title}, no pipelining" if slow else title


def _keep(results: dict[str, Any], title: str, row: dict[str, Any]) -> None:
    results[title] = row
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    draw(PLOTS, title, row)


def _tell(title: str, row: dict[str, Any]) -> None:
    ends = f"NOT MET: {'; '.join(row['missed'])}" if row["missed"] else "met"
    shown = (f"{key} {value}" for key, value in row.items() if isinstance(value, int | float) and key != "met")
    print(f"{title:36} {'  '.join(shown)}   {ends}", flush=True)


def main() -> int:
    asked = _asked()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    good = True
    for title, row in list(results.items()) if asked.draw else ():
        _keep(results, title, bar_of(title).judged(row))
        _tell(title, results[title])
    for name, bar in BARS.items():
        if asked.draw or asked.bar not in name:
            continue
        title = _title(name, asked)
        _keep(results, title, bar.judged(bar.measure(asked)) | {"machine": described()})
        _tell(title, results[title])
        good = good and results[title]["met"]
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
