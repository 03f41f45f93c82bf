"""Explicit-state model of custody: the scenarios in which the design must hold, the mutants that must be caught.

    python -m proof.model quick [-v]            the short scenarios and every mutant (part of `make test`)
    python -m proof.model all [-v]              the long ones as well (`make model`)
    python -m proof.model design [NAME] [-v]    one scenario
    python -m proof.model mutant [NAME] [-v]    one mutant, with its trace

-v prints the trace of every mutant. Exit status: 0 every design holds and every mutant is caught, 1 not so, 2 wrong
usage. The last line is JSON: figures of every run. What the model cannot see is said in docs/custody.md.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from proof.mutants import MUTANTS, SMALL
from proof.rules import Rules
from proof.search import Found, search

# With the small runs of the mutants among them: a mutant is caught only where the design itself holds.
QUICK: dict[str, Rules] = {
    "crashes": Rules(crashes=2),
    "override": Rules(crashes=0, override=True),
    "reoffer": SMALL["reoffer"],
    "prune": SMALL["prune"],
    "strange-peer": SMALL["strange-peer"],
    "strange-seal": SMALL["strange-seal"],
    "restore": SMALL["restore"],
    "rollback": SMALL["rollback"],
    "both": SMALL["both"],
}
LONG: dict[str, Rules] = {
    "more-crashes": Rules(crashes=3, override=True),
    "reoffer-override": Rules(crashes=1, reoffer=True, override=True),
    "manager-restore": Rules(crashes=1, restores=1),
    "gateway-rollback": Rules(crashes=1, rollbacks=1, fallback_unsent=False),
    "both-rolled-back": Rules(crashes=0, restores=1, rollbacks=1, fallback_unsent=False),
    "reoffer-restore": Rules(crashes=0, restores=1, reoffer=True),
    "reoffer-rollback": Rules(crashes=0, rollbacks=1, reoffer=True, fallback_unsent=False),
    "restored-twice": Rules(crashes=0, restores=2),
    "two-backups": SMALL["two-backups"],
}
DESIGNS = QUICK | LONG


def _show(found: Found) -> None:
    for number, label in enumerate(found.trace, 1):
        print(f"    {number:3} {label}")


def _figures(found: Found) -> dict[str, Any]:
    figures = asdict(found) | {"steps": len(found.trace), "seconds": round(found.seconds, 2)}
    del figures["trace"]
    return figures


def run_design(name: str) -> Found:
    found = search(DESIGNS[name])
    outcome = found.error or "HOLDS"
    print(f"design  {name:34} {outcome:40} states={found.states:>8} {found.seconds:6.1f} s", flush=True)
    _show(found)
    return found


def run_mutant(name: str, *, verbose: bool = False) -> Found:
    mutant = MUTANTS[name]
    found = search(mutant.rules)
    outcome = f"caught: {found.error}" if found.error else "NOT CAUGHT"
    steps = len(found.trace)
    print(f"mutant  {name:34} {outcome} (states={found.states}, steps={steps}, {found.seconds:.1f} s)", flush=True)
    if verbose:
        print(f"    {mutant.says}")
        _show(found)
    return found


def run(designs: list[str], mutants: list[str], *, verbose: bool = False) -> bool:
    held = {name: run_design(name) for name in designs}
    caught = {name: run_mutant(name, verbose=verbose) for name in mutants}
    good = not any(found.error for found in held.values()) and all(found.error for found in caught.values())
    runs = [*held.values(), *caught.values()]
    figures = {
        "good": good,
        "designs": {name: _figures(found) for name, found in held.items()},
        "mutants": len(caught),
        "caught": sum(bool(found.error) for found in caught.values()),
        "states": sum(found.states for found in runs),
        "seconds": round(sum(found.seconds for found in runs), 1),
    }
    print(json.dumps(figures))
    return good


def _chosen(word: str, names: list[str]) -> tuple[list[str], list[str]] | None:
    """(designs, mutants) that the command line asks for, None when it makes no sense."""
    match word, names:
        case "quick", []:
            return list(QUICK), list(MUTANTS)
        case "all", []:
            return list(DESIGNS), list(MUTANTS)
        case "design", _ if all(name in DESIGNS for name in names):
            return names or list(DESIGNS), []
        case "mutant", _ if all(name in MUTANTS for name in names):
            return [], names or list(MUTANTS)
    return None


def main(arguments: list[str]) -> int:
    words = [word for word in arguments if word != "-v"] or ["all"]
    chosen = _chosen(words[0], words[1:])
    if chosen is None:
        print(__doc__, file=sys.stderr)
        print("designs:", *DESIGNS, file=sys.stderr)
        print("mutants:", *MUTANTS, file=sys.stderr)
        return 2
    verbose = "-v" in arguments or (words[0] == "mutant" and len(words) > 1)
    return 0 if run(*chosen, verbose=verbose) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
